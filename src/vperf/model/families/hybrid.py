"""Hybrids of attention and recurrence, each layer a mixer and an MLP: Qwen3-Next and 3.5, Jamba,
Granite 4, Bamba, Falcon-H1, LFM2, MiniMax-Text-01, Kimi-Linear, Ling-3.0-Flash.

Keys and class defaults are those of the transformers classes (release 5.23), checked against exact
parameter counts in the tests. Models without MLPs or without attention: recurrent.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.errors import UnsupportedModelError
from vperf.model.blocks import dense, gqa, linear_attention, mamba, mla, moe, short_conv
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.linear_attention import LinearAttention
from vperf.model.checkpoint import Config
from vperf.model.families.family import BlockReader, Family
from vperf.model.families.moe import qwen_mlp

_ATTENTION_NAMES = frozenset({"full_attention", "attention"})
_RECURRENT_NAMES = frozenset({"linear_attention", "mamba", "conv"})


def attends(config: Config, layer: int, *, absent: bool | None = None) -> bool:
    """Whether the list of layer types gives `layer` attention rather than a recurrence.

    `absent` answers where there is no such list; None: there must be one.
    """
    kind = config.string_at(layer, "layer_types", "layers_block_type")
    if kind is None:
        if absent is None:
            raise config.error("missing; which layers have attention is unknown", "layer_types")
        return absent
    if kind not in _ATTENTION_NAMES | _RECURRENT_NAMES:
        raise UnsupportedModelError(
            f"layer type {kind[:40]!r} is not supported",
            source=config.source, field=f"layer_types[{layer}]",
        )  # fmt: skip
    return kind in _ATTENTION_NAMES


def understood(config: Config, *names: str) -> None:
    """Keys that are known, also where no layer of this config happens to need them."""
    for name in names:
        config.raw(name)


def refuse(config: Config, *names: str) -> None:
    """Keys whose effect is not known here: set (true, above zero), they are an error."""
    for name in names:
        if config.raw(name):
            raise UnsupportedModelError(
                f"{name} {str(config.raw(name))[:40]} is not understood for this architecture",
                source=config.source, field=name,
            )  # fmt: skip


# --- Qwen3-Next, Qwen3.5: Gated DeltaNet, every fourth layer gated attention ------------------

_QWEN_DEFAULTS = {
    "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
    "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
    "full_attention_interval": 4,
}  # fmt: skip


def _qwen_layer(
    config: Config, layer: int, scope: Scope, *, fused: bool, mlp: BlockReader
) -> tuple[Block, ...]:
    understood(config, "linear_num_value_heads", "num_experts")
    interval = config.integer("full_attention_interval")
    gated = config.flag("attn_output_gate", default=True)
    mixer: Block
    if attends(config, layer, absent=(layer + 1) % interval == 0):
        mixer = gqa.read(
            config, layer, scope.child("self_attn"), qk_norm="head", gated_query=gated
        )
    else:
        mixer = linear_attention.read_gated_delta_net(
            config, scope.child("linear_attn"), fused=fused
        )
    return mixer, mlp(config, layer, scope.child("mlp"))


_QWEN_MOE = partial(qwen_mlp, shared=True)

# --- Jamba: Mamba-1, attention and experts at fixed periods -----------------------------------


def _jamba_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    refuse(config, "sliding_window")
    understood(config, "mamba_d_state")
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

_MAMBA2_DEFAULTS = {
    "mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_chunk_size": 256,
}  # fmt: skip


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
    understood(config, "mamba_d_state")
    attention = config.integers("attn_layer_indices") or ()
    mixer: Block = (
        gqa.read(config, layer, scope.child("self_attn"))
        if layer in attention
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
    understood(config, "mamba_d_state")
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
        return mixer, shared  # Granite-4.0-H-Micro: the shared MLP is the only one
    experts = moe.read(
        config, layer, scope.child("block_sparse_moe"), width_keys=("intermediate_size",),
        names=("router", "experts", "shared"),
    )  # fmt: skip
    return mixer, replace(experts, shared=shared)


# --- LFM2: gated short convolutions -----------------------------------------------------------


def _lfm2_layer(
    config: Config, layer: int, scope: Scope, *, mlp: BlockReader
) -> tuple[Block, ...]:
    understood(config, "conv_L_cache", "num_experts")
    indices = config.integers("full_attn_idxs")
    mixer: Block
    if attends(config, layer, absent=None if indices is None else layer in indices):
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
    if layer < config.integer("num_dense_layers", minimum=0):
        return dense.read(config, layer, scope, bias=False)
    return moe.read(config, layer, scope, width_keys=("moe_intermediate_size",))


# --- MiniMax-Text-01, M1: lightning attention, every eighth layer softmax ---------------------


def _minimax_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    refuse(config, "sliding_window", "shared_intermediate_size")
    kinds = config.integers("attn_type_list", maximum=1)  # 1: softmax; MiniMaxAI's own files
    if kinds is not None and layer >= len(kinds):
        raise config.error("has fewer entries than there are layers", "attn_type_list")
    attention = scope.child("self_attn")
    mixer: Block = (
        gqa.read(config, layer, attention, qkv_bias=False, out_bias=False)
        if attends(config, layer, absent=None if kinds is None else kinds[layer] == 1)
        else linear_attention.read_lightning(config, attention)
    )
    experts = moe.read(
        config, layer, scope.child("block_sparse_moe"), width_keys=("intermediate_size",)
    )
    return mixer, experts


# --- Kimi Delta Attention beside MLA: Kimi-Linear, Ling-3.0-Flash -----------------------------


def _kimi_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """`linear_attn_config` is the checkpoint's spelling (1-based lists), the rest transformers'."""
    own = config.child("linear_attn_config")
    understood(config, "kv_lora_rank", "q_lora_rank")
    attention = scope.child("self_attn")
    listed: bool | None = None
    if own is not None:
        full = own.integers("full_attn_layers", minimum=1) or ()
        delta = own.integers("kda_layers", minimum=1) or ()
        if (layer + 1 in full) == (layer + 1 in delta):
            raise own.error(f"layer {layer + 1} must be in one of the two lists", "kda_layers")
        listed = layer + 1 in full
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
    understood(config, "kv_lora_rank")
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
    understood(config, "num_experts")
    refuse(config, "tie_word_embeddings")
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
    return moe.read(
        config, layer, scope.child("mlp"), width=width, shared_width=shared * width
    )


FAMILIES = (
    Family(("qwen3_next",), layer=partial(_qwen_layer, fused=True, mlp=_QWEN_MOE),
           defaults=_QWEN_DEFAULTS),
    Family(("qwen3_5_text",), layer=partial(_qwen_layer, fused=False, mlp=dense.read),
           defaults=_QWEN_DEFAULTS),
    Family(("qwen3_5_moe_text",), layer=partial(_qwen_layer, fused=False, mlp=_QWEN_MOE),
           defaults=_QWEN_DEFAULTS),
    Family(("jamba",), layer=_jamba_layer, defaults={
        "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2,
        "expert_layer_offset": 1, "num_experts": 16, "num_experts_per_tok": 2,
        "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2}),
    Family(("bamba",), layer=_bamba_layer, defaults=_MAMBA2_DEFAULTS),
    Family(("falcon_h1",), layer=_falcon_h1_layer, defaults=_MAMBA2_DEFAULTS),
    Family(("granitemoehybrid",), layer=_granite_layer, defaults=_MAMBA2_DEFAULTS),
    Family(("lfm2",), layer=partial(_lfm2_layer, mlp=_lfm2_mlp), tied=True,
           defaults={"conv_L_cache": 3}),
    Family(("lfm2_moe",), layer=partial(_lfm2_layer, mlp=_lfm2_moe_mlp), tied=True,
           defaults={"conv_L_cache": 3, "num_dense_layers": 2}),
    Family(("minimax", "minimax_text_01", "minimax_m1"), layer=_minimax_layer),
    Family(("kimi_linear",), layer=_kimi_layer),
    Family(("bailing_hybrid",), layer=_bailing_layer, defaults={"layer_group_size": 6}),
)  # fmt: skip
