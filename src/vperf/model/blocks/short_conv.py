"""The gated short convolution of LFM2: y = out(C * conv(B * x)), with B, C, x = in(h).

Its state is the last kernel - 1 values of B * x for every channel. Source: Liquid AI, "LFM2
Technical Report" (arXiv 2511.23404).
"""

from __future__ import annotations

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.blocks.recurrent import conv_state_bytes, convolution
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, matmul
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class ShortConvolution(Block):
    """Two gates and a depthwise convolution between two projections."""

    channels: int
    kernel: int
    in_proj: Linear
    output: Linear
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        return f"gated convolution of {self.kernel} over {self.channels} channels"

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Channels."""
        return ((self.channels, "channels of the convolution"),)

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """in_proj, out_proj."""
        return ((1, self.in_proj), (1, self.output))

    @property
    def state_bytes(self) -> float:
        """The last kernel - 1 gated inputs."""
        return float(conv_state_bytes(self.channels, self.kernel))

    @property
    def elementwise_elements(self) -> int:
        """None: engines run both gates in the convolution's kernel."""
        return 0

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """in_proj, the convolution with its gates, out_proj."""
        return (
            *matmul("in_proj", (self.in_proj,), step.tokens),
            convolution("short_conv", step, self.channels, self.kernel),
            *matmul("out_proj", (self.output,), step.tokens, "row"),
        )


@dataclass(frozen=True, slots=True)
class Smoothing(Block):
    """A causal depthwise convolution by itself, behind a projection (Qwen4-Exp)."""

    channels: int
    kernel: int

    @property
    def joins_residual(self) -> bool:
        """No: it is part of what it stands behind."""
        return False

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """None: its weights are vectors."""
        return ()

    @property
    def vectors(self) -> int:
        """One weight a channel and tap."""
        return self.channels * self.kernel

    @property
    def state_bytes(self) -> float:
        """The last kernel - 1 inputs."""
        return float(conv_state_bytes(self.channels, self.kernel))

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """The convolution."""
        return (convolution("short_conv", step, self.channels, self.kernel),)


def read(config: Config, scope: Scope) -> ShortConvolution:
    """As LFM2 spells it; `conv_bias` also gives the projections their biases."""
    hidden = hidden_size(config)
    kernel = config.integer("conv_L_cache")
    bias = config.flag("conv_bias", default=False)
    return ShortConvolution(
        hidden,
        kernel,
        scope.linear("in_proj", hidden, 3 * hidden, bias=bias),
        scope.linear("out_proj", hidden, hidden, bias=bias),
        vectors=hidden * (kernel + bias),
    )
