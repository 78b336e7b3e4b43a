"""What of a prompt is not read on the cards that decode: its cache was kept, or others read it.

    kept beyond the card    TTFT = cache of what is found / link + prefill of the rest
        pays where          cache of what is found / link < prefill of all - prefill of the rest
    read by other cards     TTFT = their prefill + cache of the prompt / link + one decode step

The limit lets what is sent overlap with what is computed, since some engines send layer by layer;
what is expected does not. Under a load prompts wait for their caches beside the steps of others
(vLLM's connectors, LMCache), one after another on each card's link:

    wait = sent (1 + busy / (1 - busy) / 2),  busy = rate x sent      no more than 1 / sent a second

Prompts that other cards read wait for those cards and for the link in the same way, and no token
waits for a prompt:

    TTFT = wait for the readers + wait for the link + a decode step + both servers' way of a request
    TPOT = D(B) / tokens a step,  B = rate output TPOT, in a closed loop the rate of its users

Not here: the times of steps (timing/), and what was typed (resolve.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from vperf.serving.equal_steps import Steps
from vperf.serving.load import BURST_SHARE, Load, Served, serve
from vperf.serving.memory import Pool
from vperf.serving.speculative import tokens_per_step
from vperf.serving.trial import server_s
from vperf.timing.compiled import Compiled, Seconds
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.serving.encoding import Encoding

_BUSIEST = 0.95
"""Queues are not extrapolated beyond this share of the time."""

_ROUNDS, _LONGEST_QUEUE = 40, 2.0
"""Halvings of a wait; that of all users at once is as many times what one takes, and more."""
_LONGEST = 131072
"""Tokens of a prompt, where the model has no end."""
LINK_SHARE = 0.8
"""Of a link's or a disk's rate, expected where an engine has no share of its own."""


def served_behind(  # noqa: PLR0917  (a station, and a load behind it)
    each_s: float, ways: int, alone: Seconds, compiled: Compiled, load: Load, steps: Steps
) -> Served:
    """What a load settles to whose prompts each wait for a station of so many `ways`, where it
    takes so long, and at least as its limit says, beside the steps of others."""

    def settled(wait: float) -> tuple[Served, float]:
        """With so long a wait, and the wait that its rate then has."""
        found = serve(compiled, replace(load, think_s=load.think_s + wait), steps)
        busy = found.requests_per_s * each_s / ways
        return found, each_s * (1.0 + busy / (1.0 - busy) / 2) if busy < 1.0 else math.inf

    found, wait = settled(0.0)
    if load.users is not None and each_s:
        low, high = 0.0, load.users * each_s * _LONGEST_QUEUE
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            found, wait = settled(middle)
            low, high = (middle, high) if wait > middle else (low, middle)
        found, wait = settled(high)
        wait = high
    most = ways / each_s if each_s else math.inf
    saturated = found.saturated or wait == math.inf
    return replace(
        found,
        ttft_s=found.ttft_s + (each_s if saturated else wait),
        ttft_steady_s=found.ttft_steady_s + (each_s if saturated else wait),
        requests_per_s=min(found.requests_per_s, most),
        saturated=saturated,
        limit_ttft_s=max(found.limit_ttft_s, alone.limit),
        ceiling_ttft_s=max(found.ceiling_ttft_s, alone.ceiling),
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A cache beyond the card, and what of a prompt is found in it."""

    place: str
    """ "host", "disk" or the rate that was given."""
    bytes_per_s: float
    """To one card: no cache comes faster."""
    share: float
    """Of that, as expected."""
    hit: float | None = None
    """Of a prompt; None: all but its last token."""
    size_bytes: float | None = None
    """Of all cards of a replica."""

    def found(self, tokens: int) -> int:
        """Of a prompt of `tokens`: the last one is always computed."""
        most = max(0, tokens - 1)
        return most if self.hit is None else min(most, int(self.hit * tokens))

    def sent_bytes(self, compiled: Compiled, batch: int, tokens: int) -> float:
        """To one card, for so many prompts; each attention group has its share of them."""
        held = compiled.model.rank_cache_bytes(self.found(tokens)) if self.found(tokens) else 0.0
        return held * -(-batch // compiled.model.parallel.data)

    def prefill(self, compiled: Compiled, batch: int, tokens: int) -> Seconds:
        """Of so many prompts."""
        found = self.found(tokens)
        rest = compiled.prefill(batch, tokens - found, found)
        sent = self.sent_bytes(compiled, batch, tokens) / (self.bytes_per_s * self.share)
        least = self.least_s(compiled, batch, tokens)
        return Seconds(max(least, rest.limit), sent + rest.expected, max(least, rest.ceiling))

    def least_s(self, compiled: Compiled, batch: int, tokens: int) -> float:
        """What the link takes at least: a first token needs no cache of what drafts."""
        plain = compiled.without_drafts()
        return self.sent_bytes(plain, batch, tokens) / self.bytes_per_s

    def of_load(self, load: Load) -> Load:
        """The load, of whose prompts so much needs no prefill."""
        return replace(load, prefix_hit=self.found(load.input_tokens) / load.input_tokens)

    def served(self, compiled: Compiled, load: Load, steps: Steps) -> Served:
        """What such a load settles to."""
        moved = self.sent_bytes(compiled, 1, load.input_tokens)
        sent = moved / (self.bytes_per_s * self.share)
        least = self.least_s(compiled, 1, load.input_tokens)
        groups = compiled.model.parallel.data
        return served_behind(sent, groups, Seconds(least, sent, least), compiled, load, steps)

    def pays(self, compiled: Compiled, batch: int, tokens: int) -> bool:
        """Whether it is expected to be there before it would be read anew."""
        anew = compiled.prefill(batch, tokens).expected
        return self.prefill(compiled, batch, tokens).expected < anew

    def pays_from(self, compiled: Compiled, batch: int) -> int | None:
        """The shortest prompt from which on it pays, to 1 %; None: none of the model's context."""
        low, high = 1, compiled.model.max_context_tokens or _LONGEST
        if not self.pays(compiled, batch, high):
            return None
        while high - low > max(1, high // 100):
            middle = (low + high) // 2
            low, high = (low, middle) if self.pays(compiled, batch, middle) else (middle, high)
        return high


@dataclass(frozen=True, slots=True)
class Ahead:
    """Cards of their own that read the prompts."""

    compiled: Compiled
    pools: tuple[Pool, ...]
    """What each of them has for cache."""
    bytes_per_s: float
    """From one card to one that decodes."""
    encoding: Encoding | None = None
    """Of a request's images and sounds, on the cards that read."""
    encoding_alone: Encoding | None = None
    """The same on the cards that decode, were there no others."""

    def sent_bytes(self, after: Compiled, batch: int, tokens: int) -> float:
        """Through the narrowest of its links, for so many prompts."""
        both = (self.compiled.model, after.model)
        return max(each.rank_cache_bytes(tokens) * -(-batch // each.parallel.data) for each in both)

    def least_s(self, after: Compiled, batch: int, tokens: int) -> float:
        """What the link takes at least: a first token needs no cache of what drafts."""
        plain = replace(self, compiled=self.compiled.without_drafts())
        return plain.sent_bytes(after.without_drafts(), batch, tokens) / self.bytes_per_s

    def prefill(self, after: Compiled, batch: int, tokens: int) -> Seconds:
        """Until so many prompts have their first token, on the cards that decode."""
        read = self.compiled.prefill(batch, tokens)
        sent = self.sent_bytes(after, batch, tokens) / self.bytes_per_s
        least, first = self.least_s(after, batch, tokens), after.decode(batch, tokens)
        return Seconds(
            max(read.limit, least), read.expected + sent + first.expected, max(read.ceiling, least)
        )

    def served(self, after: Compiled, load: Load, steps: Steps) -> Served:
        """What a load settles to; `steps` are those of the cards that decode."""
        pools = _Pools(self, after, load, steps)
        users, rate = load.users, load.requests_per_s
        if users is None:
            assert rate is not None
            return pools.at_rate(rate)
        closed = pools.of_users(users)
        if rate is None:
            return closed
        free = pools.at_rate(rate)
        whole_s = free.ttft_steady_s + (load.output_tokens - 1) * free.tpot_s
        if not free.saturated and rate * whole_s <= users:
            return free
        return replace(closed, ttft_s=closed.ttft_steady_s)  # they do not start together

    def most_requests_per_s(self, after: Compiled, load: Load, steps: Steps) -> tuple[float, float]:
        """That these cards read, and that the others answer."""
        pools = _Pools(self, after, load, steps)
        return 1.0 / pools.read_s, pools.most_decoded_per_s


class _Pools:
    """Cards that read prompts, a link, and cards that decode, under a load."""

    def __init__(self, ahead: Ahead, after: Compiled, load: Load, steps: Steps) -> None:
        self._after, self._load, self._steps = after, load, steps
        self._reads = Steps(ahead.compiled, load, ahead.pools)
        self._ahead = ahead
        # Groups read, and are sent, other prompts at a time.
        alone_s = self._reads.prefill(0.0).seconds
        sent_s = ahead.sent_bytes(after, 1, load.input_tokens) / ahead.bytes_per_s
        self._alone_s, self._sent_s = alone_s, sent_s
        self.read_s = alone_s / ahead.compiled.model.parallel.data
        self._link_s = sent_s / after.model.parallel.data
        self._slots = max(steps.slots(load.users), load.proven)
        facts = after.card.engine.scheduler
        held = min(self._slots, facts.max_sequences * after.model.parallel.data)
        self._most = float(max(1, held if load.users is None else min(load.users, held)))
        self._further = max(1, load.output_tokens - 1)
        self._gain = tokens_per_step(load.acceptance, after.model.draft_depth)
        self.most_decoded_per_s = self._most / (self._further * self._tpot_s(self._most))

    def at_rate(self, rate: float) -> Served:
        """Requests that come by themselves."""
        most = self._most_per_s
        found = self._at(min(rate, most), _BUSIEST)
        return replace(found, saturated=rate > most * (1 + 1e-3))

    def of_users(self, users: int) -> Served:
        """Each sends again when answered."""
        low, high = 0.0, self._most_per_s

        def wanted(rate: float) -> tuple[float, Served]:
            found = self._at(rate, 1.0, (users - 1) / users)
            own_s = found.ttft_steady_s + self._further * found.tpot_s + self._load.think_s
            return rate * own_s, found

        out, found = wanted(high)
        waits = 0.0
        if out < users:  # whoever is not elsewhere waits for the slowest
            waits = (users - out) / high
        else:
            for _ in range(_ROUNDS):
                middle = (low + high) / 2
                out, _ = wanted(middle)
                low, high = (middle, high) if out < users else (low, middle)
            _, found = wanted(high)
        first = max(0.0, users / self._ahead.compiled.model.parallel.data - 1) / 2 * self._alone_s
        ttft_s = found.ttft_steady_s + waits
        return replace(
            found, ttft_s=ttft_s + BURST_SHARE * max(0.0, first - waits), ttft_steady_s=ttft_s
        )

    @property
    def _most_per_s(self) -> float:
        return 1.0 / max(self.read_s, self._link_s, 1.0 / self.most_decoded_per_s)

    def _tpot_s(self, batch: float) -> float:
        alike = 1.0 if self._load.users is None else (self._load.users - 1) / self._load.users
        step = self._steps.decode(1 + alike * batch if batch < self._most else batch)
        return step.expected / self._gain * self._after.bubble(batch)

    def _batch(self, rate: float) -> float:
        low, high = 0.0, self._most
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if rate * self._further * self._tpot_s(middle) > middle
                else (low, middle)
            )  # fmt: skip
        return high

    def _at(self, rate: float, busiest: float, others: float = 1.0) -> Served:
        """A steady state at this rate; a request meets that share of it."""
        load, steps, card = self._load, self._steps, self._after.card
        batch = self._batch(rate)
        step, tpot = steps.decode(max(1.0, batch)), self._tpot_s(batch)
        ttft = sum(
            alone + each * busy / (1.0 - busy) / 2 if busy < 1.0 else math.inf
            for alone, each, busy in (
                (self._alone_s, self._alone_s, min(busiest, others * rate * self.read_s)),
                (self._sent_s, self._sent_s, min(busiest, others * rate * self._link_s)),
            )
        )
        ttft += step.expected + server_s(self._reads.card, load.input_tokens) + server_s(card, 0)
        sent = self._ahead.least_s(self._after, 1, load.input_tokens)
        return Served(
            running_batch=batch,
            slots=self._slots,
            decode_s=step.expected,
            tpot_s=tpot,
            ttft_s=ttft,
            ttft_steady_s=ttft,
            prefill_s=self._alone_s,
            requests_per_s=rate,
            saturated=False,
            prompt_share=0.0,
            limit_tpot_s=step.limit / self._gain,
            limit_ttft_s=max(self._reads.alone.limit, sent),
            ceiling_tpot_s=step.ceiling / self._gain,
            ceiling_ttft_s=max(self._reads.alone.ceiling, sent),
        )
