"""Dense decoders with GQA, MHA or MQA: Llama, and everything that is Llama with a difference.

The differences are those of the transformers class of each model_type (release 5.23), checked
against exact parameter counts in the tests.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.errors import UnsupportedModelError
from vperf.model.blocks import dense, gqa
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.family import Family
from vperf.model.families.keys import refuse, understood
from vperf.model.layers import item_of
from vperf.model.ops import FULL, Linear, Visibility
from vperf.model.windows import Rule, all_but_every, every_layer, from_max_window_layers


def _positions(config: Config, scope: Scope, extra: int = 0) -> tuple[Linear, ...]:
    """A learned position table: one row a token is read."""
    rows = config.integer("n_positions", "max_position_embeddings") + extra
    return (scope.linear("embed_positions", gqa.hidden_size(config), rows, kind="embedding"),)


def _plain_mlp(config: Config, layer: int, scope: Scope, *, bias: bool | None = None) -> Block:
    """GELU MLP, four times the hidden width unless the config says otherwise (GPT-2, Bloom)."""
    stated = config.optional_integer(
        "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"
    )
    return dense.read(
        config, layer, scope, gated=False, bias=bias,
        intermediate=stated or 4 * gqa.hidden_size(config),
    )  # fmt: skip


def _keyed_mlp(
    config: Config, layer: int, scope: Scope, *, key: str, default: bool = False, gated: bool = True
) -> Block:
    """An MLP whose biases follow the flag `key`."""
    return dense.read(config, layer, scope, gated=gated, bias=config.flag(key, default=default))


# --- Older spellings: ChatGLM, the first Qwen --------------------------------------------------


def _chatglm_attention(config: Config, layer: int, scope: Scope) -> Block:
    """GLM-4 as THUDM published it: KV heads in groups, one fused projection."""
    kv_heads = gqa.attention_heads(config)
    if config.flag("multi_query_attention", default=False):
        kv_heads = config.integer("multi_query_group_num")
    bias = config.flag("add_bias_linear", default=False)
    qkv_bias = bias or config.flag("add_qkv_bias", default=False)
    return gqa.read(
        config, layer, scope, kv_heads=kv_heads, qkv_bias=qkv_bias, out_bias=bias
    )  # fmt: skip


def _chatglm_mlp(config: Config, layer: int, scope: Scope) -> Block:
    return dense.read(
        config, layer, scope, bias=config.flag("add_bias_linear", default=False),
        intermediate=config.integer("ffn_hidden_size"),
    )  # fmt: skip


def _chatglm_final_norm(config: Config) -> int:
    if not config.flag("rmsnorm", default=True):
        raise UnsupportedModelError(
            "ChatGLM with LayerNorm is not supported", source=config.source, field="rmsnorm"
        )
    return int(config.flag("post_layer_norm", default=True))


def _qwen_attention(config: Config, layer: int, scope: Scope) -> Block:
    heads = gqa.attention_heads(config)
    out_bias = not config.flag("no_bias", default=True)
    return gqa.read(config, layer, scope, kv_heads=heads, qkv_bias=True, out_bias=out_bias)


def _qwen_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """intermediate_size counts gate and up together."""
    width = config.integer("intermediate_size", minimum=2) // 2
    bias = not config.flag("no_bias", default=True)
    return dense.read(config, layer, scope, bias=bias, intermediate=width)


def _apertus_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """The xIELU activation has two learned numbers."""
    learned = 2 if config.text("hidden_act", default="xielu") == "xielu" else 0
    return replace(dense.read(config, layer, scope, gated=False, bias=False), vectors=learned)


def not_every_first_of(period: int) -> Rule:
    """The first of every `period` layers is full, the others windowed (CWM, Granite SWA)."""

    def rule(config: Config, layer: int) -> bool:
        every = config.optional_integer("window_pattern") or period
        return layer % every != 0

    return rule


# --- Molmo 2: rows of its own for image tokens, QK norms of two kinds -----------------------------


def _molmo_attention(config: Config, layer: int, scope: Scope) -> Block:
    understood(config, "norm_after")
    kind = config.text("qk_norm_type", default="qwen3")
    return gqa.read(
        config, layer, scope, qk_norm="head" if kind == "qwen3" else "whole", out_bias=False
    )


def _molmo_rows(config: Config, scope: Scope) -> tuple[Linear, ...]:
    rows = config.optional_integer("additional_vocab_size", minimum=0)
    if not rows:
        return ()
    hidden = gqa.hidden_size(config)
    return (scope.linear("embed_tokens.additional", hidden, rows, kind="embedding"),)


# --- InternLM3: its own keys for biases, or those of Llama, which transformers reads it as ------


def _either(config: Config, *names: str) -> bool:
    found = [config.flag(name, default=False) for name in names]  # all of them are read
    return any(found)


def _internlm3_attention(config: Config, layer: int, scope: Scope) -> Block:
    return gqa.read(
        config, layer, scope, qkv_bias=_either(config, "qkv_bias", "attention_bias"),
        out_bias=_either(config, "bias", "attention_bias"),
    )  # fmt: skip


# --- Small differences: TeleChat, PLaMo 3, Doge, DiffLlama, ModernBERT's decoder -----------------


def _telechat_mlp(config: Config, layer: int, scope: Scope) -> Block:
    block = dense.read(config, layer, scope, bias=False)
    return replace(block, down=replace(block.down, bias=True))


def _plamo3_attention(config: Config, layer: int, scope: Scope) -> Block:
    """A list says how far every layer sees; null: all."""
    listed = config.raw("interleaved_sliding_window")
    seen: Visibility | None = None
    if isinstance(listed, list | tuple):
        item = item_of(listed, layer) if layer < len(listed) else None
        seen = FULL if item is None else Visibility(
            window=config.integer_at(layer, "interleaved_sliding_window", minimum=1)
        )  # fmt: skip
    return gqa.read(
        config, layer, scope, qk_norm="head", qkv_bias=False, out_bias=False, visibility=seen
    )


def _doge_attention(config: Config, layer: int, scope: Scope) -> Block:
    """A mask that the values choose; residuals with a weight an element."""
    refuse(config, "is_moe")
    understood(config, "keep_window_size", "num_experts", "num_experts_per_tok")
    block = gqa.read(config, layer, scope, qk_norm="head")
    width = block.kv_heads * block.v_dim
    bias = config.flag("attention_bias", default=False)
    mask = width * block.kv_heads + block.kv_heads * (1 + bias)  # of the values, not of the input
    return replace(block, vectors=block.vectors + mask)


def _diff_attention(config: Config, layer: int, scope: Scope) -> Block:
    """Two softmaxes of which one is taken from the other by four learned vectors."""
    block = gqa.read(config, layer, scope)
    return replace(block, vectors=block.vectors + 4 * block.qk_dim)


def _step1_attention(config: Config, layer: int, scope: Scope) -> Block:
    kv_heads = config.optional_integer("num_attention_groups", "num_key_value_heads") or 1
    return gqa.read(config, layer, scope, kv_heads=kv_heads)


def _pangu_attention(config: Config, layer: int, scope: Scope) -> Block:
    both = _either(config, "attention_bias", "bias")
    return gqa.read(
        config, layer, scope, qkv_bias=config.flag("qkv_bias", default=both), out_bias=both
    )


def _modern_norm(config: Config) -> int:
    return gqa.hidden_size(config) * (1 + config.flag("norm_bias", default=False))


def _modern_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """As the encoder's: no norm before the first attention; `local_attention` is both sides."""
    understood(config, "local_attention", "global_attn_every_n_layers", "sliding_window")
    understood(config, "classifier_activation", "classifier_bias", "decoder_bias")
    kind = config.string_at(layer, "layer_types")
    every = config.optional_integer("global_attn_every_n_layers") or 3
    near = kind == "sliding_attention" if kind else layer % every != 0
    window = config.optional_integer("sliding_window") or config.integer("local_attention") // 2
    heads = gqa.attention_heads(config)
    attention = gqa.read(
        config, layer, scope.child("attn"), kv_heads=heads,
        visibility=Visibility(window=window) if near else FULL,
        vectors=_modern_norm(config) if layer else 0,
    )  # fmt: skip
    return attention, replace(dense.read(config, layer, scope.child("mlp")),
                              vectors=_modern_norm(config))  # fmt: skip


