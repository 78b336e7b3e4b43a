"""Dense decoders with LayerNorm, most with biases and a plain MLP: GPT-2 and what came of it.

Learned positions, ALiBi or rotary; parallel blocks. Checked as dense.py is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from vperf.model.blocks import dense, gqa
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.family import Family
from vperf.model.families.keys import understood
from vperf.model.layers import item_of
from vperf.model.ops import Linear
from vperf.model.windows import all_but_every, every_layer


def _positions(config: Config, scope: Scope, extra: int = 0) -> tuple[Linear, ...]:
    """A learned position table: one row a token is read."""
    rows = config.integer("n_positions", "max_position_embeddings") + extra
    return (scope.linear("embed_positions", gqa.hidden_size(config), rows, kind="embedding"),)


def _plain_mlp(config: Config, layer: int, scope: Scope, **biases: Any) -> Block:
    """GELU MLP, four times the hidden width unless the config says otherwise (GPT-2, Bloom)."""
    stated = config.optional_integer(*dense.WIDTH_KEYS)
    width = stated or 4 * gqa.hidden_size(config)
    return dense.read(config, layer, scope, gated=False, intermediate=width, **biases)


def _falcon_attention(config: Config, layer: int, scope: Scope) -> Block:
    heads = gqa.attention_heads(config)
    if config.flag("new_decoder_architecture", default=False):
        kv_heads = config.optional_integer("num_kv_heads", "n_head_kv") or heads
    else:
        understood(config, "num_kv_heads")
        kv_heads = 1 if config.flag("multi_query", default=True) else heads
    bias = config.flag("bias", default=False)
    return gqa.read(config, layer, scope, kv_heads=kv_heads, qkv_bias=bias, out_bias=bias)


def _falcon_norms(config: Config) -> int:
    if config.flag("new_decoder_architecture", default=False):
        return config.optional_integer("num_ln_in_parallel_attn") or 2
    return 1 if config.flag("parallel_attn", default=True) else 2


def _bigcode_attention(config: Config, layer: int, scope: Scope) -> Block:
    kv_heads = 1 if config.flag("multi_query", default=True) else gqa.attention_heads(config)
    if config.raw("num_key_value_heads") not in (None, kv_heads):
        raise config.unsupported("contradicts multi_query", "num_key_value_heads")
    return gqa.read(config, layer, scope, kv_heads=kv_heads, qkv_bias=True, out_bias=True)


def _phi_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = gqa.norm_if(config, "qk_layernorm", "head", default=False)
    return gqa.read(
        config, layer, scope, qkv_bias=True, out_bias=True, qk_norm=norm, norm_bias=True
    )


def _cohere_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = gqa.norm_if(config, "use_qk_norm", "per_head", default=False)
    return gqa.read(config, layer, scope, qk_norm=norm)


def _stablelm_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = gqa.norm_if(config, "qk_layernorm", "per_head", default=False)
    return gqa.read(config, layer, scope, bias_key="use_qkv_bias", out_bias=False, qk_norm=norm)


def _opt_extra(config: Config) -> int:
    hidden = gqa.hidden_size(config)
    if config.flag("_remove_final_layer_norm", default=False):
        raise config.unsupported(
            "OPT without a final norm is not supported", "_remove_final_layer_norm"
        )
    if not config.flag("layer_norm_elementwise_affine", default=True):
        raise config.unsupported(
            "norms without weights are not supported", "layer_norm_elementwise_affine"
        )
    projected = config.optional_integer("word_embed_proj_dim") or hidden
    # opt-350m embeds into 512 and projects to 1024 and back; it has no final norm (post-norm).
    project = 2 * projected * hidden if projected != hidden else 0
    return project - (0 if config.flag("do_layer_norm_before", default=True) else 2 * hidden)


# --- CTRL, XGLM, BioGPT, GPT-NeoX Japanese ------------------------------------------------


def _xglm_attention(config: Config, layer: int, scope: Scope) -> Block:
    heads = config.integer("attention_heads", "num_attention_heads")
    return gqa.read(
        config, layer, scope, heads=heads, kv_heads=heads, qkv_bias=True, out_bias=True
    )  # fmt: skip


def _ctrl_mlp(config: Config, layer: int, scope: Scope) -> Block:
    return dense.read(
        config, layer, scope, gated=False, bias=True, intermediate=config.integer("dff")
    )


def _japanese_attention(config: Config, layer: int, scope: Scope) -> Block:
    """The last layer alone has a bias on its output."""
    last = layer == config.layers() - 1
    return gqa.read(config, layer, scope, qkv_bias=False, out_bias=last)


def _japanese_mlp(config: Config, layer: int, scope: Scope) -> Block:
    times = config.integer("intermediate_multiple_size", maximum=1024)
    return dense.read(
        config, layer, scope, gated=False, bias=False, intermediate=times * gqa.hidden_size(config)
    )


# --- MPT, GPT-Neo, Persimmon, OpenELM ----------------------------------------------------------


def _mpt_attention(config: Config, layer: int, scope: Scope) -> Block:
    nested = config.child("attn_config")
    kind = nested.text("attn_type", default="multihead_attention") if nested else ""
    kv_heads = gqa.attention_heads(config)
    if kind == "multiquery_attention":
        kv_heads = 1
    elif kind == "grouped_query_attention" and nested is not None:
        kv_heads = nested.integer("kv_n_heads")
    for field, plain in (("qk_ln", False), ("qk_gn", False), ("alibi", True)):
        if nested is not None and nested.flag(field, default=plain) != plain:
            raise config.unsupported(
                "MPT with QK norms or without ALiBi is not supported", f"attn_config.{field}"
            )
    if not config.flag("no_bias", default=True):
        raise config.unsupported("MPT with biases is not supported", "no_bias")
    return gqa.read(config, layer, scope, kv_heads=kv_heads, qkv_bias=False, out_bias=False)


def _mpt_mlp(config: Config, layer: int, scope: Scope) -> Block:
    ratio = config.optional_integer("expansion_ratio", maximum=1024) or 4
    return dense.read(
        config, layer, scope, gated=False, bias=False, intermediate=ratio * gqa.hidden_size(config)
    )


def _gpt_neo_window(config: Config, layer: int) -> bool:
    """attention_types: [[["global", "local"], 12]] repeats a pattern; every second by default."""
    kind = config.string_at(layer, "attention_layers")
    understood(config, "attention_types")
    if kind is None:
        kind = _repeated(config, layer)
    if kind not in {"global", "local"}:
        raise config.unsupported(
            f"attention type {kind[:40]!r} is not supported", "attention_types"
        )
    return kind == "local"


def _repeated(config: Config, layer: int) -> str:
    """The layer's entry of a list of [[names], times]."""
    types = config.raw("attention_types")
    if types is None:
        types = [[["global", "local"], MAX_LAYERS]]
    for item in types if isinstance(types, list) else [types]:
        match item:
            case [[str(), *_] as names, int(times)] if times > 0:
                if layer < len(names) * times:
                    return str(names[layer % len(names)])
                layer -= len(names) * times
            case _:
                raise config.error("must be a list of [[names], times]", "attention_types")
    raise config.error("has fewer entries than there are layers", "attention_types")


