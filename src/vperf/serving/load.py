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
hundredth of its time. Not here: kernels (timing/).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from vperf.errors import InputError
from vperf.model.model import Model
from vperf.serving.memory import Pool, pools, prompt_bytes, reading_bytes, that_holds
from vperf.serving.speculative import tokens_per_step
from vperf.spelling import flag
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.passes import decode_passes, prefill_passes
from vperf.timing.step import Card
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
_EVEN_ROUNDS = 12
_EVEN = 1e-3
"""Share of TPOT by which drafting may differ from not drafting where it is said to break even."""
_RATE_TOLERANCE = 1e-4
"""Share of the prompts that come, to which they are as many as are sent."""
_FULL = 1 - 1e-3
"""Share of the sequences that fit from which on a batch is all of them."""
_SELDOM = 1e-3
"""A share of requests that find all places taken too small to look at."""
_STEP_ROUNDS = 4
_FEW = 16
"""Sequences beside which one more is felt in the time of a prompt."""
_MOST_ODDS = 30.0
"""Exponent beyond which no sequence decodes on."""
_BUSIEST = 0.95
"""Queues are not extrapolated beyond this share of time spent on prefill."""
_BUSIEST_USERS = 0.999
"""Of users, who wait for each other."""
_MAX_CHUNKS = 1000
"""Steps of one prompt's prefill that are asked about one by one."""


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


class Prefill(NamedTuple):
    """The steps that read a prompt."""

    steps: int
    seconds: float
    """Of all of them."""


