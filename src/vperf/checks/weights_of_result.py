"""In which format the weights of a measured result were, and what drafted for them.

What the tool says wins over what a name says, that over the checkpoint; the size that was loaded
decides in doubt. Not here: which model it was (scenario_of_result.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vperf.checks.result import Result, Setup
from vperf.checks.unsaid_setup import Notes, plain
from vperf.errors import VperfError
from vperf.formats import FLOATS, MIXES, MLX
from vperf.model.config import ModelConfig, Spelled
from vperf.notes import Note
from vperf.resolve.engine import engine_named, reads_gguf
from vperf.resolve.model import bits_of, built
from vperf.serving.speculative import MAX_DRAFT_TOKENS, acceptance_of
from vperf.sources.weight_names import spellings, weight_name

_CONVERTS = ("llama.cpp", "mlx")
"""Engines that run files made from a checkpoint, most often in fewer bits."""


_SAME_SIZE = 0.03
"""How far loaded weights may be off a format's: what embeddings and heads are kept in."""


def choose_weights(  # noqa: PLR0917  (what is said, and what is said of it)
    model: ModelConfig,
    result: Result,
    asked: dict[str, Any],
    warnings: Notes,
    notes: Notes,
    doubts: list[str],
) -> None:
    """The weights that ran: what the tool says, what the name says, or the checkpoint's own.

    Tools name kernels ("awq_marlin") as much as formats: over a quantized checkpoint, a format of
    as many bits is the checkpoint's own. Of files that llama.cpp and MLX made, their own names win.
    """
    setup, typed = result.setup, model.spelled
    own = built(model, None, None).quantization
    spelling = setup.model
    if typed and (spelling is None or (typed.quantization and not typed.usual)):
        spelling = typed.typed
    named = weight_name(_format_spelling(spelling)) if spelling else None
    said = asked.pop("quantization", None) or (named.quantization if named else None)
    taken = own
    if said is not None and plain(str(said)) != plain(own):
        converted = said in MIXES or said in MLX
        if own in FLOATS or converted or bits_of(said) != bits_of(own):
            taken = said
        else:
            notes.append(Note("own_weights", quantization=own, said=said))
    if named is not None and not named.sure and taken == named.quantization:
        doubts.append(f"the name {spelling} says no exact format: {taken} is the nearest")
    elif named is not None and not named.sure and said is None:
        doubts.append(f"the format of {spelling} has no name here: {own} is taken")
    if said is None and own in FLOATS and not setup.weight_bytes:
        usual = setup.usual_quantization or _usual(typed, setup)
        if usual is not None:
            taken = usual
            doubts.append(
                f"{result.tool} does not say the weights' format: {taken} is the usual one"
            )
        elif setup.engine in _CONVERTS:
            doubts.append(f"{result.tool} does not say the weights' format: {own} is taken")
    if setup.weight_bytes:
        usual = engine_named(setup.engine).converts.get(own) if setup.engine else None
        files = (usual, "mxfp4_f16") if usual else ()
        taken = _of_size(model, setup.weight_bytes, taken, own, files)
    if taken != own:
        asked["quantization"] = taken
        if own not in FLOATS:
            warnings.append(Note("said_weights", said=taken, own=own))


def _usual(typed: Spelled | None, setup: Setup) -> str | None:
    """The format that those who type such a name run, where the result's engine reads it."""
    if typed is None or not typed.usual:
        return None
    runs = setup.engine is None or reads_gguf(engine_named(setup.engine))
    return typed.quantization if runs else None


def choose_drafts(  # noqa: PLR0917  (what is said, and what is said of it)
    model: ModelConfig,
    setup: Setup,
    asked: dict[str, Any],
    warnings: Notes,
    notes: Notes,
    doubts: list[str],
) -> None:
    """Speculation as the file states it: by what is given, or the model's own modules; where
    neither is, what drafts takes no time, which is a bound."""
    length = setup.acceptance_length or 1.0
    drafts = asked.get("draft_tokens") or max(setup.draft_tokens or 1, math.ceil(length - 1))
    if "speculative" in asked:
        if not asked.keys() & {"acceptance", "acceptance_length"}:
            asked |= {"draft_tokens": drafts, "acceptance_length": round(length, 6)}
        return
    if drafts > MAX_DRAFT_TOKENS:
        warnings.append(Note("drafting_run", tokens_per_step=length))
        doubts.append(f"speculation of {length:.2f} tokens a step is not in the limit")
        return
    found = built(model, None, None)
    own = bool(found.mtp_layers) and found.mtp_module is not None
    asked |= {
        "speculative": "mtp" if own else "ngram",
        "draft_tokens": drafts,
        "acceptance": round(acceptance_of(length, drafts), 4),
    }
    kind = "drafted" if own else "drafted_somehow"
    notes.append(Note(kind, tokens_per_step=length, drafts=drafts))


def _format_spelling(said: str) -> str:
    """The part of a path that says the format; the name of the file where none does."""
    names = [name for name in spellings(said) if weight_name(name).quantization]
    return min(names, key=len) if names else said


def _of_size(model: ModelConfig, loaded: float, taken: str, own: str, files: Sequence[str]) -> str:
    """The format of those named whose weights are as large as what was loaded; `files`: those that
    files of an engine's own may have instead of the checkpoint's."""

    def off(name: str) -> float:
        try:
            found = built(model, None if name == own else name, None)
        except VperfError:
            return math.inf
        return abs(found.weight_bytes / loaded - 1)

    if off(taken) <= _SAME_SIZE:
        return taken
    return min((taken, *(files or (own,))), key=off)
