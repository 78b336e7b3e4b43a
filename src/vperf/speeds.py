"""The speeds of one scenario and nothing else: what an estimate and a table of thousands share.

Both are computed here, so that `estimate`, `compare`, `sweep` and `fit` cannot disagree. Not here:
the ops one by one, the depth table and the sentences (estimate.py), which cost more than all this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from vperf.answer import Expected, Figures, Serving, SimulatedRun, Speed
from vperf.errors import InputError
from vperf.model.model import Model
from vperf.serving.lengths import Lengths, equal
from vperf.serving.memory import largest_batch, memory_use
from vperf.serving.speculative import checked_acceptance, tokens_per_step
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.constants import Constants
from vperf.timing.ranges import spread, spread_under_load
from vperf.timing.step import Card
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.load import Load, Served, Steps
    from vperf.serving.simulation import Run

MAX_TOKENS = 10**9
"""No length or batch beyond it is a scenario."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The speeds of a batch of equal requests that start together."""

    limit: Speed
    ceiling: Speed
    """The limit at even routing."""
    expected: Expected
    prefill: Seconds
    step: Seconds
    """Mean decode step of the output; with drafts, verification and drafts together."""
    gain: float
    """Tokens that a step yields."""
    acceptance: float | None


def speeds(at: Deployment) -> Figures:
    """The speeds of a deployment, and whether it fits."""
    if at.load is not None:
        return served_figures(at.compiled, at.load, at.replica.steps(at.load))
    return batch_figures(
        at.compiled,
        at.found.id,
        at.lengths,
        batch=at.batch_size,
        image_tokens=at.image_tokens,
        acceptance=at.acceptance,
    )


