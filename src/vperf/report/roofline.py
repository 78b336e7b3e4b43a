"""What is said of a roofline: what bounds each phase, the plot, op by op; and its chart.

Not here: any figure (explore/roofline.py), and how a chart is drawn (chart_terminal.py,
chart_file.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from vperf.explore.roofline import OpPoint, PhasePoint, Roof, Roofline
from vperf.report.chart import Axis, Chart, Mark, Series, Style, letter
from vperf.report.document import (
    Bar,
    Block,
    Cell,
    Column,
    Facts,
    Headline,
    Plot,
    Prose,
    Row,
    Span,
    Table,
    Text,
)
from vperf.report.estimate.facts import basis
from vperf.report.estimate.page import workload
from vperf.report.estimate.speed_table import share_of_limit
from vperf.report.format import clean, number, percent, plural
from vperf.report.forms import Report
from vperf.report.names import subject
from vperf.report.notes import note_blocks
from vperf.units import format_bandwidth, format_flop_per_s

_OF_OPS: tuple[Style, ...] = ("limit", "expected")
_ABOVE = (
    "FLOP/byte counts weights, cache and activations; the limit takes activations as free and "
    "has the card's cache hold what it can, so an op's limit may be above the bandwidth slope"
)


def report(answer: Roofline) -> Report:
    """The answer in every form."""
    return Report(
        lambda: document(answer), answer.to_dict, lambda: (asdict(op) for op in answer.ops),
        chart=lambda: chart(answer),
    )  # fmt: skip


def document(answer: Roofline) -> Iterator[Block]:
    """The screen of `vperf roofline`."""
    estimate = answer.estimate
    yield Headline(headline(answer))
    line = f"{subject(estimate)} \N{MIDDLE DOT} {workload(estimate)}"
    yield Prose(line, "aside", tight=True)
    yield Plot(chart(answer), key=False, when="full")
    yield _short_table(answer)
    for phase in reversed(answer.phases):
        yield _table(answer, phase)
    yield Facts(tuple(_facts(answer)), tight=True)
    yield from note_blocks(
        (*estimate.assumptions, _ABOVE, *estimate.warnings, *estimate.not_modelled),
        basis=basis(estimate) if estimate.gpu.constants == "measured" else "",
        more="the plot, all ops",
    )


def headline(answer: Roofline) -> Text:
    """Line 1: what bounds decode and prefill, and how far they are from the ridge."""
    said = [
        _verdict(phase, first=not number) for number, phase in enumerate(reversed(answer.phases))
    ]
    more = [part for each in said[1:] for part in ("; ", *each)]
    text = (*said[0], *more, ".")
    if answer.estimate.memory.fits:
        return text
    return (Span("Does not fit. ", "bad"), *text)


def _verdict(phase: PhasePoint, *, first: bool) -> tuple[Span | str, ...]:
    bound = phase.bound
    tone = Span(f"{bound}-bound", bound)
    name = phase.phase.capitalize() if first else phase.phase
    figures = f"{number(phase.flop_per_byte)} FLOP/byte, ridge {number(phase.ridge_flop_per_byte)}"
    return (f"{name} is ", tone, f" ({figures})")


def chart(answer: Roofline) -> Chart:
    """Roofs as lines, ops as lettered points at what is expected, and at their limits."""
    drawn = _lettered(answer)
    reach = [op.flop_per_byte for _, op in drawn if op.flop_per_byte]
    ridges = [roof.ridge_flop_per_byte for roof in answer.roofs]
    names = {f"ridge {number(ridge)}": ridge for ridge in sorted(ridges)}
    low, high = min(reach) / 2, max(*reach, *ridges) * 4
    series: list[Series] = []
    for roof in answer.roofs:
        series += _roof_lines(answer, roof, low, high)
    for phase in answer.phases:
        ops = [(mark, op) for mark, op in drawn if op.phase == phase.phase]
        for style in _OF_OPS:
            points = tuple(
                (op.flop_per_byte or 0.0, getattr(op, f"{style}_flop_per_s") or 0.0)
                for _, op in ops
            )
            labels = tuple(mark for mark, _ in ops) if style == "expected" else ()
            series.append(Series(phase.phase, points, style, joined=False, labels=labels))
    return Chart(
        title=f"Roofline of {subject(answer.estimate)}",
        setting=workload(answer.estimate),
        x=Axis("arithmetic intensity", "FLOP/byte", log=True),
        y=Axis("attained", "FLOP/s", log=True),
        series=tuple(series),
        marks=tuple(Mark("x", at, text) for text, at in names.items()),
        key=tuple((op.phase, mark, f"{op.phase} {op.name}") for mark, op in drawn),
    )


def _lettered(answer: Roofline) -> list[tuple[str, OpPoint]]:
    """The ops that are on a roofline, those with FLOPs, each with its letter."""
    shown = [op for op in answer.ops if op.flop_per_byte]
    return [(letter(number), op) for number, op in enumerate(shown)]


def _roof_lines(answer: Roofline, roof: Roof, low: float, high: float) -> list[Series]:
    """The roof of the limit, and the lower one that large matmuls sustain."""
    rates: list[tuple[Style, float, float]] = [
        ("limit", roof.limit_flop_per_s, answer.limit_bytes_per_s),
        ("expected", roof.expected_flop_per_s, answer.expected_bytes_per_s),
    ]
    return [
        Series(
            f"{roof.pipe} {format_flop_per_s(roof.limit_flop_per_s)}",
            ((low, low * bandwidth), (peak / bandwidth, peak), (high, peak)),
            style,
        )
        for style, peak, bandwidth in rates
    ]


_COLUMNS = (
    Column(""),
    Column("op"),
    Column("FLOP/byte", "count"),
    Column("limit", "rate"),
    Column("expected", "rate", strong=True),
    Column("of limit", "share", 2),
    Column("bound", "bound"),
    Column("share", "share", 1),
    Column("", "bar", 5),
)


def _table(answer: Roofline, phase: PhasePoint) -> Table:
    title = f"{phase.phase.capitalize()}, op by op (FLOP/s of one GPU)"
    ops = [op for op in answer.ops if op.phase == phase.phase]
    under = sum(op.under == phase.bound for op in ops if op.flops > 0)
    known = sum(op.flops > 0 for op in ops)
    title += f": {under} of {plural(known, 'op')} {phase.bound}-bound at the limit"
    return Table(_COLUMNS, tuple(_rows(answer, phase)), title, when="full")


_SHORT_OPS = 6
"""Those that take the most of either phase."""


def _short_table(answer: Roofline) -> Table:
    """The ops that take the most, both phases side by side."""
    phases = tuple(reversed(answer.phases))
    by_name: dict[str, dict[str, OpPoint]] = {}
    for op in answer.ops:
        by_name.setdefault(op.name, {})[op.phase] = op
    shares = {name: max(op.share for op in ops.values()) for name, ops in by_name.items()}
    shown = set(sorted(shares, key=lambda name: -shares[name])[:_SHORT_OPS])
    rows = [
        Row((clean(name), *(c for each in phases for c in _short_cells(ops.get(each.phase)))))
        for name, ops in by_name.items()
        if name in shown
    ]
    total = (cell for each in phases for cell in (number(each.flop_per_byte), each.bound, ""))
    columns = (
        (Column(each.phase, "count"), Column("bound", "bound"), Column("share", "share"))
        for each in phases
    )
    return Table(
        (Column("op"), *(column for each in columns for column in each)),
        (*rows, Row(("total", *total), "strong")),
        "FLOP/byte, bound and share of the time",
        when="short",
    )


def _short_cells(op: OpPoint | None) -> tuple[Cell, ...]:
    if op is None:
        return ("-",) * 3
    intensity = number(op.flop_per_byte) if op.flop_per_byte else "-"
    return (intensity, op.under, percent(op.share))


def _rows(answer: Roofline, phase: PhasePoint) -> Iterator[Row]:
    letters = {(op.phase, op.name): mark for mark, op in _lettered(answer)}
    for op in answer.ops:
        if op.phase == phase.phase:
            figures = _figures(op.flop_per_byte, op.limit_flop_per_s, op.expected_flop_per_s)
            mark = letters.get((op.phase, op.name), "")
            bar = Bar(((op.share, op.under),))
            yield Row((mark, clean(op.name), *figures, op.under, percent(op.share, 1), bar))
    host = phase.overhead_share
    bar = Bar(((host, ""),))
    yield Row(("", "overhead", "-", "-", "-", "-", "host", percent(host, 1), bar))
    total = _figures(phase.flop_per_byte, phase.limit_flop_per_s, phase.expected_flop_per_s)
    yield Row(("", "total", *total, phase.bound, percent(1.0, 1), ""), "strong")


def _figures(
    intensity: float | None, limit: float | None, expected: float | None
) -> tuple[Cell, ...]:
    if intensity is None or limit is None or expected is None:
        return ("-",) * 4
    return (
        number(intensity),
        format_flop_per_s(limit).removesuffix("FLOP/s"),
        format_flop_per_s(expected).removesuffix("FLOP/s"),
        share_of_limit(expected / limit),
    )


def _facts(answer: Roofline) -> Iterator[tuple[str, Text]]:
    for roof in answer.roofs:
        yield (
            f"Roof {roof.pipe}",
            f"{format_flop_per_s(roof.limit_flop_per_s)} limit, "
            f"{format_flop_per_s(roof.expected_flop_per_s)} expected; "
            f"ridge at {number(roof.ridge_flop_per_byte)} FLOP/byte",
        )
    slope = f"{format_bandwidth(answer.limit_bytes_per_s)} limit, "
    yield "Slope", f"{slope}{format_bandwidth(answer.expected_bytes_per_s)} expected"
