"""Measured beside limit and expected: each figure that a result holds, and its verdict.

    impossible   faster than the limit
    better       faster than the range of expected
    good         within the range, which holds about 80 % of measurements
    slow         slower than the range

Shares are of speed, for times and rates alike: 1 is as fast as the figure compared with.
Not here: which scenario a result answers (scenario_of_result.py), and why it is slow or impossible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vperf import api
from vperf.answer import Estimate, Speed
from vperf.checks.result import Result
from vperf.model.ops import COLLECTIVES
from vperf.scenario import Scenario
from vperf.timing.step import PhaseTimes

Verdict = Literal["impossible", "better", "good", "slow"]
VERDICTS: tuple[Verdict, ...] = ("impossible", "better", "good", "slow")

TIMES = ("tpot_s", "ttft_s", "latency_s")
RATES = ("decode_tokens_per_s", "output_tokens_per_s", "prefill_tokens_per_s", "requests_per_s")

_ROUNDING = 1.001
"""Tools round their figures; that much above the limit is still at it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """One figure of an answer: its limit, what is expected, and the ends of the range."""

    limit: float
    expected: float
    slow: float
    fast: float


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured figure, graded."""

    name: str
    """A field of Result, its unit with it."""
    measured: float
    limit: float
    expected: float
    expected_low: float
    expected_high: float
    of_limit: float
    """Share of the limit's speed; above 1 it is impossible."""
    of_expected: float
    verdict: Verdict
    short_of_range: float
    """How much slower than the slow end of the range, as a share of its speed; 0 within it."""


@dataclass(frozen=True, slots=True)
class Utilization:
    """What a phase made of the card in its measured time (docs/method.md)."""

    phase: Literal["prefill", "decode"]
    seconds: float
    """Of one step: the measured TPOT or TTFT."""
    bytes: float
    """Weights and cache that one GPU must read for it."""
    flops: float
    mbu: float
    """Bytes over time, over the datasheet bandwidth."""
    mfu: float
    """FLOPs over time, over the dense peak of the number format each is multiplied in."""


def measured_figures(result: Result, scenario: Scenario) -> dict[str, float]:
    """What was measured by name, with what follows from it for equal requests at once.

    A batch decodes `batch_size / tpot` tokens per second; its latency is TTFT and all steps.
    """
    found = {
        name: value for name in (*TIMES, *RATES) if (value := getattr(result, name)) is not None
    }
    if scenario.served:
        # Input tokens over a whole run, or over a TTFT with its queue, are no prefill rate.
        found.pop("prefill_tokens_per_s", None)
    elif result.setup.past_len:
        # The estimate's prefill is that of a fresh prompt.
        found = {
            name: value
            for name, value in found.items()
            if name in ("tpot_s", "decode_tokens_per_s")
        }
    if not scenario.served and "tpot_s" in found:
        found.setdefault("decode_tokens_per_s", scenario.batch_size / found["tpot_s"])
    return found


def bounds(scenario: Scenario, answer: Estimate) -> dict[str, Bounds]:
    """Limit, expected and range of every figure that can be compared with a measured one."""
    batch, steps = scenario.batch_size, max(0, scenario.output_len - 1)
    limit, mean = answer.limit, answer.expected
    low, high = mean.low, mean.high

    def latency(speed: Speed) -> float:
        return speed.ttft_s + steps * speed.tpot_s

    found = {
        "tpot_s": Bounds(limit.tpot_s, mean.tpot_s, high.tpot_s, low.tpot_s),
        "ttft_s": Bounds(limit.ttft_s, mean.ttft_s, high.ttft_s, low.ttft_s),
        "latency_s": Bounds(latency(limit), latency(mean), latency(high), latency(low)),
    }
    for name in ("decode_tokens_per_s", "prefill_tokens_per_s"):
        found[name] = Bounds(*(getattr(each, name) for each in (limit, mean, low, high)))
    if not scenario.served:
        times = found["latency_s"]
        found["requests_per_s"] = Bounds(
            batch / times.limit, batch / times.expected, batch / times.slow, batch / times.fast
        )
    elif answer.serving and (scenario.max_concurrency or answer.serving.saturated):
        times, rate = found["latency_s"], answer.serving.requests_per_s
        fastest = _most_requests_per_s(scenario, answer)
        found["requests_per_s"] = Bounds(
            fastest,
            rate,
            rate * times.expected / times.slow,
            min(fastest, rate * times.expected / times.fast),
        )
    requests = found.get("requests_per_s")
    if requests is not None:
        tokens = scenario.output_len
        found["output_tokens_per_s"] = Bounds(
            *(tokens * getattr(requests, end) for end in ("limit", "expected", "slow", "fast"))
        )
    return found


def _most_requests_per_s(scenario: Scenario, answer: Estimate) -> float:
    """No load of so many users ends more requests: all decode always, prefill takes its FLOPs."""
    if scenario.max_concurrency is None:
        users = max(1, answer.workload.batch_size)
    else:
        users = scenario.max_concurrency
    decoding = api.ask(as_batch(scenario, users)).limit.decode_tokens_per_s / scenario.output_len
    compute_s = sum(op.compute_s for op in answer.prefill.ops)
    groups = scenario.dp * scenario.pp
    return min(decoding, groups / compute_s) if compute_s else decoding


def as_batch(scenario: Scenario, batch: int) -> Scenario:
    """The same deployment decoding `batch` equal requests at once."""
    return replace(
        scenario, batch_size=batch, max_concurrency=None, request_rate=None, prefix_cache_hit=0.0
    )


