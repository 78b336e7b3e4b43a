"""What tells one family of models from another: mechanisms, biases, norms, class defaults.

A family is a row of differences from the plain decoder: pre-norm attention and MLP with RMSNorm,
an embedding, a final norm, an LM head. New models are mostly old mechanisms in a new order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from vperf.model.blocks import dense, gqa, mtp
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.heads import Head
from vperf.model.ops import Linear
from vperf.model.tower import TowerReader
from vperf.values import dataclass

BlockReader = Callable[[Config, int, Scope], Block]
"""(text config, layer index, scope of the mechanism) -> the mechanism of that layer."""

MtpReader = Callable[[Config, int, Scope], tuple[Block, ...] | None]

EncoderLayers = tuple[tuple[int, tuple[Block, ...], int], ...]
"""(how many, blocks, norm elements) of the kinds of an encoder's layers."""


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
    final_norm: int | Callable[[Config], int] = 1
    tied: bool = False
    """Class default of tie_word_embeddings, for configs that do not say."""
    ties: bool | None = None
    """Whether the head is tied whatever the config says: T5's is, Voxtral's is not."""
    head_bias: bool | Callable[[Config], bool] = False
    extra_parameters: Callable[[Config], int] | None = None
    """Outside of layers, embedding, final norm and head: learned positions, embedding norms."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values the transformers class fills in where a config is silent."""
    layer: Callable[[Config, int, Scope], tuple[Block, ...]] | None = None
    """Reads a whole layer where attention + MLP is not its shape."""
    layers: Callable[[Config], int] = Config.layers
    """How many layers there are, where a list of them says so and num_hidden_layers need not."""
    lookups: Callable[[Config, Scope], tuple[Linear, ...]] | None = None
    """Tables read one row per token: stored, never streamed (learned positions, Gemma's PLE)."""
    outside: Callable[[Config, Scope], tuple[Block, ...]] | None = None
    """Mechanisms that run once a step, outside of the layers (Gemma 3n's stream projections)."""
    encoder: Callable[[Config, Scope], EncoderLayers] | None = None
    """Of an encoder-decoder: its encoder layers."""
    unused_positions: int = 0
    """Learned positions that no token takes: RoBERTa counts from its padding index + 1."""
    encodes: Callable[[Config, Scope, Head], tuple[Block, ...]] | None = None
    """Of an encoder, which generates no tokens: what stands on its layers."""
    unfolded: str = ""
    """The key of an object whose keys are read as the config's own (T5Gemma's decoder)."""
    before_head: Callable[[Config, Scope], tuple[Block, ...]] | None = None
    """What stands between the layers and an LM head, and not in a base model."""
    embedding_width: str = "word_embed_proj_dim"
    """The key of the embedding's width, where it may be another than the layers'."""
    mtp: MtpReader | Literal["last layer"] | None = None
    """Blocks of one multi-token-prediction module, where its shape is known; their number is the
    config's. The index is that of the last layer."""
    unsaid_mtp: int = 0
    """How many its checkpoints hold where their config has no word for it."""
    wraps: tuple[str, ...] = ()
    """Of a multimodal wrapper: the text model_type its class builds where the config is silent."""
    text_defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of a wrapper: class defaults of the text models it may nest, by their model_type."""
    tower: TowerReader | None = None
    """Of a wrapper: its vision or audio tower and projector, from the top and the text config."""
    images: bool = False
    """Of a wrapper: whether an image becomes tokens of the prompt."""
    diffuses: bool = False
    """Whether it denoises blocks of tokens instead of predicting the next one."""
    assumptions: tuple[str, ...] = ()

    def blocks(self, config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
        """The mechanisms of one layer in order."""
        if self.layer is not None:
            return self.layer(config, layer, scope)
        return (
            self.attention(config, layer, scope.child(self.attention_scope)),
            self.mlp(config, layer, scope.child(self.mlp_scope)),
        )

    def mtp_blocks(self, config: Config, last: int, scope: Scope) -> tuple[Block, ...] | None:
        """The mechanisms of one multi-token-prediction module, or None where they are unknown."""
        if self.mtp is None:
            return None
        if self.mtp == "last layer":
            return (
                mtp.build(scope, gqa.hidden_size(config)), *self.blocks(config, last, scope)
            )  # fmt: skip
        return self.mtp(config, last, scope)

    def layer_norms(self, config: Config) -> int:
        """Vectors of hidden width in a layer, biases counted."""
        return self.norms_of(config) * (1 + self.norm_bias)

    def norms_of(self, config: Config) -> int:
        """Norms of hidden width in a layer."""
        return self.norms if isinstance(self.norms, int) else self.norms(config)
