"""A chart as a plain frozen value: what is drawn, with units, and nothing of how.

A series is named after the thing it shows ("H100 SXM"), and its style says which figure of it:
series of one name share a colour, series of one style a stroke. The ticks, ranges and letters that
every writer needs are here too, so that a terminal and a file show the same chart.

Not here: drawing (chart_terminal.py, chart_file.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from vperf.errors import InputError
from vperf.values import dataclass

Style = Literal["limit", "expected", "measured"]
STYLES: tuple[Style, ...] = ("limit", "expected", "measured")
Point = tuple[float, float]

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1e-3, "m"), (1e-6, "u"), (1e-9, "n"))
_NEAR_ZERO = 0.1
"""A linear axis whose values start below this share of its end starts at 0."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What one direction shows. Values are in SI base units, or counts."""

    label: str
    unit: str = ""
    log: bool = False

    @property
    def title(self) -> str:
        """ "TTFT (s)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one figure of one thing, in the order in which a line joins them."""

    name: str
    points: tuple[Point, ...]
    style: Style = "expected"
    band: tuple[tuple[float, float], ...] = ()
    """(low, high) of y at each point; empty: no range is known."""
    joined: bool = True
    """A line through the points; measured points are never joined."""
    labels: tuple[str, ...] = ()
    """A short label (a letter) beside each point; empty: none."""

    def __post_init__(self) -> None:
        for what, given in (("band", self.band), ("labels", self.labels)):
            if given and len(given) != len(self.points):
                raise ValueError(f"{what} of {self.name!r}: not one for each point")


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on an axis that has a name: a crossover, a target, the memory's end."""

    axis: Literal["x", "y"]
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn. Raises InputError where no point can be."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    key: tuple[tuple[str, str, str], ...] = ()
    """(series name, label of a point, what it stands for), for a legend."""
    setting: str = ""
    """What was asked, under the title of a file, which is looked at alone."""

    def __post_init__(self) -> None:
        if not any(self.shown(each) for each in self.series):
            raise InputError("there is nothing to plot: no point has a value on both axes")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the series, each once: what is told apart by colour."""
        return tuple(dict.fromkeys(each.name for each in self.series))

    @property
    def styles(self) -> tuple[Style, ...]:
        """The styles that occur, in their usual order."""
        used = {each.style for each in self.series}
        return tuple(style for style in STYLES if style in used)

    def shown(self, series: Series) -> tuple[tuple[int, Point], ...]:
        """The points that the axes can show, with their numbers in the series."""
        return tuple(
            (number, (x, y))
            for number, (x, y) in enumerate(series.points)
            if _on(x, self.x) and _on(y, self.y)
        )

    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(low, high) of x and of y that show every point, band and mark."""
        xs, ys = [], []
        for each in self.series:
            for number, (x, y) in self.shown(each):
                xs.append(x)
                ys.append(y)
                if each.band:
                    ys += [value for value in each.band[number] if _on(value, self.y)]
        for mark in self.marks:
            if _on(mark.value, self.x if mark.axis == "x" else self.y):
                (xs if mark.axis == "x" else ys).append(mark.value)
        return _range(xs, self.x, pad=0.0), _range(ys, self.y, pad=0.04)


def _on(value: float, axis: Axis) -> bool:
    return math.isfinite(value) and (value > 0 or not axis.log)


def _range(values: Iterable[float], axis: Axis, *, pad: float) -> tuple[float, float]:
    """Low and high with some air; from 0 on a linear axis of values above it."""
    values = tuple(values)
    low, high = min(values), max(values)
    if axis.log:
        if low == high:
            return low / 2, high * 2
        air = (high / low) ** pad
        return low / air, high * air
    if low == high:
        return (0.0, high * 1.5) if high > 0 else (low - 1.0, high + 1.0)
    air = (high - low) * pad
    from_zero = low >= 0 and (pad or low < _NEAR_ZERO * high)
    return (0.0 if from_zero else low - air), high + air


def share_of(value: float, low: float, high: float, axis: Axis) -> float:
    """Where on the axis from `low` (0) to `high` (1) a value stands."""
    place: Callable[[float], float] = math.log10 if axis.log else float
    return (place(value) - place(low)) / (place(high) - place(low))


def ticks(low: float, high: float, *, log: bool, most: int) -> tuple[float, ...]:
    """Round values from `low` to `high`, at least one and about `most` of them.

    >>> ticks(0, 90, log=False, most=5)
    (0.0, 20.0, 40.0, 60.0, 80.0)
    >>> ticks(0.5, 2000, log=True, most=5)
    (1.0, 10.0, 100.0, 1000.0)
    """
    if log:
        for steps in ((1.0, 2.0, 5.0), (1.0,)):
            found = tuple(_log_steps(low, high, steps))
            if 2 <= len(found) <= most:
                return found
        if len(found) > most:
            return found[:: -(-len(found) // most)]
    step = _round_step((high - low) / max(1, most))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(number * step for number in range(first, last + 1)) or (low,)


def _log_steps(low: float, high: float, steps: tuple[float, ...]) -> Iterator[float]:
    """`steps` times every power of ten, from `low` to `high`."""
    for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for step in steps:
            if low * (1 - 1e-9) <= step * 10.0**decade <= high * (1 + 1e-9):
                yield step * 10.0**decade


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    decade = 10.0 ** math.floor(math.log10(least))
    return next(step * decade for step in (1.0, 2.0, 5.0, 10.0) if step * decade >= least * 0.9999)


def tick_text(value: float, axis: Axis) -> str:
    """ "100T", "16k", "0.5"; seconds "20ms". The unit itself is in the title of the axis.

    >>> tick_text(1e14, Axis("rate", "FLOP/s")), tick_text(0.02, Axis("TTFT", "s"))
    ('100T', '20ms')
    """
    if value == 0:
        return "0"
    seconds = axis.unit == "s"
    steps = _PREFIXES[5:] + _SMALL if seconds else _PREFIXES
    size = abs(value) * 1.0000001
    scale, prefix = next((step for step in steps if size >= step[0]), steps[-1])
    return f"{value / scale:.4g}{prefix}{'s' if seconds else ''}"


def letter(number: int) -> str:
    """a to z, then A to Z, then "?": how points and lines are named where names do not fit."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    letters += letters.upper()
    return letters[number] if number < len(letters) else "?"


def spread(wanted: Iterable[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near to `wanted` as a least `gap` between any two allows, in the same order.

    >>> spread([1.0, 1.0, 5.0], 1.0, 0.0, 5.0)
    [0.5, 1.5, 5.0]
    """
    wanted = list(wanted)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    groups: list[tuple[float, int]] = []  # centre, members: those that push each other
    for number in order:
        centre, members = wanted[number], 1
        while True:
            half = gap * (members - 1) / 2
            centre = min(max(centre, low + half), high - half)
            if not groups:
                break
            before, count = groups[-1]
            if before + gap * (count - 1) / 2 + gap <= centre - half + 1e-9:
                break
            groups.pop()
            centre = (before * count + centre * members) / (count + members)
            members += count
        groups.append((centre, members))
    placed = [0.0] * len(wanted)
    numbers = iter(order)
    for centre, members in groups:
        for place in range(members):
            placed[next(numbers)] = centre + gap * (place - (members - 1) / 2)
    return placed
