"""The scenario that a measured result answers: its setup where it says one, else what is given.

    tgN of llama-bench          an empty cache that grows to N tokens: no prompt
    ppN                         a prompt alone

What is given wins over what the result says, and the difference is said. Not here: the load and
the lengths (workload_of_result.py), the weights (weights_of_result.py), grading (grade.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vperf.checks.card_named import card_named
from vperf.checks.result import Result, Setup
from vperf.checks.unsaid_setup import MissingSetupError, Notes, all_unsaid, compare, noted, plain
from vperf.checks.weights_of_result import choose_drafts, choose_weights
from vperf.checks.workload_of_result import LOAD, as_users, lengths_of, load_of, run_of
from vperf.errors import HubError, InputError, VperfError
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.notes import Note, notes_of
from vperf.resolve import Resolver
from vperf.resolve.card import gpu_named
from vperf.resolve.engine import engine_named, keeps_experts, places_layers
from vperf.scenario import CARD, ELSEWHERE, LAYER_OPTIONS, ModelLike, Scenario
from vperf.sources.gpus import BESIDE, several
from vperf.sources.hosts import load_host
from vperf.sources.model_named import find_model
from vperf.spelling import flag
from vperf.values import dataclass

_SETUP = ("engine", "tp", "pp", "ep", "dp", "pcp", "dcp", "quantization", "kv_cache_dtype",
          "prefix_cache_hit", "n_gpu_layers", "n_cpu_moe", "cpu_moe", "override_tensor",
          "cpu_offload_gb", "tensor_split")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResultScenario:
    """A scenario, and what has to be said about how it came about."""

    scenario: Scenario
    warnings: tuple[Note, ...]
    notes: tuple[Note, ...]
    doubts: tuple[str, ...] = ()
    """Why a figure above the limit proves nothing: what ran is not known well enough."""
    doubts_above: tuple[str, ...] = ()
    """The same of what is said as an assumption anyway: worth a warning only where one is above."""


def scenario_of(
    result: Result,
    *,
    gpu: str | Gpu | None,
    model: ModelLike | None,
    options: Mapping[str, Any],
    resolver: Resolver,
) -> ResultScenario:
    """The scenario of one result, its model and its card found. `options` are fields of Scenario
    that were given.

    Raises InputError where neither says the model or the GPU.
    """
    _check_read_here(options)
    result, gpu = _counted(result, gpu)
    setup = result.setup
    warnings: Notes = [*notes_of("said", result.warnings)]
    doubts: list[str] = []
    notes = [*notes_of("tool", result.notes)]
    asked = _asked(setup, options, warnings)
    unsaid: list[MissingSetupError] = []
    assumed: tuple[str, ...] = ()
    with noted(unsaid):
        load_of(result, asked, warnings, notes)
    with noted(unsaid):
        assumed = lengths_of(result, asked, warnings, notes)
    unlike = gpu is None and "gpu_file" not in options and setup.unlike_gpus
    _split(asked, setup, warnings, notes, unlike=bool(unlike))
    with noted(unsaid):
        own = {name: options[name] for name in CARD if name in options}
        card = _gpu(result, gpu, own, warnings, resolver)
    with noted(unsaid):
        _require_model(result, model)
    if unsaid:
        raise all_unsaid(result, unsaid)
    found = _model(result, model, options.get("revision"), warnings, notes, resolver)
    if "quantization" not in options:
        choose_weights(found, result, asked, warnings, notes, doubts)
    found = resolver.config(found.id) if found.spelled is not None else found
    if (setup.acceptance_length or 1.0) > 1.0:
        choose_drafts(found, setup, asked, warnings, notes, doubts)
        if "speculative" not in asked:
            as_users(result, asked, warnings)
    _host(setup, asked, card, doubts)
    if result.output_tokens_per_s is not None and not asked.keys() & {*LOAD, "sessions", "trace"}:
        doubts.append("how many sequences ran at a time is not said: one is taken")
    if doubts:
        warnings += [Note("doubt", text=text) for text in doubts]
    if not asked.keys() & {"max_concurrency", "request_rate"} and "prefix_cache_hit" not in options:
        asked.pop("prefix_cache_hit", None)
    if asked.keys() & {"max_concurrency", "request_rate"}:
        # The server's own caps; what is given wins.
        caps = {"max_num_seqs": setup.max_batch, "max_num_batched_tokens": setup.max_batched_tokens}
        asked = {
            **{name: cap for name, cap in caps.items() if cap},
            **run_of(result, asked),
            **asked,
        }
    scenario = Scenario(found, card, **asked)
    return ResultScenario(scenario, tuple(warnings), tuple(notes), tuple(doubts), assumed)


def _asked(setup: Setup, options: Mapping[str, Any], warnings: Notes) -> dict[str, Any]:
    """What is given, and what the result says where nothing is."""
    asked = {name: value for name, value in options.items() if name not in CARD}
    for name in _SETUP:
        said = getattr(setup, name)
        if name in asked:
            compare(name, asked[name], said, warnings)
        elif said is not None:
            asked[name] = said
    return asked


def _counted(result: Result, gpu: str | Gpu | None) -> tuple[Result, str | Gpu | None]:
    """The result with the count at a card's name ("2x3090", "H20 TP2") as its GPUs, and the card
    that is given."""
    setup = result.setup
    if setup.gpu is not None:
        count, said = several(setup.gpu)
        setup = replace(setup, gpu=said, gpus=setup.gpus or (count if count > 1 else None))
    if isinstance(gpu, str) and BESIDE not in gpu:
        count, gpu = several(gpu)
        if count > 1:
            setup = replace(setup, gpus=count, unlike_gpus=())
    return replace(result, setup=setup), gpu


def _gpus(count: int | None, asked: dict[str, Any], warnings: Notes, notes: Notes) -> None:
    if not count:
        return
    ways = [asked.get(name) for name in ("tp", "pp", "dp", "pcp")]
    if any(ways):
        product = math.prod(way or 1 for way in ways)
        if product != count:
            warnings.append(Note("gpu_count", ways=product, gpus=count))
    elif count > 1 and places_layers(asked):
        asked["pp"] = count
    elif count > 1:
        asked["tp"] = count
        notes.append(Note("as_tensor_parallel", gpus=count))


def _gpu(
    result: Result,
    given: str | Gpu | None,
    own: Mapping[str, Any],
    warnings: Notes,
    resolver: Resolver,
) -> Gpu:
    """The card that is given, by name or file, or the one the result names; as `own` changes it."""
    said = result.setup.gpu
    if given is None and own.get("gpu_file") is None:
        if unlike := result.setup.unlike_gpus:
            if result.setup.tp:
                raise InputError(
                    f"the result was measured on unlike cards ({', '.join(unlike)}) that share each"
                    " layer, which vperf does not model together",
                    hint=f"give {flag('gpu')}, with {flag('tp')} 1, for the one that most of the "
                    "model is on",
                )
            ids = [gpu_named(card_named(name)).id for name in unlike]
            return resolver.gpu(Scenario("", BESIDE.join(ids), **own))
        if said is None:
            raise MissingSetupError(
                f"{flag('gpu')} is missing: the result does not say on which card it was measured",
                "the card",
                flag("gpu"),
                hint=f"'vperf gpus' lists them; or {flag('gpu_file')}",
            )
        return resolver.gpu(Scenario("", card_named(said), **own))
    card = resolver.gpu(Scenario("", given, **own))
    if said is not None:
        try:
            same = gpu_named(card_named(said)).id == card.id
        except VperfError:
            same = plain(said) in plain(card.name)
        if not same:
            warnings.append(Note("option_wins", option=flag("gpu"), given=card.id, said=said))
    return card


def _split(
    asked: dict[str, Any], setup: Setup, warnings: Notes, notes: Notes, *, unlike: bool
) -> None:
    if unlike:  # by layers over all of them
        asked.pop("pp", None)
    else:
        _gpus(setup.gpus, asked, warnings, notes)


def _check_read_here(options: Mapping[str, Any]) -> None:
    for name in ELSEWHERE:
        if options.get(name) is not None:
            raise InputError("is not understood of a result", field=name.replace("_", "-"))


def _host(setup: Setup, asked: dict[str, Any], card: Gpu, doubts: list[str]) -> None:
    """The host of a run that left layers or experts to it, and how it read its prompt."""
    given = any(asked.get(name) not in (None, False, ()) for name in LAYER_OPTIONS)
    if not given and (engine := asked.get("engine")) and keeps_experts(engine_named(engine)):
        asked["cpu_moe"] = True
    if not any(asked.get(name) not in (None, False, ()) for name in LAYER_OPTIONS):
        return
    if setup.max_batched_tokens:
        asked.setdefault("max_num_batched_tokens", setup.max_batched_tokens)
    if "host" in asked or "host_memory" in asked or (card.beside and "n_cpu_moe" not in asked):
        return
    if setup.cpu is not None:
        try:
            asked["host"] = load_host(setup.cpu).id
        except VperfError:
            doubts.append(f"the host's CPU, {setup.cpu[:60]}, is not in the catalogue")
            return
    doubts.append(f"the host's memory is not named: {flag('host_memory')} says what it has")


def _require_model(result: Result, given: ModelLike | None) -> None:
    if given is None and result.setup.model is None:
        raise MissingSetupError(
            f"{flag('model')} is missing: the result does not name its model",
            "the model",
            flag("model"),
            hint="'vperf models' lists those that are bundled",
        )


def _model(  # noqa: PLR0917  (what is given, and what is said of it)
    result: Result,
    given: ModelLike | None,
    revision: str | None,
    warnings: Notes,
    notes: Notes,
    resolver: Resolver,
) -> ModelConfig:
    """The model that is given, or the one the result names where that can be found."""
    said = result.setup.model
    if given is not None:
        if said is not None and isinstance(given, str | Path) and not _alike(str(given), said):
            warnings.append(Note("option_wins", option=flag("model"), given=given, said=said))
        found = resolver.config(given, revision)
        if found.spelled is not None:
            notes.append(Note("typed_model", typed=given, model=found.id))
        return found
    assert said is not None  # see _require_model
    error: VperfError | None = None
    try:
        found = resolver.config(said, revision)
    except VperfError as refused:
        error = refused
    else:
        if found.spelled is None:
            return found
    bundled = find_model(said, result.setup.params)
    if bundled is None:
        kind = HubError if isinstance(error, HubError) else InputError
        why = error.message if error else f"unknown model {said[:100]!r}"
        raise kind(
            f"the result's model cannot be found ({why})",
            hint=f"give {flag('model')}: a Hub id, a bundled name or a path",
        )
    notes.append(Note("bundled_model", said=said, model=bundled))
    return resolver.config(bundled)


def _alike(given: str, said: str) -> bool:
    """Whether two spellings may mean one model: names of files and tools hold more words."""

    def name(text: str) -> str:
        last = text.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
        return plain(last.removesuffix(".json").removesuffix(".gguf"))

    one, other = name(given), name(said)
    return one in other or other in one or given in ("-",)
