"""One trial of the fixed point of a load: a running batch -> its TPOT, TTFT and what it serves.

Not here: which batch leads to itself (load.py), what steps take (equal_steps.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from vperf.serving.equal_steps import Steps
from vperf.serving.speculative import tokens_per_step
from vperf.timing.step import Card
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.serving.load import Load

EVEN_ROUNDS = 12
"""Trials of a bracket (regula falsi)."""

_RATE_TOLERANCE = 1e-4
"""Share of the prompts that come, to which they are as many as are sent."""

_STEP_ROUNDS = 4

_FEW = 16
"""Sequences beside which one more is felt in the time of a prompt."""

_MOST_ODDS = 30.0
"""Exponent beyond which no sequence decodes on."""

BUSIEST = 0.95
"""Queues are not extrapolated beyond this share of time spent on prefill."""

_BUSIEST_USERS = 0.999
"""Of users, who wait for each other."""


@dataclass(frozen=True, slots=True)
class Point:
    """One trial of the fixed point."""

    limit_s: float
    ceiling_s: float
    """Of a token."""
    decode_s: float
    """A step that only decodes."""
    prefill_s: float
    extra_s: float
    """What one prompt's prefill adds to the steps it shares."""
    tpot_s: float
    ttft_s: float
    """Of a steady state, without the wait for memory."""
    most_per_s: float
    """Requests/s, where every step reads prompts."""


def _others(load: Load, batch: float) -> float:
    """Sequences that decode beside one, where `batch` decode on average (the arrival theorem)."""
    return batch if load.users is None else batch * (load.users - 1) / load.users


def trial(steps: Steps, load: Load, batch: float) -> Point:
    """What so large a running batch comes to."""
    model, card = steps.compiled.model, steps.compiled.card
    groups = model.parallel.data
    others = _others(load, batch)
    limit, decode, ceiling = steps.decode(1 + others)
    away = math.sqrt(others)
    few, many = max(1.0, 1 + others - away), 1 + others + max(1.0, away)
    at_few = steps.decode(few).expected
    slope = (steps.decode(many).expected - at_few) / (many - few)
    if load.users is None and others > 1:
        # Of requests that come by themselves as many run as Poisson's law says, and more apart
        # where more of them make steps longer.
        grows = min(BUSIEST, max(0.0, others * slope / decode))
        decode += (at_few + (1 + others - few) * slope - decode) / (1 - grows)
    gain = tokens_per_step(load.acceptance, model.draft_depth)
    shared_steps = max(1.0, (load.output_tokens - 1) / gain)
    at = _at(steps, load, decode, others)

    def shares(prompts_per_s: float) -> tuple[_Window, float]:
        """The steps of an attention group to which so many prompts come, and one's mean."""
        window = _window(at, prompts_per_s)
        # Prompts that came behind a request's own are read while it decodes, and those that come
        # meanwhile: the first of a step takes all of what one adds.
        behind = prompts_per_s * window.behind_s
        reads_s = behind * window.each_s - math.expm1(-behind) * (at.extra - window.each_s)
        # They, and those ahead of it in the queue, decode beside it from its start to its end.
        beside_s = slope * min(2 * behind, at.ahead)
        further_s = reads_s / shared_steps + beside_s
        step = window.step_s + further_s / (1 - min(BUSIEST, prompts_per_s * window.each_s))
        return window, min(step, window.most_s)

    # As many prompts come as the others send while one decodes: all but linear in how many come.
    wanted = others / groups / shared_steps
    low, high = 0.0, wanted / decode
    short, over, rate, again = -high, 0.0, high, 0
    for number in range(EVEN_ROUNDS):  # regula falsi, Illinois
        if number:
            rate = low - short * (high - low) / (over - short)
        window, step = shares(rate)
        gap = rate - wanted / step
        if abs(gap) <= _RATE_TOLERANCE * rate:
            break
        if gap > 0:
            high, over, again = rate, gap, again + 1 if again > 0 else 1
            short *= 0.5 if again > 1 else 1.0
        else:
            low, short, again = rate, gap, again - 1 if again < 0 else -1
            over *= 0.5 if again < -1 else 1.0
    ttft = window.ttft_s + server_s(card, load.input_tokens)
    most_per_s = groups / window.full_s
    if load.users is not None:  # Little's law, where every step reads prompts
        ttft = max(ttft, load.users / most_per_s - shared_steps * step)
    return Point(
        limit / gain,
        ceiling / gain,
        decode,
        at.prompt_s,
        at.extra,
        step / gain * steps.compiled.bubble(1 + others),
        ttft,
        most_per_s,
    )


