"""Models x GPUs x quantizations x ... in one table, the best first.

Not here: the speeds (speeds/) and the layout (report/compare.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from vperf.errors import InputError
from vperf.explore.grid import CONTEXT, Grid, grid
from vperf.explore.prices import Prices, prices_of
from vperf.explore.rows import Row, Tally, row_of
from vperf.frames import Plotted, frame
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.spelling import flag
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/compare/1"

By = Literal["decode", "ttft", "throughput", "cost", "energy", "fits"]
"""What the best row is best at: decode tok/s, TTFT, output tok/s prefill included, $ per request,
tokens per joule, memory left."""


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Plotted):
    """The rows, best first: those that fit, those that do not, those that cannot be."""

    rows: tuple[Row, ...]
    by: By
    asked: int
    """Settings asked for; more than there are rows where only the `top` ones were kept."""
    fitting: int
    """Of all asked for."""
    fixed: Mapping[str, Any]
    """Options that all rows share, by name; what is not in it has its default."""
    axes: tuple[str, ...]
    """Options that vary."""
    problems: Mapping[str, int]
    """Why settings cannot be, and how many."""
    notes: tuple[Note, ...]
    """What the rows rest on."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            "by": self.by,
            "asked": self.asked,
            "fitting": self.fitting,
            "fixed": dict(self.fixed),
            "axes": list(self.axes),
            "problems": dict(self.problems),
            "notes": list(map(str, self.notes)),
            "rows": [row.to_dict() for row in self.rows],
        }

    def to_frame(self) -> Any:
        """The rows as a pandas.DataFrame. Raises VperfError without pandas."""
        return frame(row.flat() for row in self.rows)


def _figure(row: Row, by: By) -> float | None:  # noqa: PLR0911  (one a choice)
    """What rows are ranked by, the least first; None where a row does not have it."""
    figures = row.figures
    if figures is None:
        return None
    match by:
        case "decode":
            return -figures.expected.main_tokens_per_s
        case "ttft":
            return figures.expected.ttft_s
        case "throughput":
            return -figures.output_tokens_per_s
        case "cost":
            return row.cost.usd_per_request if row.cost else None
        case "energy":
            return -row.tokens_per_joule if row.tokens_per_joule else None
        case "fits":
            return (figures.memory_bytes - figures.capacity_bytes) * figures.gpus


def compare(
    model: Any,
    gpu: Any,
    *,
    by: By = "decode",
    prices: Prices | None = None,
    top: int | None = None,
    tick: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Comparison:
    """Every combination of the choices, sorted.

    `model`, `gpu` and every option of `vperf.estimate` may be lists; "all" and "all-nvidia" are
    GPUs. `prices` are $ per GPU-hour by GPU; `top` keeps the best so many. `tick(done, all)` is
    called after each row. Raises VperfError; InputError where no combination can be.
    """
    if by not in get_args(By):
        raise InputError(f"must be one of {', '.join(get_args(By))}, not {by!r}", field="by")
    if top is not None and (isinstance(top, bool) or top < 1):
        raise InputError(f"must be at least 1, not {top!r}", field="top")
    if options.get(CONTEXT) is not None:
        raise InputError("is an option of sweep", field=CONTEXT, hint="give input_len")
    resolver = Resolver()
    points = grid({"model": model, "gpu": gpu, **options}, resolver)
    known = prices_of(prices) if prices else None
    if by == "cost" and not known:
        raise InputError(
            "'cost' needs prices", field="by", hint=f"give {flag('price')} h100-sxm=2.50, ..."
        )
    cards = points.labels().get("gpu") or (points.shared()["gpu"],)
    if by == "cost" and not any(card in (known or {}) for card in cards):
        raise InputError(
            f"'cost' needs the price of a GPU that is compared, as {cards[0]}", field="by",
            hint=f"give {flag('price')} {cards[0]}=2.50",
        )  # fmt: skip
    rows = _rows(resolver, points, known, tick)
    if all(row.figures is None for row in rows):
        raise InputError(rows[0].problem)
    problems = Counter(row.problem for row in rows if row.problem)
    tally = Tally(known)
    for row in rows:
        tally.add(row)
    ranked = sorted(rows, key=lambda row: _rank(row, by))
    return Comparison(
        rows=tuple(ranked[:top]),
        by=by,
        asked=len(rows),
        fitting=sum(row.fits for row in rows),
        fixed=points.shared(),
        axes=tuple(points.axes),
        problems=dict(problems.most_common()),
        notes=tally.notes(),
    )  # fmt: skip


def _rows(
    resolver: Resolver,
    points: Grid,
    prices: Prices | None,
    tick: Callable[[int, int], None] | None,
) -> list[Row]:
    rows: list[Row] = []
    count = points.count
    for point in points:
        rows.append(row_of(resolver, point, prices))
        if tick:
            tick(len(rows), count)
    return rows


def _rank(row: Row, by: By) -> tuple[int, float]:
    value = _figure(row, by)
    group = 0 if row.fits else 1 if row.figures else 2
    return group, math.inf if value is None else value
