"""Gemma 1 to 4: wide heads, tied, norms on both sides; from 3n on shared KV, per-layer inputs.

Per-layer inputs (PLE) are tables of which a token reads one row: most of "E4B"'s 7.85 billion
parameters stay in memory unread. Checked against exact parameter counts in the tests.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model import windows
from vperf.model.blocks import dense, gqa, moe
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import GroupedQueryAttention, attention_heads, hidden_size
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.families.keys import understood
from vperf.model.layers import item_of
from vperf.model.ops import FULL, Linear
from vperf.model.windows import all_but_every, even_layers

# --- Attention of the later ones --------------------------------------------------------------


def _attention(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    head_dim: int,
    kv_heads: int,
    rule: windows.Rule,
    keys_are_values: bool = False,
) -> GroupedQueryAttention:
    """QK norms of head_dim; the last `num_kv_shared_layers` layers have no K and V of their own."""
    hidden, heads = hidden_size(config), attention_heads(config)
    if heads % kv_heads:
        raise config.error(
            f"{kv_heads} KV heads do not divide {heads} query heads", "num_key_value_heads"
        )
    bias = config.flag("attention_bias", default=False)
    shared = _shares_cache(config, layer)
    names = () if shared else ("k_proj",) if keys_are_values else ("k_proj", "v_proj")
    return GroupedQueryAttention(
        heads,
        kv_heads,
        head_dim,
        head_dim,
        (
            scope.linear("q_proj", hidden, heads * head_dim, bias=bias),
            *(
                scope.linear(name, hidden, kv_heads * head_dim, bias=bias, parts=kv_heads)
                for name in names
            ),
        ),
        scope.linear("o_proj", heads * head_dim, hidden, bias=bias),
        windows.visibility_of(config, layer, rule),
        head_dim if shared else 2 * head_dim,
        shares_cache=shared,
    )


def _shares_cache(config: Config, layer: int) -> bool:
    """Whether a layer reuses the K and V of the last layer of its type that has its own."""
    layers = config.layers()
    shared = config.optional_integer("num_kv_shared_layers", minimum=0, maximum=layers - 1) or 0
    return layer >= layers - shared


# --- Per-layer inputs -------------------------------------------------------------------------


def _input_width(config: Config) -> int:
    return config.optional_integer("hidden_size_per_layer_input", minimum=0) or 0


def _layer_input(config: Config, scope: Scope) -> tuple[Block, ...]:
    """The gate into a layer's own input and the projection back."""
    width, hidden = _input_width(config), hidden_size(config)
    if not width:
        return ()
    gate = scope.linear("per_layer_input_gate", hidden, width)
    back = scope.linear("per_layer_projection", width, hidden)
    return (Projections("per_layer_input", ((gate,), (back,)), vectors=hidden),)


def _input_tables(config: Config, scope: Scope) -> tuple[Linear, ...]:
    width = _input_width(config)
    if not width:
        return ()
    rows = config.integer("vocab_size_per_layer_input")
    table = scope.linear("embed_tokens_per_layer", config.layers() * width, rows, kind="embedding")
    return (table,)


def _input_projection(config: Config, scope: Scope) -> tuple[Block, ...]:
    """What turns the embedding into every layer's input, once a step."""
    width = _input_width(config)
    if not width:
        return ()
    weight = scope.linear(
        "per_layer_model_projection", hidden_size(config), config.layers() * width
    )
    return (Projections("per_layer_inputs", ((weight,),), vectors=width),)


# --- Gemma 3n ---------------------------------------------------------------------------------


def _gemma3n_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    hidden = hidden_size(config)
    rank = config.integer("laurel_rank")
    laurel = scope.child("laurel")
    low = laurel.linear("linear_left", hidden, rank)
    high = laurel.linear("linear_right", rank, hidden)
    return (
        _altup(config, scope.child("altup")),
        Projections("laurel", ((low,), (high,)), vectors=hidden),
        _attention(
            config, layer, scope.child("self_attn"),
            head_dim=config.integer("head_dim"), kv_heads=config.integer("num_key_value_heads"),
            rule=all_but_every(5),
        ),
        dense.read(
            config, layer, scope.child("mlp"), bias=False, intermediate=_width_of(config, layer)
        ),
        *_layer_input(config, scope),
    )  # fmt: skip


def _width_of(config: Config, layer: int) -> int:
    """intermediate_size: one for all layers, or a list."""
    if not isinstance(config.raw("intermediate_size"), list | tuple):
        return config.integer("intermediate_size")
    widths = config.integers("intermediate_size", minimum=1) or ()
    if layer >= len(widths):
        raise config.error(
            f"has {len(widths)} entries, fewer than there are layers", "intermediate_size"
        )
    return item_of(widths, layer)