class _Window(NamedTuple):
    """Steps that decode and read prompts."""

    step_s: float
    """Mean."""
    each_s: float
    """What one more prompt adds to them."""
    ttft_s: float
    """Of a request, from being seen."""
    behind_s: float
    """Prompts of so long a time are read while a request decodes, beyond those that come then: it
    leaves fewer unread behind its last token than behind its first."""
    most_s: float
    """A step that reads all the prompt tokens it can."""
    full_s: float
    """Of such steps, for each prompt."""


class _At(NamedTuple):
    """A running batch: what its steps take, however many prompts come."""

    decode: float
    extra: float
    """What one prompt adds to the steps it shares."""
    each: float
    """What a prompt adds to a step that reads another one already; the rest is the step's own."""
    fitting: int
    """Whole prompts of a step; up to 1, a prompt takes steps of its own."""
    chunks: int
    prompt_s: float
    """The steps that read one prompt."""
    others: float
    ahead: float
    """Users that may be in the queue before one; of a rate, any number."""
    busy: float
    """Probability that a request finds others decoding."""
    admission_steps: float
    apart: bool
    """Prompts have steps of their own, before any sequence decodes on."""
    away_s: float
    """Between a user's last token and its next request's being seen; of a rate, any time."""
    last: float
    """Share of a prompt that its last step reads."""
    spill: float
    """Share of the next prompt, if one waits, that the same step reads beside it."""


def _at(steps: Steps, load: Load, decode: float, others: float) -> _At:
    each = extra = _extra(steps, 1 + others)
    if others < _FEW:
        count, prompt_s = steps.prefill(others)
    else:  # as beside one more
        count, prompt_s = steps.prefill(1 + others)
    per_step = steps.prompts_per_step(1 + others)
    fitting = int(per_step)
    if fitting > 1:
        each = min(max(0.0, _extra(steps, 1 + others, 2) - extra), extra)
    ahead = math.inf if load.users is None else load.users - 1 - others
    facts = steps.compiled.card.engine.scheduler
    away_s = math.inf
    if load.users is not None:
        away_s = server_s(steps.compiled.card, load.input_tokens) + load.think_s
    last = 1 - (count - 1) * per_step
    spill = min(1.0, per_step - last) if fitting <= 1 and facts.splits_prompts else 0.0
    return _At(decode, extra, each, fitting, count, prompt_s, others, ahead,
               _busy(others, load), facts.admission_steps, facts.policy != "mixed",
               away_s, last, spill)  # fmt: skip


def _alternating(at: _At, prompts_per_s: float) -> _Window:
    """Where a step reads the prompts that came in an earlier one, or decodes if there came none.

    At a rate, a step of t seconds is followed by one that decodes with probability exp(-rate t).
    Users send when they have their last token, of a step that decodes: no step that reads prompts
    brings others.
    """
    decode, reads, step = at.decode, at.extra, at.decode
    once, odds, behind_s = at.extra - at.each, 0.0, 0.0
    more = 1 - min(BUSIEST, prompts_per_s * at.each)
    for _ in range(_STEP_ROUNDS):
        if at.ahead < math.inf:
            came = prompts_per_s * step
            any_came = -math.expm1(-came)
            reads = once + min(came / any_came if came else 1.0, at.fitting) * at.each
            odds = max(any_came, came / at.fitting)
            busy = min(_BUSIEST_USERS, odds * reads / step)
            step = decode / (1 - busy)
        else:
            odds = -math.expm1(-prompts_per_s * decode)
            odds *= math.exp(min(_MOST_ODDS, prompts_per_s * reads))
            # What comes is what is read.
            step = (decode + odds * once) / more
            came = prompts_per_s * step / odds if odds else 1.0
            reads = once + min(max(1.0, came), at.fitting) * at.each
            behind_s = max(0.0, reads - decode)
    share = odds / (1 + odds)
    mean = (1 - share) * decode + share * reads
    square = (1 - share) * decode**2 + share * reads**2
    waits = at.busy * (square / mean / 2 + at.admission_steps * mean)
    queue = prompts_per_s * square / mean * at.each
    full = once / at.fitting + at.each
    return _Window(step, at.each, waits + queue + at.prompt_s, behind_s, math.inf, full)


