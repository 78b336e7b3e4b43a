"""What tells one family of models from another: mechanisms, biases, norms, class defaults.

A family is a row of differences from the plain decoder: pre-norm attention and MLP with RMSNorm,
an embedding, a final norm, an LM head. New models are mostly old mechanisms in a new order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vperf.model.blocks import dense, gqa
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config

BlockReader = Callable[[Config, int, Scope], Block]
"""(text config, layer index, scope of the mechanism) -> the mechanism of that layer."""


@dataclass(frozen=True, slots=True)
class Family:
    """One row; `model_types` are the names configs use for it."""

    model_types: tuple[str, ...]
    attention: BlockReader = gqa.read
    mlp: BlockReader = dense.read
    attention_scope: str = "self_attn"
    mlp_scope: str = "mlp"
    norms: int | Callable[[Config], int] = 2
    """Norms of hidden width in a layer, outside of its mechanisms."""
    norm_bias: bool = False
    """LayerNorm with a bias, in layers and at the end."""
    final_norm: int = 1
    tied: bool = False
    """Class default of tie_word_embeddings, for configs that do not say."""
    head_bias: bool | Callable[[Config], bool] = False
    extra_parameters: Callable[[Config], int] | None = None
    """Outside of layers, embedding, final norm and head: learned positions, embedding norms."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values the transformers class fills in where a config is silent."""
    layer: Callable[[Config, int, Scope], tuple[Block, ...]] | None = None
    """Reads a whole layer where attention + MLP is not its shape."""
    wraps: tuple[str, ...] = ()
    """Of a multimodal wrapper: where the text model nests, e.g. ("text_config",)."""
    tower_parameters: Callable[[Config], int] | None = None
    """Of a multimodal wrapper: parameters of its vision or audio tower and projector."""
    assumptions: tuple[str, ...] = ()

    def blocks(self, config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
        """The mechanisms of one layer in order."""
        if self.layer is not None:
            return self.layer(config, layer, scope)
        return (
            self.attention(config, layer, scope.child(self.attention_scope)),
            self.mlp(config, layer, scope.child(self.mlp_scope)),
        )

    def layer_norms(self, config: Config) -> int:
        """Vectors of hidden width in a layer, biases counted."""
        norms = self.norms if isinstance(self.norms, int) else self.norms(config)
        return norms * (1 + self.norm_bias)
