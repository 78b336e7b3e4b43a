"""What is said of a comparison: the best row, then all, the best first.

Not here: the order of the rows (explore/compare.py) and their columns (rows.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from vperf.answer import Speed
from vperf.explore.compare import By, Comparison
from vperf.explore.rows import Row
from vperf.report.chart import Axis, Chart, Series, letter
from vperf.report.document import (
    Block,
    Bullets,
    Column,
    Headline,
    Prose,
    Span,
    Table,
    Text,
)
from vperf.report.format import clean, dollars, gib, per_second, plural, seconds, span
from vperf.report.forms import Report
from vperf.report.names import short_model
from vperf.report.notes import note_blocks
from vperf.report.rows import (
    RowColumn,
    axis_columns,
    bar_column,
    basis_column,
    extra_columns,
    generate,
    joules,
    legend,
    limit_columns,
    lines,
    memory_column,
    named,
    problem_lines,
    requests_column,
    shared_words,
    speed_column,
    tpot_column,
    ttft_column,
)

_SHOWN = 10
"""Rows of the short form."""
_DRAWN = 20
"""Rows of a chart."""
_UP, _DOWN = "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DOWN-POINTING TRIANGLE}"
"""The least first, the most first."""


def report(answer: Comparison) -> Report:
    """The answer in every form."""
    return Report(
        lambda: document(answer),
        answer.to_dict,
        lambda: (row.flat() for row in answer.rows),
        records=lambda: (row.to_dict() for row in answer.rows),
    )


def document(answer: Comparison) -> Iterator[Block]:
    """The screen of `vperf compare`."""
    yield Headline(headline(answer))
    yield Prose(second_line(answer), "aside", tight=True)
    shown = [row for row in answer.rows if row.figures]
    columns = _columns(answer, shown)
    yield Table(tuple(each.column for each in columns), tuple(lines(columns, shown)), short=_SHOWN)
    if marks := legend(shown):
        yield Prose(marks, "aside", tight=True)
    yield Bullets(problem_lines(answer.problems), "Cannot be", mark="!", tone="warn")
    if len(answer.rows) < answer.asked:
        first = f"the first {len(answer.rows):,} of {answer.asked:,} (--top)"
        yield Prose(first, "aside", tight=True)
    yield from note_blocks(answer.notes)


def _columns(answer: Comparison, shown: list[Row]) -> list[RowColumn]:
    axes = {axis: list({row.chosen[axis]: None for row in answer.rows}) for axis in answer.axes}
    by = answer.by
    most = max(row.figures.expected.main_tokens_per_s for row in shown if row.figures)
    first: list[RowColumn] = []
    match by:
        case "cost":
            column = Column(f"$/1k req {_UP}", "money", strong=True)
            first.append(RowColumn(column, lambda row: dollars(_per_thousand(row))))
        case "throughput":
            column = Column(f"output tok/s {_DOWN}", "rate", strong=True)
            first.append(RowColumn(column, _output))
        case "energy":
            column = Column(f"tok/J {_DOWN}", "rate", strong=True)
            first.append(RowColumn(column, joules))
        case "fits":
            column = Column(f"GiB free {_DOWN}", "memory", strong=True)
            first.append(RowColumn(column, _free))
        case "decode" | "ttft":
            pass
        case _:
            assert_never(by)
    decode, ttft = by == "decode", by == "ttft"
    generates = generate(shown)
    extras = extra_columns(
        () if by == "energy" else shown,
        priced=any(row.cost for row in shown),
        served=generates and any(row.figures and row.figures.serving for row in shown),
    )
    return [
        *axis_columns(axes),
        *first,
        speed_column(f"tok/s {_DOWN}" if decode else "tok/s", strong=decode),
        bar_column(most),
        *limit_columns(),
        ttft_column(f"TTFT {_UP}" if ttft else "TTFT", strong=ttft, rank=0 if ttft else 2),
        tpot_column(rank=4) if generates else requests_column(rank=0),
        *extras,
        memory_column(),
        basis_column(rank=1),
    ]


def _per_thousand(row: Row) -> float | None:
    return 1000 * row.cost.usd_per_request if row.cost else None


def _output(row: Row) -> str:
    return per_second(row.figures.output_tokens_per_s) if row.figures else "-"


def _free(row: Row) -> str:
    if row.figures is None:
        return "-"
    left = (row.figures.capacity_bytes - row.figures.memory_bytes) * row.figures.gpus
    return gib(left) if left >= 0 else f"-{gib(-left)}"


def chart(answer: Comparison) -> Chart:
    """TTFT against decode speed, a letter for each of the best rows, apart where none fits."""
    groups: dict[str, list[tuple[str, Row, Speed]]] = {}
    for number, row in enumerate(answer.rows[:_DRAWN]):
        if row.figures is not None:
            group = "fits" if row.fits else "does not fit"
            groups.setdefault(group, []).append((letter(number), row, row.figures.expected))
    return Chart(
        title=f"{plural(min(answer.asked, _DRAWN), 'setting')}, the best first",
        setting=second_line(answer),
        x=Axis("TTFT", "s", log=True),
        y=Axis("decode", "tok/s", log=True),
        series=tuple(
            Series(
                group,
                tuple((speed.ttft_s, speed.main_tokens_per_s) for *_, speed in found),
                joined=False,
                labels=tuple(mark for mark, *_ in found),
            )
            for group, found in groups.items()
        ),
        key=tuple(
            (group, mark, named(row, answer.axes, card=True))
            for group, found in groups.items()
            for mark, row, _ in found
        ),
    )


def headline(answer: Comparison) -> Text:
    """Line 1: the best row and what it reaches."""
    best = answer.rows[0]
    figures = best.figures
    assert figures is not None  # compare() raises where no setting can be
    name = named(best, answer.axes, card=True)
    if not best.fits:
        need, there = gib(figures.memory_bytes), gib(figures.capacity_bytes)
        none = f"None of {answer.asked:,} fits: first is {name}: {need} GiB needed, {there} there."
        return (Span(none, "bad"),)
    return (Span(name, "good"), f" {_reached(answer.by, answer, best)}.")


def _reached(by: By, answer: Comparison, best: Row) -> str:
    figures = best.figures
    assert figures is not None
    expected, limit = figures.expected, figures.limit
    match by:
        case "decode":
            ends = (expected.low, expected.high)
            low, high = (per_second(each.main_tokens_per_s) for each in ends)
            read = "" if generate([best]) else " read"
            return (
                f"is the fastest that fits: {per_second(expected.main_tokens_per_s)} tok/s{read} "
                f"({span(low, high)}), limit {per_second(limit.main_tokens_per_s)}"
            )
        case "ttft":
            return (
                f"is first to answer: TTFT {seconds(expected.ttft_s)}, "
                f"limit {seconds(limit.ttft_s)}"
            )
        case "throughput":
            rate = per_second(figures.output_tokens_per_s)
            return f"gives the most: {rate} output tok/s, prefill included"
        case "cost":
            return f"is the cheapest that fits: ${dollars(_per_thousand(best))} per 1,000 requests"
        case "energy":
            reached = f"{joules(best)} tok/J" if best.tokens_per_joule else "no TDP known"
            return f"is the most frugal that fits: {reached}"
        case "fits":
            return (
                f"has the most room: {_free(best)} GiB free; {answer.fitting:,} of "
                f"{answer.asked:,} fit"
            )
        case _:
            assert_never(by)


def second_line(answer: Comparison) -> str:
    """Line 2: what all rows share, and how many fit."""
    fixed = dict(answer.fixed)
    model, gpu = fixed.pop("model", None), fixed.pop("gpu", None)
    names = [short_model(str(model))] if model else []
    names += [f"{'on ' if model else ''}{clean(gpu)}"] if gpu else []
    shared = ", ".join(shared_words(fixed, answer.axes, generate=generate(answer.rows)))
    cannot = sum(answer.problems.values())
    counts = [plural(answer.asked, "setting"), f"{answer.fitting:,} fit"]
    counts += [f"{cannot:,} cannot be"] if cannot else []
    parts = [" ".join(names), shared, ", ".join(counts)]
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)
