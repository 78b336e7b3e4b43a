"""Served load: users or a request rate -> running batch, TPOT and TTFT, as benchmarks measure them.

With D(B) the decode step at running batch B, and P the extra time that the prefill of one prompt
adds to the steps it shares with B decoding sequences (chunked prefill):

    TPOT = D(B) / tokens a step + (B / output) P
    B    = users output TPOT / (TTFT + output TPOT)      closed loop: each user sends when answered
    B    = rate output TPOT                              open loop: requests come by themselves

solved to a fixed point. TTFT = the prefill's steps + the steps until it starts + the queue of
other prefills + the wait for memory + the request's way through the server; as measured, the mean
also holds the first burst, when all users start at once. Not here: kernels (timing/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from vperf.errors import InputError
from vperf.model.model import Model
from vperf.serving.memory import other_bytes
from vperf.serving.speculative import tokens_per_step
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.passes import decode_passes, prefill_passes
from vperf.timing.step import Card

BURST_SHARE = 0.12
"""Benchmarks send about ten prompts per user (InferenceMAX: num-prompts = 10 x concurrency), so
that a tenth of the measured requests are the first burst; 0.12 fits best, for the second wave of
requests still comes bunched."""

_PROFILED_SEQUENCES = 256
"""Sequences for which an engine sets activations aside at start (vLLM: --max-num-seqs)."""

_ROUNDS, _SECANTS = 80, 6
"""Trials of the fixed point, of which every so many-th halves the bracket."""
_TOLERANCE = 1e-6
_EVEN_ROUNDS = 12
_EVEN = 1e-3
"""Share of TPOT by which drafting may differ from not drafting where it is said to break even."""
_BUSIEST = 0.95
"""Queues are not extrapolated beyond this share of time spent on prefill."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a server. One of `users` and `requests_per_s` is given."""

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

    def __post_init__(self) -> None:
        if (self.users is None) == (self.requests_per_s is None):
            raise InputError("give either max-concurrency or request-rate")
        if self.users is not None and (isinstance(self.users, bool) or self.users < 1):
            raise InputError(f"must be at least 1, not {self.users!r}", field="max-concurrency")
        rate = self.requests_per_s
        if rate is not None and not (0 < rate < math.inf):
            raise InputError(f"must be above 0, not {rate!r}", field="request-rate")
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
    limit_tpot_s: float
    """The decode step of the running batch, as bound."""
    limit_ttft_s: float
    """The prefill of one prompt, as bound."""


class Steps:
    """Times of the steps of a deployment whose requests are of one length, each computed once.

    They do not depend on how many requests come, so that loads share them.
    """

    def __init__(self, compiled: Compiled, load: Load) -> None:
        """`load` gives the lengths."""
        self.compiled = compiled
        self.input_tokens, self.output_tokens = load.input_tokens, load.output_tokens
        self.cached_tokens = load.cached_tokens
        self.context = load.input_tokens + load.output_tokens // 2
        self.slots = self._slots()
        self._decode: dict[int, Seconds] = {}
        self._prefill: dict[int, tuple[float, ...]] = {}

    def _slots(self) -> int:
        """Sequences whose cache fits at their mean length; pages are taken as sequences grow."""
        model, card = self.compiled.model, self.compiled.card
        other = other_bytes(model, card.gpu, card.engine, _PROFILED_SEQUENCES, self.input_tokens)
        free = card.gpu.memory_bytes - model.rank_weight_bytes - other
        each = model.rank_cache_bytes(self.context)
        if each <= 0:
            return 10**6
        return max(1, min(10**6, int(free / each) * model.parallel.data))

    @cached_property
    def limit_ttft_s(self) -> float:
        """The prefill of one prompt, as bound."""
        new = self.input_tokens - self.cached_tokens
        return self.compiled.prefill(1, new, self.cached_tokens)[0]

    def decode(self, running: float) -> Seconds:
        """(limit, expected) of a decode step, between whole batches by interpolation."""
        low = int(running)
        at_low = self._decode_of(low)
        share = running - low
        if share < 1e-9:
            return at_low
        at_high = self._decode_of(low + 1)
        return (
            at_low[0] + share * (at_high[0] - at_low[0]),
            at_low[1] + share * (at_high[1] - at_low[1]),
        )

    def _decode_of(self, batch: int) -> Seconds:
        found = self._decode.get(batch)
        if found is None:
            found = self._decode[batch] = self.compiled.decode(batch, self.context)
        return found

    def prefill(self, running: float) -> tuple[float, ...]:
        """Seconds of the steps that one prompt's prefill takes, decoding the others meanwhile."""
        decoding = max(1, round(running))
        found = self._prefill.get(decoding)
        if found is None:
            found = self._prefill[decoding] = tuple(self._chunks(decoding))
        return found

    def _chunks(self, decoding: int) -> Iterator[float]:
        compiled, model = self.compiled, self.compiled.model
        groups = model.parallel.data
        verified = decoding // groups * (1 + model.draft_tokens)
        budget = max(1, compiled.card.engine.max_batched_tokens - verified)
        decode = decode_passes(model, decoding, self.context)
        past = self.cached_tokens
        while past < self.input_tokens:
            new = min(budget, self.input_tokens - past)
            # One prompt is on one attention group; `groups` prompts keep all equally busy.
            chunk = prefill_passes(model, groups, new, past)
            yield compiled.mixed(decode, chunk, decoding / groups + 1)[1]
            past += new


