"""The recurrent block of Griffin and RecurrentGemma (De et al. 2024, arXiv 2402.19427).

    y = out(gelu(Y u) * rglru(conv(X u))),   h = a h + sqrt(1 - a a) (i x),   a = exp(-c r s)

with a learned s a channel, and gates r and i that are block-diagonal matmuls of x, one block a
head. The state is h, one fp32 number a channel, and the last inputs of the convolution.
"""

from __future__ import annotations

from vperf.formats import BF16, Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import attention_heads, hidden_size
from vperf.model.blocks.recurrent import conv_state_bytes, convolution
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, decodes, matmul, new_tokens, state_traffic
from vperf.values import dataclass

_STATE_BYTES = 4
_FLOPS = 3
"""Per channel and token: a h + b x. The gates' exponentials are left out."""


@dataclass(frozen=True, slots=True)
class GatedLinearRecurrence(Block):
    """`width` channels, each with one number of state."""

    width: int
    inputs: tuple[Linear, ...]
    gates: tuple[Linear, ...]
    """Block-diagonal [heads, width/heads, width/heads], written as [width, width/heads]."""
    output: Linear
    conv_kernel: int
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        return f"gated linear recurrence, {self.width} channels"

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Channels."""
        return ((self.width, "channels of the recurrence"),)

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """Both branches, both gates, the output."""
        return tuple((1, w) for w in (*self.inputs, *self.gates, self.output))

    @property
    def state_bytes(self) -> float:
        """h and the last inputs of the convolution."""
        return float(self.width * _STATE_BYTES + conv_state_bytes(self.width, self.conv_kernel))

    @property
    def elementwise_elements(self) -> int:
        """The product with the other branch."""
        return 3 * self.width

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Branches, convolution, gates, the recurrence, output projection."""
        tokens = step.tokens
        return (
            *matmul("linear_xy", self.inputs, tokens),
            convolution("conv1d", step, self.width, self.conv_kernel),
            *matmul("rg_lru_gates", self.gates, tokens),
            Work(
                "rg_lru",
                "recurrent",
                _FLOPS * tokens * self.width,
                BF16,
                cache_bytes=state_traffic(step, self.width * _STATE_BYTES),
                input_elements=3 * tokens * self.width,
                output_elements=tokens * self.width,
                shape=(step.batch, self.width, step.fact(new_tokens), 1, 1),
                decode=step.case(decodes),
                blocks=step.batch * 1,
            ),
            *matmul("linear_out", (self.output,), tokens, "row"),
        )


def read(config: Config, scope: Scope) -> GatedLinearRecurrence:
    """As RecurrentGemma spells it: everything has a bias."""
    hidden = hidden_size(config)
    width = config.optional_integer("lru_width") or hidden
    heads = attention_heads(config)
    if width % heads:
        raise config.error(f"{heads} heads do not divide it", "lru_width")
    kernel = config.integer("conv1d_width")
    gates = scope.child("rg_lru")
    return GatedLinearRecurrence(
        width,
        tuple(scope.linear(name, hidden, width, bias=True) for name in ("linear_y", "linear_x")),
        tuple(
            gates.linear(name, width // heads, width, bias=True)
            for name in ("input_gate", "recurrent_gate")
        ),
        scope.linear("linear_out", width, hidden, bias=True),
        kernel,
        vectors=width * (kernel + 1) + width,  # convolution and its bias, the decay
    )
