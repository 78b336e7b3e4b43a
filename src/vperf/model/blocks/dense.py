"""The dense MLP: gated (SwiGLU, GeGLU) or plain (GELU, ReLU squared)."""

from __future__ import annotations

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.ops import Coordinates, Linear, Work, matmul
from vperf.values import dataclass

WIDTH_KEYS = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff")
"""The width between up and down, by its names."""


@dataclass(frozen=True, slots=True)
class DenseMlp(Block):
    """up (and gate) to `intermediate`, down again."""

    inputs: tuple[Linear, ...]
    """gate and up, or up alone."""
    down: Linear
    vectors: int = 0

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return "MLPs"

    def in_words(self) -> str:
        """What it is."""
        return f"{'gated ' if len(self.inputs) > 1 else ''}MLP {self.down.in_features}"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """(gate), up, down."""
        return tuple((1, linear) for linear in (*self.inputs, self.down))

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """The columns between up and down."""
        return ((self.down.in_features, "columns of an MLP"),)

    @property
    def elementwise_elements(self) -> int:
        """The activation reads gate and up and writes one of them."""
        return sum(w.out_features for w in self.inputs) + self.down.in_features

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """One matmul up (gate fused), one down."""
        name = "gate_up_proj" if len(self.inputs) > 1 else "up_proj"
        return (
            *matmul(name, self.inputs, step.tokens),
            *matmul("down_proj", (self.down,), step.tokens, "row"),
        )


def build(
    scope: Scope, hidden: int, intermediate: int, *, gated: bool = True, bias: bool = False
) -> DenseMlp:
    """An MLP of stated widths."""
    names = ("gate_proj", "up_proj") if gated else ("up_proj",)
    return DenseMlp(
        tuple(scope.linear(name, hidden, intermediate, bias=bias) for name in names),
        scope.linear("down_proj", intermediate, hidden, bias=bias),
    )


def read(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    gated: bool = True,
    bias: bool | None = None,
    bias_key: str = "mlp_bias",
    bias_default: bool = False,
    intermediate: int | None = None,
) -> DenseMlp:
    """The MLP of a layer; a bias of None follows the flag `bias_key`."""
    if bias is None:
        bias = config.flag(bias_key, default=bias_default)
    width = intermediate or config.integer(*WIDTH_KEYS)
    return build(scope, hidden_size(config), width, gated=gated, bias=bias)
