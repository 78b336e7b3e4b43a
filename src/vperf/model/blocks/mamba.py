"""State-space models: Mamba (a state for every channel) and Mamba-2 (a matrix a head).

Mamba-2 is gated linear attention with keys B, queries C and values x (Dao and Gu 2024, "state
space duality", arXiv 2405.21060), and is one here. Mamba (Gu and Dao 2023, arXiv 2312.00752):

    h = exp(D A) h + (D x) B,   y = C' h       for each of d_inner channels, h of d_state elements

7 FLOPs a state element and token (D A, exp, times h, (D x) B, plus, and C' h), in prefill too: its
scan has no matmul form. The terms without d_state are left out.
"""

from __future__ import annotations

import math

from vperf.formats import BF16, Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.blocks.linear_attention import LinearAttention
from vperf.model.blocks.recurrent import (
    conv_state_bytes,
    convolution,
    state_element_bytes,
)
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, decodes, matmul, new_tokens, state_traffic
from vperf.values import dataclass

SCAN_FLOPS = 7
"""Per state element and token of Mamba's selective scan."""


@dataclass(frozen=True, slots=True)
class Mamba(Block):
    """`inner` channels with `state` elements each."""

    inner: int
    state: int
    in_proj: Linear
    """x and the gate z."""
    x_proj: Linear
    """x to the step size (low rank), B and C."""
    dt_proj: Linear
    output: Linear
    conv_kernel: int
    element_bytes: int = 4
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        return f"Mamba {self.inner} channels, state {self.state}"

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Channels."""
        return ((self.inner, "Mamba channels"),)

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """in_proj, x_proj, dt_proj, out_proj."""
        return tuple((1, w) for w in (self.in_proj, self.x_proj, self.dt_proj, self.output))

    @property
    def _scan_bytes(self) -> int:
        return self.inner * self.state * self.element_bytes

    @property
    def state_bytes(self) -> float:
        """h of every channel and the last inputs of the convolution."""
        return float(self._scan_bytes + conv_state_bytes(self.inner, self.conv_kernel))

    @property
    def elementwise_elements(self) -> int:
        """The gate is part of the scan."""
        return 0

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """in_proj, convolution, x_proj, dt_proj, the scan, out_proj."""
        tokens = step.tokens
        return (
            *matmul("in_proj", (self.in_proj,), tokens),
            convolution("conv1d", step, self.inner, self.conv_kernel),
            *matmul("x_proj", (self.x_proj,), tokens, "row"),
            *matmul("dt_proj", (self.dt_proj,), tokens),
            Work(
                "selective_scan",
                "recurrent",
                SCAN_FLOPS * tokens * self.inner * self.state,
                BF16,
                cache_bytes=state_traffic(step, self._scan_bytes),
                # x, the gate and the step size of every channel, B and C.
                input_elements=tokens * (3 * self.inner + 2 * self.state),
                output_elements=tokens * self.inner,
                shape=(step.batch, self.inner, step.fact(new_tokens), self.state, 1),
                decode=step.case(decodes),
                blocks=step.batch * 1,
            ),
            *matmul("out_proj", (self.output,), tokens, "row"),
        )


def read_mamba(
    config: Config,
    scope: Scope,
    *,
    inner: int,
    state: int,
    kernel: int,
    rank_key: str,
    bias: bool,
    conv_bias: bool,
    norms: bool = False,
) -> Mamba:
    """Mamba-1 as Jamba, Mamba and Falcon-Mamba spell it; `norms`: of dt, B and C (Jamba)."""
    hidden = hidden_size(config)
    rank = config.raw(rank_key)
    rank = math.ceil(hidden / 16) if rank in (None, "auto") else config.integer(rank_key)
    conv = inner * (kernel + conv_bias)
    return Mamba(
        inner,
        state,
        scope.linear("in_proj", hidden, 2 * inner, bias=bias),
        scope.linear("x_proj", inner, rank + 2 * state),
        scope.linear("dt_proj", rank, inner, bias=True),
        scope.linear("out_proj", inner, hidden, bias=bias),
        kernel,
        element_bytes=state_element_bytes(config),
        # A_log [inner, state] and D; both stay out of the matmuls.
        vectors=conv + inner * state + inner + (rank + 2 * state if norms else 0),
    )


def read_mamba2(
    config: Config,
    scope: Scope,
    *,
    heads: int,
    head_dim: int,
    groups: int,
    state: int,
    kernel: int,
    chunk: int,
    in_bias: bool,
    out_bias: bool,
    conv_bias: bool,
    norm: bool = True,
) -> LinearAttention:
    """Mamba-2: one in_proj to the gate z, x, B, C and the step size; `norm`: gated, before out.

    d_inner is heads x head_dim; Nemotron-H's differs from expand x hidden_size.
    """
    hidden = hidden_size(config)
    if heads % groups:
        raise config.error(f"{groups} groups do not divide {heads} Mamba-2 heads", "n_groups")
    inner = heads * head_dim
    channels = inner + 2 * groups * state
    return LinearAttention(
        "mamba2_ssd",
        heads,
        groups,
        state,
        head_dim,
        (("in_proj", (scope.linear("in_proj", hidden, inner + channels + heads, bias=in_bias),)),),
        scope.linear("out_proj", inner, hidden, bias=out_bias),
        channels,
        kernel,
        element_bytes=state_element_bytes(config),
        chunk=chunk,
        # Convolution; A_log, D and dt_bias of every head; the gated norm.
        vectors=channels * (kernel + conv_bias) + 3 * heads + (inner if norm else 0),
    )