def check_count(name: str, value: int, least: int) -> None:
    """InputError where `value` is no count from `least` on."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= MAX_TOKENS:
        raise InputError(
            f"must be an integer from {least} to {MAX_TOKENS}, not {value!r}", field=name
        )


def prompt_tokens(model: Model, model_id: str, lengths: Lengths, image_tokens: int) -> int:
    """What prefill reads of a request of mean length. Raises InputError for lengths that cannot be,
    and for images of a model that puts none into its prompt."""
    check_count("input-len", lengths.input_tokens, 1)
    check_count("output-len", lengths.output_tokens, 1)
    check_count("image-tokens", image_tokens, 0)
    if image_tokens and not model.images:
        raise InputError(
            f"{model_id} (model_type {model.model_type!r}) has no vision tower that puts tokens "
            "into the prompt",
            field="image-tokens",
        )
    return lengths.input_tokens + image_tokens


def batch_speeds(
    compiled: Compiled,
    lengths: Lengths,
    *,
    batch: int,
    image_tokens: int = 0,
    acceptance: float | None = None,
) -> Pace:
    """TTFT of the prefill of all prompts in one step, TPOT as the mean over the output.

    Of a distribution of lengths: TTFT is the mean over its requests, TPOT the mean over their
    output tokens, each request in a batch of its like (docs/method.md).
    """
    check_count("batch-size", batch, 1)
    accepted, gain, drafts = None, 1.0, compiled.model.draft_tokens
    if drafts:
        accepted = checked_acceptance(acceptance)
        gain = tokens_per_step(accepted, drafts)
    prefill = _prefill(compiled, lengths, batch, image_tokens)
    step = mean_step(compiled, lengths, batch, image_tokens)
    prompt = lengths.input_tokens + image_tokens
    speed = _speed_of_batch(batch, prompt)
    limit = speed(prefill.limit, step.limit / gain)
    ceiling = speed(prefill.ceiling, step.ceiling / gain)
    expected = with_range(
        limit, prefill.expected, step.expected / gain, compiled.card.constants, speed
    )
    return Pace(limit, ceiling, expected, prefill, step, gain, accepted)


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


def deployed_load(
    model: Model,
    model_id: str,
    load: Load,
    *,
    image_tokens: int = 0,
    acceptance: float | None = None,
) -> Load:
    """The load as the model meets it: images in its prompts, drafts accepted. Raises InputError."""
    lengths = equal(load.input_tokens, load.output_tokens)
    load = replace(load, input_tokens=prompt_tokens(model, model_id, lengths, image_tokens))
    if model.draft_tokens:
        load = replace(load, acceptance=checked_acceptance(acceptance))
    return load


def load_speeds(
    compiled: Compiled, load: Load, steps: Steps | None = None
) -> tuple[Served, Speed, Speed, Expected]:
    """What a load settles to, its limit, ceiling and expected speeds: rates are of the whole
    deployment.

    `steps`: those of another load of equal lengths.
    """
    from vperf.serving.load import serve  # noqa: PLC0415  (most scenarios are of a batch)

    served, card = serve(compiled, load, steps), compiled.card
    running = served.running_batch

    def speed(ttft_s: float, tpot_s: float) -> Speed:
        return Speed(
            ttft_s=ttft_s,
            prefill_tokens_per_s=load.input_tokens / ttft_s,
            tpot_s=tpot_s,
            decode_tokens_per_s=running / tpot_s,
            decode_tokens_per_s_per_user=1 / tpot_s,
        )

    limit = speed(served.limit_ttft_s, served.limit_tpot_s)
    ceiling = speed(served.ceiling_ttft_s, served.ceiling_tpot_s)
    of_load = spread_under_load(card.engine, card.constants.origin)
    expected = with_range(
        limit, served.ttft_s, served.tpot_s, card.constants, speed, ttft_spread=of_load
    )
    return served, limit, ceiling, expected


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


def batch_figures(
    compiled: Compiled,
    model_id: str,
    lengths: Lengths,
    *,
    batch: int,
    image_tokens: int = 0,
    acceptance: float | None = None,
) -> Figures:
    """An estimate of a batch without its ops, depths and sentences. Raises as estimate_model."""
    model, card = compiled.model, compiled.card
    prompt = prompt_tokens(model, model_id, lengths, image_tokens)
    pace = batch_speeds(
        compiled, lengths, batch=batch, image_tokens=image_tokens, acceptance=acceptance
    )
    use = memory_use(model, card.gpu, card.engine, batch, prompt, lengths.output_tokens)
    answered_s = pace.expected.ttft_s + (lengths.output_tokens - 1) * pace.expected.tpot_s
    return Figures(
        limit=pace.limit,
        expected=pace.expected,
        gpus=model.parallel.gpus,
        memory_bytes=use.total_bytes,
        capacity_bytes=card.gpu.memory_bytes,
        input_s=pace.expected.ttft_s / (batch * prompt),
        output_s=pace.expected.tpot_s / batch,
        requests_per_s=batch / answered_s,
        output_tokens_per_s=batch * lengths.output_tokens / answered_s,
    )


def served_figures(compiled: Compiled, load: Load, steps: Steps | None = None) -> Figures:
    """The same of a served load."""
    model, card = compiled.model, compiled.card
    served, limit, _, expected = load_speeds(compiled, load, steps)
    held = held_batch(model, card, load, max(1, round(served.running_batch)))
    use = memory_use(model, card.gpu, card.engine, held, load.input_tokens, load.output_tokens)
    groups = model.parallel.data
    new = load.input_tokens - load.cached_tokens
    prefill_s = compiled.prefill(groups, new, load.cached_tokens)[1] / groups
    rate = served.requests_per_s
    return Figures(
        limit=limit,
        expected=expected,
        gpus=model.parallel.gpus,
        memory_bytes=use.total_bytes,
        capacity_bytes=card.gpu.memory_bytes,
        input_s=prefill_s / load.input_tokens,
        output_s=max(0.0, 1 / rate - prefill_s) / load.output_tokens,
        requests_per_s=rate,
        output_tokens_per_s=rate * load.output_tokens,
        serving=serving_of(served, load),
    )


def held_batch(model: Model, card: Card, load: Load, running: int) -> int:
    """As many of the `running` sequences as fit at full length, one at least.

    Pages are shared out while sequences are shorter.
    """
    each = model.rank_cache_bytes(load.input_tokens + load.output_tokens)
    most = largest_batch(model, card.gpu, card.engine, each, up_to=running)
    return max(1, min(running, most))