def _modern_head(config: Config, scope: Scope) -> tuple[Block, ...]:
    """A layer and a norm before the LM head."""

    hidden = gqa.hidden_size(config)
    bias = config.flag("classifier_bias", default=False)
    first = scope.linear("lm_head.dense", hidden, hidden, bias=bias)
    return (Projections("lm_head", ((first,),), _modern_norm(config), pooled=True),)


# --- RMSNorm, gated MLP, rotary --------------------------------------------------------------

LLAMA_LIKE = (
    Family(("llama", "llama_bidirec", "xverse", "solar", "teleflm", "TeleFLM")),
    Family(("telechat", "telechat2"), partial(gqa.read, qkv_bias=False, out_bias=True),
           _telechat_mlp),
    Family(("plamo3",), _plamo3_attention, partial(dense.read, bias=False), norms=4, tied=True),
    Family(("rnj1",), partial(gqa.read, qk_norm="head"), partial(dense.read, bias=False), norms=4,
           tied=True),
    Family(("step1",), _step1_attention),
    Family(("PanguEmbedded", "pangu_embedded"), _pangu_attention),
    Family(("diffllama",), _diff_attention, partial(dense.read, bias=False)),
    Family(("doge",), _doge_attention, norms=4),
    Family(("modernbert-decoder",), layer=_modern_layer, norms=0, final_norm=0, tied=True,
           before_head=_modern_head, extra_parameters=lambda config: 2 * _modern_norm(config),
           head_bias=lambda config: config.flag("decoder_bias", default=True)),
    Family(("mistral", "ministral", "ministral3"), partial(gqa.read, rule=every_layer)),
    Family(("qwen2",), partial(gqa.read, rule=from_max_window_layers, qkv_bias=True,
                               out_bias=False)),
    Family(("qwen3",), partial(gqa.read, rule=from_max_window_layers, qk_norm="head")),
    Family(("phi3",), partial(gqa.read, rule=every_layer, qkv_bias=False, out_bias=False)),
    Family(("granite", "granite4_vision_text", "granite_docling_text"), tied=False),
    Family(("emu3_text_model",)),
    Family(("smollm3",), tied=True),
    Family(("seed_oss",), lambda config, layer, scope: gqa.read(
        config, layer, scope, bias_default=True,
        out_bias=config.flag("attention_out_bias", default=False))),
    Family(("internlm3",), _internlm3_attention, lambda config, layer, scope: dense.read(
        config, layer, scope, bias=_either(config, "bias", "mlp_bias"))),
    Family(("internlm2",), partial(gqa.read, bias_key="bias")),
    Family(("internlm",), partial(gqa.read, bias_key="bias", bias_default=True)),
    Family(("baichuan",), partial(gqa.read, qkv_bias=False, out_bias=False)),
    Family(("minicpm",), tied=True),
    Family(("mimo",), partial(gqa.read, rule=from_max_window_layers, bias_default=True,
                              out_bias=False), mtp="last layer"),
    Family(("chatglm",), _chatglm_attention, _chatglm_mlp, final_norm=_chatglm_final_norm,
           attention_scope="self_attention"),
    Family(("qwen",), _qwen_attention, _qwen_mlp, attention_scope="attn"),
    Family(("helium",), partial(gqa.read, out_bias=False)),
    Family(("iquestcoder",)),
    Family(("cwm",), partial(gqa.read, rule=not_every_first_of(4), qkv_bias=False, out_bias=False)),
    Family(("granite_swa",), partial(gqa.read, rule=not_every_first_of(4), sinks=True), tied=True),
    Family(("hyperclovax",),
           norms=lambda config: 4 if config.flag("use_post_norm", default=True) else 2),
    Family(("nanochat",), mlp=partial(dense.read, gated=False), norms=0, final_norm=0),
    Family(("apertus", "apertus1p5_text"), partial(gqa.read, qk_norm="head"), _apertus_mlp),
    Family(("olmo",), norms=0, final_norm=0),
    Family(("olmo2",), partial(gqa.read, qk_norm="whole")),
    Family(("olmo3",), partial(gqa.read, qk_norm="whole", rule=all_but_every(4))),
    Family(("exaone4",), partial(gqa.read, qk_norm="head", rule=all_but_every(4))),
    Family(("exaone",), tied=False),
    Family(("hunyuan_v1_dense", "hunyuan_vl_text"), partial(gqa.read, qk_norm="head"), tied=False),
    Family(("ernie4_5", "paddleocr_vl_text"), partial(gqa.read, bias_key="use_bias"),
           partial(_keyed_mlp, key="use_bias"), tied=True),
    Family(("glm",), partial(gqa.read, bias_default=False, out_bias=False)),
    Family(("glm4",), partial(gqa.read, out_bias=False), norms=4),
    Family(("glm4v_text",), partial(gqa.read, qkv_bias=True, out_bias=False), norms=4),
    Family(("glm_ocr_text",), partial(gqa.read, qkv_bias=False, out_bias=False), norms=4),
    Family(("molmo2_text",), _molmo_attention, lookups=_molmo_rows),
    Family(("nemotron",), mlp=partial(dense.read, gated=False), norm_bias=True),
    Family(("arcee",), mlp=partial(dense.read, gated=False)),
)  # fmt: skip

