"""What a model is made of, for a person to look at: kinds of layers, parameters by part, formats.

Everything is read off the same blocks that give the ops and the count. Not here: printing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vperf.model.blocks.base import Block
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.encoder_decoder import CrossAttention, EncoderAttention
from vperf.model.blocks.gqa import GroupedQueryAttention
from vperf.model.blocks.hyper import HyperConnections
from vperf.model.blocks.linear_attention import LinearAttention
from vperf.model.blocks.mamba import Mamba
from vperf.model.blocks.mla import LatentAttention
from vperf.model.blocks.moe import MixtureOfExperts
from vperf.model.blocks.projection import Dormant, Projections
from vperf.model.blocks.rg_lru import GatedLinearRecurrence
from vperf.model.blocks.rwkv import ChannelMix, TimeMix
from vperf.model.blocks.short_conv import ShortConvolution
from vperf.model.blocks.sparse import CompressedAttention, CompressedVisibility, Indexer
from vperf.model.blocks.wrapper import Again, Wrapper
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Linear, Visibility
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class LayerRow:
    """Equal layers."""

    count: int
    mechanisms: tuple[str, ...]
    """In words, in order."""
    parameters: int
    """Of one of them."""
    kv_elements_per_token: int
    state_bytes: float
    """Recurrent state of one sequence in one of them."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A model by its parts. Counts are parameters of the whole model."""

    layers: tuple[LayerRow, ...]
    encoder: tuple[LayerRow, ...]
    """Of an encoder-decoder: the layers that read the prompt."""
    parts: tuple[tuple[str, int], ...]
    """(part, parameters); they add up to the model's parameters."""
    bytes_by_format: tuple[tuple[str, float], ...]
    """Weights by number format, scales included, the largest first; they add up to its bytes."""
    tied_head: bool
    """The LM head is the embedding: stored once, no part of its own."""
    mtp_layers: int
    """Multi-token-prediction modules, not in any figure here."""
    mtp_parameters: int | None
    """Of all of them; None where their shape is not known."""
    config_keys: tuple[str, ...]
    """What was read of the text model's config."""
    defaults: tuple[str, ...]
    """What the config left to its class, and what else was assumed in reading it."""


def anatomy(model: Model) -> Anatomy:
    """The parts of a model."""
    parts: dict[str, int] = {"embedding": model.embedding.parameters}
    formats: dict[str, float] = {}

    def stored(linear: Linear, count: int) -> None:
        name = linear.format.name
        formats[name] = formats.get(name, 0.0) + count * linear.stored_bytes

    stored(model.embedding, 1)
    for table in model.lookups:
        parts["lookup tables"] = parts.get("lookup tables", 0) + table.parameters
        stored(table, 1)
    for count, kind in model.stored_kinds:
        parts["norms and other vectors"] = (
            parts.get("norms and other vectors", 0) + count * kind.vectors
        )
        for block in kind.blocks:
            part = _part(block)
            for n, linear in block.linears:
                name = "experts" if n > 1 else part
                parts[name] = parts.get(name, 0) + count * n * linear.parameters
                stored(linear, count * n)
    if model.head and not model.tied:
        parts["LM head"] = model.head.parameters
        stored(model.head, 1)
    parts["norms and other vectors"] += model.other_parameters
    if model.tower_parameters:
        parts["vision or audio tower"] = model.tower_parameters
    vectors = parts["norms and other vectors"]
    small = f"vectors, {8 * model.vector_bytes:g} bit"
    formats[small] = formats.get(small, 0.0) + model.vector_bytes * vectors
    if model.tower_parameters:
        formats["tower, 16 bit"] = 2.0 * model.tower_parameters
    return Anatomy(
        layers=tuple(_row(count, kind) for count, kind in model.kinds),
        encoder=tuple(_row(count, kind) for count, kind in model.encoder),
        parts=tuple((name, n) for name, n in parts.items() if n),
        bytes_by_format=tuple(
            sorted(((name, n) for name, n in formats.items() if n), key=lambda item: -item[1])
        ),
        tied_head=model.head is not None and model.tied,
        mtp_layers=model.mtp_layers,
        mtp_parameters=model.mtp_parameters,
        config_keys=model.config_keys,
        defaults=model.assumptions,
    )