def _window(at: _At, prompts_per_s: float) -> _Window:
    if at.apart and at.fitting > 1:
        return _alternating(at, prompts_per_s)
    decode, extra, each = at.decode, at.extra, at.each
    busy = min(BUSIEST, prompts_per_s * extra)
    if at.fitting > 1:
        once, step = extra - each, decode
        alone = 1 - min(BUSIEST, prompts_per_s * each)
        for _ in range(_STEP_ROUNDS):
            prompts = min(prompts_per_s * step, busy * step / extra if extra else 0.0)
            reading = -math.expm1(-prompts)
            step = (decode + reading * once) / alone
        square = (
            (1 - reading) * decode**2 + reading * (decode + once) ** 2
            + 2 * (decode + once) * each * prompts + each**2 * prompts * (1 + prompts)
        )  # fmt: skip
        # Those that come in the same window, which is the longer the likelier to be met.
        queue = prompts_per_s * square / step * each
        found = square / step / 2
        most = decode + once + at.fitting * each
        full = most / at.fitting
    else:
        step = decode / (1 - busy)
        reading = min(1.0, busy / extra * step * at.chunks) if extra else 0.0
        most = decode + extra / at.chunks
        full = at.chunks * most
        queue = busy / (1 - busy) * max(0.0, at.prompt_s - extra / 2)
        if at.ahead < math.inf:
            queue = min(queue, at.ahead * extra)
        # Who comes while a prompt is read waits for the rest of it in the queue.
        found = decode / 2
    if at.away_s < step:  # the step that began with its last token is still running
        found = step - at.away_s
    waits = at.busy * at.admission_steps * step + queue + at.prompt_s
    ttft, unread_s = waits + at.busy * found, 0.0
    if at.spill and prompts_per_s:
        before = min(at.chunks - 1, at.admission_steps)
        unseen_s = decode + extra * at.last + (at.admission_steps - before) * step
        if before:
            unseen_s += before * (decode + extra * (1 - at.last) / (at.chunks - 1))
        spilt = at.spill * -math.expm1(-prompts_per_s * max(0.0, ttft - unseen_s))
        ttft += spilt * extra
        waits += spilt * extra
        unread_s = spilt / prompts_per_s
    behind_s = max(0.0, (waits if at.fitting > 1 else ttft) - (1 + at.admission_steps) * step)
    behind_s = max(0.0, behind_s * (1 - reading) - unread_s)
    return _Window(step, each, ttft, behind_s, most, full)


def _extra(steps: Steps, sequences: float, prompts: int = 1) -> float:
    """What prompts add to the steps that they share with `sequences`."""
    chunks = steps.prefill(sequences, prompts)
    stages = steps.compiled.model.parallel.pipeline  # each reads the prompt while others decode
    if steps.compiled.card.engine.scheduler.policy != "mixed":
        return chunks.seconds / stages
    decoding = chunks.steps * steps.decode(round(sequences)).expected
    return max(0.0, chunks.seconds - decoding) / stages


def _busy(others: float, load: Load) -> float:
    """Probability that a request finds any of the others decoding."""
    if load.users is None:
        return -math.expm1(-others)
    if load.users == 1:
        return 0.0
    return 1.0 - (1.0 - others / (load.users - 1)) ** (load.users - 1)


def server_s(card: Card, input_tokens: int) -> float:
    """A request's way through the server outside of its steps."""
    facts = card.engine.scheduler
    return facts.frontend_s + facts.frontend_s_per_token * input_tokens + facts.transit_s
