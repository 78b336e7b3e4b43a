"""The speeds of one scenario and nothing else: what an estimate and a table of thousands share.

Both are computed here, so that `estimate`, `compare`, `sweep` and `fit` cannot disagree. Not here:
the ops one by one, the depth table and the sentences (estimate.py), which cost more than all this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from vperf.answer import Expected, Serving, SimulatedRun, Speed, Speeds, Texts
from vperf.errors import InputError
from vperf.hardware.engine import Spread
from vperf.model.model import Model
from vperf.serving.lengths import Lengths
from vperf.serving.memory import Pool, largest_batch, sequence_bytes
from vperf.serving.memory_by_place import taken_of
from vperf.serving.speculative import tokens_per_step
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.ranges import decode_spread, prefill_spread, spread_under_load
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.load import Load, Served, Steps
    from vperf.serving.simulated import Simulated
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
    """What a load settles to; of a finite run, its rate and its times."""
    simulated: SimulatedRun | None = None
    """The run that `expected` is of: a finite one, or of a load whose closed form does not hold."""


def speeds(at: Deployment, *, simulates: bool = True) -> Speeds:
    """The speeds of a deployment, and whether it fits. Raises InputError for prompts that other
    cards read: their figures are not of one kind of card.

    `simulates`: loads whose closed form does not hold have the means of a run; a search that runs
    what it doubts itself goes without.
    """
    if at.ahead is not None:
        raise InputError("is answered by vperf estimate alone", field="prefill-gpu")
    pace, load = pace_of(at, simulates=simulates), at.load
    expected, groups = pace.expected, at.model.parallel.data
    prompt, output = at.request_tokens
    taken, capacity = taken_of(at.compiled, at.replica.pools, pace.held, prompt, output)
    if pace.served is None or load is None:
        answered_s = expected.ttft_s + (output - 1) * expected.tpot_s
        rate, serving = pace.running / answered_s, None
        input_s = expected.ttft_s / (pace.running * prompt)
        output_s = expected.tpot_s / pace.running
    else:
        rate, serving = pace.served.requests_per_s, serving_of(pace, pace.served, load)
        past = load.cached_tokens
        prefill_s = at.compiled.prefill(groups, prompt - past, past).expected / groups
        input_s = prefill_s / prompt
        output_s = max(0.0, 1 / rate - prefill_s) / output if output else 0.0
    return Speeds(
        pace.limit, expected, at.gpus, taken, capacity,
        input_s, output_s, rate, rate * output, serving,
    )  # fmt: skip


def pace_of(at: Deployment, *, simulates: bool = True) -> Pace:
    """The speeds of its workload: of a batch, or of a load that settles."""
    return _of_batch(at) if at.load is None else _of_load(at, at.load, simulates=simulates)


def _of_batch(at: Deployment) -> Pace:
    """TTFT of the prefill of all prompts in one step, TPOT as the mean over the output.

    Of a distribution of lengths: TTFT is the mean over its requests, TPOT the mean over their
    output tokens, each request in a batch of its like (docs/method.md).
    """
    compiled, lengths, batch, images = at.compiled, at.lengths, at.batch_size, at.image_tokens
    gain = tokens_per_step(at.acceptance or 0.0, at.model.draft_depth)
    prefill = _prefill(at, batch)
    if at.encoding is not None:
        prefill = Seconds(*map(sum, zip(prefill, at.encoding.seconds(batch), strict=True)))
    step = mean_step(compiled, lengths, batch, images)
    tokens = batch * at.prompt_tokens
    limit = speed_of(prefill.limit, step.limit / gain, tokens, batch)
    ceiling = limit
    if (prefill.ceiling, step.ceiling) != (prefill.limit, step.limit):
        ceiling = speed_of(prefill.ceiling, step.ceiling / gain, tokens, batch)
    ttft_s, tpot_s = prefill.expected, step.expected / gain
    reads, card = at.ahead.compiled.card if at.ahead else compiled.card, compiled.card
    expected = with_range(
        limit, ttft_s, tpot_s, tokens, batch,
        ttft_spread=prefill_spread(reads.constants, reads.engine),
        tpot_spread=decode_spread(card.constants, card.engine, experts=at.model.has_experts),
    )  # fmt: skip
    return Pace(limit, ceiling, expected, batch, batch, gain, step)


def speed_of(ttft_s: float, tpot_s: float, tokens: int, sequences: float) -> Speed:
    """Of times in which so many prompt tokens are read, and so many sequences decode."""
    if not tpot_s:  # what generates no tokens decodes none, in no time
        return Speed(ttft_s, tokens / ttft_s, 0.0, 0.0, 0.0)
    return Speed(ttft_s, tokens / ttft_s, tpot_s, sequences / tpot_s, 1 / tpot_s)


def _prefill(at: Deployment, batch: int) -> Seconds:
    lengths, images = at.lengths, at.image_tokens

    def of(tokens: int) -> Seconds:
        if at.kept is not None:
            return at.kept.prefill(at.compiled, batch, tokens)
        if at.ahead is not None:
            return at.ahead.prefill(at.compiled, batch, tokens)
        return at.compiled.prefill(batch, tokens)

    if len(lengths.requests) == 1:
        return of(lengths.input_tokens + images)
    return _weighted(
        (request.share, of(request.input_tokens + images)) for request in lengths.requests
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
    if not compiled.model.generates:
        return Seconds(0.0, 0.0, 0.0)
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
        step = compiled.decode(batch, (first + last) // 2)
        return step if bubble == 1.0 else _weighted(((1.0, step),), bubble)
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
    tokens: int,
    sequences: float,
    *,
    ttft_spread: Spread,
    tpot_spread: Spread,
) -> Expected:
    """Expected speed with its range; the fast end of the range stops at the limit."""
    low, high = ttft_spread
    ttft_low, ttft_high = max(ttft_s * low, limit.ttft_s), ttft_s * high
    ttft, tpot = max(ttft_s, limit.ttft_s), max(tpot_s, limit.tpot_s)
    if not tpot:
        return Expected(
            ttft, tokens / ttft, 0.0, 0.0, 0.0,
            Speed(ttft_low, tokens / ttft_high, 0.0, 0.0, 0.0),
            Speed(ttft_high, tokens / ttft_low, 0.0, 0.0, 0.0),
        )  # fmt: skip
    low, high = tpot_spread
    tpot_low, tpot_high = max(tpot_s * low, limit.tpot_s), tpot_s * high
    return Expected(
        ttft, tokens / ttft, tpot, sequences / tpot, 1 / tpot,
        Speed(ttft_low, tokens / ttft_high, tpot_low, sequences / tpot_high, 1 / tpot_high),
        Speed(ttft_high, tokens / ttft_low, tpot_high, sequences / tpot_low, 1 / tpot_low),
    )  # fmt: skip


def _of_load(at: Deployment, load: Load, *, simulates: bool) -> Pace:
    """TTFT as a benchmark that starts with all users at once reports it, TPOT with the prefills of
    others between one's own tokens; rates of the whole deployment. The limit is that of the batch
    that is running."""
    from vperf.serving.load import holds, serve  # noqa: PLC0415  (most scenarios are of a batch)

    model, card = at.model, at.card
    if not model.generates:
        return _of_texts(at, load)
    steps = at.replica.steps(load)
    if at.kept is not None:
        served = at.kept.served(at.compiled, load, steps)
    else:
        served = serve(at.compiled, load, steps)
    ran, given = None, at.run
    if given is not None and (
        given.finite
        or (
            simulates
            and given.is_short
            and not holds(served, load, given.output_spread)
            and _fits(at, load, served)
        )
    ):
        ran = simulated_run(at)
    if ran is not None:
        served = _as_run(served, ran, load, steps, model.draft_depth)
    of = load.input_tokens, served.running_batch
    limit = speed_of(served.limit_ttft_s, served.limit_tpot_s, *of)
    ceiling = speed_of(served.ceiling_ttft_s, served.ceiling_tpot_s, *of)
    expected = with_range(
        limit, served.ttft_s, served.tpot_s, *of,
        ttft_spread=spread_under_load(card.engine, card.constants.origins.whole),
        tpot_spread=decode_spread(card.constants, card.engine, experts=model.has_experts),
    )  # fmt: skip
    running = max(1, round(served.running_batch))
    most = running if ran is None else ran.peak_running
    held = held_batch(model, at.replica.pools, load, most)
    gain = tokens_per_step(load.acceptance, model.draft_depth)
    return Pace(limit, ceiling, expected, running, held, gain, served=served, simulated=ran)


def _of_texts(at: Deployment, load: Load) -> Pace:
    """Of a load of texts that are only read: latency as TTFT, the rate at which tokens are read."""
    from vperf.serving.texts import most_texts, serve_texts  # noqa: PLC0415  (seldom asked for)

    served, tokens = serve_texts(at.compiled, load), load.input_tokens
    most = most_texts(at.card, tokens, at.model.parallel.data)
    full = at.compiled.prefill(most, tokens)
    low, high = spread_under_load(at.card.engine, at.card.constants.origins.whole)
    top = most * tokens / full.limit

    def speed(latency_s: float, rate: float) -> Speed:
        return Speed(latency_s, min(rate, top), 0.0, 0.0, 0.0)

    rate = served.requests_per_s * load.texts * tokens
    # A rate that is served is as it comes, however fast.
    given = load.requests_per_s is not None and not served.saturated
    ends = (rate, rate) if given else (rate / high, rate / low)
    least_s = served.limit_ttft_s
    latency_s = max(served.ttft_s, least_s)
    limit = Speed(least_s, top, 0.0, 0.0, 0.0)
    middle = speed(latency_s, rate)
    expected = Expected(
        middle.ttft_s, middle.prefill_tokens_per_s, 0.0, 0.0, 0.0,
        speed(max(latency_s * low, least_s), ends[0]), speed(latency_s * high, ends[1]),
    )  # fmt: skip
    running = max(1, round(served.running_batch))
    ceiling = Speed(served.ceiling_ttft_s, most * tokens / full.ceiling, 0.0, 0.0, 0.0)
    return Pace(limit, ceiling, expected, running, running, 1.0, served=served)


_NEARLY = 0.95


def texts_of(at: Deployment, pace: Pace) -> Texts:
    """What a model that only reads reaches, and with how many texts at a time."""
    from vperf.serving.texts import most_texts  # noqa: PLC0415  (seldom asked for)

    tokens = at.prompt_tokens
    alone = at.compiled.prefill(1, tokens)
    most, batches = most_texts(at.card, tokens, at.model.parallel.data), [1]
    while batches[-1] < most:
        batches.append(min(most, 2 * batches[-1]))
    rates = {batch: batch / at.compiled.prefill(batch, tokens).expected for batch in batches}
    best = next(b for b, rate in rates.items() if rate >= _NEARLY * max(rates.values()))
    expected = pace.expected
    return Texts(
        task=at.model.task,
        limit_texts_per_s=pace.limit.prefill_tokens_per_s / tokens,
        expected_texts_per_s=expected.prefill_tokens_per_s / tokens,
        expected_texts_per_s_low=expected.low.prefill_tokens_per_s / tokens,
        expected_texts_per_s_high=expected.high.prefill_tokens_per_s / tokens,
        limit_one_s=alone.limit,
        expected_one_s=alone.expected,
        best_batch_size=best,
        best_texts_per_s=rates[best],
        texts_per_request=at.load.texts if at.load else 1,
    )


def _fits(at: Deployment, load: Load, served: Served) -> bool:
    """Whether the sequences of a load that settles fit: of others no run is asked for."""
    model, of_card = at.model, at.replica.pools
    held = held_batch(model, of_card, load, max(1, round(served.running_batch)))
    taken, capacity = taken_of(at.compiled, of_card, held, *at.request_tokens)
    return taken <= capacity


def _as_run(served: Served, ran: SimulatedRun, load: Load, steps: Steps, drafts: int) -> Served:
    """What a load comes to in a run that ends; its bounds are those of its mean batch."""
    tpot = ran.tpot.mean_s if ran.tpot else served.tpot_s
    # Requests meet more than the mean over time, so that the bound of that batch holds for all.
    batch = ran.requests_per_s * max(1, load.output_tokens - 1) * tpot
    batch = max(1.0, min(batch, served.running_batch))
    step, gain = steps.decode(batch), tokens_per_step(load.acceptance, drafts)
    return replace(
        served,
        running_batch=batch,
        ttft_s=ran.ttft.mean_s,
        ttft_steady_s=served.ttft_steady_s if ran.steady_ttft_s is None else ran.steady_ttft_s,
        tpot_s=tpot,
        requests_per_s=ran.requests_per_s,
        limit_tpot_s=step.limit / gain,
        ceiling_tpot_s=step.ceiling / gain,
    )


def serving_of(pace: Pace, served: Served, load: Load) -> Serving:
    """The part of the answer that only a served load has."""
    return Serving(
        served.running_batch,
        served.slots,
        served.requests_per_s,
        served.ttft_steady_s,
        load.requests_per_s,
        served.saturated,
        served.prompt_share,
        pace.simulated.prompts if pace.simulated else None,
    )


def simulate(at: Deployment) -> Simulated | None:
    """A load as a benchmark runs it; None of a batch, and where the weights do not fit. Raises
    InputError."""
    compiled, load, given = at.compiled, at.load, at.run
    if load is None or given is None:
        return None
    if at.model.rank_weight_bytes >= at.card.gpu.memory_bytes:
        return None
    from vperf.serving.simulation import run  # noqa: PLC0415  (most scenarios are of a batch)

    given = _with_images(given, at.image_tokens)
    traffic = given.traffic(compiled.model.max_context_tokens)
    tick, count = given.tick, len(traffic)
    progress = None if tick is None else lambda done: tick(done, count)
    return run(
        compiled, traffic, acceptance=load.acceptance, proven=load.proven, encode_s=load.encode_s,
        progress=progress,
    )  # fmt: skip


def simulated_run(at: Deployment) -> SimulatedRun | None:
    """What of such a run is answered."""
    found = simulate(at)
    if found is None or at.run is None:
        return None
    given = at.run
    percents, steady = given.percents, found.steady
    return SimulatedRun(
        prompts=len(found.traffic),
        seed=given.seed,
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
        steady_ttft_s=steady.ttft_s if steady else None,
        saturated=found.saturated,
    )


def _with_images(given: Run, image_tokens: int) -> Run:
    """Requests whose prompts hold images beside their text."""
    if not image_tokens:
        return given
    longer = tuple(
        replace(each, input_tokens=each.input_tokens + image_tokens)
        for each in given.lengths.requests
    )
    return replace(given, lengths=replace(given.lengths, requests=longer))


def held_batch(model: Model, of_card: tuple[Pool, ...], load: Load, running: int) -> int:
    """As many of the `running` sequences as the pools of a card hold at full length, one at least.

    Pages are shared out while sequences are shorter.
    """
    each = sequence_bytes(model, of_card, load.input_tokens, load.output_tokens)
    most = largest_batch(of_card, model.parallel.data, each, running)
    return max(1, min(running, most))
