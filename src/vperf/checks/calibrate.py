"""Results of one server -> the few physical factors in which it differs from what is expected.

    memory    on the streams from memory     compute   on the matmul rates
    host      on the engine's host time      link      on the time of an all-reduce

Each is the likeliest by measured over expected times, as logarithms, given how far cards and hosts
are off (_SPREAD): a factor that the results say nothing of stays 1. They carry over to other
settings of the same server: `--gpu server.toml`. Not here: what the factors change (hardware,
timing), and reading results.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vperf.checks.check import Check
from vperf.checks.grade import TIMES, expected_figures
from vperf.errors import InputError
from vperf.hardware.gpu import Calibration, Gpu
from vperf.resolve import Resolver
from vperf.scenario import Scenario
from vperf.speeds import speeds
from vperf.spelling import flag
from vperf.timing.constants import constants_of
from vperf.values import dataclass

_SPREAD = {"memory": 0.10, "compute": 0.10, "host": 0.50, "link": 0.30}
"""Standard deviation of each factor's logarithm between servers: that of the expected range (80 %
within 0.90 to 1.31 of decode) for cards; hosts differ by their CPU, links by topology."""
_NOISE = {"tpot_s": 0.06, "latency_s": 0.08, "ttft_s": 0.30}
"""Standard deviation of a time's logarithm where the factors are right: repeats of one server
agree to a few percent in TPOT; TTFT has queues and clients in it (timing/ranges.py)."""
_LEAST, _MOST = 1 / 3, 3.0
_STEP, _ROUNDS = 0.03, 3
LEAST_RESULTS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """One result: what ran, its measured times, and how its run compares with one without end."""

    name: str
    scenario: Scenario
    measured: Mapping[str, float]
    run_over_steady: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Fit:
    """The factors, and the main time of each result: measured, expected before, expected after."""

    calibration: Calibration
    rows: tuple[tuple[str, str, float, float, float], ...]
    """(result, time, measured, before, after) in seconds."""


def calibrate(named: Sequence[tuple[str, Check]], *, today: datetime.date | None = None) -> Fit:
    """The factors of the server that the results are of.

    Raises InputError for fewer than three results, and for those of several cards or engines.
    """
    if len(named) < LEAST_RESULTS:
        raise InputError(
            f"needs {LEAST_RESULTS} results of one server, not {len(named)}",
            field=flag("calibrate"),
            hint="give files of several loads or lengths",
        )  # fmt: skip
    for what, values in (
        ("card", {check.estimate.gpu.id for _, check in named}),
        ("engine", {check.estimate.workload.engine for _, check in named}),
    ):
        if len(values) > 1:
            found = ", ".join(sorted(values))
            raise InputError(
                f"the results are of several {what}s: {found}", field=flag("calibrate")
            )
    return fit([_point(name, check) for name, check in named], today=today)


def _point(name: str, check: Check) -> Point:
    measured = {m.name: m.measured for m in check.metrics if m.name in TIMES}
    if check.tpot_s is not None:
        measured["tpot_s"] = check.tpot_s
    expected = {
        "tpot_s": check.estimate.expected.tpot_s, "ttft_s": check.estimate.expected.ttft_s,
    }  # fmt: skip
    scenario = _endless(check.scenario, check.estimate.workload.concurrency)
    if scenario == check.scenario:
        return Point(name, scenario, measured, {})
    steady = _times(Resolver(), scenario)
    return Point(name, scenario, measured, {n: v / steady[n] for n, v in expected.items()})


def _endless(scenario: Scenario, users: int) -> Scenario:
    """The load without end, which is predicted in a hundredth of a run's time."""
    changed: dict[str, Any] = {"num_prompts": None, "metric_percentiles": None}
    if scenario.request_rate == math.inf:
        changed |= {"request_rate": None, "max_concurrency": users}
    return replace(scenario, **changed)


def _times(resolver: Resolver, scenario: Scenario) -> dict[str, float]:
    at = resolver.deployment(scenario)
    return expected_figures(at, speeds(at).expected, None)


