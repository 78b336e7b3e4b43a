"""Prometheus' text format: samples by name, and what grew between two of them.

Not here: which names an engine uses (engines.py).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping

from vperf.values import dataclass

_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+\S+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metrics:
    """One look: every sample, by name."""

    samples: Mapping[str, tuple[tuple[Labels, float], ...]]

    def total(self, *names: str) -> float | None:
        """The sum over labels of the first of the names that is there."""
        for name in names:
            for spelled in (name, f"{name}_total"):
                if found := self.samples.get(spelled):
                    return math.fsum(value for _, value in found)
        return None

    def average(self, *names: str) -> float | None:
        """The mean over labels, as of a share that each of several engines has."""
        for name in names:
            if found := self.samples.get(name):
                return math.fsum(value for _, value in found) / len(found)
        return None

    def label(self, name: str, *names: str) -> str | None:
        """The first value of a label of the metrics of these names."""
        for metric in names:
            for labels, _ in self.samples.get(metric, ()):
                if labels.get(name):
                    return labels[name]
        return None

    def has(self, prefix: str) -> bool:
        """Whether any metric is of this namespace."""
        return any(name.startswith(prefix) for name in self.samples)


def parse_metrics(text: str) -> Metrics:
    """Samples of a page; lines that are none are skipped."""
    found: dict[str, list[tuple[Labels, float]]] = defaultdict(list)
    for line in text.splitlines():
        if line.startswith("#") or not (match := _SAMPLE.match(line.strip())):
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        if math.isfinite(value):
            found[match[1]].append((dict(_LABEL.findall(match[2] or "")), value))
    return Metrics({name: tuple(values) for name, values in found.items()})


@dataclass(frozen=True, slots=True)
class Window:
    """Two looks, `seconds` apart."""

    first: Metrics
    last: Metrics
    seconds: float

    def grew(self, *names: str) -> float | None:
        """How much a counter grew; None where it is not there, or was set back."""
        before, after = self.first.total(*names), self.last.total(*names)
        if after is None:
            return None
        grown = after - (before or 0.0)
        return grown if grown >= 0 else None

    def mean(self, *names: str) -> float | None:
        """Mean of a histogram (or summary) over what it saw between the looks."""
        for name in names:
            count, total = self.grew(f"{name}_count"), self.grew(f"{name}_sum")
            if count and total is not None:
                return total / count
        return None

    def percentile(self, share: float, *names: str) -> float | None:
        """Of a histogram, linear within its bucket; None without buckets that grew."""
        for name in names:
            bounds = sorted(self._buckets(f"{name}_bucket").items())
            if not bounds or bounds[-1][1] <= 0:
                continue
            wanted, lower, below = share * bounds[-1][1], 0.0, 0.0
            for upper, count in bounds:
                if count >= wanted:
                    if math.isinf(upper):
                        return lower or None
                    inside = (wanted - below) / (count - below) if count > below else 1.0
                    return lower + inside * (upper - lower)
                lower, below = upper, count
        return None

    def _buckets(self, name: str) -> dict[float, float]:
        found: dict[float, float] = defaultdict(float)
        for metrics, sign in ((self.last, 1.0), (self.first, -1.0)):
            for labels, value in metrics.samples.get(name, ()):
                try:
                    found[float(labels.get("le", ""))] += sign * value
                except ValueError:
                    continue
        return found
