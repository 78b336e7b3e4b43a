"""Measured against expected and limit: the statistics that every accuracy benchmark prints.

A `Point` is one scored measurement of a time; the modes of accuracy.py make them.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Point:
    """One measured time with the answer for it, in seconds."""

    groups: Mapping[str, str]
    """What tables group by: gpu, op, regime, engine, ..."""
    measured_s: float
    expected_s: float
    limit_s: float
    low_s: float
    high_s: float
    what: str = ""
    """The row in words, for lists of the worst."""

    @property
    def error(self) -> float:
        """Signed, relative to the measurement: +0.1 is ten per cent too slow a prediction."""
        return self.expected_s / self.measured_s - 1.0


@dataclass(frozen=True, slots=True)
class Stats:
    """Errors of many points, as fractions."""

    rows: int
    mape: float
    median: float
    """Of the absolute errors."""
    bias: float
    """Mean signed error; positive: predicted too slow."""
    within: Mapping[int, float]
    """Share of points within 10, 20 and 30 %."""
    in_range: float
    """Share of measurements inside the answer's low-high range."""
    limit_ratio: float
    """Median of limit / measured: how near to the ceiling measurements come."""


def stats(points: Sequence[Point]) -> Stats:
    """Statistics of at least one point."""
    errors = [point.error for point in points]
    sizes = [abs(error) for error in errors]
    count = len(points)
    return Stats(
        rows=count,
        mape=sum(sizes) / count,
        median=statistics.median(sizes),
        bias=sum(errors) / count,
        within={p: sum(size <= p / 100 for size in sizes) / count for p in (10, 20, 30)},
        in_range=sum(p.low_s <= p.measured_s <= p.high_s for p in points) / count,
        limit_ratio=statistics.median(p.limit_s / p.measured_s for p in points),
    )


@dataclass(slots=True)
class Tally:
    """Everything one run scored, refused and left out. Nothing is dropped silently."""

    points: list[Point] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Reasons why vperf gave no answer."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reasons why a row says nothing about vperf: known to be bad, or without a figure."""

    @property
    def rows(self) -> int:
        """All rows read."""
        return len(self.points) + self.refused.total() + self.left_out.total()


def grouped(points: Iterable[Point], keys: Sequence[str]) -> dict[tuple[str, ...], list[Point]]:
    """Points by the values of these groups, sorted."""
    found: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        found.setdefault(tuple(point.groups.get(key, "") for key in keys), []).append(point)
    return dict(sorted(found.items()))


_HEAD = f"{'rows':>7} {'MAPE':>6} {'median':>6} {'bias':>7} {'<10%':>5} {'<20%':>5} {'<30%':>5} \
{'range':>5} {'lim/meas':>8}"


def _line(s: Stats) -> str:
    within = " ".join(f"{100 * s.within[p]:5.0f}" for p in (10, 20, 30))
    return (
        f"{s.rows:7} {100 * s.mape:6.1f} {100 * s.median:6.1f} {100 * s.bias:+7.1f} {within} "
        f"{100 * s.in_range:5.0f} {s.limit_ratio:8.2f}"
    )


def print_table(title: str, points: Sequence[Point], keys: Sequence[str]) -> None:
    """One line of statistics for each combination of these groups."""
    groups = grouped(points, keys)
    names = {key: "  ".join(part or "-" for part in key) for key in groups}
    width = max([*map(len, names.values()), len(title)])
    print(f"\n{title:{width}} {_HEAD}")
    for key, members in groups.items():
        print(f"{names[key]:{width}} {_line(stats(members))}")


def print_spread(
    title: str,
    points: Sequence[Point],
    keys: Sequence[str],
    left_out: Sequence[str],
    *,
    fast: float = 0.1,
    weighed: bool = True,
) -> None:
    """Percentiles of measured / expected from which vperf's ranges come, the share `fast` and 90 %.

    `weighed`: every cell (the groups of `left_out`) weighs the same, however many rows it has.
    "held out": the share of points inside those of the other points of their line, each group of
    `left_out` taken away in turn.
    """
    lines = grouped(points, keys)
    names = {key: "  ".join(key) for key in lines}
    width = max([*map(len, names.values()), len(title)])
    head = f"p{100 * fast:.0f}"
    print(f"\n{title:{width}} {'rows':>7} {head:>6} {'p90':>6} {'held out':>9}")

    def bounds_of(members: Sequence[Point]) -> tuple[float, float]:
        return _percentiles(members, left_out if weighed else (), fast)

    for key, members in lines.items():
        low, high = bounds_of(members)
        inside = 0
        for group in grouped(members, left_out).values():
            taken = set(map(id, group))
            rest = [point for point in members if id(point) not in taken]
            if len(rest) > 1:
                bounds = bounds_of(rest)
                inside += sum(bounds[0] <= p.measured_s / p.expected_s <= bounds[1] for p in group)
        share = 100 * inside / len(members)
        print(f"{names[key]:{width}} {len(members):7} {low:6.2f} {high:6.2f} {share:7.0f} %")


