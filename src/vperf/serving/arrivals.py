"""Requests and when they are sent: a closed loop, a rate with bursts, all at once, sessions.

    closed loop   as many requests are out as there are users: one is sent when another has ended
    rate          gaps of a gamma distribution: burstiness 1 is Poisson, above it evener, inf is
                  constant, below it burstier (vLLM's --request-rate and --burstiness)
    sessions      each has turns; a turn's prompt holds all that was said before it

All of it is drawn from a seed. Not here: reading traces (sources/traces.py), serving the requests
(scheduler.py).
"""

from __future__ import annotations

import math
import random
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

from vperf.errors import InputError
from vperf.serving.lengths import Lengths
from vperf.units import is_moderate
from vperf.values import dataclass

_KEPT = 2
"""Draws that the runs of a search or a table have in common."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests in the order in which they arrive; all sequences are of one length."""

    input_tokens: Sequence[int]
    output_tokens: Sequence[int]
    arrival_s: Sequence[float] | None = None
    """When each would be sent, never falling; None: all at 0."""
    concurrency: int | None = None
    """At most so many are out; the others are sent as those end (--max-concurrency)."""
    cached_tokens: Sequence[int] | None = None
    """Prompt tokens whose cache is found ready."""
    next_turn: Sequence[int] | None = None
    """Of each request the one that follows it in its session, -1 for the last. Requests that follow
    none are sent at their arrival, the others `think_s` after the answer."""
    think_s: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.input_tokens)
        if not count:
            raise InputError("holds no request", field="num-prompts")
        for each in (self.output_tokens, self.arrival_s, self.cached_tokens, self.next_turn):
            if each is not None and len(each) != count:
                raise ValueError(f"{len(each)} values for {count} requests")
        if self.concurrency is not None and self.concurrency < 1:
            raise InputError(f"must be at least 1, not {self.concurrency!r}",
                             field="max-concurrency")  # fmt: skip

    def __len__(self) -> int:
        return len(self.input_tokens)

    @property
    def requests_per_s(self) -> float | None:
        """The rate at which they arrive, where they arrive over time and without a cap."""
        if self.arrival_s is None or self.concurrency is not None or self.next_turn is not None:
            return None
        span = self.arrival_s[-1]
        return len(self) / span if span > 0 else None


@lru_cache(maxsize=_KEPT)
def draw_lengths(
    lengths: Lengths, count: int, *, seed: int = 0, low: float = 1.0, around: float = 0.0
) -> tuple[Sequence[int], Sequence[int]]:
    """(inputs, outputs) of `count` requests of a distribution.

    `low`: each length is drawn evenly from this share of the nominal one up to it, as
    InferenceMAX's client does (RANDOM_RANGE_RATIO). `around`: outputs differ by up to this share
    of theirs, both ways.
    """
    kinds = lengths.requests
    if len(kinds) == 1 and low >= 1 and not around:
        one = kinds[0]
        return array("q", [one.input_tokens]) * count, array("q", [one.output_tokens]) * count
    draw = random.Random(seed)
    chosen = draw.choices(kinds, [kind.share for kind in kinds], k=count)
    inputs, outputs = array("q"), array("q")
    apart = 0.0
    for number, kind in enumerate(chosen):
        inputs.append(_between(draw, low, kind.input_tokens))
        if around:
            # As much above as below, so that all of them are as many tokens as are asked for.
            lone = number == count - 1 and number % 2 == 0
            apart = -apart if number % 2 else 0.0 if lone else draw.uniform(-around, around)
        tokens = _between(draw, low, kind.output_tokens)
        outputs.append(tokens + round(apart * tokens))
    return inputs, outputs


def _between(draw: random.Random, low: float, tokens: int) -> int:
    return tokens if low >= 1 else draw.randint(max(1, int(low * tokens)), tokens)


