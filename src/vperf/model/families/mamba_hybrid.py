"""Hybrids of attention and Mamba or short convolutions, each layer a mixer and an MLP: Jamba,
Bamba, Granite 4, Falcon-H1, LFM2.

Keys and class defaults are those of the transformers classes (release 5.23), checked against exact
parameter counts in the tests. Layers of one mixer alone: nemotron.py, recurrent.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense, gqa, mamba, moe, short_conv
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.gqa import GroupedQueryAttention
from vperf.model.blocks.linear_attention import LinearAttention
from vperf.model.blocks.projection import Dormant, Projections
from vperf.model.blocks.wrapper import Again
from vperf.model.checkpoint import Config
from vperf.model.families.family import BlockReader, Family
from vperf.model.families.keys import attends, refuse, understood
from vperf.model.layers import one_of

_MAMBA = (
    "mamba_d_state", "mamba_d_conv", "mamba_dt_rank", "mamba_n_heads", "mamba_n_groups",
    "mamba_chunk_size", "mamba_conv_bias", "mamba_proj_bias",
)  # fmt: skip
_ATTENTION = ("num_attention_heads", "attention_bias")

# --- Jamba: Mamba-1, attention and experts at fixed periods -----------------------------------


def _jamba_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    refuse(config, "sliding_window")
    understood(config, *_MAMBA, *_ATTENTION)
    mixer: Block
    if _every(config, layer, "attn_layer_period", "attn_layer_offset"):
        mixer = gqa.read(config, layer, scope.child("self_attn"))
    else:
        hidden = gqa.hidden_size(config)
        mixer = mamba.read_mamba(
            config,
            scope.child("mamba"),
            inner=config.integer("mamba_expand") * hidden,
            state=config.integer("mamba_d_state"),
            kernel=config.integer("mamba_d_conv"),
            rank_key="mamba_dt_rank",
            bias=config.flag("mamba_proj_bias", default=False),
            conv_bias=config.flag("mamba_conv_bias", default=True),
            norms=True,
        )
    experts = config.integer("num_experts")
    sparse = _every(config, layer, "expert_layer_period", "expert_layer_offset") and experts > 1
    inner_scope = scope.child("feed_forward")
    mlp: Block = (
        moe.read(config, layer, inner_scope, width_keys=("intermediate_size",),
                 names=("router", "experts", "shared_experts"))
        if sparse
        else dense.read(config, layer, inner_scope, bias=False)
    )  # fmt: skip
    return mixer, mlp


def _every(config: Config, layer: int, period_key: str, offset_key: str) -> bool:
    period = config.integer(period_key)
    return layer % period == config.integer(offset_key, minimum=0, maximum=period - 1)


# --- Mamba-2 beside attention: Bamba, Granite 4, Falcon-H1 ------------------------------------


def _mamba2(
    config: Config,
    scope: Scope,
    *,
    inner_key: str | None = None,
    out_bias_key: str = "mamba_proj_bias",
    norm: bool = True,
) -> LinearAttention:
    """Heads x head_dim must be expand x hidden_size, or what `inner_key` states (Falcon-H1)."""
    heads = config.integer("mamba_n_heads")
    stated = config.raw("mamba_d_head")
    inner = (
        config.integer(inner_key)
        if inner_key
        else config.integer("mamba_expand") * gqa.hidden_size(config)
    )
    head_dim = inner // heads if stated in (None, "auto") else config.integer("mamba_d_head")
    if head_dim < 1 or heads * head_dim != inner:
        raise config.error(f"{heads} heads do not make up the inner width {inner}", "mamba_n_heads")
    return mamba.read_mamba2(
        config,
        scope,
        heads=heads,
        head_dim=head_dim,
        groups=config.integer("mamba_n_groups"),
        state=config.integer("mamba_d_state"),
        kernel=config.integer("mamba_d_conv"),
        chunk=config.integer("mamba_chunk_size"),
        in_bias=config.flag("mamba_proj_bias", default=False),
        out_bias=config.flag(out_bias_key, default=False),
        conv_bias=config.flag("mamba_conv_bias", default=True),
        norm=norm,
    )


def _bamba_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    understood(config, *_MAMBA, *_ATTENTION)
    attention = config.integers("attn_layer_indices") or ()
    mixer: Block = (
        gqa.read(config, layer, scope.child("self_attn"))
        if one_of(layer, attention)
        else _mamba2(config, scope.child("mamba"))
    )
    return mixer, dense.read(config, layer, scope.child("feed_forward"))


def _falcon_h1_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Attention and Mamba-2 run in parallel on the same normed input; their outputs are added."""
    return (
        gqa.read(config, layer, scope.child("self_attn")),
        _mamba2(config, scope.child("mamba"), inner_key="mamba_d_ssm",
                out_bias_key="projectors_bias",
                norm=config.flag("mamba_rms_norm", default=False)),
        dense.read(config, layer, scope.child("feed_forward")),
    )  # fmt: skip


