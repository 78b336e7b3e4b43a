"""What a model is made of, for a person to look at: kinds of layers, parameters by part, formats.

Everything is read off the same blocks that give the ops and the count. Not here: printing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vperf.model.blocks.base import Block
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.gqa import GroupedQueryAttention
from vperf.model.blocks.mla import LatentAttention
from vperf.model.blocks.moe import MixtureOfExperts
from vperf.model.model import Model
from vperf.model.ops import FULL, Linear


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
    parts: tuple[tuple[str, int], ...]
    """(part, parameters); they add up to the model's parameters."""
    bytes_by_format: tuple[tuple[str, float], ...]
    """Weight matrices and tables by number format, scales included; the largest first."""
    mtp_layers: int
    """Multi-token-prediction modules, not in any figure here."""
    mtp_parameters: int | None
    """Of all of them; None where their shape is not known."""
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
    return Anatomy(
        layers=tuple(
            LayerRow(
                count,
                tuple(_words(block) for block in kind.blocks),
                kind.parameters,
                sum(block.cache_elements for block in kind.blocks),
                sum(block.state_bytes for block in kind.blocks),
            )
            for count, kind in model.kinds
        ),
        parts=tuple((name, n) for name, n in parts.items() if n),
        bytes_by_format=tuple(sorted(formats.items(), key=lambda item: -item[1])),
        mtp_layers=model.mtp_layers,
        mtp_parameters=model.mtp_parameters,
        defaults=model.assumptions,
    )


def _part(block: Block) -> str:
    if isinstance(block, DenseMlp | MixtureOfExperts):
        return "MLPs, routers and shared experts" if block.idle_parameters else "MLPs"
    if block.cache_elements or isinstance(block, GroupedQueryAttention | LatentAttention):
        return "attention"
    return "recurrent and other mixers" if block.state_bytes else "other projections"


def _words(block: Block) -> str:
    if isinstance(block, GroupedQueryAttention):
        dim = f"{block.qk_dim}" if block.qk_dim == block.v_dim else f"{block.qk_dim}/{block.v_dim}"
        reach = block.reach
        seen = "" if reach == FULL else f", {reach.named('keys')[5:-1]} {reach.most or reach.chunk}"
        shared = ", cache of an earlier layer" if block.shares_cache else ""
        return f"attention {block.heads} heads, {block.kv_heads} KV heads of {dim}{seen}{shared}"
    if isinstance(block, LatentAttention):
        return f"MLA {block.heads} heads, latent {block.latent} + {block.rope}"
    if isinstance(block, MixtureOfExperts):
        shared = f", shared {block.shared.down.in_features}" if block.shared else ""
        width = block.expert.down.in_features
        return f"experts {block.active} of {block.experts}, width {width}{shared}"
    if isinstance(block, DenseMlp):
        gated = "gated " if len(block.inputs) > 1 else ""
        return f"{gated}MLP {block.down.in_features}"
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(block).__name__).lower()