def _percentiles(points: Sequence[Point], cell: Sequence[str], fast: float) -> tuple[float, float]:
    """Of measured / expected, with cells weighing the same; without cells, points."""
    weighed = sorted(
        (point.measured_s / point.expected_s, 1 / len(members) if cell else 1.0)
        for members in grouped(points, cell).values()
        for point in members
    )
    total, passed = sum(weight for _, weight in weighed), 0.0
    low = high = weighed[0][0]
    for ratio, weight in weighed:
        if passed < fast * total:
            low = ratio
        if passed < 0.9 * total:
            high = ratio
        passed += weight
    return low, high


_STRATUM = 30


def strata_in_range(points: Sequence[Point], keys: Iterable[Sequence[str]]) -> tuple[float, float]:
    """The least and the most that is inside the range of the groups with enough rows."""
    shares = [
        stats(members).in_range
        for each in keys
        for members in grouped(points, each).values()
        if len(members) >= _STRATUM
    ]
    return min(shares), max(shares)


def violations(points: Iterable[Point]) -> list[Point]:
    """Points measured faster than their limit, the worst first."""
    beaten = [p for p in points if p.measured_s < p.limit_s]
    return sorted(beaten, key=lambda p: p.measured_s / p.limit_s)


def print_rest(tally: Tally, *, worst: int = 10) -> None:
    """Limit violations, the worst errors, refusals and what was left out."""
    beaten = violations(tally.points)
    print(f"\nlimit beaten by {len(beaten)} of {len(tally.points)} rows")
    for point in beaten[:worst]:
        print(f"  measured/limit {point.measured_s / point.limit_s:.3f}  {point.what}")
    print("worst errors")
    by_error: Callable[[Point], float] = lambda p: -abs(p.error)  # noqa: E731
    for point in sorted(tally.points, key=by_error)[:worst]:
        print(f"  {100 * point.error:+6.0f} %  {point.what}")
    for title, counts in (("refused", tally.refused), ("left out", tally.left_out)):
        for reason, count in counts.most_common():
            print(f"{title}: {count} rows, {reason}")


def summary(tally: Tally, **more: Any) -> str:
    """The last line of every mode: one JSON object."""
    beaten = violations(tally.points)
    found: dict[str, Any] = {
        "rows": tally.rows,
        "scored": len(tally.points),
        "refused": tally.refused.total(),
        "left_out": tally.left_out.total(),
        "limit_violations": len(beaten),
    }
    if tally.points:
        s = stats(tally.points)
        found |= {
            "mape": s.mape,
            "median": s.median,
            "bias": s.bias,
            "range_coverage": s.in_range,
            "limit_median_ratio": s.limit_ratio,
            "limit_worst_ratio": beaten[0].measured_s / beaten[0].limit_s if beaten else 1.0,
        }
    return json.dumps(found | more)


def print_published(data: Path, line: Callable[[dict[str, str]], tuple[str, float, str]]) -> None:
    """Each published row of a CSV and what is predicted of it, then the mean error of each kind.

    `line` says of a row its kind, predicted / measured - 1, and what is printed.
    """
    errors: dict[str, list[float]] = defaultdict(list)
    for row in csv.DictReader(data.open(encoding="utf-8")):
        kind, error, said = line(row)
        errors[kind].append(error)
        if not kind.startswith("left out"):
            errors["all"].append(error)
        print(said)
    for kind, each in errors.items():
        mean, bias = statistics.fmean(map(abs, each)), statistics.fmean(each)
        print(f"{kind:24} {len(each):3} rows: mean error {mean:.1%}, bias {bias:+.1%}")
