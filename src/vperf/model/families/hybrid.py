"""Hybrids of attention and linear attention, each layer a mixer and an MLP: Qwen3-Next and 3.5,
OLMo-Hybrid, MiniMax-Text-01, Kimi-Linear, Ling-3.0-Flash.

Keys and class defaults are those of the transformers classes (release 5.23), checked against exact
parameter counts in the tests. With Mamba instead: mamba_hybrid.py, nemotron.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense, gqa, linear_attention, mla, moe, mtp
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.linear_attention import Layout
from vperf.model.checkpoint import Config
from vperf.model.families.experts import qwen_mlp
from vperf.model.families.family import BlockReader, Family
from vperf.model.families.keys import attends, refuse, understood
from vperf.model.layers import item_of, one_of
from vperf.model.ops import FULL

# --- Qwen3-Next, Qwen3.5: Gated DeltaNet, every fourth layer gated attention ------------------

_QWEN_DEFAULTS = {"full_attention_interval": 4}


def _qwen_layer(
    config: Config, layer: int, scope: Scope, *, layout: Layout, mlp: BlockReader
) -> tuple[Block, ...]:
    understood(
        config, "linear_num_value_heads", "linear_num_key_heads", "linear_key_head_dim",
        "linear_value_head_dim", "linear_conv_kernel_dim", "num_attention_heads", "attention_bias",
    )  # fmt: skip
    interval = config.integer("full_attention_interval")
    gated = config.flag("attn_output_gate", default=True)
    mixer: Block
    if attends(config, layer, absent=(layer + 1) % interval == 0):
        mixer = gqa.read(config, layer, scope.child("self_attn"), qk_norm="head", gated_query=gated)
    else:
        mixer = linear_attention.read_gated_delta_net(
            config, scope.child("linear_attn"), layout=layout
        )
    return mixer, mlp(config, layer, scope.child("mlp"))


def _qwen_mtp(config: Config, last: int, scope: Scope, *, mlp: BlockReader) -> tuple[Block, ...]:
    """One layer with gated attention (vLLM's qwen3_next_mtp.py and qwen3_5_mtp.py)."""
    gated = config.flag("attn_output_gate", default=True)
    return (
        mtp.build(scope, gqa.hidden_size(config)),
        gqa.read(
            config,
            last,
            scope.child("self_attn"),
            qk_norm="head",
            gated_query=gated,
            visibility=FULL,
        ),
        mlp(config, last, scope.child("mlp")),
    )


def _qwen_experts(config: Config, layer: int, scope: Scope) -> Block:
    understood(config, *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS, "shared_expert_intermediate_size")
    return qwen_mlp(config, layer, scope, shared=True)


# --- OLMo-Hybrid: DeltaNet with all projections apart, attention as in OLMo 3 ------------------


def _olmo_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    mixer: Block
    if attends(config, layer, absent=layer % 4 == 3):
        mixer = gqa.read(config, layer, scope.child("self_attn"), qk_norm="whole")
    else:
        heads = gqa.attention_heads(config)
        key_heads = config.optional_integer("linear_num_key_heads") or heads
        # The class's own arithmetic: 3/4 of the hidden width in keys, values twice as wide.
        key_dim = config.optional_integer("linear_key_head_dim") or max(
            1, 3 * gqa.hidden_size(config) // (4 * key_heads)
        )
        mixer = linear_attention.build_gated_delta_net(
            config,
            scope.child("linear_attn"),
            key_heads=key_heads,
            heads=config.optional_integer("linear_num_value_heads") or heads,
            key_dim=key_dim,
            value_dim=config.optional_integer("linear_value_head_dim") or 2 * key_dim,
            kernel=config.integer("linear_conv_kernel_dim"),
            layout="apart",
        )
    return mixer, dense.read(config, layer, scope.child("mlp"), bias=False)


# --- MiniMax-Text-01, M1: lightning attention, every eighth layer softmax ---------------------


def _minimax_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    refuse(config, "sliding_window", "shared_intermediate_size")
    kinds = config.integers("attn_type_list", maximum=1)  # 1: softmax; MiniMaxAI's own files
    if kinds is not None and layer >= len(kinds):
        raise config.error("has fewer entries than there are layers", "attn_type_list")
    attention = scope.child("self_attn")
    mixer: Block = (
        gqa.read(config, layer, attention, qkv_bias=False, out_bias=False)
        if attends(config, layer, absent=None if kinds is None else item_of(kinds, layer) == 1)
        else linear_attention.read_lightning(config, attention)
    )
    experts = moe.read(
        config, layer, scope.child("block_sparse_moe"), width_keys=("intermediate_size",)
    )
    return mixer, experts


# --- Kimi Delta Attention beside MLA: Kimi-Linear, Ling-3.0-Flash -----------------------------


_MLA = (
    "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
    "num_attention_heads", "attention_bias",
)  # fmt: skip
_KDA = ("linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim")


def _kimi_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """`linear_attn_config` is the checkpoint's spelling (1-based lists), the rest transformers'."""
    own = config.child("linear_attn_config")
    understood(config, *_MLA, *_KDA)
    attention = scope.child("self_attn")
    listed: bool | None = None
    if own is not None:
        full = own.integers("full_attn_layers", minimum=1) or ()
        delta = own.integers("kda_layers", minimum=1) or ()
        if one_of(layer + 1, full) == one_of(layer + 1, delta):
            raise own.error(f"layer {layer + 1} must be in one of the two lists", "kda_layers")
        listed = one_of(layer + 1, full)
    mixer: Block
    if attends(config, layer, absent=listed):
        mixer = mla.read(config, layer, attention)
    else:
        source = own or config
        mixer = linear_attention.read_kda(
            config,
            attention,
            heads=source.integer("num_heads" if own else "linear_num_heads"),
            dim=source.integer("head_dim" if own else "linear_head_dim"),
            kernel=source.integer("short_conv_kernel_size" if own else "linear_conv_kernel_dim"),
            low_rank=True,
        )
    return mixer, _kimi_mlp(config, layer, scope, first_dense=1)


def _bailing_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """The last layer of every group is MLA with a gate a head, the others KDA with full gates."""
    understood(config, *_MLA, *_KDA)
    refuse(config, "q_lora_rank")
    attention = scope.child("self_attn")
    heads = gqa.attention_heads(config)
    group = config.integer("layer_group_size")
    mixer: Block
    if attends(config, layer, absent=(layer + 1) % group == 0):
        latent = mla.read(config, layer, attention)
        gate = attention.linear("g_proj", gqa.hidden_size(config), heads)
        mixer = replace(latent, inputs=(*latent.inputs, gate))
    else:
        mixer = linear_attention.read_kda(
            config,
            attention,
            heads=config.optional_integer("linear_num_heads") or heads,
            dim=config.integer("linear_head_dim", "head_dim"),
            kernel=config.integer("linear_conv_kernel_dim", "short_conv_kernel_size"),
            low_rank=False,
        )
    return mixer, _kimi_mlp(config, layer, scope, first_dense=2)


def _kimi_mlp(config: Config, layer: int, scope: Scope, *, first_dense: int) -> Block:
    understood(
        config, "num_experts", "first_k_dense_replace", "num_shared_experts", "n_shared_experts",
        *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS,
    )  # fmt: skip
    if (config.optional_integer("moe_layer_freq") or 1) != 1:
        refuse(config, "moe_layer_freq")
    kind = config.string_at(layer, "mlp_layer_types")
    if kind is None:
        stated = config.optional_integer("first_k_dense_replace", minimum=0)
        kind = "dense" if layer < (first_dense if stated is None else stated) else "sparse"
    if kind not in ("dense", "sparse"):
        raise config.error('must be "dense" or "sparse"', f"mlp_layer_types[{layer}]")
    if kind == "dense":
        return dense.read(config, layer, scope.child("mlp"), bias=False)
    width = config.integer("moe_intermediate_size")
    shared = config.integer("num_shared_experts", "n_shared_experts", minimum=0, maximum=2**15)
    return moe.read(config, layer, scope.child("mlp"), width=width, shared_width=shared * width)


FAMILIES = (
    Family(("qwen3_next",), layer=partial(_qwen_layer, layout="fused", mlp=_qwen_experts),
           mtp=partial(_qwen_mtp, mlp=_qwen_experts), unsaid_mtp=1, defaults=_QWEN_DEFAULTS),
    Family(("qwen3_5_text",), layer=partial(_qwen_layer, layout="split", mlp=dense.read),
           mtp=partial(_qwen_mtp, mlp=dense.read), defaults=_QWEN_DEFAULTS),
    Family(("qwen3_5_moe_text",), layer=partial(_qwen_layer, layout="split", mlp=_qwen_experts),
           mtp=partial(_qwen_mtp, mlp=_qwen_experts), defaults=_QWEN_DEFAULTS),
    Family(("olmo_hybrid",), layer=_olmo_layer),
    Family(("minimax", "minimax_text_01", "minimax_m1"), layer=_minimax_layer),
    Family(("kimi_linear",), layer=_kimi_layer),
    Family(("bailing_hybrid",), layer=_bailing_layer),
)  # fmt: skip
