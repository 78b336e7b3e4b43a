"""Graded figures beside earlier ones of the same setup: how much faster each figure is.

Changes are of speed, for times and rates alike: -5 % is 5 % slower. Repeats of one run differ too:
one standard deviation of the difference, from the spreads that the tools report, is no drift (of
five repeats that is about two standard errors of their mean).
Not here: thresholds (thresholds.py), and the words (report/).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vperf.checks.grade import TIMES, Metric
from vperf.errors import InputError
from vperf.files import read_text
from vperf.spelling import flag
from vperf.values import dataclass

_SCHEMAS = ("vperf/check/1", "vperf/checks/1")
_HOW = "'vperf check RESULT --json' writes one"
_LENGTH_TOLERANCE = 0.05
"""Mean lengths of two runs of one workload differ by less."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure then and now."""

    metric: str
    before: float
    now: float
    faster: float
    """Speed over that of the baseline, less 1: negative where it is slower."""
    slack: float
    """How much slower the spread of repeats alone may make it; 0 where no tool said one."""
    of_expected_before: float
    of_expected: float


@dataclass(frozen=True, slots=True)
class Drift:
    """Every figure that both runs have."""

    source: str
    vperf_version: str
    """That graded the baseline."""
    changes: tuple[Change, ...]

    @property
    def worst(self) -> Change:
        """The one that slowed down most beyond its spread."""
        return min(self.changes, key=lambda change: change.faster + change.slack)


@dataclass(frozen=True, slots=True)
class Earlier:
    """One graded result of a baseline."""

    file: str
    label: str
    setup: Mapping[str, Any]
    metrics: Mapping[str, tuple[float, float]]
    """Measured, and its share of the expected speed."""
    spread: float | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an earlier `vperf check --json` said."""

    source: str
    vperf_version: str
    results: tuple[Earlier, ...]


def read_baseline(path: str | Path | Baseline) -> Baseline:
    """The JSON of an earlier check. Raises InputError, which says what it is instead."""
    if isinstance(path, Baseline):
        return path
    source = str(path)
    try:
        data = json.loads(read_text(path))
    except InputError as error:
        reason = error.message.removeprefix(f"{source}: ")
        raise InputError(reason, source=source, field=flag("baseline"), hint=_HOW) from None
    except (ValueError, RecursionError):
        raise InputError("is not JSON", source=source, field=flag("baseline"), hint=_HOW) from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema not in _SCHEMAS:
        what = f"is {schema}" if isinstance(schema, str) else "is no JSON of vperf check"
        raise InputError(what, source=source, field=flag("baseline"), hint=_HOW)
    try:
        checks = data["checks"] if schema == _SCHEMAS[1] else [data]
        results = tuple(_earlier(each) for each in checks)
        version = str(data["vperf_version"])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise InputError(
            f"is {schema}, but not whole", source=source, field=flag("baseline"), hint=_HOW
        ) from None
    return Baseline(source, version, results)


def _earlier(data: Mapping[str, Any]) -> Earlier:
    result = data["result"]
    metrics = {
        name: (_positive(each["measured"]), _positive(each["of_expected"]))
        for name, each in data["metrics"].items()
    }
    spread = None if result["spread"] is None else _positive(result["spread"])
    source, label = data["source"], result["label"]
    if not isinstance(source, str) or not isinstance(label, str):
        raise TypeError(source, label)
    return Earlier(source, label, setup_of(data), metrics, spread)


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not 0 <= value < math.inf:
        raise ValueError(value)
    return float(value) or math.ulp(0.0)


def setup_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What two runs must have in common, from the keys of a check: model, card, workload, load."""
    model, gpu = data["model"], data["gpu"]
    return {
        "model": model["id"],
        "quantization": model["quantization"],
        "kv_cache_dtype": model["kv_cache_dtype"],
        "gpu": gpu["id"],
        "gpus": gpu["count"],
        # What a load makes run at a time is an answer, not the setup.
        **{k: v for k, v in data["workload"].items() if k not in ("batch_size", "concurrency")},
        **data["load"],
    }


@dataclass(frozen=True, slots=True)
class Run:
    """The run that is held against a baseline."""

    file: str
    label: str
    setup: Mapping[str, Any]
    """As setup_of has it."""
    metrics: Sequence[Metric]
    main: Metric
    spread: float | None


def compare_to(baseline: Baseline, run: Run, *, alone: bool) -> Drift | None:
    """How a run differs from its earlier self; None where the baseline has none.

    It is the one of the same label, then of the same file name, then of the same setup; of one
    result `alone`, the only one. Raises InputError where that is of another setup.
    """
    found = [each for each in baseline.results if each.label == run.label]
    if alone and len(baseline.results) == 1:
        found = list(baseline.results)
    found = [each for each in found if _name(each.file) == _name(run.file)] or found
    if len(found) > 1:
        found = [each for each in found if not _differences(each.setup, run.setup)]
    if len(found) != 1:
        return None
    (earlier,) = found
    differences = _differences(earlier.setup, run.setup)
    if differences:
        raise InputError(
            f"is of another setup: {'; '.join(differences[:4])}",
            source=baseline.source,
            field=flag("baseline"),
            hint="compare runs of one setup, or make a new baseline",
        )
    changes = tuple(
        _change(run, earlier, metric) for metric in run.metrics if metric.name in earlier.metrics
    )
    return Drift(baseline.source, baseline.vperf_version, changes) if changes else None


def _name(file: str) -> str:
    return Path(file).name


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{name.replace('_', ' ')} was {before.get(name)}, is {now.get(name)}"
        for name in dict.fromkeys((*now, *before))
        if not _same(before.get(name), now.get(name))
    ]


def _same(before: Any, now: Any) -> bool:
    if not (isinstance(before, int | float) and isinstance(now, int | float)):
        return bool(before == now)
    try:
        return math.isclose(before, now, rel_tol=_LENGTH_TOLERANCE)
    except OverflowError:  # an integer that no float holds
        return before == now


def _change(run: Run, earlier: Earlier, metric: Metric) -> Change:
    before, share = earlier.metrics[metric.name]
    speed = before / metric.measured if metric.name in TIMES else metric.measured / before
    # A tool's spread is of its main figure; TPOT and tokens/s of a batch are one figure.
    main = math.isclose(metric.of_limit, run.main.of_limit, rel_tol=1e-6)
    slack = math.hypot(run.spread or 0.0, earlier.spread or 0.0) if main else 0.0
    return Change(metric.name, before, metric.measured, speed - 1, slack, share, metric.of_expected)
