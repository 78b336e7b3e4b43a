"""Served load: concurrency -> running batch, TPOT and TTFT, as benchmarks measure them.

Closed loop with C users, each sending its next request when the last one is answered. With D(B)
the decode step at running batch B and P the extra time that the prefill of one prompt adds to the
steps it shares with B decoding sequences (chunked prefill):

    TPOT = D(B) + (B / output) P
    B    = C output TPOT / (TTFT + output TPOT)          solved to a fixed point

TTFT = the prefill's steps + half a decode step + the queue of other prefills; as measured, the
mean also holds the first burst, when all C prompts arrive at once. Not here: kernels (timing/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES, Op, Step, distinct_experts
from vperf.timing.step import Card, seconds_of, step_seconds

BURST_SHARE = 0.1
"""Benchmarks send about ten prompts per user (InferenceMAX: num-prompts = 10 x concurrency), so
that a tenth of the measured requests are the first burst."""

_ROUNDS = 60
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Served:
    """What a closed loop settles to; seconds of one request, sequences of the whole deployment."""

    running_batch: float
    """Sequences decoding at a time; the others wait for their first token."""
    tpot_s: float
    ttft_s: float
    """Mean over a benchmark that starts with all users at once."""
    ttft_steady_s: float
    """Mean of later requests."""
    prefill_s: float
    """The steps of one prompt's prefill, alone in the queue."""
    limit_tpot_s: float
    """Decode step of the running batch, as bound."""


def merged(decode: Sequence[tuple[int, Op]], prefill: Sequence[tuple[int, Op]]) -> list[
    tuple[int, Op]
]:
    """The work of one step that decodes and prefills: matmuls run once over both their rows.

    Attention runs for each. Both lists are of one model, so that ops pair up; those that do not
    (an MLA layer decodes in another form than it prefills) stay apart.
    """
    if len(decode) != len(prefill):
        return [*decode, *prefill]
    found: list[tuple[int, Op]] = []
    for (count, a), (_, b) in zip(decode, prefill, strict=True):
        if a.kind != b.kind or a.kind in ("attention", "mla", "recurrent"):
            found += [(count, a), (count, b)]
        else:
            found.append((count, _joined(a, b)))
    return found


def _joined(a: Op, b: Op) -> Op:
    weight = max(a.weight_bytes, b.weight_bytes)
    shape = a.shape
    if a.kind == "moe":
        tokens, active, experts, *rest = a.shape
        more = b.shape[0]
        read = distinct_experts(tokens, experts, active)
        weight = a.weight_bytes / read * distinct_experts(tokens + more, experts, active)
        shape = (tokens + more, active, experts, *rest)
    elif a.shape and a.kind not in COLLECTIVES:
        shape = (a.shape[0] + b.shape[0], *a.shape[1:])
    return replace(
        a,
        flops=a.flops + b.flops,
        weight_bytes=weight,
        input_elements=a.input_elements + b.input_elements,
        output_elements=a.output_elements + b.output_elements,
        shape=shape,
    )


def closed_loop(
    model: Model, card: Card, concurrency: int, input_tokens: int, output_tokens: int
) -> Served:
    """The fixed point for `concurrency` users with prompts of `input_tokens`."""
    context = input_tokens + output_tokens // 2
    groups = model.parallel.data
    batch = float(concurrency)
    result: Served | None = None
    for _ in range(_ROUNDS):
        running = max(1.0, batch)
        limit, decode = _decode(model, card, running, context)
        steps = _prefill_steps(model, card, running, context, input_tokens, groups)
        prefill = sum(steps)
        extra = max(0.0, prefill - len(steps) * decode)
        # Attention groups prefill their own prompts side by side.
        tpot = decode + running / groups / output_tokens * extra
        busy = min(0.95, running / groups / output_tokens * extra / tpot)
        queue = busy / (1.0 - busy) * extra / 2.0
        steady = prefill + decode / 2.0 + queue
        burst = (concurrency / groups - 1) / 2.0 * extra
        ttft = steady + BURST_SHARE * max(0.0, burst)
        result = Served(running, tpot, ttft, steady, prefill, limit)
        target = concurrency * output_tokens * tpot / (ttft + output_tokens * tpot)
        if abs(target - batch) <= _TOLERANCE * batch:
            break
        batch = 0.5 * (batch + target)
    assert result is not None
    return result


def _decode(model: Model, card: Card, running: float, context: int) -> tuple[float, float]:
    """(limit, expected) of a decode step, between whole batches by interpolation."""
    low = int(running)
    at_low = step_seconds(model, Step(low, 1, context), card)
    share = running - low
    if share < 1e-9:
        return at_low
    at_high = step_seconds(model, Step(low + 1, 1, context), card)
    return (
        at_low[0] + share * (at_high[0] - at_low[0]),
        at_low[1] + share * (at_high[1] - at_low[1]),
    )


def _prefill_steps(
    model: Model, card: Card, running: float, context: int, input_tokens: int, groups: int
) -> list[float]:
    """Seconds of the steps that one prompt's prefill takes, decoding the others meanwhile."""
    decoding = round(running)
    budget = max(1, card.engine.max_batched_tokens - decoding // groups)
    steps: list[float] = []
    past = 0
    decode = model.work(Step(max(1, decoding), 1, context))
    while past < input_tokens:
        new = min(budget, input_tokens - past)
        # One prompt is on one attention group; `groups` prompts keep all of them equally busy.
        chunk = model.work(Step(groups, new, past))
        steps.append(seconds_of(merged(decode, chunk), card))
        past += new
    return steps
