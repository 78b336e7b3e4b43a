"""The speeds of one scenario and nothing else: what an estimate and a table of thousands share.

Both are computed here, so that `estimate`, `compare`, `sweep` and `fit` cannot disagree. Not here:
the ops one by one, the depth table and the sentences (estimate.py), which cost more than all this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from vperf.answer import Expected, Figures, Serving, SimulatedRun, Speed
from vperf.model.model import Model
from vperf.serving.lengths import Lengths
from vperf.serving.memory import largest_batch, memory_use
from vperf.serving.speculative import tokens_per_step
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.constants import Constants
from vperf.timing.ranges import spread, spread_under_load
from vperf.timing.step import Card
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.load import Load, Served
    from vperf.serving.simulation import Run


@dataclass(frozen=True, slots=True)
class Pace:
    """The speeds of a workload, and what they rest on."""

    limit: Speed
    ceiling: Speed
    """The limit at even routing."""
    expected: Expected
    running: int
    """Sequences that decode at a time."""
    held: int
    """Those whose cache is held at full length."""
    gain: float
    """Tokens that a step yields."""
    step: Seconds | None = None
    """Of a batch, the mean decode step of the output; with drafts, verification and drafts."""
    served: Served | None = None
    """What a load settles to."""


def speeds(at: Deployment) -> Figures:
    """The speeds of a deployment, and whether it fits."""
    pace, load, gpu = pace_of(at), at.load, at.card.gpu
    expected, groups = pace.expected, at.model.parallel.data
    prompt, output = at.request_tokens
    use = memory_use(at.model, at.replica.pools, pace.held, prompt, output)
    if pace.served is None or load is None:
        answered_s = expected.ttft_s + (output - 1) * expected.tpot_s
        rate, serving = pace.running / answered_s, None
        input_s = expected.ttft_s / (pace.running * prompt)
        output_s = expected.tpot_s / pace.running
    else:
        rate, serving = pace.served.requests_per_s, serving_of(pace.served, load)
        past = load.cached_tokens
        prefill_s = at.compiled.prefill(groups, prompt - past, past).expected / groups
        input_s, output_s = prefill_s / prompt, max(0.0, 1 / rate - prefill_s) / output
    return Figures(
        pace.limit, expected, at.model.parallel.gpus, use.total_bytes, gpu.memory_bytes,
        input_s, output_s, rate, rate * output, serving,
    )  # fmt: skip


def pace_of(at: Deployment) -> Pace:
    """The speeds of its workload: of a batch, or of a load that settles."""
    return _of_batch(at) if at.load is None else _of_load(at, at.load)


def _of_batch(at: Deployment) -> Pace:
    """TTFT of the prefill of all prompts in one step, TPOT as the mean over the output.

    Of a distribution of lengths: TTFT is the mean over its requests, TPOT the mean over their
    output tokens, each request in a batch of its like (docs/method.md).
    """
    compiled, lengths, batch, images = at.compiled, at.lengths, at.batch_size, at.image_tokens
    gain = tokens_per_step(at.acceptance or 0.0, at.model.draft_depth)
    prefill = _prefill(compiled, lengths, batch, images)
    step = mean_step(compiled, lengths, batch, images)
    speed = _speed_of_batch(batch, at.prompt_tokens)
    limit = speed(prefill.limit, step.limit / gain)
    ceiling = limit
    if (prefill.ceiling, step.ceiling) != (prefill.limit, step.limit):
        ceiling = speed(prefill.ceiling, step.ceiling / gain)
    expected = with_range(
        limit, prefill.expected, step.expected / gain, compiled.card.constants, speed
    )
    return Pace(limit, ceiling, expected, batch, batch, gain, step)


def _speed_of_batch(batch: int, prompt: int) -> Callable[[float, float], Speed]:
    def speed(ttft_s: float, tpot_s: float) -> Speed:
        return Speed(
            ttft_s=ttft_s,
            prefill_tokens_per_s=batch * prompt / ttft_s,
            tpot_s=tpot_s,
            decode_tokens_per_s=batch / tpot_s,
            decode_tokens_per_s_per_user=1 / tpot_s,
        )

    return speed


def _prefill(compiled: Compiled, lengths: Lengths, batch: int, images: int) -> Seconds:
    return _weighted(
        (request.share, compiled.prefill(batch, request.input_tokens + images))
        for request in lengths.requests
    )


def _weighted(parts: Iterable[tuple[float, Seconds]], bubble: float = 1.0) -> Seconds:
    """The sum of times, each of them so many times; expected ones longer by the `bubble`."""
    limit = expected = ceiling = 0.0
    for weight, times in parts:
        limit += weight * times.limit
        expected += bubble * weight * times.expected
        ceiling += weight * times.ceiling
    return Seconds(limit, expected, ceiling)


def mean_step(compiled: Compiled, lengths: Lengths, batch: int, images: int = 0) -> Seconds:
    """Mean seconds of the decode steps of all output tokens."""
    if len(lengths.requests) == 1:
        (one,) = lengths.requests
        return _mean_step(compiled, batch, one.input_tokens + images, one.output_tokens)
    tokens = sum(request.share * request.output_tokens for request in lengths.requests)
    mean = _weighted(
        (
            request.share * request.output_tokens / tokens,
            _mean_step(compiled, batch, request.input_tokens + images, request.output_tokens),
        )
        for request in lengths.requests
    )
    # A batch of mixed requests shares its reads, so it may beat the mean of batches of equals:
    # its bytes are those of the mean context (or, with windows, fewer).
    at_mean = compiled.decode(batch, lengths.decode_context + images)
    return Seconds(
        min(mean.limit, at_mean.limit), mean.expected, min(mean.ceiling, at_mean.ceiling)
    )


def _mean_step(compiled: Compiled, batch: int, input_tokens: int, output_tokens: int) -> Seconds:
    """Mean seconds of the decode steps of one output.

    Between two kinks (a window filling up) a step's time is linear in its context or bends
    upwards, so the value in the middle is the mean, or below it: safe for the limit.
    """
    first = input_tokens
    last = max(first, input_tokens + output_tokens - 2)
    windows = compiled.model.windows
    bubble = compiled.bubble(batch)
    if not windows:
        return _weighted(((1.0, compiled.decode(batch, (first + last) // 2)),), bubble)
    edges = {first, last + 1}
    for window in windows:
        multiple = max(1, first // window)
        edges.update(
            edge for edge in (window * (multiple + i) for i in range(16)) if first < edge <= last
        )
    cuts = sorted(edges)
    steps = last + 1 - first
    return _weighted(
        (
            ((end - start) / steps, compiled.decode(batch, (start + end - 1) // 2))
            for start, end in pairwise(cuts)
        ),
        bubble,
    )


def with_range(
    limit: Speed,
    ttft_s: float,
    tpot_s: float,
    constants: Constants,
    speed: Callable[[float, float], Speed],
    *,
    ttft_spread: tuple[float, float] | None = None,
) -> Expected:
    """Expected speed with its range; the fast end of the range stops at the limit."""
    factors = ttft_spread or spread("prefill", constants.origin)
    ttft_fast, ttft_slow = (ttft_s * f for f in factors)
    tpot_fast, tpot_slow = (tpot_s * f for f in spread("decode", constants.origin))
    fast = speed(max(ttft_fast, limit.ttft_s), max(tpot_fast, limit.tpot_s))
    slow = speed(ttft_slow, tpot_slow)

    def bound(times: Speed, rates: Speed) -> Speed:
        return Speed(
            times.ttft_s,
            rates.prefill_tokens_per_s,
            times.tpot_s,
            rates.decode_tokens_per_s,
            rates.decode_tokens_per_s_per_user,
        )

    middle = speed(max(ttft_s, limit.ttft_s), max(tpot_s, limit.tpot_s))
    return Expected(
        middle.ttft_s,
        middle.prefill_tokens_per_s,
        middle.tpot_s,
        middle.decode_tokens_per_s,
        middle.decode_tokens_per_s_per_user,
        low=bound(fast, slow),
        high=bound(slow, fast),
    )


def _of_load(at: Deployment, load: Load) -> Pace:
    """TTFT as a benchmark that starts with all users at once reports it, TPOT with the prefills of
    others between one's own tokens; rates of the whole deployment. The limit is that of the batch
    that is running."""
    from vperf.serving.load import serve  # noqa: PLC0415  (most scenarios are of a batch)

    model, card = at.model, at.card
    served = serve(at.compiled, load, at.replica.steps(load))

    def speed(ttft_s: float, tpot_s: float) -> Speed:
        return Speed(
            ttft_s=ttft_s,
            prefill_tokens_per_s=load.input_tokens / ttft_s,
            tpot_s=tpot_s,
            decode_tokens_per_s=served.running_batch / tpot_s,
            decode_tokens_per_s_per_user=1 / tpot_s,
        )

    limit = speed(served.limit_ttft_s, served.limit_tpot_s)
    ceiling = speed(served.ceiling_ttft_s, served.ceiling_tpot_s)
    of_load = spread_under_load(card.engine, card.constants.origin)
    expected = with_range(
        limit, served.ttft_s, served.tpot_s, card.constants, speed, ttft_spread=of_load
    )
    running = max(1, round(served.running_batch))
    held = held_batch(model, card, load, running)
    gain = tokens_per_step(load.acceptance, model.draft_depth)
    return Pace(limit, ceiling, expected, running, held, gain, served=served)


def serving_of(served: Served, load: Load) -> Serving:
    """The part of the answer that only a served load has."""
    return Serving(
        served.running_batch,
        served.slots,
        served.requests_per_s,
        served.ttft_steady_s,
        load.requests_per_s,
        served.saturated,
    )


def simulated_run(compiled: Compiled, asked: Run, acceptance: float) -> SimulatedRun:
    """A load as a benchmark runs it. Raises InputError."""
    from vperf.serving.simulation import run  # noqa: PLC0415  (most scenarios are of a batch)

    found = run(compiled, asked.traffic(compiled.model.max_context_tokens), acceptance=acceptance)
    percents, steady = asked.percents, found.steady
    return SimulatedRun(
        prompts=len(found.traffic),
        seed=asked.seed,
        duration_s=found.duration_s,
        requests_per_s=found.requests_per_s,
        output_tokens_per_s=found.output_tokens_per_s,
        ttft=found.ttft(percents),
        tpot=found.tpot(percents),
        itl=found.itl(percents),
        e2e=found.e2e(percents),
        mean_running=found.mean_running,
        mean_waiting=found.mean_waiting,
        peak_running=found.peak_running,
        utilization=found.utilization,
        preempted=found.preempted,
        oversized=found.oversized,
        steady_requests_per_s=steady.requests_per_s if steady else None,
        saturated=found.saturated,
    )


def held_batch(model: Model, card: Card, load: Load, running: int) -> int:
    """As many of the `running` sequences as fit at full length, one at least.

    Pages are shared out while sequences are shorter.
    """
    each = model.rank_cache_bytes(load.input_tokens + load.output_tokens)
    most = largest_batch(model, card.gpu, card.engine, each, up_to=running)
    return max(1, min(running, most))
