"""From the limit to the measured time: where the rest went, part by part.

    limit        weights and cache at the speed of light (or FLOPs, or the link, where they bound)
    expected     + what kernels fall short of it, by kind, + element-wise kernels, + launches and
                 host, + collectives, + waiting for the prefills of others
    measured     + what stays unexplained: negative where it is faster than expected

Parts sum to the measured time. Not here: what a part is called (report/) and what to do about it
(suspects.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from vperf.answer import Estimate
from vperf.model.ops import COLLECTIVES
from vperf.timing.kinds import KINDS
from vperf.timing.step import OpTime, PhaseTimes
from vperf.values import dataclass

Stage = Literal["limit", "expected", "measured"]

UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Part:
    """One bar of the waterfall."""

    name: str
    """weights, kv_cache, compute or link; matmul, attention, moe, recurrent, elementwise, host,
    collectives, transfers, queueing; unexplained."""
    stage: Stage
    """Which figure it belongs to: the limit, or what lies between it and the next."""
    seconds: float
    share: float
    """Of the measured time."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One measured time taken apart."""

    metric: Literal["tpot_s", "ttft_s", "latency_s"]
    limit_s: float
    expected_s: float
    measured_s: float
    parts: tuple[Part, ...]

    def part(self, name: str) -> float:
        """Seconds of one part; 0 where there is none."""
        return sum(part.seconds for part in self.parts if part.name == name)

    @property
    def largest(self) -> Part:
        """The part above the limit that takes longest."""
        above = [part for part in self.parts if part.stage != "limit"]
        return max(above, key=lambda part: part.seconds)


Times = dict[tuple[Stage, str], float]


def of_tpot(answer: Estimate, measured_s: float) -> Waterfall:
    """A mean decode step; of a served load with the prefills of others between."""
    return _waterfall("tpot_s", measured_s, _tpot(answer))


def of_ttft(answer: Estimate, measured_s: float) -> Waterfall:
    """The prefill of a prompt; of a served load with its way there."""
    return _waterfall("ttft_s", measured_s, _ttft(answer))


def of_latency(answer: Estimate, measured_s: float) -> Waterfall:
    """A whole request: its prefill, and all its decode steps."""
    times, steps = _ttft(answer), max(0, answer.workload.output_tokens - 1)
    for key, seconds in _tpot(answer).items():
        times[key] = times.get(key, 0.0) + steps * seconds
    return _waterfall("latency_s", measured_s, times)


def _tpot(answer: Estimate) -> Times:
    return _times(answer.decode, answer.limit.tpot_s, answer.expected.tpot_s, answer)


def _ttft(answer: Estimate) -> Times:
    return _times(answer.prefill, answer.limit.ttft_s, answer.expected.ttft_s, answer)


def _times(phase: PhaseTimes, limit_s: float, expected_s: float, answer: Estimate) -> Times:
    """Parts of one phase, which is of one step, scaled to the means that the answer gives."""
    light = [_light(op, phase) for op in phase.ops]
    scale = phase.limit_s / sum(light) if sum(light) > 0 else 0.0
    found: Times = {}
    for op, seconds in zip(phase.ops, light, strict=True):
        _add(found, "limit", _bound_name(op, phase), scale * seconds)
        _add(found, "expected", KINDS[op.kind].part, op.expected_s - scale * seconds)
    _add(found, "expected", "host", phase.overhead_s)
    own_s, queued_s = expected_s, 0.0
    if answer.serving is not None:
        own_s = min(expected_s, max(limit_s, phase.expected_s))
        queued_s = expected_s - own_s
    _rescale(found, "limit", limit_s)
    _rescale(found, "expected", own_s - limit_s)
    if queued_s:
        _add(found, "expected", "queueing", queued_s)
    return found


def _light(op: OpTime, phase: PhaseTimes) -> float:
    """Seconds of an op at the speed of light of whatever bounds the phase."""
    if phase.bound == "compute":
        return op.compute_s
    if phase.bound == "link":
        return op.limit_s if op.bound == "link" else 0.0
    return 0.0 if op.kind in COLLECTIVES else op.memory_s


def _bound_name(op: OpTime, phase: PhaseTimes) -> str:
    if phase.bound != "memory":
        return phase.bound
    return KINDS[op.kind].reads


def _add(times: Times, stage: Stage, name: str, seconds: float) -> None:
    times[stage, name] = times.get((stage, name), 0.0) + seconds


def _rescale(times: Times, stage: Stage, total_s: float) -> None:
    keys = [key for key in times if key[0] == stage]
    now = sum(times[key] for key in keys)
    for key in keys:
        times[key] = times[key] * total_s / now if now else 0.0
    if not now and total_s:
        _add(times, stage, "host", total_s)


def _waterfall(
    metric: Literal["tpot_s", "ttft_s", "latency_s"], measured_s: float, times: Times
) -> Waterfall:
    def total(stages: Iterable[Stage]) -> float:
        return sum(seconds for (stage, _), seconds in times.items() if stage in stages)

    expected_s = total(("limit", "expected"))
    ordered = sorted(times.items(), key=lambda item: item[0][0] != "limit")
    parts = [
        Part(name, stage, seconds, seconds / measured_s)
        for (stage, name), seconds in ordered
        if seconds
    ]
    rest = measured_s - expected_s
    parts.append(Part(UNEXPLAINED, "measured", rest, rest / measured_s))
    return Waterfall(metric, total(("limit",)), expected_s, measured_s, tuple(parts))
