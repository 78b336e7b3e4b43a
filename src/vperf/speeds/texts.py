"""The speeds of what is only read: embeddings, scores, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vperf.answer import Expected, Speed, Texts
from vperf.serving.texts import most_texts, serve_texts
from vperf.speeds.pace import Pace
from vperf.timing.ranges import spread_under_load

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.load import Load


def of_texts(at: Deployment, load: Load) -> Pace:
    """Of a load of texts that are only read: latency as TTFT, the rate at which tokens are read."""
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
