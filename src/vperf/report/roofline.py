"""A roofline for people and programs: words, table, chart, JSON, CSV and Markdown.

Not here: any figure (explore/roofline.py), and how a chart is drawn (chart_terminal.py,
chart_file.py).
"""

from __future__ import annotations

from dataclasses import asdict

from vperf.explore.roofline import OpPoint, PhasePoint, Roof, Roofline
from vperf.report import to_csv as csv_rows
from vperf.report import words
from vperf.report.chart import Axis, Chart, Mark, Series, Style, letter
from vperf.report.chart_terminal import render_terminal
from vperf.report.format import clean, percent, plural
from vperf.report.markdown import bullets, document, escape, facts, table
from vperf.report.page import Column, Page
from vperf.units import format_bandwidth, format_flop_per_s

_OF_OPS: tuple[Style, ...] = ("limit", "expected")
_HEADINGS = ("", "op", "FLOP/byte", "limit", "expected", "bound", "share")


def headline(answer: Roofline) -> str:
    """Line 1: what bounds decode and prefill, and how far they are from the ridge."""
    prefill, decode = answer.phases
    text = f"{words.subject(answer.estimate)}: {_verdict(decode)}; {_verdict(prefill)}."
    return text if answer.estimate.memory.fits else f"{text} It does not fit."


def _verdict(phase: PhasePoint) -> str:
    return (
        f"{phase.phase} is {phase.bound}-bound ({_number(phase.flop_per_byte)} FLOP/byte, "
        f"ridge {_number(phase.ridge_flop_per_byte)})"
    )


def second_line(answer: Roofline) -> str:
    """How many ops are under which roof, and the workload."""
    parts, far = [], 0
    for phase in reversed(answer.phases):
        ops = [op for op in answer.ops if op.phase == phase.phase and op.flops > 0]
        under = sum(op.under == phase.bound for op in ops)
        far += sum(op.bound == "latency" for op in ops)
        parts.append(f"{under} of {plural(len(ops), f'{phase.phase} op')} are {phase.bound}-bound")
    text = f"At the limit {' and '.join(parts)}"
    if far:
        text += f"; expected is less than half of the limit for {far}"
    return f"{text}. {_capital(words.workload(answer.estimate))}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def chart(answer: Roofline) -> Chart:
    """Roofs as lines, ops as lettered points at what is expected, and at their limits."""
    drawn = _lettered(answer)
    reach = [op.flop_per_byte for _, op in drawn if op.flop_per_byte]
    ridges = [roof.ridge_flop_per_byte for roof in answer.roofs]
    names = {f"ridge {_number(ridge)}": ridge for ridge in sorted(ridges)}
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
        title=f"Roofline of {words.subject(answer.estimate)}",
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


def render(answer: Roofline, *, width: int = 80, unicode: bool = True, color: bool = False) -> str:
    """The whole screen: words, plot, table, what was assumed."""
    page = Page(width, color)
    page.prose(headline(answer), "bold" if answer.estimate.memory.fits else "bold yellow")
    page.prose(second_line(answer))
    page.blank()
    page.lines(render_terminal(chart(answer), page.width, unicode, color, key=False))
    for phase in answer.phases:
        page.blank()
        page.line(_phase_title(phase), "bold")
        page.table(
            [Column(h, left=h in ("", "op", "bound"), fold=h == "op") for h in _HEADINGS],
            _rows(answer, phase),
            total=True,
        )
    page.blank()
    page.facts(_facts(answer))
    page.section("Warnings", map(clean, answer.estimate.warnings), "yellow")
    page.section("Assumptions", map(clean, (*answer.estimate.assumptions, _ABOVE)))
    return page.text()


_ABOVE = (
    "FLOP/byte counts weights, cache and activations; the limit takes activations as free and "
    "has the card's cache hold what it can, so an op's limit may be above the bandwidth slope"
)


def _phase_title(phase: PhasePoint) -> str:
    name = "Prefill" if phase.phase == "prefill" else "Decode step"
    return f"{name}, op by op (FLOP/s of one GPU)"


def _rows(answer: Roofline, phase: PhasePoint) -> list[tuple[str, ...]]:
    letters = {(op.phase, op.name): mark for mark, op in _lettered(answer)}
    rows: list[tuple[str, ...]] = [
        (
            letters.get((op.phase, op.name), ""),
            clean(op.name),
            *_figures(op.flop_per_byte, op.limit_flop_per_s, op.expected_flop_per_s),
            op.bound,
            percent(op.share),
        )
        for op in answer.ops
        if op.phase == phase.phase
    ]
    rest = ("-",) * 3
    rows.append(("", "overhead", *rest, "latency", percent(phase.overhead_share)))
    total = _figures(phase.flop_per_byte, phase.limit_flop_per_s, phase.expected_flop_per_s)
    rows.append(("", "total", *total, phase.bound, percent(1.0)))
    return rows


def _figures(
    intensity: float | None, limit: float | None, expected: float | None
) -> tuple[str, str, str]:
    if intensity is None or limit is None or expected is None:
        return ("-",) * 3
    return (
        _number(intensity),
        format_flop_per_s(limit).removesuffix("FLOP/s"),
        format_flop_per_s(expected).removesuffix("FLOP/s"),
    )


def _facts(answer: Roofline) -> list[tuple[str, str]]:
    rows = [
        (
            f"Roof {roof.pipe}",
            f"{format_flop_per_s(roof.limit_flop_per_s)} limit, "
            f"{format_flop_per_s(roof.expected_flop_per_s)} expected; "
            f"ridge at {_number(roof.ridge_flop_per_byte)} FLOP/byte",
        )
        for roof in answer.roofs
    ]
    slope = f"{format_bandwidth(answer.limit_bytes_per_s)} limit, "
    slope += f"{format_bandwidth(answer.expected_bytes_per_s)} expected"
    constants = clean(answer.estimate.gpu.constants)
    return [*rows, ("Slope", slope), ("Constants", constants)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def csv(answer: Roofline) -> str:
    """One row an op of both phases, SI base units, floats unrounded."""
    return "".join(csv_rows.lines(asdict(op) for op in answer.ops))


def markdown(answer: Roofline) -> str:
    """Words and tables, to paste into an issue; the plot is a file of its own."""
    parts = [f"**{escape(headline(answer))}**", escape(second_line(answer))]
    for phase in answer.phases:
        parts.append(f"**{_phase_title(phase)}**")
        rows = [row[1:] for row in _rows(answer, phase)]
        parts.append(table(_HEADINGS[1:], rows, left=(0, 4)))
    notes = (*answer.estimate.warnings, *answer.estimate.assumptions, _ABOVE)
    return document([*parts, facts(_facts(answer)), bullets("Assumptions", notes)])
