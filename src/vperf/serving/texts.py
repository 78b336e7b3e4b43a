"""A load of texts that are only read: requests of embeddings, scores, labels.

Whoever comes while a step reads is read in the next one, as many as its budget of tokens holds.
With t(b) the step of b texts, n texts a request:

    b = min(most, R n t(b)), n at least       open loop: those that come in the step before
    b = min(most, U n / 2), all of one user   closed loop: answered users send while others are read
    rate = b / t(b)                            closed loop; one user waits for the server besides
    latency = t(b) + what is left of the step before: half of it where one runs
    b = min(most, N n), latency = (N n / b + 1) / 2 t(b)   N requests, all sent at once

Not here: the step (timing/).
"""

from __future__ import annotations

from vperf.serving.load import Load, Served
from vperf.serving.trial import server_s
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card

_ROUNDS, _TOLERANCE = 60, 1e-4


def most_texts(card: Card, tokens: int, groups: int = 1) -> int:
    """Texts of a step: those that its budget of tokens and its sequences hold, one at least."""
    scheduler = card.engine.scheduler
    fitting = min(card.engine.max_batched_tokens // max(1, tokens), scheduler.max_sequences)
    return max(1, fitting) * groups


def serve_texts(compiled: Compiled, load: Load) -> Served:
    """What the load settles to; latency is `ttft_s`, rates are of requests."""
    tokens, texts = load.input_tokens, load.texts
    most = max(most_texts(compiled.card, tokens, compiled.model.parallel.data), 1)
    waits = server_s(compiled.card, tokens * texts)

    def step_s(batch: float) -> float:
        """Of so many texts, in as many steps as they take."""
        whole, rest = divmod(batch, most)
        seconds = whole * compiled.prefill(most, tokens).expected if whole else 0.0
        return seconds + (compiled.prefill(max(1, round(rest)), tokens).expected if rest else 0.0)

    capacity = most / step_s(most)
    alone = compiled.prefill(max(1, min(texts, most)), tokens)
    least_s = alone.limit * max(1.0, texts / most)
    saturated = False
    if load.users is not None and load.at_once:
        out = load.users * texts
        batch = float(min(most, out))
        seconds = step_s(batch)
        steps = out / batch
        latency = seconds * (steps + 1) / 2 + waits
        rate = out / (seconds * steps + waits)
    elif load.users is not None:
        out = load.users * texts
        batch = float(texts) if load.users == 1 else max(float(texts), min(most, out / 2))
        seconds = step_s(batch)
        rate = batch / (seconds + (waits if load.users == 1 else 0.0))
        latency = max(out / rate - load.think_s, seconds + waits)
        rate = min(rate, out / (latency + load.think_s))
    else:
        assert load.requests_per_s is not None
        rate = load.requests_per_s * texts
        saturated = rate > capacity * (1 + 1e-3)
        rate = min(rate, capacity)
        batch = float(texts)
        for _ in range(_ROUNDS):
            wanted = max(float(texts), min(float(max(most, texts)), rate * step_s(batch)))
            if abs(wanted - batch) <= _TOLERANCE * batch:
                break
            batch = (batch + wanted) / 2
        seconds = step_s(batch)
        latency = seconds * (1 + min(1.0, rate * seconds / batch) / 2) + waits
    return Served(
        running_batch=batch,
        slots=most,
        decode_s=0.0,
        tpot_s=0.0,
        ttft_s=latency,
        ttft_steady_s=latency,
        prefill_s=seconds,
        requests_per_s=rate / texts,
        saturated=saturated,
        prompt_share=0.0,
        limit_tpot_s=0.0,
        limit_ttft_s=least_s,
        ceiling_tpot_s=0.0,
        ceiling_ttft_s=max(least_s, alone.ceiling),
    )
