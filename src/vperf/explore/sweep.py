"""One or several options over their values: rows as they are computed, and where they cross over.

Not here: the speeds (speeds/), the crossovers (crossovers.py) and the layout (report/sweep.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from vperf.answer import SimulatedRun
from vperf.errors import InputError, VperfError
from vperf.estimate import estimate
from vperf.explore.crossovers import Crossover, find_crossovers
from vperf.explore.grid import Grid, grid, plain
from vperf.explore.prices import Prices, prices_of
from vperf.explore.rows import Row, Tally, row_of
from vperf.frames import Plotted, frame
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.resolve.model import AS_STORED
from vperf.spelling import flag
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/sweep/1"
MAX_CROSSED = 12
"""Combinations of the other axes whose crossovers are looked for."""


@dataclass(frozen=True, slots=True, repr=False)
class Sweep(Plotted):
    """All rows of a sweep, in the order of its axes."""

    rows: tuple[Row, ...]
    axes: Mapping[str, Sequence[Any]]
    """Options that vary, with their values; the last varies fastest."""
    fixed: Mapping[str, Any]
    crossovers: tuple[Crossover, ...]
    problems: Mapping[str, int]
    notes: tuple[Note, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        return {
            **opening(self.axes, self.fixed),
            "rows": [row.to_dict() for row in self.rows],
            **closing(self.crossovers, self.problems, self.notes),
        }

    def to_frame(self) -> Any:
        """The rows as a pandas.DataFrame. Raises VperfError without pandas."""
        return frame(row.flat() for row in self.rows)


def opening(axes: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the JSON before its rows."""
    return {
        "schema": SCHEMA,
        "vperf_version": __version__,
        "axes": {name: list(values) for name, values in axes.items()},
        "fixed": dict(fixed),
    }


def closing(
    found: tuple[Crossover, ...], problems: Mapping[str, int], notes: tuple[Note, ...]
) -> dict[str, Any]:
    """Those after them."""
    return {
        "crossovers": [each.to_dict() for each in found],
        "problems": dict(problems),
        "notes": list(map(str, notes)),
    }


class Sweeping:
    """A sweep under way: walk `rows` once, then read what was counted and the crossovers."""

    def __init__(self, options: Mapping[str, Any], prices: Prices | None = None) -> None:
        """Look all names up. Raises VperfError; InputError where nothing varies."""
        self._resolver = Resolver()
        self.grid: Grid = grid(options, self._resolver)
        if not self.grid.axes:
            raise InputError(
                "nothing varies",
                hint=f"give an option several values, as {flag('batch_size')} 1..256",
            )
        self.prices = prices_of(prices) if prices else None
        self.tally = Tally(self.prices)

    @property
    def axes(self) -> dict[str, Sequence[Any]]:
        """Options that vary, with their values."""
        return self.grid.labels()

    def rows(self) -> Iterator[Row]:
        """The rows as they are computed. Raises InputError where no setting at all can be."""
        waiting: list[Row] = []
        for point in self.grid:
            row = row_of(self._resolver, point, self.prices)
            self.tally.add(row)
            if self.tally.answered:
                yield from waiting
                waiting.clear()
                yield row
            elif len(waiting) < 10_000:
                waiting.append(row)
        if waiting:
            raise InputError(waiting[0].problem)

    def run(self, row: Row) -> SimulatedRun | None:
        """The simulated run of a row; None: of a batch, or of a load that cannot be served."""
        serving = row.figures.serving if row.figures else None
        if serving is None or serving.saturated or not row.fits:
            return None
        point = next(each for each in self.grid if each.chosen == row.chosen)
        return estimate(self._resolver.deployment(point.scenario)).simulated

    def crossovers(self) -> tuple[Crossover, ...]:
        """The crossovers of each axis, for the first combinations of the others."""
        found: list[Crossover] = []
        axes = self.grid.axes
        for axis, values in axes.items():
            if axis == "quantization" and "batch_size" in axes:
                continue  # said of the batch
            own = [v for v in values if v != AS_STORED] if axis == "quantization" else values[:1]
            others = {name: choices for name, choices in axes.items() if name != axis}
            for rest in islice(product(*others.values()), MAX_CROSSED):
                chosen = dict(zip(others, rest, strict=True))
                labels = {name: plain(value) for name, value in chosen.items()}
                for value in own:
                    options = {**self.grid.fixed, **chosen, axis: value}
                    try:
                        found += find_crossovers(axis, options, labels, self._resolver)
                    except VperfError:
                        continue  # its rows say why
        return tuple(found)

    def all(self) -> Sweep:
        """Everything at once."""
        rows = tuple(self.rows())
        found = self.crossovers()
        problems = dict(self.tally.problems)
        shared = self.grid.shared()
        return Sweep(rows, self.axes, shared, found, problems, self.tally.notes())


def sweep(model: Any, gpu: Any, *, prices: Prices | None = None, **options: Any) -> Sweep:
    """Every combination of the options that are lists, in their order, and the crossovers.

    Options as `vperf.estimate`, and `context`: one decode step with so many tokens cached.
    Raises VperfError.
    """
    return Sweeping({"model": model, "gpu": gpu, **options}, prices).all()