def fit(points: Sequence[Point], *, today: datetime.date | None = None) -> Fit:
    """The likeliest factors of points that share a card, by Gauss and Newton."""
    resolver = Resolver()
    base = resolver.gpu(points[0].scenario)
    if base.calibration is not None:
        raise InputError("the card is calibrated already: give the one it is based on",
                         field=flag("gpu"))  # fmt: skip
    names = ["memory", "compute", "host"]
    if any(point.scenario.tp > 1 for point in points):
        names.append("link")
    most = dict.fromkeys(names, _MOST)
    constants = constants_of(base, resolver.deployment(points[0].scenario).card.engine)
    most["memory"] = max(1.0, base.memory_bandwidth / constants.bandwidth)
    logs = dict.fromkeys(names, 0.0)

    def expected(values: Mapping[str, float]) -> list[dict[str, float]]:
        factors: dict[str, Any] = {name: math.exp(value) for name, value in values.items()}
        gpu = replace(base, calibration=Calibration(_name(base), **factors))
        found = Resolver()
        return [_expected(found, point, gpu) for point in points]

    before = now = expected(logs)
    for _ in range(_ROUNDS):
        slopes = {name: expected({**logs, name: logs[name] + _STEP}) for name in names}
        rows, rests, weights = [], [], []
        for number, point in enumerate(points):
            for time, noise in _NOISE.items():
                if time not in point.measured or not _counts(time, point):
                    continue
                at = now[number][time]
                rests.append(math.log(point.measured[time] / at))
                rows.append([math.log(slopes[n][number][time] / at) / _STEP for n in names])
                weights.append(1 / noise**2)
        priors = [1 / _SPREAD[name] ** 2 for name in names]
        steps = _solve(rows, rests, weights, priors, [logs[name] for name in names])
        for name, step in zip(names, steps, strict=True):
            logs[name] = min(math.log(most[name]), max(math.log(_LEAST), logs[name] + step))
        now = expected(logs)
    mains = [(point, _main(point)) for point in points]
    shown = tuple(
        (point.name, time, point.measured[time], before[n][time], now[n][time])
        for n, (point, time) in enumerate(mains)
    )
    error_before, error_after = (
        sum(abs(times[n][time] / point.measured[time] - 1) for n, (point, time) in enumerate(mains))
        / len(mains)
        for times in (before, now)
    )
    found: dict[str, Any] = {name: math.exp(value) for name, value in logs.items()}

    calibration = Calibration(
        _name(base),
        **found,
        results=len(points),
        error_before=error_before,
        error_after=error_after,
        checked=str(today or datetime.datetime.now(tz=datetime.UTC).date()),
    )
    return Fit(calibration, shown)


def _name(card: Gpu) -> str:
    """What --gpu finds it by."""
    return card.origin or card.id


def _counts(time: str, point: Point) -> bool:
    """A whole request's time only where nothing of it is known apart."""
    return time != "latency_s" or "tpot_s" not in point.measured


def _main(point: Point) -> str:
    found = next((time for time in _NOISE if time in point.measured), None)
    if found is None:
        raise InputError(f"{point.name} has no time to calibrate with", field=flag("calibrate"))
    return found


def _expected(resolver: Resolver, point: Point, gpu: Gpu) -> dict[str, float]:
    found = _times(resolver, replace(point.scenario, gpu=gpu))
    return {name: value * point.run_over_steady.get(name, 1.0) for name, value in found.items()}


def _solve(
    rows: Sequence[Sequence[float]],
    rests: Sequence[float],
    weights: Sequence[float],
    priors: Sequence[float],
    at: Sequence[float],
) -> list[float]:
    """The step of least squares with a prior that pulls each factor's logarithm to 0."""
    size = len(priors)
    matrix = [
        [
            sum(w * row[i] * row[j] for row, w in zip(rows, weights, strict=True))
            + (priors[i] if i == j else 0.0)
            for j in range(size)
        ]
        for i in range(size)
    ]
    right = [
        sum(w * row[i] * rest for row, rest, w in zip(rows, rests, weights, strict=True))
        - priors[i] * at[i]
        for i in range(size)
    ]
    for i in range(size):  # the priors make every pivot positive
        for j in range(i + 1, size):
            share = matrix[j][i] / matrix[i][i]
            matrix[j] = [b - share * a for a, b in zip(matrix[i], matrix[j], strict=True)]
            right[j] -= share * right[i]
    steps = [0.0] * size
    for i in reversed(range(size)):
        rest = right[i] - sum(matrix[i][j] * steps[j] for j in range(i + 1, size))
        steps[i] = rest / matrix[i][i]
    return steps


def server_file(found: Calibration) -> str:
    """The text of a file that --gpu takes."""
    lines = [
        f"# vperf check --calibrate, {found.results} results: TPOT "
        f"{found.error_before:.1%} off before, {found.error_after:.1%} after.",
        f'base = "{found.base}"',
        "",
        "[calibration]",
        *(f"{name} = {getattr(found, name):.4f}" for name in _SPREAD),
        f"results = {found.results}",
        f"error_before = {found.error_before:.4f}",
        f"error_after = {found.error_after:.4f}",
        f"checked = {found.checked}",
    ]
    return "\n".join(lines) + "\n"
