"""GGUF metadata -> the config.json keys of the same model, one row an architecture.

What a tensor's presence or shape says is read from the tensors: biases, QK norms, which layers have
experts and how wide these are. Metadata keys as llama.cpp's converters write them (conversion/*.py,
gguf-py/gguf/constants.py 0.19); which layers are windowed as its models load them (src/models,
set_swa_pattern). The parameter count of the result is checked against the file (__init__.py). Parts
that several have: parts.py, hybrids.py, encoders.py.
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.model.gguf.encoders import modern_bert, no_heads_of_its_own, nomic_bert, reads
from vperf.model.gguf.header import GgufHeader
from vperf.model.gguf.hybrids import (
    delta_net,
    falcon_h1,
    granite_hybrid,
    jamba,
    lfm2,
    mamba2,
    mixers,
    nemotron_h,
    pure_mamba,
)
from vperf.model.gguf.parts import (
    EXPERT_DOWN,
    QK_NORM,
    QKV_BIAS,
    SPARSE,
    Keys,
    Part,
    common,
    deepseek,
    dense_width,
    experts,
    experts_are_the_mlp,
    first_dense,
    flag,
    indexer,
    latent,
    mtp,
    positions,
    shared,
    shared_width,
    window,
)
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """An architecture: the model_type it is read as, and what it says beyond the common keys."""

    model_type: str | Callable[[GgufHeader], str]
    parts: tuple[Part, ...] = ()


def config_of(header: GgufHeader) -> Keys:
    """An equivalent config.json, null where the model has nothing of the kind.

    Raises UnsupportedModelError for an unknown architecture.
    """
    row = ARCHITECTURES.get(header.architecture)
    if row is None:
        raise _unknown(header)
    kind = row.model_type if isinstance(row.model_type, str) else row.model_type(header)
    keys = {"model_type": kind, **common(header)}
    for part in row.parts:
        keys |= part(header)
    return keys


def _unknown(header: GgufHeader) -> Exception:
    name = header.architecture[:60]
    if name == "clip":
        return header.unsupported("is a vision or audio projector (mmproj), not a language model")
    return header.unsupported(f"GGUF architecture {name!r} is not supported")


# --- Llama and what calls itself Llama ---------------------------------------------------------


def _llama(h: GgufHeader) -> str:
    if h.has(*EXPERT_DOWN):
        return "mixtral"
    if h.has("attn_q.bias") and not h.has("attn_output.bias"):
        return "qwen2"  # a Llama whose Q, K and V alone have biases
    return "llama"


def _llama_experts(h: GgufHeader) -> Keys:
    return experts_are_the_mlp(h) if h.has(*EXPERT_DOWN) else {}


def _deci(h: GgufHeader) -> Keys:
    """Llama-Nemotron: ffn_mult is inverted so that the same width comes out."""
    heads = h.numbers("attention.head_count") or []
    kv_heads = h.numbers("attention.head_count_kv") or heads
    widths = h.numbers("feed_forward_length") or []
    if len(heads) != h.layers or len(kv_heads) != h.layers or len(widths) != h.layers:
        raise h.error("missing; it is needed", "attention.head_count")
    hidden, most = h.needed("embedding_length"), max(heads)
    if any(heads[i] and not kv_heads[i] for i in range(h.layers)):
        raise h.unsupported("attention replaced by a linear layer", "attention.head_count_kv")
    blocks = [
        {
            "attention": {"no_op": True} if not heads[i] else
            {"n_heads_in_group": max(1, most // kv_heads[i])},
            "ffn": {"no_op": True} if not widths[i] else
            {"ffn_mult": (widths[i] + 0.5) * 3 / (2 * hidden)},
        }
        for i in range(h.layers)
    ]  # fmt: skip
    return {
        "num_attention_heads": most, "block_configs": blocks, "num_key_value_heads": most,
        "head_dim": h.number("attention.key_length") or max(1, hidden // max(1, most)),
        "intermediate_size": None,
    }  # fmt: skip


def _llama4(h: GgufHeader) -> Keys:
    return {
        **experts_are_the_mlp(h), "moe_intermediate_size": None,
        "intermediate_size_mlp": h.length(0, "ffn_down.weight") or h.number("feed_forward_length"),
        "moe_layers": list(h.holders(*EXPERT_DOWN)),
        # Not in the metadata: llama.cpp's loader has it as a constant.
        "attention_chunk_size": 8192,
    }  # fmt: skip


# --- Older decoders ----------------------------------------------------------------------------


def _falcon(h: GgufHeader) -> Keys:
    kv_heads = h.number("attention.head_count_kv", 1)
    return {
        "new_decoder_architecture": kv_heads > 1,
        "num_kv_heads": kv_heads,
        "multi_query": kv_heads == 1,
        "parallel_attn": not h.has("ffn_norm.weight"),
        "num_ln_in_parallel_attn": 2 if h.has("attn_norm_2.weight") else 1,
        "bias": h.has("attn_qkv.bias"),
    }


def _mpt(h: GgufHeader) -> Keys:
    heads, kv_heads = h.needed("attention.head_count"), h.number("attention.head_count_kv")
    grouped = kv_heads not in (0, heads)
    return {
        "attn_config": {
            "attn_type": "grouped_query_attention" if grouped else "multihead_attention",
            "kv_n_heads": kv_heads or heads,
        },
        "no_bias": not h.has("attn_qkv.bias", "attn_norm.bias"),
    }


def _stablelm(h: GgufHeader) -> Keys:
    return {
        "use_qkv_bias": h.has("attn_q.bias"),
        "qk_layernorm": h.has("attn_q_norm.weight"),
        "use_parallel_residual": not h.has("ffn_norm.weight"),
    }


# --- Gemma -------------------------------------------------------------------------------------


def _per_layer_input(h: GgufHeader) -> Keys:
    table = h.tensors.get("per_layer_token_embd.weight")
    return {
        "hidden_size_per_layer_input": h.number("embedding_length_per_layer_input"),
        "vocab_size_per_layer_input": table.shape[1] if table and len(table.shape) > 1 else None,
        "num_kv_shared_layers": h.number("attention.shared_kv_layers"),
    }


def _gemma3n(h: GgufHeader) -> Keys:
    return {
        "altup_num_inputs": h.needed("altup.num_inputs"),
        "laurel_rank": h.length(1, "laurel_l.weight") or None,
    }


def _gemma4(h: GgufHeader) -> Keys:
    """Full layers have a head width, perhaps KV heads, and perhaps no V of their own."""
    kinds = window(6)(h).get("layer_types")
    if kinds is None:
        raise h.error("missing; it is needed", "attention.sliding_window")
    full = [i for i, kind in enumerate(kinds) if kind == "full_attention"]
    local = [i for i, kind in enumerate(kinds) if kind != "full_attention"]
    kv_heads = h.numbers("attention.head_count_kv")
    if not full or not local or kv_heads is None:
        raise h.unsupported("Gemma 4 without both full and windowed layers")
    with_values = h.holders("attn_v.weight")
    own = h.layers - h.number("attention.shared_kv_layers")
    equal = any(i not in with_values for i in full if i < own)
    widths = [h.tensors[name].shape[0] for i in range(h.layers)
              if (name := f"blk.{i}.ffn_down.weight") in h.tensors]  # fmt: skip
    keys: Keys = {
        "head_dim": h.needed("attention.key_length_swa"),
        "global_head_dim": h.needed("attention.key_length"),
        "v_head_dim": None,
        "num_key_value_heads": kv_heads[local[0]],
        "num_global_key_value_heads": kv_heads[full[0]] if equal else None,
        "attention_k_eq_v": equal,
        "intermediate_size": min(widths, default=0) or None,
        "use_double_wide_mlp": len(set(widths)) > 1,
    }
    if h.has("ffn_down_exps.weight"):
        keys |= {**experts(h), "enable_moe_block": True}
    return keys


# --- Experts with words of their own -----------------------------------------------------------


def _ernie_moe(h: GgufHeader) -> Keys:
    first = first_dense(h)["first_k_dense_replace"]
    return {
        "use_bias": h.has("attn_q.bias"), "moe_layer_start_index": first, "moe_layer_interval": 1,
    }  # fmt: skip


def _hunyuan(h: GgufHeader) -> Keys:
    return {**shared("num_shared_expert")(h), "moe_layer_num_skipped": 0}


def _mimo2(h: GgufHeader) -> Keys:
    """Windowed layers have KV heads of their own."""
    kinds = window(6)(h).get("layer_types")
    kv_heads = h.numbers("attention.head_count_kv")
    if kinds is None or kv_heads is None:
        raise h.error("missing; it is needed", "attention.sliding_window")
    local = [kind != "full_attention" for kind in kinds]
    if all(local) or not any(local):
        raise h.unsupported("MiMo-V2 without both full and windowed layers")
    sinks = set(h.holders("attn_sinks.weight"))
    sparse = set(h.holders(*EXPERT_DOWN))
    return {
        "hybrid_layer_pattern": [int(is_local) for is_local in local],
        "num_key_value_heads": kv_heads[local.index(False)],
        "swa_num_key_value_heads": kv_heads[local.index(True)],
        "add_swa_attention_sink_bias": local.index(True) in sinks,
        "add_full_attention_sink_bias": local.index(False) in sinks,
        "moe_layer_freq": [int(i in sparse) for i in range(h.layers)],
        "layer_types": None,
    }


def _afmoe(h: GgufHeader) -> Keys:
    every = h.raw("attention.sliding_window_pattern")
    period = every if isinstance(every, int) and not isinstance(every, bool) and every else 4
    return {"global_attn_every_n_layers": period}


# --- Words of their own for plain layers -------------------------------------------------------


def _llada(h: GgufHeader) -> Keys:
    return {
        "mlp_hidden_size": dense_width(h), "n_kv_heads": h.number("attention.head_count_kv"),
        "include_qkv_bias": h.has(*QKV_BIAS), "include_bias": h.has("ffn_up.bias"),
        "attention_bias": None, "mlp_bias": None, "num_key_value_heads": None,
        "intermediate_size": None, "block_type": "llama", "tie_word_embeddings": None,
        "weight_tying": "output.weight" not in h.tensors,
    }  # fmt: skip


def _qwen(h: GgufHeader) -> Keys:
    """Its intermediate_size counts gate and up together; Q, K and V alone have biases."""
    return {"intermediate_size": 2 * dense_width(h), "no_bias": True, "attention_bias": None,
            "mlp_bias": None}  # fmt: skip


# --- Rows --------------------------------------------------------------------------------------

ARCHITECTURES: dict[str, Row] = {
    "llama": Row(_llama, (_llama_experts,)),
    "mistral3": Row("ministral3"),
    "deci": Row("nemotron-nas", (_deci,)),
    "llama4": Row("llama4_text", (_llama4,)),
    "qwen2": Row("qwen2"),
    "qwen2vl": Row("qwen2"),
    "qwen2moe": Row("qwen2_moe", (experts, shared_width("shared_expert_intermediate_size"))),
    "qwen3": Row("qwen3"),
    "qwen3vl": Row("qwen3"),
    "qwen3moe": Row("qwen3_moe", (experts,)),
    "qwen3vlmoe": Row("qwen3_moe", (experts,)),
    "qwen3next": Row("qwen3_next", (
        delta_net, mixers("full_attention", "linear_attention"), experts,
        shared_width("shared_expert_intermediate_size"))),
    "qwen35": Row("qwen3_5_text", (delta_net, mixers("full_attention", "linear_attention"))),
    "qwen35moe": Row("qwen3_5_moe_text", (
        delta_net, mixers("full_attention", "linear_attention"), experts,
        shared_width("shared_expert_intermediate_size"))),
    "gemma": Row("gemma"),
    "gemma2": Row("gemma2", (window(2),)),
    "gemma3": Row("gemma3_text", (window(6),)),
    "gemma3n": Row("gemma3n_text", (window(5), _per_layer_input, _gemma3n)),
    "gemma4": Row("gemma4_text", (window(6), _per_layer_input, _gemma4)),
    "phi2": Row("phi"),
    "phi3": Row("phi3"),
    "phimoe": Row("phimoe", (experts, lambda h: {"lm_head_bias": "output.bias" in h.tensors})),
    "gpt-oss": Row("gpt_oss", (experts_are_the_mlp, window(2))),
    "deepseek": Row("deepseek", SPARSE),
    "deepseek2": Row("deepseek_v3", (latent, deepseek, mtp)),
    "mistral4": Row("mistral4", (latent, deepseek)),
    "glm-dsa": Row("glm_moe_dsa", (latent, deepseek, indexer, mtp)),
    "deepseek32": Row("deepseek_v32", (latent, deepseek, indexer, mtp)),
    "minicpm3": Row("minicpm3", (latent,)),
    "chatglm": Row("glm"),
    "glm4": Row("glm4"),
    "glm4moe": Row("glm4_moe", (*SPARSE, QK_NORM, mtp)),
    "command-r": Row("cohere", (QK_NORM,)),
    "cohere2": Row("cohere2", (window(4),)),
    "olmo": Row("olmo"),
    "olmo2": Row(lambda h: "olmo3" if h.number("attention.sliding_window") else "olmo2",
                 (window(4),)),
    "olmoe": Row("olmoe", (experts_are_the_mlp,)),
    "granite": Row("granite"),
    "granitemoe": Row(
        lambda h: "granitemoeshared" if h.has("ffn_down_shexp.weight") else "granitemoe",
        (experts_are_the_mlp,
         lambda h: {"shared_intermediate_size": h.length(0, "ffn_down_shexp.weight") or None})),
    "granitehybrid": Row("granitemoehybrid", (
        mamba2, mixers("attention", "mamba"), granite_hybrid)),
    "falcon": Row("falcon", (_falcon,)),
    "falcon-h1": Row("falcon_h1", (mamba2, falcon_h1)),
    "starcoder": Row("gpt_bigcode", (positions, _falcon)),
    "starcoder2": Row("starcoder2", (flag("use_bias", "attn_q.bias"),)),
    "gpt2": Row("gpt2", (positions,)),
    "gptneox": Row("gpt_neox"),
    "bloom": Row("bloom"),
    "mpt": Row("mpt", (_mpt,)),
    "stablelm": Row("stablelm", (_stablelm,)),
    "internlm2": Row("internlm2", (flag("bias", "attn_q.bias"),)),
    "baichuan": Row("baichuan"),
    "xverse": Row("xverse"),
    "orion": Row("orion"),
    "minicpm": Row("minicpm"),
    "exaone": Row("exaone"),
    "exaone4": Row("exaone4", (window(4),)),
    "exaone-moe": Row("exaone_moe", (*SPARSE, window(4), mtp)),
    "smollm3": Row("smollm3"),
    "seed_oss": Row("seed_oss", (flag("attention_out_bias", "attn_output.bias"),)),
    "hunyuan-dense": Row("hunyuan_v1_dense"),
    "hunyuan-moe": Row("hunyuan_v1_moe", (experts, _hunyuan, QK_NORM)),
    "ernie4_5": Row("ernie4_5", (flag("use_bias", "attn_q.bias"),)),
    "ernie4_5-moe": Row("ernie4_5_moe", (
        experts, shared("moe_num_shared_experts"), _ernie_moe)),
    "arcee": Row("arcee"),
    "nemotron": Row("nemotron"),
    "nemotron_h": Row("nemotron_h", (nemotron_h,)),
    "nemotron_h_moe": Row("nemotron_h", (nemotron_h,)),
    "minimax-m2": Row("minimax_m2", (experts_are_the_mlp,)),
    "dots1": Row("dots1", SPARSE),
    "bailingmoe": Row("bailing_moe", (
        *SPARSE, QK_NORM, flag("use_qkv_bias", *QKV_BIAS))),
    "bailingmoe2": Row("bailing_moe_v2", (
        *SPARSE, QK_NORM, flag("use_qkv_bias", *QKV_BIAS))),
    "lfm2": Row("lfm2", (lfm2, mixers("full_attention", "conv"))),
    "lfm2moe": Row("lfm2_moe", (
        lfm2, mixers("full_attention", "conv"), experts, first_dense)),
    "mamba": Row("mamba", (pure_mamba,)),
    "mamba2": Row("mamba2", (pure_mamba,)),
    "jamba": Row("jamba", (jamba,)),
    "afmoe": Row("afmoe", (*SPARSE, window(4), _afmoe)),
    "apertus": Row("apertus", (lambda h: {"hidden_act": "xielu, its numbers in the metadata"},)),
    "mimo2": Row("mimo_v2_flash", (experts, window(6), _mimo2)),
    "dream": Row("dream", (lambda h: {"attention_bias": None},)),
    "llada": Row("llada", (_llada,)),
    "qwen": Row("qwen", (_qwen,)),
    "gptj": Row("gptj"),
    "pangu-embedded": Row("pangu_embedded", (
        flag("qkv_bias", "attn_q.bias"), flag("attention_bias", "attn_output.bias"))),
    "paddleocr": Row("paddleocr_vl_text", (flag("use_bias", "attn_q.bias"),)),
    "hunyuan_vl": Row("hunyuan_vl_text"),
    "bert": Row("bert", (positions, no_heads_of_its_own, reads("Bert"))),
    "jina-bert-v2": Row("bert", (
        no_heads_of_its_own, reads("JinaBert", position_embedding_type="alibi"),
        flag("use_qk_norm", "attn_q_norm.weight"),
        lambda h: {"feed_forward_type": "original" if h.has("ffn_up.bias") else "geglu"})),
    "jina-bert-v3": Row("jina_embeddings_v3", (
        no_heads_of_its_own, reads("XLMRoberta", position_embedding_type="rotary"))),
    "nomic-bert": Row("nomic_bert", (
        no_heads_of_its_own, reads("NomicBert"), nomic_bert)),
    "modern-bert": Row("modernbert", (
        no_heads_of_its_own, reads("ModernBert"), modern_bert)),
    "eurobert": Row("eurobert", (reads("EuroBert"),)),
    "gemma-embedding": Row("gemma3_text", (
        window(6), lambda h: {"architectures": ["Gemma3TextModel"]})),
    "llama-embed": Row("llama", (lambda h: {"architectures": ["LlamaModel"]},)),
}  # fmt: skip
"""By general.architecture (MODEL_ARCH_NAMES in gguf-py/gguf/constants.py)."""