def _persimmon_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = gqa.norm_if(config, "qk_layernorm", "head", default=True)
    return gqa.read(
        config, layer, scope, qkv_bias=True, out_bias=True, qk_norm=norm, norm_bias=True
    )


def _openelm_attention(config: Config, layer: int, scope: Scope) -> Block:
    """Every layer has head counts of its own."""
    counts = []
    for name in ("num_query_heads", "num_kv_heads"):
        count = config.integer_at(layer, name, minimum=1)
        if count is None:
            raise config.error("needs an entry for every layer", name)
        counts.append(count)
    norm = gqa.norm_if(config, "normalize_qk_projections", "head", default=True)
    return gqa.read(
        config, layer, scope, heads=counts[0], kv_heads=counts[1], qk_norm=norm,
        qkv_bias=False, out_bias=False,
    )  # fmt: skip


def _openelm_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """A multiple of the width, rounded to the divisor and never down by more than a tenth."""
    factors = config.raw("ffn_multipliers")
    if not isinstance(factors, list) or layer >= len(factors):
        raise config.error("needs an entry for every layer", "ffn_multipliers")
    factor = item_of(factors, layer)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1024:
        raise config.error(f"must be a positive number, not {factor!r:.40}", "ffn_multipliers")
    divisor = config.optional_integer("ffn_dim_divisor") or 256
    wanted = factor * gqa.hidden_size(config)
    width = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    if width < 0.9 * wanted:
        width += divisor
    return dense.read(
        config, layer, scope, bias=False, intermediate=width,
        gated=config.flag("ffn_with_glu", default=True),
    )  # fmt: skip


