"""What is said of a card that was measured: its rates and constants.

Not here: measuring (measure/), the GPU file (measure/gpu_file.py), a model's ops
(measure_model.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vperf.hardware.gpu import MEASURED_BANDWIDTHS, MEASURED_SECONDS
from vperf.measure.card import CardMeasurement
from vperf.measure.constants import pipe_of
from vperf.report.document import (
    Bar,
    Block,
    Bullets,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Shell,
    Span,
    Table,
    Text,
)
from vperf.report.format import clean, percent, seconds
from vperf.report.forms import Report
from vperf.sources.local_gpu import Reading
from vperf.units import format_bandwidth, format_rate
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/measure/1"

_NAMES = {
    "gemm_latency_s": "t_gemm",
    "quantize_latency_s": "t_quant",
    "prefill_efficiency": "eta",
    "prefill_block_s": "tau_p",
    "prefill_latency_s": "t_ap",
    "decode_latency_s": "t_ad",
    "decode_block_s": "tau",
    "stream_bandwidth": "B_s",
    "moe_latency_s": "t_moe",
    "moe_efficiency": "r_moe",
}
"""Small constants as docs/method.md writes them."""


@dataclass(frozen=True, slots=True)
class Written:
    """The GPU file that was written, and what it still lacks."""

    path: Path
    missing: tuple[str, ...]


def card_report(measured: CardMeasurement, written: Written) -> Report:
    """What was measured of a card, in every form."""
    return Report(
        lambda: _card(measured, written),
        lambda: card_to_dict(measured, written),
        lambda: ({"constant": name, "value": value} for name, value in measured.values.items()),
    )


def _card(measured: CardMeasurement, written: Written) -> Iterator[Block]:
    yield Headline(_headline(measured))
    yield Prose(
        f"Measured in {measured.seconds:.0f} s with {clean(measured.device.framework)}; "
        f"written to {clean(written.path)}.",
        "aside",
        tight=True,
    )
    if rates := tuple(_rates(measured)):
        columns = (
            Column(""),
            Column("sustained", "rate", strong=True),
            Column("highest", "rate", 1),
            Column("datasheet", "rate"),
            Column("fraction", "share"),
            Column("", "bar", 5),
        )
        yield Table(columns, rates)
    if constants := tuple(_constants(measured)):
        found = (
            Column("constant"), Column("here", "time", strong=True), Column("catalogue", "time"),
            Column("measured by", rank=1),
        )  # fmt: skip
        yield Table(found, constants)
    yield Facts(tuple(_facts(measured)))
    warnings = list(map(clean, measured.warnings))
    if written.missing:
        warnings.append(
            f"{written.path} is not complete: no datasheet is known; fill in "
            f"{' and '.join(written.missing)}, or give --peak and --memory-bandwidth"
        )
    yield Bullets(tuple(warnings), "Warnings", mark="!", tone="warn")
    yield Bullets(tuple(map(clean, measured.notes)), "Notes", when="full")
    if not written.missing:
        path = shlex.quote(clean(written.path))
        use = ("vperf estimate", "--model Qwen/Qwen3-4B-Instruct-2507", f"--gpu {path}")
        yield Shell("Use it:", (use,), when="always")


def _headline(measured: CardMeasurement) -> Text:
    """ "h100-sxm-80gb: 697.4 TFLOPS in bf16 (70%), 2,672 GB/s (80% of datasheet)."""
    datasheet, found = measured.datasheet, list[tuple[str, str]]()
    if measured.matmuls:
        first = measured.matmuls[0]
        share = _share(first.sustained, datasheet.peaks.get(first.pipe))
        found.append((f"{format_rate(first.sustained)} in {first.pipe}", share))
    stream = measured.stream or measured.copy
    if stream is not None:
        share = _share(stream.bytes_per_s, datasheet.memory_bandwidth)
        found.append((format_bandwidth(stream.bytes_per_s), share))
    last = max((number for number, (_, share) in enumerate(found) if share), default=-1)
    parts = [
        f"{words} ({share}{' of datasheet' if number == last else ''})" if share else words
        for number, (words, share) in enumerate(found)
    ]
    name = clean(measured.gpu.id if measured.gpu else measured.device.name)
    return (Span(name, "strong"), f": {', '.join(parts) or 'measured in part'}.")


def _share(value: float, of: float | None) -> str:
    return percent(value / of) if of else ""


