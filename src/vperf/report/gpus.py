"""GPUs for a person and as JSON: the list, and one card with every fact and where it comes from.

Not here: reading the files (sources/gpus.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from vperf.hardware.gpu import MEASURED, Achieved, Gpu
from vperf.report.format import clean, seconds, size, whole
from vperf.report.page import Column, Page
from vperf.units import format_bandwidth, format_rate

_WIDE = 112


def to_dict(gpu: Gpu) -> dict[str, Any]:
    """A card as plain values in SI base units."""
    return {"schema": "vperf/gpu/1", **_plain(asdict(gpu))}


def list_to_dict(gpus: Iterable[Gpu]) -> dict[str, Any]:
    """All cards, each as in `to_dict`."""
    return {"schema": "vperf/gpus/1", "gpus": [_plain(asdict(gpu)) for gpu in gpus]}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def render_list(gpus: Iterable[Gpu], *, width: int = 80, color: bool = False) -> str:
    """One line a card; the name too where there is room."""
    page = Page(width, color)
    named = page.width >= _WIDE
    rows = [
        (
            clean(gpu.id),
            *([clean(gpu.name)] if named else []),
            size(gpu.memory_bytes),
            format_bandwidth(gpu.memory_bandwidth),
            *(_tera(gpu.peak_flop_per_s.get(pipe)) for pipe in ("bf16", "fp8", "fp4")),
        )
        for gpu in gpus
    ]
    page.table(
        [
            Column("\nid", left=True),
            *([Column("\nname", left=True)] if named else []),
            Column("\nmemory"),
            Column("\nbandwidth"),
            *(Column(f"{pipe}\nTFLOPS") for pipe in ("bf16", "fp8", "fp4")),
        ],
        rows,
    )
    page.blank()
    page.prose(
        f"{len(rows)} GPUs; peaks are dense, with fp32 accumulation. `vperf gpus ID` shows one "
        "with its sources."
    )
    return page.text()


def render_card(gpu: Gpu, *, width: int = 80, color: bool = False) -> str:
    """One card: datasheet facts, what was measured on it, sources and notes."""
    page = Page(width, color)
    page.prose(f"{clean(gpu.name)} ({clean(gpu.id)})", "bold")
    page.blank()
    capability = (
        f", compute capability {clean(gpu.compute_capability)}" if gpu.compute_capability else ""
    )
    clocks = f"{gpu.rated_clock_hz / 1e6:,.0f} MHz rated, {gpu.max_clock_hz / 1e6:,.0f} MHz maximum"
    link = f"{clean(gpu.link.name)}, {format_bandwidth(gpu.link.bytes_per_s)}" if gpu.link else ""
    page.facts(
        [
            ("made by", f"{clean(gpu.vendor)}, {clean(gpu.architecture)}{capability}"),
            ("memory", f"{size(gpu.memory_bytes)} ({gpu.memory_bytes / 2**30:.4g} GiB)"),
            ("bandwidth", format_bandwidth(gpu.memory_bandwidth)),
            ("L2 cache", size(gpu.l2_bytes)),
            ("SMs", f"{gpu.sm_count:,}"),
            ("clock", clocks),
            ("peer link", link),
            ("PCIe", format_bandwidth(gpu.pcie_bytes_per_s) if gpu.pcie_bytes_per_s else ""),
            ("power", f"{gpu.tdp_w:,.0f} W" if gpu.tdp_w else ""),
        ]
    )
    page.blank()
    page.line("Peaks: dense, at the rated clock", "bold")
    peaks = gpu.peak_flop_per_s.items()
    page.facts((clean(pipe), format_rate(peak)) for pipe, peak in peaks if peak)
    if gpu.achieved is None:
        page.blank()
        page.prose("Nobody measured this card for vperf: `expected` uses generic constants.")
    else:
        page.blank()
        page.line("Measured: the constants behind `expected`", "bold")
        page.facts(_achieved(gpu.achieved))
    page.blank()
    page.facts(
        [
            ("source", clean(gpu.source)),
            ("checked", clean(gpu.checked)),
            ("confidence", clean(gpu.confidence)),
        ]
    )
    page.section("Notes", map(clean, gpu.notes))
    page.section("Assumptions", map(clean, gpu.assumptions))
    return page.text()


def _achieved(achieved: Achieved) -> Iterable[tuple[str, str]]:
    for pipe, rate in achieved.flop_per_s.items():
        yield f"{clean(pipe)} matmul", format_rate(rate)
    if achieved.memory_bandwidth is not None:
        yield "memory stream", format_bandwidth(achieved.memory_bandwidth)
    for constant in MEASURED:
        value = getattr(achieved, constant)
        if value is not None and constant != "memory_bandwidth":
            name = constant.removesuffix("_s").replace("_", " ")
            if constant.endswith("_s"):
                yield name, seconds(value)
            else:
                is_rate = constant.endswith("_bandwidth")
                yield name, format_bandwidth(value) if is_rate else f"{value:g}"
    for ranks, line in achieved.all_reduce.items():
        small = _line(line.latency_s, line.bytes_per_s)
        if not line.large_bytes_per_s:
            yield f"all-reduce of {whole(ranks)}", small
            continue
        # The smaller of both counts.
        large = _line(line.large_latency_s, line.large_bytes_per_s)
        later_s = line.large_latency_s - line.latency_s
        sooner_s = 1 / line.bytes_per_s - 1 / line.large_bytes_per_s
        meet = size(later_s / sooner_s) if later_s > 0 < sooner_s else ""
        yield f"all-reduce of {whole(ranks)}", f"{small}{', small messages' if meet else ' or'}"
        yield "", f"{large}{f', from {meet} on' if meet else ''}"
    yield "source", clean(achieved.source)
    yield "checked", clean(achieved.checked)


def _line(latency_s: float, bytes_per_s: float) -> str:
    return f"{seconds(latency_s)} + bytes / {format_bandwidth(bytes_per_s)}"


def _tera(rate: float | None) -> str:
    return format_rate(rate).removesuffix(" TFLOPS") if rate else "-"