def arrival_times(
    count: int, requests_per_s: float, *, burstiness: float = 1.0, seed: int = 0
) -> array[float]:
    """Times of `count` requests at a rate; the last is at count / rate, as vLLM's client scales.

    Gaps are gamma distributed with shape `burstiness`, so that their coefficient of variation is
    1 / sqrt(burstiness). A rate of inf sends all at once. Raises InputError.
    """
    if requests_per_s == math.inf:
        return array("d", bytes(8 * count))
    if not is_moderate(requests_per_s):
        raise InputError(f"must be above 0, not {requests_per_s!r}", field="request-rate")
    if not burstiness > 0:
        raise InputError(f"must be above 0, not {burstiness!r}", field="burstiness")
    if burstiness == math.inf:
        return array("d", [(i + 1) / requests_per_s for i in range(count)])
    times = _gamma_times(count, burstiness, seed)
    # A shape near 0 makes gaps that a float cannot hold: then all come at once, at the end.
    scale = count / requests_per_s / times[-1] if times[-1] > 0 else 0.0
    return array("d", [time * scale for time in times])


@lru_cache(maxsize=_KEPT)
def _gamma_times(count: int, burstiness: float, seed: int) -> Sequence[float]:
    """Sums of so many gaps, whatever the rate."""
    draw = random.Random(seed)
    return array("d", accumulate(draw.gammavariate(burstiness, 1.0) for _ in range(count)))


def with_prefix_hit(traffic: Traffic, share: float) -> Traffic:
    """The same requests, each with `share` of its prompt cached; its last token never is."""
    if not share:
        return traffic
    cached = [min(tokens - 1, int(tokens * share)) for tokens in traffic.input_tokens]
    return replace(traffic, cached_tokens=array("q", cached))


def sessions(
    count: int,
    turns: int,
    lengths: Lengths,
    *,
    think_s: float,
    max_context: int | None = None,
    seed: int = 0,
) -> Traffic:
    """`count` users with `turns` turns each: a prompt is all before it and `input_tokens` more.

    What was said before may be found in cache; the scheduler decides whether it still is. A session
    that reaches `max_context` starts anew. The users start at random within one think time.
    """
    if count < 1 or turns < 1:
        raise InputError(f"must be at least 1, not {min(count, turns)!r}", field="sessions")
    if not 0 <= think_s < math.inf:
        raise InputError(f"must be 0 or more, not {think_s!r}", field="think-time")
    new, outputs = draw_lengths(lengths, count * turns, seed=seed)
    draw = random.Random(seed + 1)
    starts = sorted(draw.uniform(0.0, think_s) for _ in range(count))
    inputs, follow = array("q"), array("q")
    context = [0] * count
    arrivals = array("d")
    for turn in range(turns):
        for user in range(count):
            i = turn * count + user
            prompt = context[user] + new[i]
            if max_context is not None and prompt + outputs[i] > max_context:
                prompt = min(new[i], max(1, max_context - outputs[i]))
            inputs.append(prompt)
            context[user] = prompt + outputs[i]
            follow.append(i + count if turn + 1 < turns else -1)
            arrivals.append(starts[user])
    return Traffic(inputs, outputs, arrivals, next_turn=follow, think_s=think_s)


def cached_prefixes(
    prompts: Iterable[Sequence[int]],
    input_tokens: Sequence[int],
    block_tokens: int,
    *,
    most_blocks: int | None = None,
) -> array[int]:
    """Cached tokens of each prompt, from the hashes of its blocks in the order of arrival.

    A hash stands for its block and all before it, as in Mooncake's traces; the least recently used
    of `most_blocks` is forgotten first. A prompt's blocks count as read once it has arrived.
    """
    held: OrderedDict[int, None] = OrderedDict()
    found = array("q")
    for hashes, tokens in zip(prompts, input_tokens, strict=True):
        hits, unbroken = 0, True
        for each in hashes:
            if each in held:
                hits += unbroken
                held.move_to_end(each)
            else:
                unbroken = False
                held[each] = None
        if most_blocks is not None:
            while len(held) > most_blocks:
                held.popitem(last=False)
        found.append(max(0, min(tokens - 1, hits * block_tokens)))
    return found
