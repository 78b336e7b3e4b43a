"""Hyper-connections (DeepSeek-V4): the residual is several streams, mixed before every mechanism.

Two small fp32 projections a layer decide how the streams collapse into one input and how its output
spreads again; most of their cost is moving the streams.
"""

from __future__ import annotations

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, matmul
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class HyperConnections(Block):
    """The connections around a layer's attention and its MLP."""

    streams: int
    hidden: int
    mixes: tuple[Linear, ...]
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        return f"hyper-connections of {self.streams} streams"

    @property
    def whole(self) -> bool:
        """Yes."""
        return True

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """One mixing projection before attention, one before the MLP."""
        return tuple((1, mix) for mix in self.mixes)

    @property
    def elementwise_elements(self) -> int:
        """Collapse reads the streams and writes one; spreading reads them again and writes them."""
        return len(self.mixes) * (3 * self.streams + 2) * self.hidden

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """The mixing projections."""
        return tuple(
            op
            for mix in self.mixes
            for op in matmul("hyper_connections", (mix,), step.tokens, "whole")
        )


def read(
    config: Config, layer: int, scope: Scope, *, weights: int | None = None, scales: int = 3
) -> HyperConnections:
    """hc_mult streams: (2 + n) n mixing weights, as many biases and three scales, twice."""
    streams = config.integer("hc_mult", maximum=1024)
    hidden = hidden_size(config)
    weights = weights or (2 + streams) * streams
    return HyperConnections(
        streams,
        hidden,
        tuple(
            scope.linear(f"{name}.fn", streams * hidden, weights, kind="router")
            for name in ("attn_hc", "ffn_hc")
        ),
        vectors=2 * (weights + scales),
    )


def head_parameters(config: Config) -> int:
    """The last collapse before the LM head."""
    streams = config.integer("hc_mult", maximum=1024)
    return streams * streams * hidden_size(config) + streams + 1
