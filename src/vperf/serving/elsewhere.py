"""What of a prompt is not read on the cards that decode: its cache was kept, or others read it.

    kept beyond the card    TTFT = cache of what is found / link + prefill of the rest
        pays where          cache of what is found / link < prefill of all - prefill of the rest
    read by other cards     TTFT = their prefill + cache of the prompt / link + one decode step

The limit lets what is sent overlap with what is computed, since some engines send layer by layer;
what is expected does not. Under a load prompts wait for their caches beside the steps of others
(vLLM's connectors, LMCache), one after another on each card's link:

    wait = sent (1 + busy / (1 - busy) / 2),  busy = rate x sent      no more than 1 / sent a second

Not here: the times of steps (timing/), and what was typed (resolve.py).
"""

from __future__ import annotations

import math
from dataclasses import replace

from vperf.serving.load import Load, Served, Steps, serve
from vperf.serving.memory import Pool
from vperf.timing.compiled import Compiled, Seconds
from vperf.values import dataclass

_ROUNDS, _LONGEST_QUEUE = 40, 2.0
"""Halvings of a wait; that of all users at once is as many times what one takes, and more."""
_LONGEST = 131072
"""Tokens of a prompt, where the model has no end."""
LINK_SHARE = 0.8
"""Of a link's or a disk's rate, expected where an engine has no share of its own."""


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

        def settled(wait: float) -> tuple[Served, float]:
            """With so long a wait, and the wait that its rate then has."""
            found = serve(compiled, replace(load, think_s=load.think_s + wait), steps)
            busy = found.requests_per_s * sent / groups
            return found, sent * (1.0 + busy / (1.0 - busy) / 2) if busy < 1.0 else math.inf

        found, wait = settled(0.0)
        if load.users is not None and sent:
            low, high = 0.0, load.users * sent * _LONGEST_QUEUE
            for _ in range(_ROUNDS):
                middle = (low + high) / 2
                found, wait = settled(middle)
                low, high = (middle, high) if wait > middle else (low, middle)
            found, wait = settled(high)
            wait = high
        most = groups / sent if sent else math.inf
        saturated = found.saturated or wait == math.inf
        return replace(
            found,
            ttft_s=found.ttft_s + (sent if saturated else wait),
            ttft_steady_s=found.ttft_steady_s + (sent if saturated else wait),
            requests_per_s=min(found.requests_per_s, most),
            saturated=saturated,
            limit_ttft_s=max(found.limit_ttft_s, least),
            ceiling_ttft_s=max(found.ceiling_ttft_s, least),
        )

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

    def sent_bytes(self, after: Compiled, batch: int, tokens: int) -> float:
        """Through the narrowest of its links, for so many prompts."""
        both = (self.compiled.model, after.model)
        return max(each.rank_cache_bytes(tokens) * -(-batch // each.parallel.data) for each in both)

    def prefill(self, after: Compiled, batch: int, tokens: int) -> Seconds:
        """Until so many prompts have their first token, on the cards that decode."""
        read = self.compiled.prefill(batch, tokens)
        sent = self.sent_bytes(after, batch, tokens) / self.bytes_per_s
        first = after.decode(batch, tokens)
        return Seconds(
            max(read.limit, sent), read.expected + sent + first.expected, max(read.ceiling, sent)
        )