def _row(count: int, kind: LayerKind) -> LayerRow:
    return LayerRow(
        count,
        tuple(_words(block) for block in kind.blocks),
        kind.parameters,
        sum(block.cache_elements for block in kind.blocks),
        sum(block.state_bytes for block in kind.blocks),
    )


_ATTENTION = (GroupedQueryAttention, LatentAttention, EncoderAttention, Indexer)


def _part(block: Block) -> str:
    if isinstance(block, Dormant | Wrapper):
        return _part(block.sleeper if isinstance(block, Dormant) else block.inner)
    if isinstance(block, MixtureOfExperts):
        return "routers and shared experts"
    if isinstance(block, DenseMlp):
        return "MLPs"
    if isinstance(block, Projections) and block.pooled:
        return "pooler and scores"
    if block.cache_elements or isinstance(block, _ATTENTION):
        return "attention"
    return "recurrent and other mixers" if block.state_bytes else "other projections"


def _words(block: Block) -> str:
    """A mechanism in words; one without words of its own is called by its class."""
    for kind, words in _IN_WORDS.items():
        if isinstance(block, kind):
            return words(block)
    return "".join(f" {c.lower()}" if c.isupper() else c for c in type(block).__name__).lstrip()


def _attention(block: GroupedQueryAttention) -> str:
    dim = f"{block.qk_dim}" if block.qk_dim == block.v_dim else f"{block.qk_dim}/{block.v_dim}"
    shared = ", cache of an earlier layer" if block.shares_cache else ""
    seen = _seen(block.visibility)
    return f"attention {block.heads} heads, {block.kv_heads} KV heads of {dim}{seen}{shared}"


def _seen(visibility: Visibility) -> str:
    if visibility.chunk:
        return f", chunks of {visibility.chunk}"
    if visibility.window:
        return f", window {visibility.window}"
    return f", best {visibility.top} keys" if visibility.top else ""


def _compressed(block: CompressedAttention) -> str:
    visibility = block.visibility
    ratio = ""
    if isinstance(visibility, CompressedVisibility):
        ratio = f", 1 entry a {visibility.ratio} tokens"
    return (
        f"attention {block.heads} heads, 1 shared KV head of {block.dim}{_seen(visibility)}{ratio}"
    )


def _experts(block: MixtureOfExperts) -> str:
    shared = f", shared {block.shared.down.in_features}" if block.shared else ""
    latent = ", latent" if block.latent else ""
    width = block.expert.down.in_features
    return f"experts {block.active} of {block.experts}, width {width}{latent}{shared}"


def _mlp(block: DenseMlp) -> str:
    return f"{'gated ' if len(block.inputs) > 1 else ''}MLP {block.down.in_features}"


def _linear_attention(block: LinearAttention) -> str:
    name = block.name.replace("_", " ")
    return f"{name} {block.heads} heads of {block.key_dim}x{block.value_dim}"


_IN_WORDS: dict[type[Any], Callable[[Any], str]] = {
    GroupedQueryAttention: _attention,
    LatentAttention: lambda b: (
        f"MLA {b.heads} heads, latent {b.latent} + {b.rope}{_seen(b.visibility)}"
    ),
    CompressedAttention: _compressed,
    Indexer: lambda b: f"indexer {b.heads} heads of {b.dim}, picks {b.top}",
    MixtureOfExperts: _experts,
    DenseMlp: _mlp,
    LinearAttention: _linear_attention,
    Mamba: lambda b: f"Mamba {b.inner} channels, state {b.state}",
    ShortConvolution: lambda b: f"gated convolution of {b.kernel} over {b.channels} channels",
    GatedLinearRecurrence: lambda b: f"gated linear recurrence, {b.width} channels",
    TimeMix: lambda b: f"RWKV time mix, {b.width} channels",
    ChannelMix: lambda b: f"RWKV channel mix {b.projections[0].out_features}",
    HyperConnections: lambda b: f"hyper-connections of {b.streams} streams",
    EncoderAttention: lambda b: f"attention both ways, {b.heads} heads of {b.head_dim}",
    CrossAttention: lambda b: f"self- and cross-attention {b.heads} heads of {b.head_dim}",
    Again: lambda b: f"{_words(b.inner)}, weights of an earlier layer",
    Wrapper: lambda b: _words(b.inner),
    Dormant: lambda b: f"not run for text: {_words(b.sleeper)}",
    Projections: lambda b: f"{b.name.replace('_', ' ')} projections",
}
