"""A sweep line by line, for a person, as CSV, JSON, Markdown, and as a chart.

Column widths are fixed before the first row is known, so that rows are printed as they come.
Not here: the rows and where they turn (explore/sweep.py), their columns (rows.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from vperf.errors import InputError
from vperf.explore.crossovers import Crossover
from vperf.explore.rows import Row
from vperf.explore.sweep import Sweeping, closing, opening
from vperf.report.chart import Axis, Chart, Mark, Point, Series
from vperf.report.format import clean, plural, shortened
from vperf.report.markdown import bullets, escape
from vperf.report.page import Page
from vperf.report.rows import (
    RowColumn,
    axis_columns,
    choice,
    figure_columns,
    fitted,
    heading,
    json_lines,
    markdown_lines,
    problem_lines,
    shared_words,
)
from vperf.report.words import short_model

_GAP = "  "
MOST_SERIES = 12

FIGURES: dict[str, tuple[str, str, str]] = {
    "decode": ("decode_tokens_per_s", "decode", "tok/s"),
    "per-user": ("decode_tokens_per_s_per_user", "decode per user", "tok/s"),
    "ttft": ("ttft_s", "TTFT", "s"),
    "tpot": ("tpot_s", "TPOT", "s"),
    "prefill": ("prefill_tokens_per_s", "prefill", "tok/s"),
}
"""What a chart may show: the field of Speed, its name, its unit."""


def title(sweep: Sweeping) -> str:
    """Line 1: what is swept over what."""
    spans = [f"{heading(axis)} {_span(values)}" for axis, values in sweep.axes.items()]
    fixed = sweep.grid.shared()
    names = [short_model(str(fixed["model"]))] if "model" in fixed else []
    names += [f"on {clean(fixed['gpu'])}"] if "gpu" in fixed else []
    what = f"{' '.join(names)}: " if names else ""
    return f"{what}{', '.join(spans)}; {plural(sweep.grid.count, 'setting')}."


def _span(values: Sequence[Any]) -> str:
    if len(values) <= 3:
        return ", ".join(_text(value) for value in values)
    if all(isinstance(value, int | float) for value in values):
        return f"{_text(min(values))} to {_text(max(values))}"
    return f"{_text(values[0])} and {len(values) - 1} others"


def _text(value: Any) -> str:
    return choice(value) if isinstance(value, int | float) else short_model(str(value))


def second_line(sweep: Sweeping) -> str:
    """What all rows share."""
    fixed = {n: v for n, v in sweep.grid.shared().items() if n not in ("model", "gpu")}
    words = ", ".join(shared_words(fixed, sweep.axes))
    return f"{words[:1].upper()}{words[1:]}."


def columns_of(sweep: Sweeping) -> list[RowColumn]:
    """The columns of its rows, known before the first of them."""
    options = {**sweep.grid.fixed, **sweep.grid.axes}
    served = "max_concurrency" in options or "request_rate" in options
    figures = figure_columns(priced=bool(sweep.prices), energy=False, served=served)
    return [*axis_columns(sweep.axes), *figures]


def lines(sweep: Sweeping, rows: Iterable[Row], *, width: int, color: bool) -> Iterator[str]:
    """The screen, a line at a time; what was found comes last."""
    page = Page(width, color)
    page.prose(title(sweep), "bold")
    page.prose(second_line(sweep))
    page.blank()
    columns, left_out = fitted(columns_of(sweep), page.width)
    tall = max(column.heading.count("\n") for column in columns) + 1
    heads = [column.heading.split("\n") for column in columns]
    for level in range(tall):
        cells = [head[level] if level < len(head) else "" for head in heads]
        page.line(_row(cells, columns), "bold")
    yield page.text()
    settings = columns[: len(sweep.axes)]
    for row in rows:
        if row.figures is None:
            cells = [column.cell(row) for column in settings]
            why = f"{_row(cells, settings)}{_GAP}{clean(row.problem)}"
            yield f"{shortened(why, page.width)}\n"
        else:
            yield _row([column.cell(row) for column in columns], columns) + "\n"
    yield _found(sweep, left_out, width=width, color=color)


def _row(cells: Sequence[str], columns: Sequence[RowColumn]) -> str:
    placed = (
        cell.ljust(column.width) if column.left else cell.rjust(column.width)
        for cell, column in zip(cells, columns, strict=True)
    )
    return _GAP.join(placed).rstrip()


def _found(sweep: Sweeping, left_out: Sequence[str], *, width: int, color: bool) -> str:
    page = Page(width, color)
    page.section("Where it turns", turn_lines(sweep.crossovers()))
    page.section("Notes", _notes(sweep, left_out))
    return page.text() if page.filled else ""


def turn_lines(turns: Iterable[Crossover]) -> list[str]:
    """One line a crossover, with the settings it holds for."""
    found: list[str] = []
    for turn in turns:
        chosen = ", ".join(f"{heading(n)} {_text(v)}" for n, v in turn.chosen.items())
        found.append(f"{chosen}: {turn.text}" if chosen else turn.text)
    return list(dict.fromkeys(map(clean, found)))


def _notes(sweep: Sweeping, left_out: Sequence[str]) -> list[str]:
    found = problem_lines(sweep.tally.problems)
    lacking = sweep.tally.answered - sweep.tally.fitting
    if lacking:
        found.append(f"fits no: {plural(lacking, 'setting')}; the speeds are those with the memory")
    if "context" in {*sweep.grid.axes, *sweep.grid.fixed}:
        found.append("context: one decode step with so many tokens cached; TTFT is their prefill")
    if left_out:
        found.append(f"no room at this width for {', '.join(left_out)}; --csv has all figures")
    # Energy has no column in a sweep.
    return [*found, *(note for note in sweep.tally.notes() if note.kind != "energy")]


def json_parts(sweep: Sweeping, rows: Iterable[Row]) -> Iterator[str]:
    """One JSON object, its rows as they come."""
    head = json.dumps(opening(sweep.axes, sweep.grid.shared()), allow_nan=False)
    yield head[:-1] + ', "rows": [\n'
    for number, line in enumerate(json_lines(rows)):
        yield (",\n" if number else "") + line.rstrip("\n")
    tail = closing(sweep.crossovers(), dict(sweep.tally.problems), sweep.tally.notes())
    yield "\n], " + json.dumps(tail, allow_nan=False)[1:] + "\n"


def markdown(sweep: Sweeping, rows: Iterable[Row]) -> Iterator[str]:
    """The same as Markdown, every column in it."""
    yield f"**{escape(title(sweep))}**\n\n{escape(second_line(sweep))}\n\n"
    yield from (f"{line}\n" for line in markdown_lines(columns_of(sweep), rows))
    for name, found in (
        ("Where it turns", turn_lines(sweep.crossovers())), ("Notes", _notes(sweep, []))
    ):  # fmt: skip
        if found:
            yield f"\n{bullets(name, found)}\n"


def check_figure(figure: str) -> None:
    """InputError for what no plot shows."""
    if figure not in FIGURES:
        raise InputError(f"must be {', '.join(FIGURES)}, not {figure!r}", source="--y")


def chart(sweep: Sweeping, rows: Iterable[Row], figure: str = "decode") -> Chart:
    """One of FIGURES over the longest axis of numbers, a line for each choice of the other axes.

    Raises InputError where no axis has numbers, or there are too many lines.
    """
    field, name, unit = FIGURES[figure]
    axes = sweep.axes
    numeric = [a for a, v in axes.items() if all(isinstance(x, int | float) for x in v)]
    if not numeric:
        raise InputError("a plot needs an axis of numbers", hint="as --batch-size 1..256")
    along = max(numeric, key=lambda axis: len(axes[axis]))
    others = [axis for axis in axes if axis != along]
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.figures is not None:
            found.setdefault(_series_name(row, others) or _subject(sweep), []).append(row)
        if len(found) > MOST_SERIES:
            raise InputError(
                f"more than {MOST_SERIES} lines in one plot", hint="sweep fewer values of "
                f"{', '.join(map(heading, others))}",
            )  # fmt: skip
    series: list[Series] = []
    for label, kept in found.items():
        series += _both(label, kept, along, field)
    values = axes[along]
    spread = max(values) / min(values) if min(values) > 0 else 1.0
    ys = [y for each in series for _, y in each.points]
    marks = tuple(
        Mark("x", turn.at, turn.name)
        for turn in sweep.crossovers()
        if turn.axis == along and turn.at is not None and not turn.chosen
        and min(values) <= turn.at <= max(values)
    )  # fmt: skip
    return Chart(
        title=title(sweep).rsplit(";", 1)[0],
        x=Axis(heading(along), _UNITS.get(along, ""), log=spread >= 16),
        y=Axis(name, unit, log=bool(ys) and min(ys) > 0 and max(ys) / min(ys) > 100),
        series=tuple(series),
        marks=marks,
    )


_UNITS = {"input_len": "tokens", "output_len": "tokens", "context": "tokens",
          "batch_size": "sequences", "request_rate": "1/s"}  # fmt: skip


def _subject(sweep: Sweeping) -> str:
    """What the only line of a plot is called; its title says on what."""
    return short_model(str(sweep.grid.shared().get("model", "")))


def _series_name(row: Row, others: Sequence[str]) -> str:
    return ", ".join(
        _text(row.chosen[axis]) if axis in ("model", "gpu", "quantization")
        else f"{heading(axis)} {_text(row.chosen[axis])}"
        for axis in others
    )  # fmt: skip


def _both(name: str, rows: Sequence[Row], along: str, field: str) -> Iterator[Series]:
    def points(speed: Callable[[Any], Any]) -> tuple[Point, ...]:
        return tuple((float(r.chosen[along]), getattr(speed(r.figures), field)) for r in rows)

    yield Series(name, points(lambda f: f.limit), "limit")
    low, high = points(lambda f: f.expected.low), points(lambda f: f.expected.high)
    band = tuple((a, b) for (_, a), (_, b) in zip(low, high, strict=True))
    yield Series(name, points(lambda f: f.expected), "expected", band=band)


def plotted(sweep: Sweeping, drawn: str, *, width: int, color: bool) -> str:
    """The screen of a sweep whose rows are a plot; line 1 is the title of that."""
    page = Page(width, color)
    page.blank()
    page.prose(second_line(sweep))
    return drawn + page.text() + _found(sweep, [], width=width, color=color)