def _granite_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    understood(config, *_MAMBA, *_ATTENTION)
    mixer: Block = (
        gqa.read(config, layer, scope.child("self_attn"))
        if attends(config, layer)
        else _mamba2(config, scope.child("mamba"))
    )
    hidden = gqa.hidden_size(config)
    shared = dense.build(
        scope.child("shared_mlp"), hidden, config.integer("shared_intermediate_size")
    )
    if not config.integer("num_local_experts", minimum=0):
        understood(config, *moe.ACTIVE_KEYS)
        return mixer, shared  # Granite-4.0-H-Micro: the shared MLP is the only one
    experts = moe.read(
        config, layer, scope.child("block_sparse_moe"), width_keys=("intermediate_size",),
        names=("router", "experts", "shared"),
    )  # fmt: skip
    return mixer, replace(experts, shared=shared)


# --- Zamba: Mamba layers, some of which pass a shared transformer block before ------------------


def _shared(config: Config, scope: Scope, *, bias: bool) -> tuple[GroupedQueryAttention, DenseMlp]:
    """Attention over hidden state and embedding side by side, and an MLP: stored once."""
    hidden = gqa.hidden_size(config)
    wide = config.optional_integer("attention_hidden_size") or 2 * hidden
    heads = gqa.attention_heads(config)
    dim = config.optional_integer("attention_head_dim") or wide // heads
    kv_heads = gqa.kv_head_count(config, heads)
    inner = scope.child("self_attn")
    widths = (("q_proj", heads * dim), ("k_proj", kv_heads * dim), ("v_proj", kv_heads * dim))
    attention = GroupedQueryAttention(
        heads, kv_heads, dim, dim,
        tuple(inner.linear(name, wide, width) for name, width in widths),
        inner.linear("o_proj", heads * dim, hidden), vectors=wide,
    )  # fmt: skip
    width = config.integer("intermediate_size")
    mlp = dense.build(scope.child("feed_forward"), hidden, width, bias=bias)
    return attention, replace(mlp, vectors=hidden)


def _hybrid(config: Config, layer: int) -> bool:
    kind = config.string_at(layer, "layers_block_type", "layer_types")
    listed = config.lists(layer, "hybrid_layer_ids")
    understood(config, "attn_layer_period", "attn_layer_offset", "hybrid_layer_ids")
    if kind is not None and listed not in {None, kind == "hybrid"}:
        raise config.unsupported(f"contradicts layers_block_type[{layer}]", "hybrid_layer_ids")
    if kind is not None:
        return kind == "hybrid"
    if listed is not None:
        return listed
    if not config.declares("attn_layer_period"):
        raise config.error("missing; which layers are hybrid is unknown", "layers_block_type")
    period = config.integer("attn_layer_period")
    return layer == 2 or (
        layer > 2 and (layer - 3) % period == config.integer("attn_layer_offset", minimum=0)
    )


def _zamba_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    hidden = gqa.hidden_size(config)
    understood(config, *_MAMBA, *_ATTENTION, "n_mamba_heads", "attention_hidden_size",
               "attention_head_dim", "num_key_value_heads", "num_logits_to_keep")  # fmt: skip
    mixer = mamba.read_mamba(
        config, scope.child("mamba"), inner=config.integer("mamba_expand") * hidden,
        state=config.integer("mamba_d_state"), kernel=config.integer("mamba_d_conv"),
        rank_key="mamba_dt_rank", bias=config.flag("mamba_proj_bias", default=False),
        conv_bias=config.flag("mamba_conv_bias", default=True),
    )  # fmt: skip
    if not _hybrid(config, layer):
        return (mixer,)
    before = any(_hybrid(config, i) for i in range(layer))
    block: tuple[Block, ...] = _shared(config, scope.child("shared"), bias=False)
    if before and config.flag("tie_word_embeddings", default=True):  # which ties them too
        block = tuple(Again(each) for each in block)
    join = Projections("shared", ((scope.linear("linear", hidden, hidden),),))
    return (*block, join, mixer)


