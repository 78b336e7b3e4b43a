"""Measured beside limit and expected: each figure that a result holds, and its verdict.

    impossible   faster than the limit
    better       faster than the range of expected
    good         within the range, which holds about 80 % of measurements
    slow         slower than the range

Shares are of speed, for times and rates alike: 1 is as fast as the figure compared with.
Not here: which scenario a result answers (scenario_of_result.py), and why it is slow or impossible.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from vperf.answer import Estimate, Speed, Speeds
from vperf.checks.result import Result
from vperf.deployment import Deployment
from vperf.estimate import limit_of_batch, most_requests_per_s
from vperf.model.ops import COLLECTIVES
from vperf.serving.speculative import tokens_per_step
from vperf.timing.step import PhaseTimes
from vperf.values import dataclass

Verdict = Literal["impossible", "better", "good", "slow"]
VERDICTS: tuple[Verdict, ...] = ("impossible", "better", "good", "slow")

TIMES = ("tpot_s", "ttft_s", "latency_s")
RATES = ("decode_tokens_per_s", "output_tokens_per_s", "prefill_tokens_per_s", "requests_per_s")

_ROUNDING_TOLERANCE = 1.001
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


def measured_figures(result: Result, at: Deployment) -> dict[str, float]:
    """What was measured by name, with what follows from it for equal requests at once.

    A batch decodes `batch_size / tpot` tokens per second; its latency is TTFT and all steps.
    """
    found = {
        name: value for name in (*TIMES, *RATES) if (value := getattr(result, name)) is not None
    }
    if at.load is not None:
        # Input tokens over a whole run, or over a TTFT with its queue, are no prefill rate.
        found.pop("prefill_tokens_per_s", None)
    elif result.setup.past_len:
        # The estimate's prefill is that of a fresh prompt.
        found = {
            name: value
            for name, value in found.items()
            if name in ("tpot_s", "decode_tokens_per_s")
        }
    if at.load is None and "tpot_s" in found:
        found.setdefault("decode_tokens_per_s", at.batch_size / found["tpot_s"])
    return found


def expected_figures(at: Deployment, mean: Speed, rate: float | None) -> dict[str, float]:
    """What is expected of every figure that can be compared with a measured one.

    `rate`: requests per second of a load that its users, or the deployment, bound.
    """
    found = {"tpot_s": mean.tpot_s, "ttft_s": mean.ttft_s, "latency_s": _latency(at, mean)}
    for name in ("decode_tokens_per_s", "prefill_tokens_per_s"):
        found[name] = getattr(mean, name)
    if at.load is None:
        rate = at.batch_size / found["latency_s"]
    if rate is not None:
        found["requests_per_s"] = rate
        found["output_tokens_per_s"] = at.lengths.output_tokens * rate
    return found


def bounded_rate(at: Deployment, answer: Estimate | Speeds) -> float | None:
    """Requests per second that a load settles to, where that is not what was offered."""
    if at.load is None or answer.serving is None:
        return None
    bounded = at.load.users is not None or answer.serving.saturated
    return answer.serving.requests_per_s if bounded else None


def _latency(at: Deployment, speed: Speed) -> float:
    return speed.ttft_s + max(0, at.lengths.output_tokens - 1) * speed.tpot_s


def bounds(at: Deployment, answer: Estimate) -> dict[str, Bounds]:
    """Limit, expected and range of every figure that can be compared with a measured one."""
    limit, mean = answer.limit, answer.expected
    low, high = mean.low, mean.high

    def latency(speed: Speed) -> float:
        return _latency(at, speed)

    found = {
        "tpot_s": Bounds(limit.tpot_s, mean.tpot_s, high.tpot_s, low.tpot_s),
        "ttft_s": Bounds(limit.ttft_s, mean.ttft_s, high.ttft_s, low.ttft_s),
        "latency_s": Bounds(latency(limit), latency(mean), latency(high), latency(low)),
    }
    for name in ("decode_tokens_per_s", "prefill_tokens_per_s"):
        found[name] = Bounds(*(getattr(each, name) for each in (limit, mean, low, high)))
    times, rate = found["latency_s"], bounded_rate(at, answer)
    # A wait for others is as uncertain as they are, not as a request's own prefill.
    own = min(mean.ttft_s, answer.prefill.expected_s)

    def slower(end: Speed) -> float:
        rest = (times.expected - own) * end.tpot_s / mean.tpot_s
        return (own * end.ttft_s / mean.ttft_s + rest) / times.expected

    if at.load is None:
        batch = at.batch_size
        found["requests_per_s"] = Bounds(
            batch / times.limit, batch / times.expected, batch / times.slow, batch / times.fast
        )
    elif rate is not None and answer.texts is not None:
        read, texts = answer.texts, at.load.texts
        ends = (
            read.limit_texts_per_s, read.expected_texts_per_s, read.expected_texts_per_s_low,
            read.expected_texts_per_s_high,
        )  # fmt: skip
        found["requests_per_s"] = Bounds(*(end / texts for end in ends))
    elif rate is not None:
        users = at.load.users or answer.workload.batch_size
        fastest = most_requests_per_s(at, users, answer.prefill.ops)
        found["requests_per_s"] = Bounds(
            fastest,
            rate,
            rate / slower(high),
            min(fastest, rate / slower(low)),
        )
    requests = found.get("requests_per_s")
    if requests is not None:
        tokens = at.lengths.output_tokens
        found["output_tokens_per_s"] = Bounds(
            *(tokens * getattr(requests, end) for end in ("limit", "expected", "slow", "fast"))
        )
    return found


def running(at: Deployment, answer: Estimate, figures: dict[str, float]) -> float | None:
    """Sequences that were decoding at a time, by Little's law; None where it cannot be known.

    Never more than the cache has room for: tools differ in which wait they count into TTFT.
    """
    tpot = figures.get("tpot_s")
    if at.load is None:
        return float(at.batch_size)
    if tpot is None:
        return None
    users = float(at.load.users or 1e9)
    most = min(users, answer.serving.slots) if answer.serving else users
    if (rate := figures.get("output_tokens_per_s")) is not None:
        return max(1.0, min(most, rate * tpot))
    if (ttft := figures.get("ttft_s")) is not None and at.load.users:
        decoding = at.lengths.output_tokens * tpot
        return max(1.0, min(most, users * decoding / (ttft + decoding)))
    return None


def in_flight(at: Deployment, figures: dict[str, float]) -> float | None:
    """Requests between their start and end at a time, by Little's law; None without the figures."""
    latency, rate = figures.get("latency_s"), figures.get("requests_per_s")
    if rate is None and (tokens := figures.get("output_tokens_per_s")) is not None:
        rate = tokens / at.lengths.output_tokens
    if latency is None and figures.keys() >= {"ttft_s", "tpot_s"}:
        latency = figures["ttft_s"] + (at.lengths.output_tokens - 1) * figures["tpot_s"]
    return None if rate is None or latency is None else rate * latency


