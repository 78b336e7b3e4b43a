"""The speeds of a batch: equal requests, or a distribution of them, that start together.

Not here: the steps one by one (timing/compiled.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from vperf.serving.lengths import Lengths
from vperf.serving.speculative import tokens_per_step
from vperf.speeds.pace import Pace, speed_of, with_range
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.ranges import decode_spread, prefill_spread

if TYPE_CHECKING:
    from vperf.deployment import Deployment


def of_batch(at: Deployment) -> Pace:
    """TTFT of the prefill of all prompts in one step, TPOT as the mean over the output.

    Of a distribution of lengths: TTFT is the mean over its requests, TPOT the mean over their
    output tokens, each request in a batch of its like (docs/method.md).
    """
    compiled, lengths, batch, images = at.compiled, at.lengths, at.batch_size, at.image_tokens
    gain = tokens_per_step(at.acceptance or 0.0, at.model.draft_depth)
    prefill = _prefill(at, batch)
    if at.encoding is not None:
        prefill = at.encoding.before(prefill, batch)
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
