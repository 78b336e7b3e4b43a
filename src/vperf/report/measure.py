"""`vperf measure` for a person, and as JSON: a card's rates and constants, a model's ops.

Not here: measuring (measure), and the GPU file (measure/gpu_file.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vperf.hardware.gpu import Gpu
from vperf.measure.card import CardMeasurement
from vperf.measure.step import LayerMeasurement, OpMeasurement, StepMeasurement
from vperf.report.format import clean, percent, plural, seconds, whole
from vperf.report.page import Column, Page
from vperf.report.words import short_gpu, short_model
from vperf.sources.local_gpu import Reading
from vperf.units import format_bandwidth, format_rate
from vperf.version import __version__

SCHEMA = "vperf/measure/1"

_RATE = "flop_per_s."
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


# A card --------------------------------------------------------------------------------------


def render_card(
    measured: CardMeasurement, written: Written, *, width: int = 80, color: bool = False
) -> str:
    """The whole screen as one string; ANSI only where `color` is true."""
    page = Page(width, color)
    page.prose(_headline(measured), "bold")
    page.prose(_second_line(measured, written))
    _rates(page, measured)
    _constants(page, measured)
    facts = [row for row in _facts(measured) if row[1]]
    if facts:
        page.blank()
        page.facts(facts)
    warnings = list(map(clean, measured.warnings))
    if written.missing:
        warnings.append(
            f"{written.path} is not complete: no datasheet is known; fill in "
            f"{' and '.join(written.missing)}, or give --peak and --memory-bandwidth"
        )
    page.section("Warnings", warnings, "yellow")
    page.section("Notes", map(clean, measured.notes))
    if not written.missing:
        page.blank()
        page.line("Use it:", "bold")
        path = shlex.quote(clean(written.path))
        page.line(f"vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu {path}")
    return page.text()


def _headline(measured: CardMeasurement) -> str:
    """ "H100: 697.4 TFLOPS in bf16 (70 %), 2,672 GB/s (80 % of datasheet)."""
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
    name = short_gpu(clean(measured.gpu.name if measured.gpu else measured.device.name))
    return f"{name}: {', '.join(parts) or 'measured in part'}."


def _second_line(measured: CardMeasurement, written: Written) -> str:
    return (
        f"Measured in {measured.seconds:.0f} s with {clean(measured.device.framework)}; "
        f"written to {clean(written.path)}."
    )


def _share(value: float, of: float | None) -> str:
    return f"{100 * value / of:.0f} %" if of else ""


def _rates(page: Page, measured: CardMeasurement) -> None:
    """Rates beside the datasheet."""
    datasheet = measured.datasheet
    rows = []
    for rate in measured.matmuls:
        peak = datasheet.peaks.get(rate.pipe)
        rows.append(
            (
                f"{rate.pipe} matmul, {rate.size}^3",
                format_rate(rate.sustained),
                format_rate(rate.highest),
                format_rate(peak) if peak else "-",
                _share(rate.sustained, peak) or "-",
            )
        )
    for name, found in (("copy, read + write", measured.copy), ("weight stream", measured.stream)):
        if found is not None:
            peak = datasheet.memory_bandwidth
            rows.append(
                (
                    f"{name}, {found.size_bytes / 1e9:.2g} GB",
                    format_bandwidth(found.bytes_per_s),
                    format_bandwidth(found.size_bytes / found.timing.best_s),
                    format_bandwidth(peak) if peak else "-",
                    _share(found.bytes_per_s, peak) or "-",
                )
            )
    if not rows:
        return
    page.blank()
    page.table(
        [
            Column("", left=True, fold=True),
            Column("sustained"),
            Column("highest"),
            Column("datasheet"),
            Column("fraction"),
        ],
        rows,
    )