def grade(name: str, measured: float, bound: Bounds, *, floor: float | None = None) -> Metric:
    """One figure with its verdict. `floor`: the limit that counts, where it is not `bound`'s."""
    is_time = name not in RATES

    def speed(of: float) -> float:
        """How fast `measured` is beside `of`."""
        return of / measured if is_time else measured / of

    verdict: Verdict
    if floor is not None:
        bound = replace(bound, limit=floor)
    if speed(bound.limit) > _ROUNDING_TOLERANCE:
        verdict = "impossible"
    elif speed(bound.slow) < 1.0:
        verdict = "slow"
    else:
        verdict = "better" if speed(bound.fast) > _ROUNDING_TOLERANCE else "good"
    low, high = (bound.fast, bound.slow) if is_time else (bound.slow, bound.fast)
    return Metric(
        name, measured, bound.limit, bound.expected, low, high,
        of_limit=speed(bound.limit), of_expected=speed(bound.expected), verdict=verdict,
        short_of_range=max(0.0, 1.0 - speed(bound.slow)),
    )  # fmt: skip


def metrics(at: Deployment, answer: Estimate, figures: dict[str, float]) -> tuple[Metric, ...]:
    """Every figure that has bounds, graded."""
    table = bounds(at, answer)
    found = []
    for name, value in figures.items():
        if name not in table:
            continue
        floor = None
        if at.load is not None and name in ("tpot_s", "latency_s", "decode_tokens_per_s"):
            at_least = running(at, answer, figures)
            floor = _served_floor(name, value, table[name], at, at_least)
        found.append(grade(name, value, table[name], floor=floor))
    return tuple(found)


