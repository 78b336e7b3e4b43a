"""What is said of a sweep: the fastest that fits, the rows, where it turns; and its chart.

Rows of a long sweep are written as they come, and then what was found comes last.
Not here: the rows and where they turn (explore/sweep.py), their columns (rows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vperf.answer import SimulatedRun
from vperf.errors import InputError
from vperf.explore.crossovers import Crossover
from vperf.explore.rows import Row
from vperf.explore.sweep import Sweep, Sweeping, closing, opening
from vperf.notes import Note
from vperf.report.chart import Axis, Chart, Mark, Point, Series
from vperf.report.document import Block, Bullets, Headline, Plot, Prose, Span, Table, Text
from vperf.report.format import clean, per_second, plural
from vperf.report.forms import Report
from vperf.report.names import short_model
from vperf.report.notes import note_blocks
from vperf.report.rows import (
    RowColumn,
    axis_columns,
    bar_column,
    basis_column,
    choice,
    extra_columns,
    generate,
    heading,
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

_HELD = 200
"""Rows that are waited for, so that the answer is line 1; of more it comes last."""
MAX_SERIES = 12

FIGURES: dict[str, tuple[str, str, str]] = {
    "decode": ("decode_tokens_per_s", "decode", "tok/s"),
    "per-user": ("decode_tokens_per_s_per_user", "decode per user", "tok/s"),
    "ttft": ("ttft_s", "TTFT", "s"),
    "tpot": ("tpot_s", "TPOT", "s"),
    "prefill": ("prefill_tokens_per_s", "prefill", "tok/s"),
}
"""What a chart may show: the field of Speed, its name, its unit."""


def report(
    sweep: Sweeping, rows: Iterable[Row], figure: str | None = None, *, plot: bool = False
) -> Report:
    """A sweep under way in every form; its rows are walked once, as the form is written."""
    return Report(
        lambda: document(sweep, rows, figure, plot=plot),
        lambda: _data(sweep, rows),
        lambda: (row.flat() for row in rows),
        chart=lambda: chart(sweep, rows, figure),
        records=lambda: (row.to_dict() for row in rows),
    )


def document(
    of: Sweeping | Sweep, rows: Iterable[Row] = (), figure: str | None = None, *,
    plot: bool = False,
) -> Iterator[Block]:  # fmt: skip
    """The screen of `vperf sweep`; with `plot` charts in place of the rows.

    A sweep under way comes with its rows, one that is over has them.
    """
    sweep = _told(of)
    rows = of.rows if isinstance(of, Sweep) else rows
    held = list(rows) if not plot and sweep.settings <= _HELD else None
    drawn: list[Chart] = []
    if plot:
        held = []
        # What cannot be drawn is said before all.
        drawn.append(chart(of, _kept(rows, held), figure))
        drawn += [chart(of, held, each) for each in _figures(sweep)[1:] if figure is None]
    best = _Best()
    if held is None:
        yield Headline(f"{title(sweep)}; {plural(sweep.settings, 'setting')}.")
    else:
        best = _Best(held)
        yield Headline(best.line(sweep))
    yield Prose(second_line(sweep, generate(held or ())), "aside", tight=True)
    if drawn:
        yield from map(Plot, drawn)
    else:
        columns = _columns(sweep, held)
        seen = best.over(rows) if held is None else held
        yield Table(tuple(each.column for each in columns), lines(columns, seen))
    if held is None:
        yield Prose(best.line(sweep), "strong")
    elif marks := legend(held):
        yield Prose(marks, "aside", tight=True)
    yield Bullets(turn_lines(sweep.crossovers()), "Where it turns")
    yield Bullets(problem_lines(sweep.problems), "Cannot be", mark="!", tone="warn")
    if "context" in sweep.options:
        text = "context: one decode step with so many tokens cached; TTFT is their prefill"
        yield Prose(text, "aside", tight=True)
    yield from note_blocks(sweep.notes())


class _Told(NamedTuple):
    """What is told of a sweep, under way or over; functions are called when its rows went by."""

    axes: Mapping[str, Sequence[Any]]
    shared: Mapping[str, Any]
    """What all rows have, as it is shown."""
    options: frozenset[str]
    settings: int
    priced: bool
    problems: Mapping[str, int]
    notes: Callable[[], tuple[Note, ...]]
    crossovers: Callable[[], tuple[Crossover, ...]]
    run: Callable[[Row], SimulatedRun | None]


def _told(of: Sweeping | Sweep) -> _Told:
    if isinstance(of, Sweep):
        return _Told(
            of.axes, of.fixed, frozenset((*of.axes, *of.fixed)), len(of.rows),
            any(row.cost for row in of.rows), of.problems, lambda: of.notes,
            lambda: of.crossovers, lambda _: None,
        )  # fmt: skip
    grid, tally = of.grid, of.tally
    return _Told(
        of.axes, grid.shared(), frozenset((*grid.axes, *grid.fixed)), grid.count, bool(of.prices),
        tally.problems, tally.notes, of.crossovers, of.run,
    )  # fmt: skip


def _kept(rows: Iterable[Row], held: list[Row]) -> Iterator[Row]:
    for row in rows:
        held.append(row)
        yield row


def _data(sweep: Sweeping, rows: Iterable[Row]) -> Iterator[tuple[str, Any]]:
    """The pairs of the JSON object, the rows as they come."""
    yield from opening(sweep.axes, sweep.grid.shared()).items()
    yield "rows", (row.to_dict() for row in rows)
    problems = dict(sweep.tally.problems)
    yield from closing(sweep.crossovers(), problems, sweep.tally.notes()).items()


class _Best:
    """The fastest row that fits, of those that went by: one that keeps up, if any does."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._row: Row | None = None
        self._count = 0
        for _ in self.over(rows):
            pass

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, each looked at."""
        for row in rows:
            self._count += 1
            if row.fits and (self._row is None or _standing(row) > _standing(self._row)):
                self._row = row
            yield row

    def line(self, sweep: _Told) -> Text:
        """The answer: the row, its speed and limit."""
        if self._row is None or self._row.figures is None:
            return (Span(f"None of {plural(self._count, 'setting')} fits.", "bad"),)
        name = named(self._row, sweep.axes)
        limit = per_second(self._row.figures.limit.main_tokens_per_s)
        return (
            "Fastest that fits: ",
            Span(f"{name}, {_reached(self._row)}", "good"),
            f" (limit {limit}).",
        )


def _reached(row: Row) -> str:
    speed = per_second(_speed(row))
    if generate([row]) or row.figures is None:
        return f"{speed} tok/s"
    return f"{per_second(row.figures.requests_per_s)} requests/s, {speed} tok/s read"


def _standing(row: Row) -> tuple[bool, float]:
    return not _saturated(row), _speed(row)


def _speed(row: Row) -> float:
    return row.figures.expected.main_tokens_per_s if row.figures else 0.0


def title(sweep: _Told) -> str:
    """What is swept over what: "Qwen3-4B on l40s: batch 1 to 512"."""
    spans = [f"{heading(axis)} {_span(values)}" for axis, values in sweep.axes.items()]
    names = _subject(sweep)
    return f"{f'{names}: ' if names else ''}{', '.join(spans)}"


def _subject(sweep: _Told) -> str:
    fixed = sweep.shared
    names = [short_model(str(fixed["model"]))] if "model" in fixed else []
    names += [f"on {clean(fixed['gpu'])}"] if "gpu" in fixed else []
    return " ".join(names)


def _span(values: Sequence[Any]) -> str:
    if len(values) <= 3:
        return ", ".join(_text(value) for value in values)
    if all(isinstance(value, int | float) for value in values):
        return f"{_text(min(values))} to {_text(max(values))}"
    return f"{_text(values[0])} and {len(values) - 1} others"


def _value(value: Any) -> Any:
    return value if isinstance(value, int | float) else short_model(str(value))


def _text(value: Any) -> str:
    return choice(_value(value))


def second_line(sweep: _Told, generates: bool = True) -> str:
    """Line 2: what all rows share, and what varies."""
    fixed = {n: v for n, v in sweep.shared.items() if n not in ("model", "gpu")}
    spans = [f"{heading(axis)} {_span(values)}" for axis, values in sweep.axes.items()]
    varied = f"{', '.join(spans)}; {plural(sweep.settings, 'setting')}"
    shared = ", ".join(shared_words(fixed, sweep.axes, generate=generates))
    parts = (_subject(sweep), shared, varied)
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)


def _columns(sweep: _Told, held: Sequence[Row] | None) -> list[RowColumn]:
    """Of rows that are held, with what only those show; else all that is known beforehand."""
    served = not sweep.options.isdisjoint(_LOADS)
    rows = [row for row in held or () if row.figures]
    capacities = {row.figures.capacity_bytes for row in rows if row.figures}
    bar = [bar_column(max(map(_speed, rows)), rank=2)] if rows else []
    generates = generate(rows)
    served &= generates
    return [
        *axis_columns(sweep.axes),
        speed_column(strong=True),
        *bar,
        ttft_column(rank=1),
        tpot_column(rank=1) if generates else requests_column(rank=1),
        memory_column(capacities.pop() if len(capacities) == 1 else None),
        *limit_columns(),
        *extra_columns(rows, priced=sweep.priced, served=served),
        basis_column(rank=4),
    ]


def turn_lines(turns: Iterable[Crossover]) -> tuple[Text, ...]:
    """One line a crossover, with the settings it holds for."""
    found: list[str] = []
    for turn in turns:
        chosen = ", ".join(f"{heading(n)} {_text(v)}" for n, v in turn.chosen.items())
        found.append(f"{chosen}: {turn.text}" if chosen else turn.text)
    return tuple(dict.fromkeys(map(clean, found)))


def check_figure(figure: str) -> None:
    """InputError for what no plot shows."""
    if figure not in FIGURES:
        raise InputError(f"must be {', '.join(FIGURES)}, not {figure!r}", source="--y")


def _along(sweep: _Told) -> str:
    """The longest axis of numbers. Raises InputError where there is none."""
    numeric = [a for a, v in sweep.axes.items() if all(isinstance(x, int | float) for x in v)]
    if not numeric:
        raise InputError("a plot needs an axis of numbers", hint="as --batch-size 1..256")
    return max(numeric, key=lambda axis: len(sweep.axes[axis]))


def _figures(sweep: _Told) -> tuple[str, ...]:
    """What is drawn where nobody says: of a rate the times, for its tokens are those asked for."""
    return _OF_RUNS if _along(sweep) == "request_rate" else ("decode",)


def chart(of: Sweeping | Sweep, rows: Iterable[Row] = (), figure: str | None = None) -> Chart:
    """One of FIGURES over the longest axis of numbers, a line for each choice of the other axes.

    Raises InputError where no axis has numbers, or there are too many lines.
    """
    if figure is not None:
        check_figure(figure)
    sweep = _told(of)
    rows = of.rows if isinstance(of, Sweep) else rows
    along, axes = _along(sweep), sweep.axes
    figure = figure or _figures(sweep)[0]
    field, name, unit = FIGURES[figure]
    others = [axis for axis in axes if axis != along]
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.figures is not None:
            found.setdefault(_series_name(row, others) or _only(sweep), []).append(row)
        if len(found) > MAX_SERIES:
            raise InputError(
                f"more than {MAX_SERIES} lines in one plot", hint="sweep fewer values of "
                f"{', '.join(map(heading, others))}",
            )  # fmt: skip
    series: list[Series] = []
    runs = along in _LOADS and figure in _OF_RUNS
    for label, kept in found.items():
        if not runs:
            series += _both(label, kept, along, field)
            continue
        # Of what cannot be served, times have no mean.
        served = [row for row in kept if not _saturated(row)]
        series += _both(f"{label} mean", served, along, field)
        series += _percentiles(sweep, label, served, along, figure)
    values = axes[along]
    spread = max(values) / min(values) if min(values) > 0 else 1.0
    ys = [y for each in series for _, y in each.points]
    marks = tuple(
        Mark("x", turn.at, turn.name)
        for turn in sweep.crossovers()
        if turn.axis == along and turn.at is not None and not turn.chosen
        and min(values) <= turn.at <= max(values)
    )  # fmt: skip
    if runs:
        knee = _knee(next(iter(found.values())), along, field)
        marks += () if knee is None else (Mark("x", knee, "knee"),)
    return Chart(
        title=title(sweep),
        setting=second_line(sweep),
        x=Axis(heading(along), _UNITS.get(along, ""), log=spread >= 16),
        y=Axis(name, unit, log=bool(ys) and min(ys) > 0 and max(ys) / min(ys) > 100),
        series=tuple(series),
        marks=marks,
    )


_LOADS = ("request_rate", "max_concurrency")
_OF_RUNS = ("ttft", "tpot")
_SHOWN_PERCENTILES = (50.0, 99.0)
_KNEE_POINTS = 4
"""Points of a curve that has a knee, at least."""


def _percentiles(
    sweep: _Told, name: str, rows: Sequence[Row], along: str, figure: str
) -> Iterator[Series]:
    """Those of a metric over a load, from the simulated run of each row that can be served."""
    runs = [(float(row.chosen[along]), run) for row in rows if (run := sweep.run(row))]
    for percent in _SHOWN_PERCENTILES:
        points = tuple(
            (at, dict(metric.percentiles_s)[percent])
            for at, run in runs
            if (metric := getattr(run, figure)) and percent in dict(metric.percentiles_s)
        )
        if points:
            yield Series(f"{name} p{percent:g}", points)


def _saturated(row: Row) -> bool:
    serving = row.figures.serving if row.figures else None
    return serving is not None and serving.saturated


def _knee(rows: Sequence[Row], along: str, field: str) -> float | None:
    """The load from which a time grows faster than the load: where its curve is farthest below the
    chord of its ends (Satopaa et al. 2011, Kneedle); None: it has too few points or no bend."""
    points = sorted(
        (float(row.chosen[along]), getattr(row.figures.expected, field))
        for row in rows
        if row.figures and row.figures.serving and not _saturated(row)
    )
    if len(points) < _KNEE_POINTS:
        return None
    (first, low), (last, high) = points[0], points[-1]
    if high <= low:
        return None
    below = [(x - first) / (last - first) - (y - low) / (high - low) for x, y in points]
    deepest = max(below)
    return points[below.index(deepest)][0] if deepest > 0 else None


_UNITS = {"input_len": "tokens", "output_len": "tokens", "context": "tokens",
          "batch_size": "sequences", "request_rate": "1/s"}  # fmt: skip


def _only(sweep: _Told) -> str:
    """What the only line of a plot is called; its title says on what."""
    return short_model(str(sweep.shared.get("model", "")))


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