def _constants(page: Page, measured: CardMeasurement) -> None:
    """The small constants beside the catalogue's."""
    before = measured.gpu.achieved if measured.gpu else None
    rows = [
        (_NAMES[key], _shown(key, value), _shown(key, getattr(before, key, None)),
         measured.how.get(key, ""))
        for key, value in measured.values.items() if key in _NAMES
    ]  # fmt: skip
    launch = measured.launch
    if launch is not None:
        rows.append(("launch", seconds(launch.eager_s), "-", "a small kernel, by the host"))
        if launch.graph_s is not None:
            rows.append(("", seconds(launch.graph_s), "-", "the same in a CUDA graph"))
    for ranks, line in measured.all_reduce.items():
        known = before.all_reduce.get(ranks) if before else None
        rows.append(
            (f"alpha {ranks}", seconds(line.latency_s), seconds(known.latency_s) if known else "-",
             f"all-reduce of 1 kB among {ranks}")
        )  # fmt: skip
        rows.append(
            (f"algbw {ranks}", format_bandwidth(line.bytes_per_s),
             format_bandwidth(known.large_bytes_per_s or known.bytes_per_s) if known else "-",
             f"256 MB among {ranks}")
        )  # fmt: skip
    if not rows:
        return
    page.blank()
    page.table(
        [
            Column("constant", left=True),
            Column("here"),
            Column("catalogue"),
            Column("measured by", left=True, fold=True),
        ],
        rows,
    )


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key.endswith("_s"):
        return seconds(value) if value else "0 us"
    if key.endswith("bandwidth"):
        return format_bandwidth(value)
    return f"{value:.3g}"


def _facts(measured: CardMeasurement) -> list[tuple[str, str]]:
    watched = measured.watched
    if watched.card is None:
        state = "no tool of the driver answers: temperature, clocks and power unknown"
        return [("Card", state)] if measured.device.kind != "cpu" else []
    loaded = watched.loaded[-1] if watched.loaded else Reading()
    return [
        ("Before", _state(watched.before)),
        ("Under load", _state(loaded)),
        ("After", _state(watched.after)),
        ("Driver", clean(f"{watched.card.driver} ({watched.card.tool})".strip())),
    ]


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
        "constants": {k: v for k, v in measured.values.items() if not k.startswith(_RATE)},
        "flop_per_s": {
            k.removeprefix(_RATE): v for k, v in measured.values.items() if k.startswith(_RATE)
        },
        "all_reduce": {str(n): asdict(line) for n, line in measured.all_reduce.items()},
        "state": {
            "before": asdict(watched.before),
            "loaded": [asdict(reading) for reading in watched.loaded],
            "after": asdict(watched.after),
        },
        "warnings": list(measured.warnings),
        "notes": list(measured.notes),
    }


# A model's ops -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelRun:
    """What `vperf measure --model` measured, and on what."""

    model: str
    gpu: Gpu
    engine: str
    device: str
    batch_size: int
    phases: tuple[StepMeasurement, ...]
    layer: LayerMeasurement | None
    notes: tuple[str, ...]


def render_model(run: ModelRun, *, width: int = 80, color: bool = False) -> str:
    """The op tables; line 1 says how the measured ops compare with expected."""
    page = Page(width, color)
    page.prose(_model_headline(run), "bold")
    page.prose(
        f"Each op alone on {clean(run.device)}, random data, cold memory; "
        f"batch {run.batch_size:,}; expected as {clean(run.engine)} on {clean(run.gpu.id)}."
    )
    for phase in run.phases:
        _phase(page, phase)
    if run.layer:
        _layer(page, run.layer)
    page.section("Not measured", _not_measured(run.phases))
    page.section("Notes", map(clean, run.notes))
    page.section("Assumptions", map(clean, run.gpu.assumptions))
    return page.text()


def _model_headline(run: ModelRun) -> str:
    name = f"{short_model(run.model)} on {short_gpu(run.gpu.name)}"
    parts = [
        f"{phase.name} ops {seconds(phase.measured_s)} measured, "
        f"{seconds(phase.expected_s)} expected"
        for phase in run.phases
        if phase.measured
    ]
    if not parts and run.layer:
        parts = [f"one layer {seconds(run.layer.measured_s)} measured"]
    return f"{name}: {'; '.join(parts) or 'no op could be measured'}."