def percentile_metrics(at: Deployment, answer: Estimate, result: Result) -> tuple[Metric, ...]:
    """Percentiles of a load's times beside those of its simulated run, whose range is the mean's.

    None is impossible: of requests of unlike lengths, the shortest are as fast as they can be.
    """
    run, found = answer.simulated, []
    mean, low, high = answer.expected, answer.expected.low, answer.expected.high
    if run is None:
        return ()
    limits = bounds(at, answer)
    for name, measured in result.percentiles:
        rank, _, of = name.removesuffix("_s").partition("_")
        times = {"ttft": run.ttft, "tpot": run.tpot, "itl": run.itl, "latency": run.e2e}.get(of)
        expected = dict(times.percentiles_s).get(_percent(rank)) if times else None
        if expected is None:
            continue
        which = "ttft_s" if of == "ttft" else "tpot_s"
        slow, fast = (getattr(e, which) / getattr(mean, which) * expected for e in (high, low))
        light = limits[f"{of if of != 'itl' else 'tpot'}_s"].limit
        graded = grade(name, measured, Bounds(light, expected, slow, fast))
        found.append(doubted(graded))
    return tuple(found)


def _percent(rank: str) -> float:
    try:
        return float(rank.removeprefix("p"))
    except ValueError:  # max
        return 100.0


def _served_floor(
    name: str, value: float, bound: Bounds, at: Deployment, at_least: float | None
) -> float | None:
    """The limit of what was running, where the measured figure beats that of what was expected to.

    A server that runs fewer sequences at a time than expected decodes each of them faster.
    """
    beaten = value < bound.limit if name in TIMES else value > bound.limit
    if not beaten:
        return None
    if name == "decode_tokens_per_s":  # more sequences decode more
        users = at.load.users if at.load is not None else None
        return max(bound.limit, limit_of_batch(at, users or 1).decode_tokens_per_s)
    alone = limit_of_batch(at, max(1, int(at_least or 1)))
    return alone.tpot_s * (1 if name == "tpot_s" else at.lengths.output_tokens - 1)


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
    phase: Literal["prefill", "decode"],
    seconds: float,
    times: PhaseTimes,
    at: Deployment,
    batch: int,
) -> Utilization:
    """MBU and MFU of a phase of `batch` requests in its measured time; of a drafting step, in the
    time of the step."""
    drafts, parallel = at.model.draft_depth, at.model.parallel
    if phase == "decode" and at.acceptance is not None:
        seconds *= tokens_per_step(at.acceptance, drafts)
    # With fewer sequences than stages, a stage waits for the others.
    groups = -(-batch // parallel.data)
    busy = min(1.0, groups / parallel.pipeline) / seconds
    compute_s = sum(op.compute_s for op in times.ops if op.kind not in COLLECTIVES)
    return Utilization(
        phase=phase,
        seconds=seconds,
        bytes=times.bytes,
        flops=times.flops,
        mbu=times.bytes * busy / at.card.gpu.memory_bandwidth,
        mfu=compute_s * busy,
    )
