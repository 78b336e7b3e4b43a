"""Means and percentiles of many values, and of values that each count several times.

Percentiles are interpolated between the two values next to them, as numpy and so vLLM's benchmark
have them. Not here: what the values are (scheduler.py).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from vperf.errors import InputError
from vperf.values import dataclass

DEFAULT = (50.0, 90.0, 95.0, 99.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Seconds of one metric over a run."""

    mean_s: float
    percentiles_s: tuple[tuple[float, float], ...]
    """(percentile, seconds), rising."""

    def at(self, percentile: float) -> float:
        """One of its percentiles. Raises KeyError for one it was not made with."""
        return dict(self.percentiles_s)[percentile]

    def to_dict(self) -> dict[str, float]:
        """mean_s, p50_s, p99.9_s, ..."""
        return {"mean_s": self.mean_s, **{f"p{p:g}_s": value for p, value in self.percentiles_s}}


def percentile(rising: Sequence[float], percent: float) -> float:
    """Of sorted values, at least one.

    >>> percentile([1.0, 2.0, 4.0], 75)
    3.0
    """
    place = percent / 100 * (len(rising) - 1)
    low = math.floor(place)
    high = min(low + 1, len(rising) - 1)
    return rising[low] + (place - low) * (rising[high] - rising[low])


def distribution(values: Sequence[float], percents: Sequence[float] = DEFAULT) -> Distribution:
    """Of at least one value."""
    rising = sorted(values)
    return Distribution(
        math.fsum(rising) / len(rising), tuple((p, percentile(rising, p)) for p in percents)
    )


def weighted_distribution(
    values: Sequence[float], counts: Sequence[int], percents: Sequence[float] = DEFAULT
) -> Distribution:
    """The same where each value stands for `counts` equal ones."""
    rows = sorted(zip(values, counts, strict=True))
    ends = list(accumulate(count for _, count in rows))
    total = ends[-1]

    def value(index: int) -> float:
        return rows[min(bisect_right(ends, index), len(rows) - 1)][0]

    def at(percent: float) -> float:
        place = percent / 100 * (total - 1)
        low = math.floor(place)
        first = value(low)
        return first + (place - low) * (value(min(low + 1, total - 1)) - first)

    mean = math.fsum(each * count for each, count in rows) / total
    return Distribution(mean, tuple((p, at(p)) for p in percents))


def read_percents(text: str) -> tuple[float, ...]:
    """Percentiles as vLLM's --metric-percentiles has them. Raises InputError.

    >>> read_percents("50,99.9")
    (50.0, 99.9)
    """
    found = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if not 0 < number < 100:
            raise InputError(f"must be numbers between 0 and 100, not {part.strip()!r}",
                             field="metric-percentiles")  # fmt: skip
        found.append(number)
    return tuple(sorted(set(found)))