def _phase(page: Page, phase: StepMeasurement) -> None:
    cached = phase.context_tokens
    where = f" with {plural(cached, 'token')} in the cache" if cached else ""
    page.blank()
    page.line(f"{phase.name.capitalize()}{where}, op by op", "bold")
    rows = [_op_row(op) for op in phase.ops]
    share = "" if phase.covered > 0.9995 else f" ({percent(phase.covered)})"
    rows.append(
        (
            f"measured{share}",
            "",
            seconds(phase.measured_s),
            seconds(phase.limit_s),
            seconds(phase.expected_s),
            _ratio(phase.limit_s, phase.measured_s),
            _ratio(phase.expected_s, phase.measured_s),
        )
    )
    page.table(
        [
            Column("op\n  shape", left=True, fold=True),
            Column("count\n"),
            Column("measured\n"),
            Column("limit\n"),
            Column("expected\n"),
            Column("of\nlimit"),
            Column("of\nexpected"),
        ],
        rows,
        total=True,
    )


def _op_row(op: OpMeasurement) -> tuple[str, ...]:
    row, taken = op.estimate, op.measured_s
    return (
        f"{clean(row.name)}\n  {clean(row.shape)}" if row.shape else clean(row.name),
        whole(row.count),
        "-" if taken is None else seconds(taken),
        seconds(row.limit_s),
        seconds(row.expected_s),
        "-" if taken is None else _ratio(row.limit_s, taken),
        "-" if taken is None else _ratio(row.expected_s, taken),
    )


def _ratio(other: float, measured: float) -> str:
    return f"{100 * other / measured:.0f} %" if measured > 0 else "-"


def _layer(page: Page, layer: LayerMeasurement) -> None:
    how = "one CUDA graph" if layer.graph else "run eagerly: no graphs here"
    page.blank()
    page.prose(
        f"One whole layer ({layer.layers} of {layer.of} are such), {how}, decode with "
        f"{plural(layer.context_tokens, 'token')} in the cache: {seconds(layer.measured_s)} "
        f"measured, {seconds(layer.expected_s)} expected of its ops "
        f"({_ratio(layer.expected_s, layer.measured_s)})."
    )
    for line in layer.left_out:
        page.prose(f"- not in it: {clean(line)}", indent="  ")


def _not_measured(phases: Sequence[StepMeasurement]) -> list[str]:
    """Each reason once, with the ops it holds for."""
    reasons: dict[str, dict[str, None]] = {}
    for phase in phases:
        for op in phase.ops:
            if op.measured_s is None:
                reasons.setdefault(op.why, {})[f"{op.estimate.name} ({phase.name})"] = None
    return [f"{', '.join(map(clean, names))}: {clean(why)}" for why, names in reasons.items()]


def model_to_dict(run: ModelRun) -> dict[str, Any]:
    """The JSON answer: SI base units; times of all runs of an op together."""
    return {
        "schema": SCHEMA,
        "vperf_version": __version__,
        "model": run.model,
        "gpu": run.gpu.id,
        "device": run.device,
        "engine": run.engine,
        "batch_size": run.batch_size,
        "phases": [
            {
                "name": phase.name,
                "context_tokens": phase.context_tokens,
                "measured_s": phase.measured_s,
                "limit_s": phase.limit_s,
                "expected_s": phase.expected_s,
                "covered": phase.covered,
                "ops": [_op_to_dict(op) for op in phase.ops],
            }
            for phase in run.phases
        ],
        "layer": asdict(run.layer) if run.layer else None,
        "notes": list(run.notes),
        "assumptions": list(run.gpu.assumptions),
    }


def _op_to_dict(op: OpMeasurement) -> Mapping[str, Any]:
    row = op.estimate
    return {
        "name": row.name,
        "kind": row.kind,
        "count": row.count,
        "shape": row.shape,
        "measured_s": op.measured_s,
        "limit_s": row.limit_s,
        "expected_s": row.expected_s,
        "not_measured": op.why or None,
    }
