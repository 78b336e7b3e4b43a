"""Mechanisms around another: its weights, cache and state are the inner one's.

Not here: what differs (subclasses say it).
"""

from __future__ import annotations

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block
from vperf.model.cache import Span
from vperf.model.ops import Coordinates, Linear, Work
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Wrapper(Block):
    """All of `inner`."""

    inner: Block

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return self.inner.part

    def in_words(self) -> str:
        """What it is."""
        return self.inner.in_words()

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """Those of the mechanism."""
        return self.inner.linears

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """That of the mechanism."""
        return self.inner.divided

    @property
    def vectors(self) -> int:
        """Those of the mechanism."""
        return self.inner.vectors

    @property
    def idle_parameters(self) -> int:
        """Those of the mechanism."""
        return self.inner.idle_parameters

    @property
    def cache_elements(self) -> int:
        """Those of the mechanism."""
        return self.inner.cache_elements

    @property
    def cache_heads(self) -> int:
        """Those of the mechanism."""
        return self.inner.cache_heads

    @property
    def cache_spans(self) -> tuple[Span, ...]:
        """Those of the mechanism."""
        return self.inner.cache_spans

    @property
    def state_bytes(self) -> float:
        """Those of the mechanism."""
        return self.inner.state_bytes

    @property
    def elementwise_elements(self) -> int:
        """Those of the mechanism."""
        return self.inner.elementwise_elements

    @property
    def windows(self) -> tuple[int, ...]:
        """Those of the mechanism."""
        return self.inner.windows

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Those of the mechanism."""
        return self.inner.ops(step, cache)


@dataclass(frozen=True, slots=True)
class Again(Wrapper):
    """A mechanism whose weights an earlier layer stores: run again, its cache its own (ALBERT,
    Zamba)."""

    def in_words(self) -> str:
        """What it is."""
        return f"{self.inner.in_words()}, weights of an earlier layer"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """None of its own."""
        return ()

    @property
    def vectors(self) -> int:
        """None of its own."""
        return 0

    @property
    def idle_parameters(self) -> int:
        """None of its own."""
        return 0
