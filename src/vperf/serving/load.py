"""Served load: users or a request rate -> running batch, TPOT and TTFT, as benchmarks measure them.

With D(B) the decode step at running batch B, and P the extra time that the prefill of one prompt
adds to the steps it shares with B decoding sequences (chunked prefill):

    TPOT = D(1 + O) / tokens a step + (O / output) P
    B    = users output TPOT / (TTFT + output TPOT)      closed loop: each user sends when answered
    B    = rate output TPOT                              open loop: requests come by themselves
    O    = (users - 1) / users B, or B

solved to a fixed point. O are the others that a request meets: a user's own prompts are not among
those that interrupt it, so that one user, and a rate near 0, is batch 1. TTFT = the prefill's steps
+ the steps until it starts, where others keep the server busy + the queue of other prefills + the
wait for memory + the request's way through the server; as measured, the mean also holds the first
burst, when all users start at once. The steady state of scheduler.py, to which it is held, in a
hundredth of its time. Not here: one trial of the fixed point (trial.py), what steps take
(equal_steps.py), kernels (timing/).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from vperf.errors import InputError
from vperf.model.model import Model
from vperf.serving.equal_steps import Steps
from vperf.serving.trial import BUSIEST, EVEN_ROUNDS, Point, server_s, trial
from vperf.spelling import flag
from vperf.timing.compiled import Compiled
from vperf.values import dataclass

BURST_SHARE = 0.12
"""Benchmarks send about ten prompts per user (InferenceMAX: num-prompts = 10 x concurrency), so
that a tenth of the measured requests are the first burst; 0.12 fits best, for the second wave of
requests still comes bunched."""

APART_BURST_SHARE = 0.16
"""The same where prompts go first: who starts together ends together, and sends again together.
Fitted to 186 served points of SGLang, in each of their four groups by card and client."""

UNSURE_SHARE = 0.5
"""Of the time that prompts take: beyond it no bound holds."""


class Span(NamedTuple):
    """How far means may be off the simulation's, from below to above, as shares of it."""

    low: float
    high: float


class Errors(NamedTuple):
    """How far these means were from the simulation's on random settings, and a little more.

    None was above; what is below, `plan` puts right by the run of every row that it shows.
    """

    up_to_share: float
    """Of the time that prompts take."""
    tpot: Span
    ttft: Span
    e2e: Span


_OF_RATES = (
    Errors(0.2, Span(-0.02, 0.04), Span(-0.045, 0.05), Span(-0.02, 0.04)),
    Errors(0.5, Span(-0.03, 0.03), Span(-0.05, 0.06), Span(-0.04, 0.03)),
)
"""Of 19 in 20: TPOT was down to 9 % below, TTFT to 8."""

_OF_USERS = (
    Errors(0.3, Span(-0.02, 0.02), Span(-0.08, 0.09), Span(-0.02, 0.02)),
    Errors(0.5, Span(-0.07, 0.05), Span(-0.5, 0.35), Span(-0.06, 0.05)),
)

_ROOM = 0.85
"""Share of the sequences that fit from which on some wait for others, or lose their cache."""


def errors_of(prompt_share: float, running: float, slots: int, *, of_rate: bool) -> Errors | None:
    """The bounds for a load (tests/serving/test_closed_form.py); None: none."""
    if running > _ROOM * slots:
        return None
    bounds = _OF_RATES if of_rate else _OF_USERS
    return next((each for each in bounds if prompt_share <= each.up_to_share), None)


_ROUNDS, _SECANTS = 80, 6
"""Trials of the fixed point, of which every so many-th halves the bracket."""

_TOLERANCE = 1e-6

_LONGER = 1.6
"""Batch at a usual rate over that of steps of one sequence: where trials of a rate begin."""

_EVEN = 1e-3
"""Share of TPOT by which drafting may differ from not drafting where it is said to break even."""

_FULL = 1 - 1e-3
"""Share of the sequences that fit from which on a batch is all of them."""

_SELDOM = 1e-3
"""A share of requests that find all places taken too small to look at."""