def _zamba2_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Several shared blocks in turn; every layer that passes one has low-rank adapters of it."""
    hidden, heads = gqa.hidden_size(config), config.integer("n_mamba_heads")
    understood(
        config, *_MAMBA, *_ATTENTION, "mamba_headdim", "mamba_ngroups", "attention_hidden_size",
        "attention_head_dim", "num_key_value_heads", "num_query_groups", "kv_channels",
        "num_logits_to_keep", "use_mem_rope", "num_mem_blocks", "adapter_rank",
        "use_shared_attention_adapter", "use_shared_mlp_adapter", "use_conv_bias",
    )  # fmt: skip
    bias = config.flag("add_bias_linear", default=False)
    inner = config.integer("mamba_expand") * hidden
    dim = config.optional_integer("mamba_headdim") or inner // heads
    if heads * dim != inner:
        raise config.error(f"{heads} heads of {dim} do not make up {inner}", "n_mamba_heads")
    mixer = mamba.read_mamba2(
        config, scope.child("mamba"), heads=heads, head_dim=dim,
        groups=config.integer("mamba_ngroups"), state=config.integer("mamba_d_state"),
        kernel=config.integer("mamba_d_conv"), chunk=config.integer("chunk_size"), in_bias=bias,
        out_bias=bias, conv_bias=True,
    )  # fmt: skip
    if not _hybrid(config, layer):
        return (mixer,)
    before = sum(_hybrid(config, i) for i in range(layer))
    attention, mlp = _shared(config, scope.child("shared"), bias=bias)
    rank, width = config.integer("adapter_rank"), mlp.down.in_features
    chains = [("mlp_adapter", hidden, 2 * width)]
    if config.flag("use_shared_attention_adapter", default=False):
        wide = attention.inputs[0].in_features
        chains += [(f"{name}_adapter", wide, wide) for name in ("q", "k", "v")]
    adapters: tuple[Block, ...] = tuple(
        Projections(
            name, ((scope.linear("down", wide, rank),), (scope.linear("up", rank, out),))
        )
        for name, wide, out in chains
    )  # fmt: skip
    block: tuple[Block, ...] = (attention, mlp)
    blocks = config.integer("num_mem_blocks")
    if not config.flag("tie_word_embeddings", default=True):  # every copy holds all adapters
        count = sum(_hybrid(config, i) for i in range(config.layers()))
        others = len(range(before % blocks, count, blocks)) - 1
        adapters += tuple(Dormant(each) for each in adapters) * others
    elif before >= blocks:
        block = tuple(Again(each) for each in block)
    join = Projections("shared", ((scope.linear("linear", hidden, hidden),),))
    return (*block, *adapters, join, mixer)


# --- LFM2: gated short convolutions -----------------------------------------------------------


def _lfm2_layer(config: Config, layer: int, scope: Scope, *, mlp: BlockReader) -> tuple[Block, ...]:
    understood(config, "conv_L_cache", "conv_bias", "num_attention_heads")
    indices = config.integers("full_attn_idxs")
    mixer: Block
    if attends(config, layer, absent=None if indices is None else one_of(layer, indices)):
        mixer = gqa.read(
            config, layer, scope.child("self_attn"), qk_norm="head", qkv_bias=False, out_bias=False
        )
    else:
        mixer = short_conv.read(config, scope.child("conv"))
    return mixer, mlp(config, layer, scope.child("feed_forward"))


def _lfm2_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """LFM2's stated width is of an ungated MLP: 2/3 of it, scaled and rounded up, is built."""
    width = config.integer("block_ff_dim", "intermediate_size")
    if config.flag("block_auto_adjust_ff_dim", default=True):
        scaled = int(config.number("block_ffn_dim_multiplier", default=1.0) * (2 * width // 3))
        unit = config.optional_integer("block_multiple_of") or 256
        width = -(-scaled // unit) * unit
        if not 0 < width < 2**31:
            raise config.error(f"makes an MLP of width {width}", "block_ffn_dim_multiplier")
    return dense.read(config, layer, scope, bias=False, intermediate=width)


def _lfm2_moe_mlp(config: Config, layer: int, scope: Scope) -> Block:
    understood(config, "num_experts")
    if layer < config.integer("num_dense_layers", minimum=0):
        return dense.read(config, layer, scope, bias=False)
    return moe.read(config, layer, scope, width_keys=("moe_intermediate_size",))


def _lfm3_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Attention, windowed or not, has QK norms and a gate a head."""
    understood(config, "conv_L_cache", "conv_bias", "attention_bias", "use_attention_gate")
    understood(config, "num_attention_heads")
    kind = config.string_at(layer, "layer_types")
    if kind is None:
        raise config.error("missing; which layers have attention is unknown", "layer_types")
    mixer: Block
    if kind == "conv":
        mixer = short_conv.read(config, scope.child("conv"))
    else:
        inner = scope.child("self_attn")
        attention = gqa.read(config, layer, inner, qk_norm="head")
        if config.flag("use_attention_gate", default=True):
            attention = gqa.with_gate(config, inner, attention, "g_proj", per_head=True)
        mixer = attention
    return mixer, dense.read(config, layer, scope.child("feed_forward"), bias=False)


FAMILIES = (
    Family(("zamba",), layer=_zamba_layer, norms=1, tied=True),
    Family(("zamba2",), layer=_zamba2_layer, norms=1, tied=True),
    Family(("jamba",), layer=_jamba_layer),
    Family(("bamba",), layer=_bamba_layer),
    Family(("falcon_h1",), layer=_falcon_h1_layer),
    Family(("granitemoehybrid",), layer=_granite_layer),
    Family(("lfm2",), layer=partial(_lfm2_layer, mlp=_lfm2_mlp), tied=True),
    Family(("lfm3",), layer=_lfm3_layer, tied=True,
           norms=lambda config: 4 if config.flag("use_sandwich_norm", default=True) else 2),
    Family(("lfm2_moe",), layer=partial(_lfm2_layer, mlp=_lfm2_moe_mlp), tied=True),
)  # fmt: skip
