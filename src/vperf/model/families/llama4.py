"""Llama 4's text model: experts in every or every other layer, three of four layers chunked."""

from __future__ import annotations

from vperf.model import windows
from vperf.model.blocks import dense, gqa, moe
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.families.keys import understood
from vperf.model.ops import FULL, Visibility


def _reach(config: Config, layer: int) -> Visibility:
    """Layers with rotary positions see their own chunk, those without (every fourth) all."""
    if config.has("layer_types"):
        return windows.visibility_of(config, layer)
    every = config.optional_integer("no_rope_layer_interval", "nope_layer_interval") or 4
    if config.raw("no_rope_layers"):  # the FP8 file holds an empty list; 1 means rotary
        chunked = config.integer_at(layer, "no_rope_layers", maximum=1) == 1
    else:
        chunked = (layer + 1) % every != 0
    chunk = config.optional_integer("attention_chunk_size")
    return Visibility(chunk=chunk) if chunked and chunk else FULL


def _attention(config: Config, layer: int, scope: Scope) -> Block:
    # Its QK norm has no weights.
    understood(config, "use_qk_norm", "attention_chunk_size")
    return gqa.read(config, layer, scope, visibility=_reach(config, layer))


def _mlp(config: Config, layer: int, scope: Scope) -> Block:
    listed = config.lists(layer, "moe_layers")
    every = config.optional_integer("interleave_moe_layer_step") or 1
    if (layer + 1) % every == 0 if listed is None else listed:
        width = config.integer("intermediate_size")
        return moe.read(
            config, layer, scope, width=width, shared_width=width,
            names=("router", "experts", "shared_expert"),
        )  # fmt: skip
    return dense.read(config, layer, scope, intermediate=config.integer("intermediate_size_mlp"))


FAMILIES = (
    Family(("llama4_text",), _attention, _mlp, mlp_scope="feed_forward"),
)  # fmt: skip