class Steps:
    """Times of the steps of a deployment whose requests are of one length, each computed once.

    They do not depend on how many requests come, so that loads share them.
    """

    def __init__(
        self, compiled: Compiled, load: Load, of_card: tuple[Pool, ...] | None = None
    ) -> None:
        """`load` gives the lengths; `of_card` are the pools of a card, where they are known."""
        self.compiled, self.card = compiled, compiled.card
        full = compiled.fullest
        self._pools = of_card or pools(compiled.model, full.gpu, full.engine)
        self.input_tokens, self.output_tokens = load.input_tokens, load.output_tokens
        self.cached_tokens = load.cached_tokens
        self.encode_s, self.encode_limit_s = load.encode_s, load.encode_limit_s
        self.context = load.input_tokens + load.output_tokens // 2
        self._decode: dict[int, Seconds] = {}
        self._prefill: dict[tuple[int, int], Prefill] = {}

    def slots(self, users: int | None = None) -> int:
        """Sequences that fit at their mean length; pages are taken as sequences grow.

        `users`: those for whom the engine is given more of the memory if its default is too little.
        """
        model, card = self.compiled.model, self.compiled.card
        groups = model.parallel.data
        whole = self.input_tokens + self.output_tokens
        reserved = card.engine.scheduler.reserves_output
        each = model.rank_cache_bytes(whole if reserved else self.context)
        each += prompt_bytes(self._pools, self.input_tokens)
        if each <= 0:
            return 10**6
        once = reading_bytes(model, self._pools, self.input_tokens)
        wanted = -(-(users or 1) // groups) * each + once
        free = that_holds(self._pools, wanted).free_bytes - once
        return max(1, min(10**6, int(free / each) * groups))

    @cached_property
    def alone(self) -> Seconds:
        """The prefill of one prompt."""
        new = self.input_tokens - self.cached_tokens
        limit, expected, ceiling = self.compiled.prefill(1, new, self.cached_tokens)
        floor = self.encode_limit_s
        return Seconds(limit + floor, expected + self.encode_s, ceiling + floor)

    def decode(self, running: float) -> Seconds:
        """Of a decode step, between whole batches by interpolation."""
        low = int(running)
        at_low = self._decode_of(low)
        share = running - low
        if share < 1e-9:
            return at_low
        at_high = self._decode_of(low + 1)
        return Seconds(
            *(one + share * (other - one) for one, other in zip(at_low, at_high, strict=True))
        )

    def _decode_of(self, batch: int) -> Seconds:
        found = self._decode.get(batch)
        if found is None:
            found = self._decode[batch] = self.compiled.decode(batch, self.context)
        return found

    def prefill(self, running: float, prompts: int = 1) -> Prefill:
        """The steps that read one prompt, or the one that reads several together, decoding the
        others meanwhile."""
        mixes = self.compiled.card.engine.scheduler.policy == "mixed"
        decoding = round(running) if mixes else 0
        found = self._prefill.get((decoding, prompts))
        if found is None:
            found = self._prefill[decoding, prompts] = self._chunks(decoding, prompts)
        return found

    def prompts_per_step(self, running: float) -> float:
        """Prompts that fit into a step beside `running` sequences."""
        return self._budget(round(running)) / (self.input_tokens - self.cached_tokens)

    def _budget(self, decoding: int) -> int:
        """Prompt tokens of a step."""
        model = self.compiled.model
        verified = decoding // model.parallel.data * (1 + model.draft_tokens)
        return max(1, self.compiled.card.engine.max_batched_tokens - verified)

    def _chunks(self, decoding: int, prompts: int) -> Prefill:
        compiled, model = self.compiled, self.compiled.model
        groups = model.parallel.data
        budget = self._budget(decoding)
        decode = decode_passes(model, decoding, self.context) if decoding else ()
        past, seconds = self.cached_tokens, 0.0
        count = -(-(self.input_tokens - past) // budget)
        # A chunk's time is all but linear in what is cached: of many, each stretch takes the time
        # of its middle. The last one, which is shorter, is asked about by itself.
        stretch = max(1, count // _MAX_CHUNKS)
        done = 0
        while done < count:
            alike = max(1, min(stretch, count - 1 - done))
            past = self.cached_tokens + (done + alike // 2) * budget
            new = min(budget, self.input_tokens - past)
            # One prompt is on one attention group; `groups` prompts keep all equally busy.
            chunk = prefill_passes(model, prompts * groups, new, past)
            if decode:
                each = compiled.mixed(decode, chunk, decoding / groups + prompts)[1]
            else:
                each = compiled.passes(chunk)[1]
            seconds += alike * each
            done += alike
        return Prefill(count, seconds + prompts * self.encode_s)


@dataclass(frozen=True, slots=True)
class _Point:
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

    def settles(batch: float) -> tuple[_Point, float]:
        """A trial, and the batch that it would lead to."""
        point = _trial(steps, load, batch)
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
    near = min(share, _BUSIEST)
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
    settles: Callable[[float], tuple[_Point, float]], start: float, most: float
) -> tuple[float, _Point]:
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
    for _ in range(_EVEN_ROUNDS):  # regula falsi, Illinois
        middle = low + (high - low) * above / (above - below)
        found = slower_s(middle)
        if abs(found) <= _EVEN * without.tpot_s:
            return middle
        if found > 0:
            low, above, below = middle, found, below / 2
        else:
            high, below, above = middle, found, above / 2
    return (low + high) / 2


def _others(load: Load, batch: float) -> float:
    """Sequences that decode beside one, where `batch` decode on average (the arrival theorem)."""
    return batch if load.users is None else batch * (load.users - 1) / load.users


def _trial(steps: Steps, load: Load, batch: float) -> _Point:
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
        grows = min(_BUSIEST, max(0.0, others * slope / decode))
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
        step = window.step_s + further_s / (1 - min(_BUSIEST, prompts_per_s * window.each_s))
        return window, min(step, window.most_s)

    # As many prompts come as the others send while one decodes: all but linear in how many come.
    wanted = others / groups / shared_steps
    low, high = 0.0, wanted / decode
    short, over, rate, again = -high, 0.0, high, 0
    for number in range(_EVEN_ROUNDS):  # regula falsi, Illinois
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
    return _Point(
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
    more = 1 - min(_BUSIEST, prompts_per_s * at.each)
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
    busy = min(_BUSIEST, prompts_per_s * extra)
    if at.fitting > 1:
        once, step = extra - each, decode
        alone = 1 - min(_BUSIEST, prompts_per_s * each)
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


def _burst(point: _Point, users: int, model: Model) -> float:
    """Mean extra wait of the first `users` prompts, which are prefilled one after another."""
    return max(0.0, users / model.parallel.data - 1) / 2.0 * point.extra_s
