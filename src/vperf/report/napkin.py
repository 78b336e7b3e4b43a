"""What is said of a napkin: the sum with its numbers, whether the weights fit, when it fails.

Not here: the arithmetic (vperf.napkin).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from vperf.napkin import FAILS as FAILS_FOR
from vperf.napkin import IGNORES, Napkin
from vperf.report.document import (
    FAILS,
    Block,
    Bullets,
    Headline,
    Prose,
    Shell,
    Span,
    Sum,
)
from vperf.report.format import clean, gib, per_second, size, whole
from vperf.report.forms import Report
from vperf.report.names import short_model
from vperf.report.notes import note_blocks
from vperf.units import format_bandwidth, format_count


def report(answer: Napkin) -> Report:
    """The answer in every form."""
    return Report(lambda: document(answer), answer.to_dict, lambda: _row(answer))


def document(answer: Napkin) -> Iterator[Block]:
    """The screen of `vperf napkin`."""
    bandwidth, total = format_bandwidth(answer.memory_bandwidth), size(answer.weight_bytes)
    speed = f"{per_second(answer.tokens_per_s)} tok/s"
    yield Headline(
        (
            Span(speed, "bad" if answer.fits is False else "good"),
            f" at batch 1: {total} of weights, read once a token, at {bandwidth}.",
        )
    )
    if answer.fits is False:
        need, there = gib(answer.stored_bytes or 0.0), gib(answer.gpu_memory_bytes or 0.0)
        text = f"{FAILS} does not fit: {need} GiB of weights, {there} GiB of memory; see vperf fit"
        yield Prose(text, "bad", tight=True)
    raw = f"{format_count(answer.parameters)} parameters"
    model = short_model(answer.model_id) if answer.model_id else raw
    gpu = f" on {clean(answer.gpu_id)}" if answer.gpu_id else ""
    yield Prose(f"{model}{gpu}", "aside", tight=True)
    yield Sum("napkin", tuple(_sum(answer)), tight=True)
    stored = answer.stored_parameters
    if stored is not None and stored > answer.parameters:
        yield Prose(
            f"The model stores {whole(stored)} parameters; the sum counts the "
            f"{whole(answer.parameters)} that a token reads (of a MoE the active experts only; an "
            "untied embedding is looked up, not read).",
            tight=True,
        )
    yield Prose(
        "good for batch 1, short context \N{MIDDLE DOT} not for batches, long contexts, prompts",
        "aside", "short", tight=True,
    )  # fmt: skip
    yield Bullets(IGNORES, "It ignores", when="full")
    yield Bullets(FAILS_FOR, "It fails for", when="full")
    yield from note_blocks(answer.assumptions)
    yield Shell("The real estimate:", _estimate(answer))


def _sum(answer: Napkin) -> Iterator[tuple[str, str, str]]:
    total = size(answer.weight_bytes)
    per_parameter = f"{answer.bits / 8:.3g} byte{'' if answer.bits == 8 else 's'}"
    yield (
        "weights",
        f"{format_count(answer.parameters)} parameters x {per_parameter}",
        total,
    )
    yield (
        "speed",
        f"{format_bandwidth(answer.memory_bandwidth)} / {total}",
        f"{per_second(answer.tokens_per_s)} tok/s",
    )
    measured = answer.measured_bandwidth
    if measured is not None:
        yield (
            "measured",
            f"{format_bandwidth(measured)} / {total}",
            f"{per_second(measured / answer.weight_bytes)} tok/s",
        )


def _row(answer: Napkin) -> Iterator[dict[str, Any]]:
    """The sum on one line; sentences are no columns."""
    data = answer.to_dict()
    yield {name: value for name, value in data.items() if not isinstance(value, list)}


def _estimate(answer: Napkin) -> tuple[tuple[str, ...], ...]:
    if not (answer.model_id and answer.gpu_id and clean(answer.model_id) == answer.model_id):
        return ()
    command = ["vperf estimate", f"--model {shlex.quote(answer.model_id)}"]
    command.append(f"--gpu {shlex.quote(clean(answer.gpu_id))}")
    if answer.quantization:
        command.append(f"--quantization {shlex.quote(clean(answer.quantization))}")
    return (tuple(command),)
