"""A GPU with figures that its user gives in place of the datasheet's. Not here: a file of theirs
(gpus.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.gpu import PIPES, Achieved, Gpu
from vperf.notes import notes_of
from vperf.sources.odd_figures import odd_figures
from vperf.units import (
    format_bandwidth,
    format_bytes,
    format_rate,
    parse_bandwidth,
    parse_bytes,
    parse_rate,
)


def override(
    gpu: Gpu,
    memory_bandwidth: str | None = None,
    memory: str | None = None,
    peaks: Mapping[str, str] | None = None,
) -> Gpu:
    """The GPU with the user's datasheet figures ("1.5 TB/s", "48 GB", {"bf16": "250 TFLOPS"}).

    Each is said in `assumptions`. A measured rate keeps its share of the datasheet figure: that
    share, unlike the rate, carries over between cards. Raises InputError naming the option.
    """
    said: list[str] = []
    achieved, odd_before = gpu.achieved, odd_figures(gpu)
    if memory_bandwidth is not None:
        new = _given(parse_bandwidth, memory_bandwidth, "GB/s", "memory bandwidth")
        kept = ""
        if achieved is not None and achieved.memory_bandwidth is not None:
            share = achieved.memory_bandwidth / gpu.memory_bandwidth
            kept = f", of which the measured {share:.0%} is kept"
        said.append(
            f"memory bandwidth {format_bandwidth(new)} as given,"
            f" not {format_bandwidth(gpu.memory_bandwidth)}{kept}"
        )
        gpu = gpu.with_bandwidth(new)
        achieved = gpu.achieved
    if memory is not None:
        new = _given(parse_bytes, memory, "GB", "memory")
        said.append(f"memory {format_bytes(new)} as given, not {format_bytes(gpu.memory_bytes)}")
        gpu = replace(gpu, memory_bytes=new)
    for pipe, text in (peaks or {}).items():
        if pipe not in PIPES:
            import difflib  # noqa: PLC0415  (only on the way to an error)

            near = difflib.get_close_matches(pipe, PIPES, n=3) or PIPES
            raise UnknownNameError("number format of a peak", pipe, near)
        new = _given(parse_rate, text, "TFLOPS", f"peak {pipe}")
        old = gpu.peak_flop_per_s.get(pipe)
        gpu = replace(
            gpu,
            achieved=gpu.achieved and _rescaled(gpu.achieved, pipe, new, old),
            of_die=gpu.of_die and _rescaled(gpu.of_die, pipe, new, old),
        )
        instead = f", not {format_rate(old)}" if old else ""
        rated = "" if gpu.boost == 1 else f" at the rated clock; the limit allows x{gpu.boost:.2f}"
        said.append(f"{pipe} peak {format_rate(new)} as given{instead}{rated}")
        gpu = replace(gpu, peak_flop_per_s={**gpu.peak_flop_per_s, pipe: new})
    odd = (note for note in odd_figures(gpu) if note not in odd_before)
    return replace(gpu, assumptions=(*gpu.assumptions, *notes_of("card", said), *odd))


def _given(parse: Callable[[str, str], float], text: str, unit: str, option: str) -> float:
    try:
        return parse(text, unit)
    except InputError as error:
        raise InputError(error.message, field=option) from None


def _rescaled(achieved: Achieved, pipe: str, new: float, old: float | None) -> Achieved:
    """With the rates of `pipe` at their old share of its peak; dropped without one."""
    rates = achieved.flop_per_s
    touched: Iterable[str] = (pipe, "fp8_block") if pipe == "fp8" else (pipe,)
    scaled = {key: rates[key] * new / old for key in touched if old and key in rates}
    kept = {key: scaled.get(key, rate) for key, rate in rates.items() if key not in touched or old}
    return replace(achieved, flop_per_s=kept)