MIN_RATE, MAX_RATE = 1e-6, 1e9
"""Requests a second. Below one in 11 days the clock of a run cannot tell the start of a step from
its end."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a server: `users`, `requests_per_s`, or a rate of which at most
    so many users are out."""

    input_tokens: int
    output_tokens: int
    users: int | None = None
    """Closed loop: so many at a time (--max-concurrency)."""
    requests_per_s: float | None = None
    """Open loop (--request-rate)."""
    prefix_hit: float = 0.0
    """Share of a prompt's tokens whose cache is found ready."""
    acceptance: float = 0.0
    """Probability that a token is accepted that the model drafts, if it does."""
    think_s: float = 0.0
    """Between an answer and the user's next request."""
    texts: int = 1
    """Of a request to a model that only reads them."""
    at_once: bool = False
    """Of such a model: its users send one request each, all at the start."""
    encode_s: float = 0.0
    """What the tower takes for the images and sounds of a request."""
    encode_limit_s: float = 0.0
    proven: int = 0
    """Sequences that are known to have run at a time, whatever the memory is thought to hold."""

    def __post_init__(self) -> None:
        if self.users is None and self.requests_per_s is None:
            raise InputError("give max-concurrency or request-rate")
        if self.users is not None and (isinstance(self.users, bool) or self.users < 1):
            raise InputError(f"must be at least 1, not {self.users!r}", field="max-concurrency")
        rate = self.requests_per_s
        if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
            raise InputError(
                f"must be from {MIN_RATE:g} to {MAX_RATE:g} a second, not {rate!r}",
                field="request-rate",
                hint=f"fewer meet an idle server: that is {flag('batch_size')} 1",
            )  # fmt: skip
        if not 0 <= self.prefix_hit < 1:
            raise InputError(f"must be from 0 to below 1, not {self.prefix_hit!r}",
                             field="prefix-cache-hit")  # fmt: skip

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that need no prefill; the last one always does."""
        return min(self.input_tokens - 1, int(self.input_tokens * self.prefix_hit))


@dataclass(frozen=True, slots=True)
class Served:
    """What a load settles to; seconds of one request, sequences of the whole deployment."""

    running_batch: float
    """Sequences decoding at a time; the others wait for their first token."""
    slots: int
    """Sequences that the cache has room for."""
    decode_s: float
    """A step that only decodes."""
    tpot_s: float
    ttft_s: float
    """Mean over a benchmark that starts with all users at once."""
    ttft_steady_s: float
    """Mean of later requests."""
    prefill_s: float
    """The steps of one prompt's prefill, alone in the queue."""
    requests_per_s: float
    saturated: bool
    """The rate asked for is more than the deployment can serve: queues grow without end."""
    prompt_share: float
    """Of the time, what prompts take."""
    limit_tpot_s: float
    """The decode step of the running batch, as bound."""
    limit_ttft_s: float
    """The prefill of one prompt, as bound."""
    ceiling_tpot_s: float
    ceiling_ttft_s: float
    """Both bounds at even routing."""


def serve(compiled: Compiled, load: Load, steps: Steps | None = None) -> Served:
    """The fixed point of a load on a deployment; `steps` are those of loads of equal lengths."""
    if load.users is not None and load.requests_per_s is not None:
        return _capped(compiled, load, steps or Steps(compiled, load))
    model, facts = compiled.model, compiled.card.engine.scheduler
    steps = steps or Steps(compiled, load)
    slots = max(steps.slots(load.users), load.proven)
    further = max(1, load.output_tokens - 1)
    held = min(slots, facts.max_sequences * model.parallel.data)
    most = float(max(1, held if load.users is None else min(load.users, held)))

    def settles(batch: float) -> tuple[Point, float]:
        """A trial, and the batch that it would lead to."""
        point = trial(steps, load, batch)
        decoding_s = further * point.tpot_s
        if load.users is not None:
            target = load.users * decoding_s / (point.ttft_s + decoding_s + load.think_s)
        else:
            assert load.requests_per_s is not None
            target = load.requests_per_s * decoding_s
        return point, min(target, most)

    start = most
    if load.requests_per_s is not None:  # prompts and steps of more make it longer
        alone = load.requests_per_s * further * steps.decode(1).expected
        start = min(most, max(1.0, _LONGER * alone))
    batch, point = _fixed_point(settles, start, most)
    decoding_s = further * point.tpot_s
    most_per_s = batch / decoding_s
    saturated, waits, burst = False, 0.0, 0.0
    if load.users is not None:
        share = BURST_SHARE if facts.policy == "mixed" else APART_BURST_SHARE
        burst = share * _burst(point, int(most), model)
        if load.users > 1 and model.has_experts:
            burst += BURST_SHARE * facts.warm_up_s
        if load.users > most:
            # Little's law: whoever finds no room waits for those who hold it.
            waits = load.users / most_per_s - decoding_s - point.ttft_s - load.think_s
            waits = max(0.0, waits)
        rate = most_per_s
    else:
        assert load.requests_per_s is not None
        # Steps jump where a prompt takes a chunk more: the batch may not lead to itself to the bit.
        most_per_s = min(most_per_s if batch >= most * _FULL else math.inf, point.most_per_s)
        saturated = load.requests_per_s > most_per_s * (1 + 1e-3)
        rate = min(load.requests_per_s, most_per_s)
    found = Served(
        running_batch=batch,
        slots=slots,
        decode_s=point.decode_s,
        tpot_s=point.tpot_s,
        ttft_s=point.ttft_s + burst + waits,
        ttft_steady_s=point.ttft_s + waits,
        prefill_s=point.prefill_s,
        requests_per_s=rate,
        saturated=saturated,
        prompt_share=min(1.0, rate * point.extra_s / model.parallel.data),
        limit_tpot_s=point.limit_s,
        limit_ttft_s=steps.alone.limit,
        ceiling_tpot_s=point.ceiling_s,
        ceiling_ttft_s=steps.alone.ceiling,
    )
    if load.users is None:
        return _held(compiled, load, steps, found, int(most))
    return found


