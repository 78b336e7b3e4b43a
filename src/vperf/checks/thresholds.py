"""Bars that a result must clear.

A bar that cannot be judged (no TTFT was measured) is an error, not a pass. A result above the limit
clears no bar: whatever it measured, it was not this. Without bars nothing fails.
Not here: the vperf.toml that holds them (config.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from vperf.errors import InputError

if TYPE_CHECKING:
    from vperf.checks.check import Check


@dataclass(frozen=True, slots=True)
class Bars:
    """What is asked of a result; None asks nothing."""

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

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"must be above 0, not {value!r}", field=_flag(name))

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, judged."""

    name: str
    """A field of Bars; "possible" for the bar that a result above the limit fails."""
    asked: float
    got: float
    passed: bool
    short: float
    """By how much it fails, as a share of the bar; 0 where it passes."""
    metric: str = ""
    """The figure that it was held against; empty for MBU."""
    slack: float = 0.0
    """What the spread of repeats allows beyond `asked`."""


def _flag(name: str) -> str:
    return name.removesuffix("_s").replace("_", "-")


def judged(bars: Bars, check: Check) -> tuple[Bar, ...]:
    """Every bar that this result can be held against."""
    found = []
    for name, metric, got in _values(check):
        asked = getattr(bars, name)
        if asked is None or got is None:
            continue
        slack = check.drift.worst.slack if name == "max_drift" and check.drift else 0.0
        miss = 1 - got / asked if name.startswith("min") else (got - slack) / asked - 1
        found.append(Bar(name, asked, got, miss <= 0, max(0.0, miss), metric, slack))
    if bars and check.verdict == "impossible":
        worst = max(check.metrics, key=lambda metric: metric.of_limit)
        found = [replace(bar, passed=False) for bar in found]
        over = worst.of_limit - 1
        found.insert(0, Bar("possible", 1.0, worst.of_limit, False, over, worst.name))
    return tuple(found)


def _values(check: Check) -> Iterable[tuple[str, str, float | None]]:
    """Each bar, the figure it is about, and what the result has."""
    times = {metric.name: metric.measured for metric in check.metrics}
    decode = next((use.mbu for use in check.utilization if use.phase == "decode"), None)
    worst = check.drift.worst if check.drift else None
    return (
        ("min_efficiency", check.main.name, check.main.of_expected),
        ("min_of_limit", check.main.name, check.main.of_limit),
        ("min_mbu", "", decode),
        ("max_ttft_s", "ttft_s", times.get("ttft_s")),
        ("max_tpot_s", "tpot_s", times.get("tpot_s") or check.tpot_s),
        ("max_drift", worst.metric if worst else "", -worst.faster if worst else None),
    )


def refuse_unjudged(bars: Bars, judged_names: set[str], source: str) -> None:
    """InputError for a bar that no result could be held against."""
    for name in (field.name for field in fields(bars)):
        if getattr(bars, name) is not None and name not in judged_names:
            missing = {
                "max_ttft_s": f"{source} holds no TTFT",
                "max_tpot_s": f"{source} holds no TPOT",
                "max_drift": f"{source} has no baseline (--baseline)",
            }.get(name, f"{source} holds no decode speed")
            raise InputError(f"cannot be judged: {missing}", field=f"--{_flag(name)}")


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
