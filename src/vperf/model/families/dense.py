"""Dense decoders with RMSNorm, rotary positions and a gated MLP: Llama, and what is Llama with a
difference. GPT-2's children: layer_norm.py.

The differences are those of the transformers class of each model_type (release 5.23), checked
against exact parameter counts in the tests.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense, gqa
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.families.keys import refuse, understood
from vperf.model.layers import item_of
from vperf.model.ops import FULL, Linear, Visibility
from vperf.model.windows import Rule, all_but_every, every_layer, from_max_window_layers

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
        raise config.unsupported("ChatGLM with LayerNorm is not supported", "rmsnorm")
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


# --- BitNet: norms inside both mechanisms -----------------------------------------------------


def _bitnet_attention(config: Config, layer: int, scope: Scope) -> Block:
    return gqa.read(config, layer, scope, vectors=gqa.hidden_size(config))


def _bitnet_mlp(config: Config, layer: int, scope: Scope) -> Block:
    width = config.integer("intermediate_size")
    block = dense.read(config, layer, scope, bias=False)
    return dense.DenseMlp(block.inputs, block.down, vectors=width)


FAMILIES = (
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
           partial(dense.read, bias_key="use_bias"), tied=True),
    Family(("glm",), partial(gqa.read, bias_default=False, out_bias=False)),
    Family(("glm4",), partial(gqa.read, out_bias=False), norms=4),
    Family(("glm4v_text",), partial(gqa.read, qkv_bias=True, out_bias=False), norms=4),
    Family(("glm_ocr_text",), partial(gqa.read, qkv_bias=False, out_bias=False), norms=4),
    Family(("molmo2_text",), _molmo_attention, lookups=_molmo_rows),
    Family(("nemotron",), mlp=partial(dense.read, gated=False), norm_bias=True),
    Family(("arcee",), mlp=partial(dense.read, gated=False)),
    Family(("bitnet",), _bitnet_attention, _bitnet_mlp, tied=True),
)  # fmt: skip