def _rates(measured: CardMeasurement) -> Iterator[Row]:
    """Rates beside the datasheet."""
    datasheet = measured.datasheet
    for rate in measured.matmuls:
        peak = datasheet.peaks.get(rate.pipe)
        yield Row(
            (
                f"{rate.pipe} matmul, {rate.size}^3", format_rate(rate.sustained),
                format_rate(rate.highest), format_rate(peak) if peak else "-",
                _share(rate.sustained, peak) or "-", _beside(rate.sustained, peak),
            )
        )  # fmt: skip
    for name, found in (("copy, read + write", measured.copy), ("weight stream", measured.stream)):
        if found is not None:
            peak = datasheet.memory_bandwidth
            yield Row(
                (
                    f"{name}, {found.size_bytes / 1e9:.2g} GB",
                    format_bandwidth(found.bytes_per_s),
                    format_bandwidth(found.size_bytes / found.timing.best_s),
                    format_bandwidth(peak) if peak else "-",
                    _share(found.bytes_per_s, peak) or "-",
                    _beside(found.bytes_per_s, peak),
                )
            )


def _beside(value: float, peak: float | None) -> Bar | str:
    return Bar(((min(1.0, value / peak), "good"),)) if peak else ""


def _constants(measured: CardMeasurement) -> Iterator[Row]:
    """The small constants beside the catalogue's."""
    before = measured.gpu.achieved if measured.gpu else None
    for key, value in measured.values.items():
        if key in _NAMES:
            known = _shown(key, getattr(before, key, None))
            yield Row((_NAMES[key], _shown(key, value), known, clean(measured.how.get(key, ""))))
    launch = measured.launch
    if launch is not None:
        yield Row(("launch", seconds(launch.eager_s), "-", "a small kernel, by the host"))
        if launch.graph_s is not None:
            yield Row(("", seconds(launch.graph_s), "-", "the same in a CUDA graph"))
    for ranks, line in measured.all_reduce.items():
        known_line = before.all_reduce.get(ranks) if before else None
        latency = seconds(known_line.latency_s) if known_line else "-"
        rate = "-"
        if known_line:
            rate = format_bandwidth(known_line.large_bytes_per_s or known_line.bytes_per_s)
        yield Row(
            (f"alpha {ranks}", seconds(line.latency_s), latency,
             f"all-reduce of 1 kB among {ranks}")
        )  # fmt: skip
        yield Row(
            (f"algbw {ranks}", format_bandwidth(line.bytes_per_s), rate, f"256 MB among {ranks}")
        )


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key in MEASURED_SECONDS:
        return seconds(value) if value else "0 µs"
    if key in MEASURED_BANDWIDTHS:
        return format_bandwidth(value)
    return f"{value:.3g}"


def _facts(measured: CardMeasurement) -> Iterator[tuple[str, Text]]:
    watched = measured.watched
    if watched.card is None:
        if measured.device.kind != "cpu":
            yield "Card", "no tool of the driver answers: temperature, clocks and power unknown"
        return
    yield "Before", _state(watched.before)
    yield "Under load", _state(watched.loaded[-1] if watched.loaded else Reading())
    yield "After", _state(watched.after)
    yield "Driver", clean(f"{watched.card.driver} ({watched.card.tool})".strip())


def _state(reading: Reading) -> str:
    parts = [
        f"{reading.temperature_c:.0f} C" if reading.temperature_c is not None else "",
        f"SM {reading.sm_clock_hz / 1e6:.0f} MHz" if reading.sm_clock_hz else "",
        f"memory {reading.memory_clock_hz / 1e6:.0f} MHz" if reading.memory_clock_hz else "",
        f"{reading.power_w:.0f} W" if reading.power_w is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def card_to_dict(measured: CardMeasurement, written: Written) -> dict[str, Any]:
    """The JSON answer: SI base units."""
    watched = measured.watched
    return {
        "schema": SCHEMA,
        "vperf_version": __version__,
        "device": asdict(measured.device),
        "gpu": measured.gpu.id if measured.gpu else None,
        "file": str(written.path),
        "file_missing": list(written.missing),
        "seconds": measured.seconds,
        "matmul": [
            {
                "pipe": rate.pipe,
                "size": rate.size,
                "sustained_flop_per_s": rate.sustained,
                "highest_flop_per_s": rate.highest,
                "highest_size": rate.highest_size,
                "datasheet_flop_per_s": measured.datasheet.peaks.get(rate.pipe),
                "by_size": [{"size": n, "flop_per_s": r} for n, r in rate.by_size],
            }
            for rate in measured.matmuls
        ],
        "copy_bytes_per_s": measured.copy.bytes_per_s if measured.copy else None,
        "weight_stream_bytes_per_s": measured.stream.bytes_per_s if measured.stream else None,
        "datasheet_bytes_per_s": measured.datasheet.memory_bandwidth,
        "launch": asdict(measured.launch) if measured.launch else None,
        "constants": {k: v for k, v in measured.values.items() if not pipe_of(k)},
        "flop_per_s": {pipe: v for k, v in measured.values.items() if (pipe := pipe_of(k))},
        "all_reduce": {str(n): asdict(line) for n, line in measured.all_reduce.items()},
        "state": {
            "before": asdict(watched.before),
            "loaded": [asdict(reading) for reading in watched.loaded],
            "after": asdict(watched.after),
        },
        "warnings": list(measured.warnings),
        "notes": list(measured.notes),
    }