def _streams(config: Config) -> int:
    """Copies of the residual stream; each has its own projections, so their number is bounded."""
    return config.integer("altup_num_inputs", maximum=64)


def _altup(config: Config, scope: Scope) -> Projections:
    """Alternating updates: a router predicts and corrects all streams around the active one."""
    hidden, streams = hidden_size(config), _streams(config)
    router = scope.linear("modality_router", hidden, streams, kind="router")
    predict = scope.linear("prediction_coefs", streams, streams**2, kind="router")
    correct = scope.linear("correction_coefs", streams, streams, kind="router")
    # The streams are read and written by the prediction, the correction and the layer's input.
    return Projections(
        "altup", ((router,), (predict,), (correct,)),
        vectors=2 * hidden, streams=6 * streams * hidden,
    )  # fmt: skip


def _gemma3n_outside(config: Config, scope: Scope) -> tuple[Block, ...]:
    hidden, streams = hidden_size(config), _streams(config)
    into = tuple(scope.linear(f"altup_projections.{i}", hidden, hidden) for i in range(streams - 1))
    back = tuple(
        (scope.linear(f"altup_unembed_projections.{i}", hidden, hidden),)
        for i in range(streams - 1)
    )
    chain = (into, *back) if into else ()
    return (*_input_projection(config, scope), Projections("altup", chain))


# --- Gemma 4 ----------------------------------------------------------------------------------


def _gemma4_full(config: Config, layer: int) -> bool:
    """By layer_types, else every sixth; the last one whatever they say."""
    kinds = config.strings("layer_types")
    if layer == config.layers() - 1 or kinds is None or layer >= len(kinds):
        return layer == config.layers() - 1 or (layer + 1) % 6 == 0
    return item_of(kinds, layer) == "full_attention"


def _gemma4_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    hidden = hidden_size(config)
    full = _gemma4_full(config, layer)
    equal = config.flag("attention_k_eq_v", default=False)
    understood(config, "moe_intermediate_size", *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS)
    dims, kv_heads = config.integer("head_dim"), config.integer("num_key_value_heads")
    # Newer files write the full layers' widths down layer by layer (Config.of_layer).
    by_layer = config.has("per_layer_config")
    global_dim = dims if by_layer else config.integer("global_head_dim")
    stated = None if by_layer else config.optional_integer("num_global_key_value_heads")
    global_kv = stated or kv_heads
    attention = _attention(
        config, layer, scope.child("self_attn"),
        head_dim=global_dim if full else dims,
        kv_heads=global_kv if full and equal else kv_heads,
        rule=all_but_every(6), keys_are_values=full and equal,
    )  # fmt: skip
    # E2B: the layers that share their cache have an MLP twice as wide.
    wide = config.flag("use_double_wide_mlp", default=False) and _shares_cache(config, layer)
    width = config.integer("intermediate_size") * (2 if wide else 1)
    mlp = dense.read(config, layer, scope.child("mlp"), bias=False, intermediate=width)
    blocks: tuple[Block, ...] = (replace(attention, visibility=FULL) if full else attention, mlp)
    if config.flag("enable_moe_block", default=False):
        # 26B-A4B: the experts stand beside the dense MLP, with three more norms and two scales.
        experts = moe.read(
            config, layer, scope, width_keys=("moe_intermediate_size", "expert_intermediate_size"),
            names=("router.proj", "experts", "shared"),
        )  # fmt: skip
        blocks += (replace(experts, vectors=4 * hidden + experts.experts),)
    return (*blocks, *_layer_input(config, scope))


# --- Rows -------------------------------------------------------------------------------------

FAMILIES = (
    Family(("gemma",), tied=True),
    Family(("gemma2",), partial(gqa.read, rule=even_layers), norms=4, tied=True),
    Family(("vaultgemma",), partial(gqa.read, rule=even_layers), tied=True),
    Family(("gemma3_text",), partial(gqa.read, rule=all_but_every(6), qk_norm="head"),
           norms=4, tied=True),
    Family(("gemma3n_text",), layer=_gemma3n_layer, norms=4, tied=True,
           lookups=_input_tables, outside=_gemma3n_outside),
    Family(("gemma4_text", "gemma4_unified_text"), layer=_gemma4_layer, norms=4, tied=True,
           defaults={"global_head_dim": 512}, lookups=_input_tables, outside=_input_projection),
)  # fmt: skip
