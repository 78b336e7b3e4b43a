"""The napkin for a person: the equation with its numbers, what it ignores, when it fails.

Not here: the arithmetic (vperf.napkin).
"""

from __future__ import annotations

import shlex

from vperf.napkin import FAILS, IGNORES, Napkin
from vperf.report.commands import folded
from vperf.report.format import bits, clean, per_second, size, whole
from vperf.report.page import Page
from vperf.report.words import short_gpu, short_model
from vperf.units import format_bandwidth, format_count


def render(answer: Napkin, *, width: int = 80, color: bool = False) -> str:
    """The whole screen as one string; ANSI only where `color` is true."""
    page = Page(width, color)
    parameters, bandwidth = whole(answer.parameters), format_bandwidth(answer.memory_bandwidth)
    raw = f"{format_count(answer.parameters)} parameters"
    model = short_model(answer.model_id) if answer.model_id else raw
    gpu = f"on {short_gpu(answer.gpu_name)}" if answer.gpu_name else f"at {bandwidth}"
    speed, total = per_second(answer.tokens_per_s), size(answer.weight_bytes)
    page.prose(f"{model} {gpu}: about {speed} tok/s at batch 1.", "bold")
    page.blank()
    page.equations(
        (
            ("model size", f"{parameters} parameters x {bits(answer.bits)}", total),
            ("speed", f"{bandwidth} / {total}", f"{speed} tok/s"),
        )
    )
    page.blank()
    page.prose(
        "To make one token, the GPU reads every weight from its memory once, and that read is what "
        "takes the time."
    )
    stored = answer.stored_parameters
    if stored is not None and stored > answer.parameters:
        page.blank()
        page.prose(
            f"The model stores {whole(stored)} parameters; the equation counts the "
            f"{parameters} that a token reads (of a MoE the active experts only; an untied "
            "embedding is looked up, not read)."
        )
    page.section("It ignores", IGNORES)
    page.section("It fails for", FAILS)
    page.section("Assumptions", map(clean, answer.assumptions))
    if answer.model_id and answer.gpu_id and clean(answer.model_id) == answer.model_id:
        page.blank()
        page.line("The real estimate:", "bold")
        command = ["vperf estimate", f"--model {shlex.quote(answer.model_id)}"]
        command.append(f"--gpu {shlex.quote(clean(answer.gpu_id))}")
        if answer.quantization:
            command.append(f"--quantization {shlex.quote(clean(answer.quantization))}")
        for line in folded(command, page.width):
            page.line(line)
    return page.text()