def _held(compiled: Compiled, load: Load, steps: Steps, free: Served, most: int) -> Served:
    """A rate of which at most so many are admitted; the others wait until one ends.

    The wait is Sakasegawa's approximation for that many servers whose times of service are equal.
    By Little's law a share of them is taken on average, of whose prompts a request meets as many.
    """
    further, asked = load.output_tokens - 1, load.requests_per_s
    assert asked is not None
    steepness = math.sqrt(2 * (most + 1)) - 1
    taken = asked * (free.ttft_steady_s + further * free.tpot_s) / most
    if not free.saturated and taken < 1 and taken**steepness < _SELDOM:
        return free
    full = serve(compiled, replace(load, users=most, requests_per_s=None), steps)
    # A place is taken anew while its last request is still on its way out.
    held_s = most / full.requests_per_s - server_s(compiled.card, load.input_tokens)
    share = asked * held_s / most
    saturated = share > 1 + 1e-3
    alone = serve(compiled, replace(load, users=1, requests_per_s=None), steps)
    near = min(share, BUSIEST)
    waits = near**steepness / (1 - near) * held_s / most / 2
    others = (max if saturated else min)(free.ttft_steady_s, full.ttft_steady_s)
    queue = max(0.0, others - alone.ttft_steady_s)
    ttft_s = alone.ttft_steady_s + math.hypot(queue, waits)
    tpot_s = alone.tpot_s + min(1.0, share) * (full.tpot_s - alone.tpot_s)
    if not saturated:
        tpot_s = min(free.tpot_s, tpot_s)
    rate = min(asked, most / held_s)
    return replace(
        full if saturated else free,
        running_batch=min(float(most), rate * further * tpot_s),
        tpot_s=tpot_s,
        ttft_s=ttft_s,
        ttft_steady_s=ttft_s,
        requests_per_s=rate,
        saturated=saturated,
    )


def _capped(compiled: Compiled, load: Load, steps: Steps) -> Served:
    """A rate with a cap: the rate where fewer are out than the cap allows, else its closed loop."""
    users, rate = load.users, load.requests_per_s
    assert users is not None
    assert rate is not None
    free = serve(compiled, replace(load, users=None), steps)
    whole_s = free.ttft_steady_s + (load.output_tokens - 1) * free.tpot_s
    if not free.saturated and rate * whole_s <= users:
        return free
    closed = serve(compiled, replace(load, requests_per_s=None), steps)
    return replace(closed, ttft_s=closed.ttft_steady_s)  # they do not start together


def _fixed_point(
    settles: Callable[[float], tuple[Point, float]], start: float, most: float
) -> tuple[float, Point]:
    """The batch up to `most` that leads to itself, met from `start`, and its trial.

    Secant steps on target - batch, which is not negative at 0 and not positive at `most`; where
    they leave that bracket or hardly narrow it (a prefill that takes a chunk more from some batch
    on), the middle of it.
    """
    low, high = 0.0, most
    batch, before, gap_before = start, 0.0, 0.0
    for number in range(_ROUNDS):
        point, target = settles(batch)
        gap = target - batch
        if abs(gap) <= _TOLERANCE * batch or high - low <= _TOLERANCE * high:
            break
        if gap > 0:
            low = max(low, batch)
        else:
            high = min(high, batch)
        following = target
        if number and gap != gap_before:
            following = batch - gap * (batch - before) / (gap - gap_before)
        before, gap_before = batch, gap
        if not low <= following <= high or number % _SECANTS == _SECANTS - 1:
            following = (low + high) / 2
        batch = following
    return batch, point


def pays_from(compiled: Compiled, load: Load, without: Served) -> float | None:
    """The acceptance at which drafting has the TPOT of the same load `without` it; None: never."""
    steps = Steps(compiled, load)

    def slower_s(acceptance: float) -> float:
        served = serve(compiled, replace(load, acceptance=acceptance), steps)
        return served.tpot_s - without.tpot_s

    low, high = 0.0, 1.0
    above, below = slower_s(low), slower_s(high)
    if above <= 0:
        return low
    if below > 0:
        return None
    for _ in range(EVEN_ROUNDS):  # regula falsi, Illinois
        middle = low + (high - low) * above / (above - below)
        found = slower_s(middle)
        if abs(found) <= _EVEN * without.tpot_s:
            return middle
        if found > 0:
            low, above, below = middle, found, below / 2
        else:
            high, below, above = middle, found, above / 2
    return (low + high) / 2


def _burst(point: Point, users: int, model: Model) -> float:
    """Mean extra wait of the first `users` prompts, which are prefilled one after another."""
    return max(0.0, users / model.parallel.data - 1) / 2.0 * point.extra_s
