"""What is said of GPUs: the list, and one card with every fact and where it comes from.

Not here: reading the files (sources/gpus.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

from vperf.hardware.gpu import MEASURED, MEASURED_BANDWIDTHS, MEASURED_SECONDS, Achieved, Gpu
from vperf.report.document import (
    Block,
    Bullets,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Span,
    Table,
    Text,
)
from vperf.report.document import plain as plain_text
from vperf.report.format import clean, gib, plural, seconds, size, whole
from vperf.report.forms import Report
from vperf.report.to_json import plain
from vperf.units import format_bandwidth, format_rate

_SHOWN = 16
"""Rows of the short form."""
_PIPES = ("bf16", "fp8", "fp4")
_ORIGIN = ("source", "checked")
"""Rows of what was measured that are no constants."""


def _peak(pipe: str, gpu: Gpu) -> float:
    return gpu.peak_flop_per_s.get(pipe) or 0.0


class SortKey(NamedTuple):
    """What a list is in the order of, most first."""

    heading: str
    of: Callable[[Gpu], float]


SORTS: Mapping[str, SortKey] = {
    "memory": SortKey("GiB", lambda gpu: gpu.memory_bytes),
    "bandwidth": SortKey("GB/s", lambda gpu: gpu.memory_bandwidth),
    **{pipe: SortKey(f"{pipe} TFLOPS", partial(_peak, pipe)) for pipe in _PIPES},
    "power": SortKey("W", lambda gpu: gpu.tdp_w or 0.0),
}


def report(found: Gpu | Sequence[Gpu], by: SortKey | None = None) -> Report:
    """A card, or a list of them in an order, in every form."""
    if isinstance(found, Gpu):
        return Report(lambda: card(found), lambda: to_dict(found), lambda: (_flat(found),))
    rows = sorted(found, key=lambda gpu: -by.of(gpu)) if by else found
    return Report(
        lambda: listed(rows, by), lambda: list_to_dict(rows), lambda: (_flat(gpu) for gpu in rows)
    )


def to_dict(gpu: Gpu) -> dict[str, Any]:
    """A card as plain values in SI base units."""
    return {"schema": "vperf/gpu/1", **plain(asdict(gpu))}


def list_to_dict(gpus: Iterable[Gpu]) -> dict[str, Any]:
    """All cards, each as in `to_dict`."""
    return {"schema": "vperf/gpus/1", "gpus": [plain(asdict(gpu)) for gpu in gpus]}


def _flat(gpu: Gpu) -> dict[str, Any]:
    """A card as one row: figures and names, without lists."""
    return {
        "id": gpu.id, "name": gpu.name, "vendor": gpu.vendor, "architecture": gpu.architecture,
        "memory_bytes": gpu.memory_bytes, "memory_bandwidth": gpu.memory_bandwidth,
        **{f"{pipe}_flop_per_s": gpu.peak_flop_per_s.get(pipe) for pipe in _PIPES},
        "tdp_w": gpu.tdp_w, "link": gpu.link.name if gpu.link else None,
        "link_bytes_per_s": gpu.link.bytes_per_s if gpu.link else None,
        "measured": gpu.achieved is not None, "origin": gpu.origin, "source": gpu.source,
        "checked": gpu.checked,
    }  # fmt: skip


def listed(gpus: Sequence[Gpu], by: SortKey | None = None) -> Iterator[Block]:
    """The screen of `vperf gpus`."""
    hosts = all(gpu.is_host for gpu in gpus)
    count = plural(len(gpus), "host" if hosts else "GPU")
    yield Headline((Span(count, "strong"), f"; vperf gpus {'cpu:' if hosts else ''}ID shows one."))
    columns = (
        Column("id"),
        Column("GiB", "memory"),
        Column("GB/s", "rate"),
        *(Column(f"{pipe} TFLOPS", "rate") for pipe in _PIPES),
        Column("basis", "basis", 3),
        Column("architecture", rank=4),
        Column("W", "count", 4),
        Column("link", rank=5),
        Column("name", rank=5),
    )
    if by:
        mark = " \N{BLACK DOWN-POINTING TRIANGLE}"
        columns = tuple(
            c._replace(heading=c.heading + mark, strong=True, rank=0)
            if c.heading == by.heading
            else c
            for c in columns
        )
    rows = tuple(
        Row(
            (
                clean(gpu.id), gib(gpu.memory_bytes),
                format_bandwidth(gpu.memory_bandwidth).removesuffix(" GB/s"),
                *(_tera(gpu.peak_flop_per_s.get(pipe)) for pipe in _PIPES),
                _basis(gpu), clean(gpu.architecture),
                f"{gpu.tdp_w:,.0f}" if gpu.tdp_w else "-",
                clean(gpu.link.name) if gpu.link else "", clean(gpu.name),
            )
        )
        for gpu in gpus
    )  # fmt: skip
    yield Table(columns, rows, short=_SHOWN, tight=True)
    yield Prose("peaks are dense, with fp32 accumulation", "aside", tight=True)
    yield Bullets(tuple(f"{clean(g.id)}: {clean(g.origin)}" for g in gpus if g.origin), "Your own")


def _basis(gpu: Gpu) -> str:
    """Where most of its constants are from."""
    return "measured" if gpu.achieved else "same_die" if gpu.same_die else "generic"


def card(gpu: Gpu) -> Iterator[Block]:
    """The screen of one card: datasheet facts, what was measured on it, sources and notes."""
    yield Headline((Span(clean(gpu.name), "strong"), f" ({clean(gpu.id)})"))
    peaks = tuple(
        (clean(pipe), format_rate(peak)) for pipe, peak in gpu.peak_flop_per_s.items() if peak
    )
    yield Facts(tuple(_datasheet(gpu)), when="full")
    yield Facts(peaks, "Peaks: dense, at the rated clock", when="full")
    rates = tuple(_rates(gpu.achieved)) if gpu.achieved else ()
    others = tuple(_achieved(gpu.achieved)) if gpu.achieved else ()
    short = (("dense peaks", _joined(peaks)), ("measured", _joined(rates)))
    yield Facts((*_datasheet(gpu), *short), when="short")
    rest = f"those of {clean(gpu.same_die)}, which has its die" if gpu.same_die else "generic"
    if gpu.achieved is None:
        yield Prose(f"Not measured: the constants behind expected are {rest}.", "warn")
    else:
        title = f"Measured: constants behind expected; those not listed are {rest}"
        yield Facts((*rates, *others), title, when="full")
    count = len(others) - len(_ORIGIN)
    more = f"{count} more measured constants, " if count > 0 else ""
    yield Prose(f"{more}sources: -v", "aside", "short")
    source = (
        *((("your file", clean(gpu.origin)),) if gpu.origin else ()),
        ("source", clean(gpu.source)), ("checked", clean(gpu.checked)),
        ("confidence", clean(gpu.confidence)),
    )  # fmt: skip
    yield Facts(source, when="full")
    yield Bullets(tuple(map(clean, gpu.assumptions)), mark="?", tone="warn")
    yield Bullets(tuple(map(clean, gpu.notes)), "Notes")


def _datasheet(gpu: Gpu) -> Iterator[tuple[str, Text]]:
    capability = (
        f", compute capability {clean(gpu.compute_capability)}" if gpu.compute_capability else ""
    )
    yield "made by", f"{clean(gpu.vendor)}, {clean(gpu.architecture)}{capability}"
    kind = f", {clean(gpu.memory_type)}" if gpu.is_host else ""
    yield "memory", f"{gib(gpu.memory_bytes)} GiB ({size(gpu.memory_bytes)}){kind}"
    yield "bandwidth", format_bandwidth(gpu.memory_bandwidth)
    cache = "L3 cache" if gpu.is_host else "L2 cache"
    yield cache, f"{gpu.l2_bytes / 2**20:,.4g} MiB" if gpu.l2_bytes else ""
    yield ("cores" if gpu.is_host else "SMs"), f"{gpu.sm_count:,}"
    clocks = f"{gpu.rated_clock_hz / 1e6:,.0f} MHz rated, {gpu.max_clock_hz / 1e6:,.0f} MHz maximum"
    yield "clock", clocks
    if gpu.link:
        yield "peer link", f"{clean(gpu.link.name)}, {format_bandwidth(gpu.link.bytes_per_s)}"
    if gpu.pcie_bytes_per_s:
        yield "PCIe", format_bandwidth(gpu.pcie_bytes_per_s)
    if gpu.tdp_w:
        yield "power", f"{gpu.tdp_w:,.0f} W"


def _rates(achieved: Achieved) -> Iterator[tuple[str, Text]]:
    for pipe, rate in achieved.flop_per_s.items():
        yield f"{clean(pipe)} matmul", format_rate(rate)
    if achieved.memory_bandwidth is not None:
        yield "memory stream", format_bandwidth(achieved.memory_bandwidth)


def _achieved(achieved: Achieved) -> Iterator[tuple[str, Text]]:
    """All but the rates, and where it is from."""
    for constant in MEASURED:
        value = getattr(achieved, constant)
        if value is not None and constant != "memory_bandwidth":
            name = constant.removesuffix("_s").replace("_", " ")
            if constant in MEASURED_SECONDS:
                yield name, seconds(value)
            else:
                is_rate = constant in MEASURED_BANDWIDTHS
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
    yield from zip(_ORIGIN, (clean(achieved.source), clean(achieved.checked)), strict=True)


def _joined(rows: Sequence[tuple[str, Text]]) -> str:
    """ "bf16 989.4, fp8 1,979 TFLOPS": the unit once where all have the same."""
    if not rows:
        return ""
    named = [(name, plain_text(text).rpartition(" ")) for name, text in rows]
    units = {unit for _, (_, _, unit) in named}
    if len(units) == 1:
        return f"{', '.join(f'{name} {value}' for name, (value, _, _) in named)} {units.pop()}"
    return ", ".join(f"{name} {value} {unit}" for name, (value, _, unit) in named)


def _line(latency_s: float, bytes_per_s: float) -> str:
    return f"{seconds(latency_s)} + bytes / {format_bandwidth(bytes_per_s)}"


def _tera(rate: float | None) -> str:
    return format_rate(rate).removesuffix(" TFLOPS") if rate else "-"