@dataclass(frozen=True, slots=True)
class _Point:
    """One trial of the fixed point."""

    limit_s: float
    """Of a token."""
    decode_s: float
    """A step that only decodes."""
    prefill_s: float
    extra_s: float
    """What one prompt's prefill adds to the steps it shares."""
    step_s: float
    """Mean, with the prefills that others share."""
    tpot_s: float
    queue_s: float


def serve(compiled: Compiled, load: Load, steps: Steps | None = None) -> Served:
    """The fixed point of a load on a deployment; `steps` are those of loads of equal lengths."""
    model, card = compiled.model, compiled.card
    steps = steps or Steps(compiled, load)
    slots = steps.slots
    output = load.output_tokens
    most = float(max(1, slots if load.users is None else min(load.users, slots)))

    def settles(batch: float) -> tuple[_Point, float]:
        """A trial, and the batch that it would lead to."""
        point = _trial(steps, load, batch)
        if load.users is not None:
            ttft = _steady(point, card, load)
            ttft += BURST_SHARE * _burst(point, min(load.users, slots), model)
            target = load.users * output * point.tpot_s / (ttft + output * point.tpot_s)
        else:
            assert load.requests_per_s is not None
            target = load.requests_per_s * output * point.tpot_s
        return point, min(max(target, 1.0), most)

    batch, point = _fixed_point(settles, most if load.users else 1.0, most)
    steady = _steady(point, card, load)
    most_per_s = batch / (output * point.tpot_s)
    saturated, waits, burst = False, 0.0, 0.0
    if load.users is not None:
        burst = BURST_SHARE * _burst(point, min(load.users, slots), model)
        if load.users > slots:
            # Little's law: whoever finds no room waits for those who hold it.
            waits = max(0.0, load.users / most_per_s - output * point.tpot_s - steady)
        rate = most_per_s
    else:
        assert load.requests_per_s is not None
        saturated = load.requests_per_s > most_per_s * (1 + 1e-3)
        rate = min(load.requests_per_s, most_per_s)
    return Served(
        running_batch=batch,
        slots=slots,
        decode_s=point.decode_s,
        tpot_s=point.tpot_s,
        ttft_s=steady + burst + waits,
        ttft_steady_s=steady + waits,
        prefill_s=point.prefill_s,
        requests_per_s=rate,
        saturated=saturated,
        limit_tpot_s=point.limit_s,
        limit_ttft_s=steps.limit_ttft_s,
    )


def _fixed_point(
    settles: Callable[[float], tuple[_Point, float]], start: float, most: float
) -> tuple[float, _Point]:
    """The batch from 1 to `most` that leads to itself, met from `start`, and its trial.

    Secant steps on target - batch, which is not negative at 1 and not positive at `most`; where
    they leave that bracket or hardly narrow it (a prefill that takes a chunk more from some batch
    on), the middle of it.
    """
    low, high = 1.0, most
    batch, before, gap_before = start, 0.0, 0.0
    for number in range(_ROUNDS):
        point, target = settles(batch)
        gap = target - batch
        if abs(gap) <= _TOLERANCE * batch or high - low <= _TOLERANCE * low:
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


def _trial(steps: Steps, load: Load, batch: float) -> _Point:
    model = steps.compiled.model
    groups = model.parallel.data
    limit, decode = steps.decode(batch)
    chunks = steps.prefill(batch)
    prefill = sum(chunks)
    extra = max(0.0, prefill - len(chunks) * decode)
    gain = tokens_per_step(load.acceptance, model.draft_tokens)
    # Attention groups prefill their own prompts side by side.
    shared = batch / groups / load.output_tokens * extra
    tpot = decode / gain + shared
    busy = min(_BUSIEST, shared / tpot)
    queue = busy / (1.0 - busy) * extra / 2.0
    return _Point(limit / gain, decode, prefill, extra, gain * tpot, tpot, queue)


def server_s(card: Card, input_tokens: int) -> float:
    """A request's way through the server outside of its steps."""
    return card.engine.request_s + card.engine.request_s_per_token * input_tokens


def _steady(point: _Point, card: Card, load: Load) -> float:
    engine = card.engine
    server = server_s(card, load.input_tokens)
    # In a closed loop a request comes when another one ends, so that few meet in the queue.
    queue = 0.0 if load.users else point.queue_s
    return point.prefill_s + queue + engine.admission_steps * point.step_s + server


def _burst(point: _Point, users: int, model: Model) -> float:
    """Mean extra wait of the first `users` prompts, which are prefilled one after another."""
    return max(0.0, users / model.parallel.data - 1) / 2.0 * point.extra_s