# --- BitNet: norms inside both mechanisms -----------------------------------------------------


def _bitnet_attention(config: Config, layer: int, scope: Scope) -> Block:
    return gqa.read(config, layer, scope, vectors=gqa.hidden_size(config))


def _bitnet_mlp(config: Config, layer: int, scope: Scope) -> Block:
    width = config.integer("intermediate_size")
    block = dense.read(config, layer, scope, bias=False)
    return dense.DenseMlp(block.inputs, block.down, vectors=width)


# --- LayerNorm families: GPT-2's children -----------------------------------------------------


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
        raise UnsupportedModelError(
            "OPT without a final norm is not supported", source=config.source,
            field="_remove_final_layer_norm",
        )  # fmt: skip
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
            raise UnsupportedModelError(
                "MPT with QK norms or without ALiBi is not supported", source=config.source,
                field=f"attn_config.{field}",
            )  # fmt: skip
    if not config.flag("no_bias", default=True):
        raise UnsupportedModelError(
            "MPT with biases is not supported", source=config.source, field="no_bias"
        )
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
        raise UnsupportedModelError(
            f"attention type {kind[:40]!r} is not supported", source=config.source,
            field="attention_types",
        )  # fmt: skip
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
        raise UnsupportedModelError(
            "OpenELM with an LM head of its own is not supported", source=config.source,
            field="share_input_output_layers",
        )  # fmt: skip
    return 2


