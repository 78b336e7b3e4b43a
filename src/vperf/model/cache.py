"""How many bytes of cache a sequence holds, as a closed form of its length.

Not here: which layers hold what (blocks/), and whether it fits (serving/memory.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """What a cache keeps of a sequence: an entry for every `ratio` of its last `window` tokens."""

    window: int | None = None
    """None: of all tokens."""
    ratio: int = 1

    def entries(self, context: int) -> int:
        """Of a sequence of `context` tokens."""
        held = context if self.window is None else min(context, self.window)
        return held // self.ratio


EVERY_TOKEN = (Span(),)


class CacheSize(NamedTuple):
    """Bytes of one sequence: whatever its length, and an entry of each span."""

    state_bytes: float
    entries: tuple[tuple[float, Span], ...]

    def bytes_at(self, context: int) -> float:
        """With `context` tokens."""
        total = self.state_bytes
        for size, (window, ratio) in self.entries:
            held = context if window is None or context < window else window
            total += size * (held if ratio == 1 else held // ratio)
        return total

    def read_bytes(self, tokens: float) -> float:
        """What windows hold of so many new tokens until the step that reads them has ended, beyond
        what they hold then: the blocks of a step are taken together (vLLM's
        SlidingWindowSpec.max_memory_usage_bytes: the window and the tokens of a step)."""
        return sum(
            size / ratio * max(0.0, tokens - window)
            for size, (window, ratio) in self.entries
            if window is not None
        )

    def narrowed(self, budget: float, most: int) -> tuple[int, int]:
        """Two lengths up to `most` with the longest that takes `budget` bytes between them, if one
        token does and `most` do not."""
        edge = max([1, *(span.window for _, span in self.entries if span.window)])
        if edge >= most or self.bytes_at(edge) > budget:
            return 1, min(edge, most)
        slope = sum(size / span.ratio for size, span in self.entries if span.window is None)
        guess = edge + int((budget - self.bytes_at(edge)) / slope)
        slack = 1 + max(span.ratio for _, span in self.entries)
        return max(edge, guess - slack), min(most, guess + slack)


def cache_size(
    layers: Iterable[tuple[float, float, Iterable[tuple[float, Span]]]],
) -> CacheSize:
    """Of layers: (how many, bytes of state of one, what it holds)."""
    state = 0.0
    entries: dict[Span, float] = {}
    for count, own_state, own in layers:
        state += count * own_state
        for size, span in own:
            entries[span] = entries.get(span, 0.0) + count * size
    return CacheSize(state, tuple((size, span) for span, size in entries.items() if size))