def running(scenario: Scenario, answer: Estimate, figures: dict[str, float]) -> float | None:
    """Sequences that were decoding at a time, by Little's law; None where it cannot be known.

    Never more than the cache has room for: tools differ in which wait they count into TTFT.
    """
    tpot = figures.get("tpot_s")
    if not scenario.served:
        return float(scenario.batch_size)
    if tpot is None:
        return None
    users = float(scenario.max_concurrency or 1e9)
    most = min(users, answer.serving.slots) if answer.serving else users
    if (rate := figures.get("output_tokens_per_s")) is not None:
        return max(1.0, min(most, rate * tpot))
    if (ttft := figures.get("ttft_s")) is not None and scenario.max_concurrency:
        decoding = scenario.output_len * tpot
        return max(1.0, min(most, users * decoding / (ttft + decoding)))
    return None


def in_flight(scenario: Scenario, figures: dict[str, float]) -> float | None:
    """Requests between their start and end at a time, by Little's law; None without the figures."""
    latency, rate = figures.get("latency_s"), figures.get("requests_per_s")
    if rate is None and (tokens := figures.get("output_tokens_per_s")) is not None:
        rate = tokens / scenario.output_len
    if latency is None and figures.keys() >= {"ttft_s", "tpot_s"}:
        latency = figures["ttft_s"] + (scenario.output_len - 1) * figures["tpot_s"]
    return None if rate is None or latency is None else rate * latency


def graded(name: str, measured: float, bound: Bounds, *, floor: float | None = None) -> Metric:
    """One figure with its verdict. `floor`: the limit that counts, where it is not `bound`'s."""
    is_time = name in TIMES

    def speed(of: float) -> float:
        """How fast `measured` is beside `of`."""
        return of / measured if is_time else measured / of

    verdict: Verdict
    if speed(bound.limit if floor is None else floor) > _ROUNDING:
        verdict = "impossible"
    elif speed(bound.slow) < 1.0:
        verdict = "slow"
    else:
        verdict = "better" if speed(bound.fast) > _ROUNDING else "good"
    low, high = (bound.fast, bound.slow) if is_time else (bound.slow, bound.fast)
    return Metric(
        name, measured, bound.limit, bound.expected, low, high,
        of_limit=speed(bound.limit), of_expected=speed(bound.expected), verdict=verdict,
        short_of_range=max(0.0, 1.0 - speed(bound.slow)),
    )  # fmt: skip


def metrics(scenario: Scenario, answer: Estimate, figures: dict[str, float]) -> tuple[Metric, ...]:
    """Every figure that has bounds, graded."""
    table = bounds(scenario, answer)
    found = []
    for name, value in figures.items():
        if name not in table:
            continue
        floor = None
        if scenario.served and name in ("tpot_s", "latency_s", "decode_tokens_per_s"):
            at_least = running(scenario, answer, figures)
            floor = _served_floor(name, value, table[name], scenario, at_least)
        found.append(graded(name, value, table[name], floor=floor))
    return tuple(found)


def _served_floor(
    name: str, value: float, bound: Bounds, scenario: Scenario, at_least: float | None
) -> float | None:
    """The limit of what was running, where the measured figure beats that of what was expected to.

    A server that runs fewer sequences at a time than expected decodes each of them faster.
    """
    beaten = value < bound.limit if name in TIMES else value > bound.limit
    if not beaten:
        return None
    if name == "decode_tokens_per_s":  # more sequences decode more
        most = api.ask(as_batch(scenario, scenario.max_concurrency or 1)).limit
        return max(bound.limit, most.decode_tokens_per_s)
    alone = api.ask(as_batch(scenario, max(1, int(at_least or 1)))).limit
    return alone.tpot_s if name == "tpot_s" else alone.tpot_s * (scenario.output_len - 1)


def doubted(metric: Metric) -> Metric:
    """The metric of a run of which too little is known for a limit to hold against it."""
    return replace(metric, verdict="better") if metric.verdict == "impossible" else metric


def main_metric(found: tuple[Metric, ...], *, served: bool) -> Metric | None:
    """The figure that line 1 is about: the rate of tokens where there is one."""
    rates = ("decode_tokens_per_s", "output_tokens_per_s")
    order = (
        *(reversed(rates) if served else rates), "tpot_s", "prefill_tokens_per_s", "latency_s",
        "ttft_s", "requests_per_s",
    )  # fmt: skip
    by_name = {metric.name: metric for metric in found}
    return next((by_name[name] for name in order if name in by_name), None)


def utilization(
    phase: Literal["prefill", "decode"], seconds: float, answer: Estimate
) -> Utilization:
    """MBU and MFU of a phase in its measured time; of a drafting step, in the time of the step."""
    times: PhaseTimes = getattr(answer, phase)
    asked = answer.workload
    if phase == "decode" and answer.speculative:
        seconds *= answer.speculative.tokens_per_step
    # With fewer sequences than stages, a stage waits for the others.
    groups = -(-asked.batch_size // asked.data_parallel)
    busy = min(1.0, groups / asked.pipeline_parallel) / seconds
    compute_s = sum(op.compute_s for op in times.ops if op.kind not in COLLECTIVES)
    return Utilization(
        phase=phase,
        seconds=seconds,
        bytes=times.bytes,
        flops=times.flops,
        mbu=times.bytes * busy / answer.gpu.memory_bandwidth_bytes_per_s,
        mfu=compute_s * busy,
    )