_BIASED = partial(gqa.read, qkv_bias=True, out_bias=True)
_BIASED_PLAIN_MLP = partial(_plain_mlp, bias=True)

LAYER_NORM = (
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
    Family(("persimmon",), _persimmon_attention, partial(_plain_mlp, bias=True), norm_bias=True),
    Family(("jais2",), partial(gqa.read, bias_default=True),
           partial(_keyed_mlp, key="mlp_bias", default=True, gated=False), norm_bias=True),
    Family(("orion",), partial(gqa.read, qkv_bias=False, out_bias=False), norm_bias=True),
    Family(("openelm",), _openelm_attention, _openelm_mlp, norms=_openelm_tied, tied=True,
           attention_scope="attn", mlp_scope="ffn"),
    Family(("gptj", "codegen"), partial(gqa.read, qkv_bias=False, out_bias=False),
           _BIASED_PLAIN_MLP, norms=1, norm_bias=True, head_bias=True),
    Family(("bloom",), _BIASED, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           extra_parameters=lambda config: 2 * gqa.hidden_size(config)),
    Family(("opt",), partial(gqa.read, bias_key="enable_bias", bias_default=True),
           lambda config, layer, scope: _plain_mlp(
               config, layer, scope, bias=config.flag("enable_bias", default=True)),
           norm_bias=True, tied=True, extra_parameters=_opt_extra,
           lookups=partial(_positions, extra=2)),
    Family(("falcon",), _falcon_attention, lambda config, layer, scope: _plain_mlp(
        config, layer, scope, bias=config.flag("bias", default=False)),
        norms=_falcon_norms, norm_bias=True, tied=True),
    Family(("starcoder2",), partial(gqa.read, rule=every_layer, bias_key="use_bias",
                                    bias_default=True),
           partial(_keyed_mlp, key="use_bias", default=True, gated=False),
           norm_bias=True, tied=True),
    Family(("stablelm",), _stablelm_attention, norm_bias=True,
           norms=lambda config: 1 if config.flag("use_parallel_residual", default=False) else 2),
    Family(("phi", "phi-msft"), _phi_attention, _BIASED_PLAIN_MLP, norms=1, norm_bias=True,
           head_bias=True),
    Family(("cohere",), _cohere_attention, norms=1, tied=True),
    Family(("cohere2",), partial(gqa.read, rule=all_but_every(4)), norms=1, tied=True),
)  # fmt: skip

OTHER = (Family(("bitnet",), _bitnet_attention, _bitnet_mlp, tied=True),)

FAMILIES = (*LLAMA_LIKE, *LAYER_NORM, *OTHER)