def _openelm_tied(config: Config) -> int:
    if not config.flag("share_input_output_layers", default=True):
        raise config.unsupported(
            "OpenELM with an LM head of its own is not supported", "share_input_output_layers"
        )
    return 2


_BIASED = partial(gqa.read, qkv_bias=True, out_bias=True)
_BIASED_PLAIN_MLP = partial(_plain_mlp, bias=True)

FAMILIES = (
    Family(("gpt2",), _BIASED, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           lookups=_positions),
    Family(("ctrl",), _BIASED, _ctrl_mlp, norm_bias=True, tied=True, head_bias=True),
    Family(("xglm",), _xglm_attention, _BIASED_PLAIN_MLP, norm_bias=True, tied=True),
    Family(("biogpt",), _BIASED, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           lookups=partial(_positions, extra=2)),
    Family(("gpt_neox_japanese",), _japanese_attention, _japanese_mlp, norm_bias=True, tied=True),
    Family(("gpt_bigcode",), _bigcode_attention, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           lookups=_positions),
    Family(("gpt_neox",), partial(gqa.read, bias_default=True), _BIASED_PLAIN_MLP, norm_bias=True),
    Family(("gpt_neo",), partial(gqa.read, rule=_gpt_neo_window, qkv_bias=False, out_bias=True),
           _BIASED_PLAIN_MLP, norm_bias=True, tied=True, lookups=_positions),
    Family(("mpt",), _mpt_attention, _mpt_mlp, tied=True, attention_scope="attn", mlp_scope="ffn"),
    Family(("persimmon",), _persimmon_attention, _BIASED_PLAIN_MLP, norm_bias=True),
    Family(("jais2",), partial(gqa.read, bias_default=True),
           partial(dense.read, bias_default=True, gated=False), norm_bias=True),
    Family(("orion",), partial(gqa.read, qkv_bias=False, out_bias=False), norm_bias=True),
    Family(("openelm",), _openelm_attention, _openelm_mlp, norms=_openelm_tied, tied=True,
           attention_scope="attn", mlp_scope="ffn"),
    Family(("gptj", "codegen"), partial(gqa.read, qkv_bias=False, out_bias=False),
           _BIASED_PLAIN_MLP, norms=1, norm_bias=True, head_bias=True),
    Family(("bloom",), _BIASED, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           extra_parameters=lambda config: 2 * gqa.hidden_size(config)),
    Family(("opt",), partial(gqa.read, bias_key="enable_bias", bias_default=True),
           partial(_plain_mlp, bias_key="enable_bias", bias_default=True),
           norm_bias=True, tied=True, extra_parameters=_opt_extra,
           lookups=partial(_positions, extra=2)),
    Family(("falcon",), _falcon_attention, partial(_plain_mlp, bias_key="bias"),
           norms=_falcon_norms, norm_bias=True, tied=True),
    Family(("starcoder2",), partial(gqa.read, rule=every_layer, bias_key="use_bias",
                                    bias_default=True),
           partial(dense.read, bias_key="use_bias", bias_default=True, gated=False),
           norm_bias=True, tied=True),
    Family(("stablelm",), _stablelm_attention, norm_bias=True,
           norms=lambda config: 1 if config.flag("use_parallel_residual", default=False) else 2),
    Family(("phi", "phi-msft"), _phi_attention, _BIASED_PLAIN_MLP, norms=1, norm_bias=True,
           head_bias=True),
    Family(("cohere",), _cohere_attention, norms=1, tied=True),
    Family(("cohere2",), partial(gqa.read, rule=all_but_every(4)), norms=1, tied=True),
)  # fmt: skip
