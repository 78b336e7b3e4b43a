"""Thresholds that graded figures must pass.

One that cannot be applied (no TTFT was measured) is an error, not a pass. A result above the limit
passes none: whatever it measured, it was not this. Without thresholds nothing fails. They are
called bars in the options, the JSON and `vperf.Bars`.
Not here: the vperf.toml that holds them (config.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from vperf.checks.baseline import Drift
from vperf.checks.grade import Metric
from vperf.errors import InputError
from vperf.serving.percentiles import read_percents
from vperf.spelling import flag
from vperf.units import refuse_odd
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a result must reach; None: anything."""

    min_efficiency: float | None = None
    """Of the expected speed of the main figure."""
    min_of_limit: float | None = None
    """Of the limit of the main figure."""
    min_mbu: float | None = None
    """Model bandwidth utilization of decode."""
    max_ttft_s: float | None = None
    max_tpot_s: float | None = None
    max_drift: float | None = None
    """How much slower than its baseline any figure may be, as a share of its speed."""
    percentiles: tuple[tuple[str, float], ...] = ()
    """Longest percentiles by name, seconds: ("p99_ttft_s", 0.5)."""

    def __post_init__(self) -> None:
        found = [(name, getattr(self, name)) for name in _NAMES]
        for name, value in (*found, *self.percentiles):
            if value is not None:
                refuse_odd(value, _flag(name))
            if value is not None and name in _SHARES and value >= 2:
                said = f"{value:g} is not a share of one; did you mean {value / 100:g}?"
                raise InputError(said, field=_flag(name))

    def __bool__(self) -> bool:
        return bool(self.percentiles) or any(getattr(self, name) is not None for name in _NAMES)


_SHARES = ("min_efficiency", "min_of_limit", "min_mbu", "max_drift")
_NAMES = (*_SHARES, "max_ttft_s", "max_tpot_s")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold, applied."""

    name: str
    """A field of Thresholds; "possible" for the one that a result above the limit misses."""
    asked: float
    got: float
    passed: bool
    short: float
    """By how much it is missed, as a share of it; 0 where it is passed."""
    metric: str = ""
    """The figure that it was held against; empty for MBU."""
    slack: float = 0.0
    """What the spread of repeats allows beyond `asked`."""


def _flag(name: str) -> str:
    return name.removesuffix("_s").replace("_", "-")


class Graded(NamedTuple):
    """The figures that thresholds are applied to."""

    main: Metric
    metrics: Sequence[Metric]
    tpot_s: float | None
    """Measured, or what the measured rate of a batch makes it."""
    mbu: float | None
    """Of decode."""
    drift: Drift | None
    percentiles: Mapping[str, float] = {}
    """As measured, seconds."""


def apply(thresholds: Thresholds, graded: Graded) -> tuple[Threshold, ...]:
    """Every threshold that there is a figure for, and whether it is passed."""
    found = []
    for name, metric, got in _values(graded):
        asked = getattr(thresholds, name)
        if asked is None or got is None:
            continue
        slack = graded.drift.worst.slack if name == "max_drift" and graded.drift else 0.0
        at_least = name in ("min_efficiency", "min_of_limit", "min_mbu")
        miss = 1 - got / asked if at_least else (got - slack) / asked - 1
        found.append(Threshold(name, asked, got, miss <= 0, max(0.0, miss), metric, slack))
    for name, asked in thresholds.percentiles:
        if (measured := graded.percentiles.get(name)) is not None:
            bar, miss = f"max_{name.partition('_')[2]}", measured / asked - 1
            found.append(Threshold(bar, asked, measured, miss <= 0, max(0.0, miss), name))
    if thresholds and any(metric.verdict == "impossible" for metric in graded.metrics):
        worst = max(graded.metrics, key=lambda metric: metric.of_limit)
        found = [replace(each, passed=False) for each in found]
        over = worst.of_limit - 1
        found.insert(0, Threshold("possible", 1.0, worst.of_limit, False, over, worst.name))
    return tuple(found)


def _values(graded: Graded) -> Iterable[tuple[str, str, float | None]]:
    """Each threshold, the figure it is about, and what the result has."""
    times = {metric.name: metric.measured for metric in graded.metrics}
    worst = graded.drift.worst if graded.drift else None
    return (
        ("min_efficiency", graded.main.name, graded.main.of_expected),
        ("min_of_limit", graded.main.name, graded.main.of_limit),
        ("min_mbu", "", graded.mbu),
        ("max_ttft_s", "ttft_s", times.get("ttft_s")),
        ("max_tpot_s", "tpot_s", times.get("tpot_s") or graded.tpot_s),
        ("max_drift", worst.metric if worst else "", -worst.faster if worst else None),
    )


def refuse_unapplied(
    thresholds: Thresholds, applied: set[str], held: Iterable[str], source: str
) -> None:
    """InputError for a threshold that no result could be held against. `held`: the percentiles
    that the results have, as their fields are called."""
    for name, _ in thresholds.percentiles:
        if name not in applied:
            rank, _, what = name.removesuffix("_s").partition("_")
            parts = (each.partition("_") for each in held)
            ranks = sorted(each for each, _, of in parts if of == f"{what}_s")
            raise InputError(
                f"cannot be judged: {source} holds no {rank} of {what.upper()}",
                field=f"--max-{what}", hint=f"it has {', '.join(ranks)}" if ranks else "",
            )  # fmt: skip
    for name in _NAMES:
        if getattr(thresholds, name) is not None and name not in applied:
            missing = {
                "max_ttft_s": f"{source} holds no TTFT",
                "max_tpot_s": f"{source} holds no TPOT",
                "max_drift": f"{source} has no baseline ({flag('baseline')})",
            }.get(name, f"{source} holds no decode speed")
            raise InputError(f"cannot be judged: {missing}", field=f"--{_flag(name)}")


def longest(text: str, field: str, of: str) -> tuple[float | None, tuple[tuple[str, float], ...]]:
    """Bars on a time as "200 ms", "p99:500ms" or several after commas: of its mean, of percentiles.

    `of`: the time's name, as "ttft_s".
    """
    mean, ranks = None, list[tuple[str, float]]()
    for part in text.split(","):
        rank, colon, value = part.strip().rpartition(":")
        if not colon:
            mean = seconds(value, field)
            continue
        digits = rank.strip().lower().removeprefix("p")
        try:
            (percent,) = read_percents(digits)
        except (InputError, ValueError):
            raise InputError(
                f"{rank!r} is no percentile such as p99", field=field, hint="as p99:500ms"
            ) from None
        ranks.append((f"p{percent:g}_{of}", seconds(value, field)))
    return mean, tuple(ranks)


def seconds(text: str, field: str) -> float:
    """A time as "200 ms". Raises InputError with the field."""
    from vperf.units import parse_seconds  # noqa: PLC0415

    try:
        value = parse_seconds(text)
    except InputError as error:
        raise InputError(error.message, field=field) from None
    if not value > 0:
        raise InputError("must be above 0", field=field)
    return value


def share(text: str | float, field: str) -> float:
    """A share as "5%" or 0.05. Raises InputError with the field."""
    from vperf.units import parse_share  # noqa: PLC0415

    try:
        value = parse_share(text if isinstance(text, str) else f"{text:g}")
    except InputError as error:
        raise InputError(error.message, field=field) from None
    if not value > 0:
        raise InputError("must be above 0", field=field)
    return value


Bars = Thresholds
"""The public name."""
