"""GGUF metadata -> the config.json keys of the same model, one row an architecture.

What a tensor's presence or shape says is read from the tensors: biases, QK norms, which layers have
experts and how wide these are. Metadata keys as llama.cpp's converters write them (conversion/*.py,
gguf-py/gguf/constants.py 0.19); which layers are windowed as its models load them (src/models,
set_swa_pattern). The parameter count of the result is checked against the file (build.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vperf.model.gguf.header import GgufHeader
from vperf.values import dataclass

Keys = dict[str, Any]
Part = Callable[[GgufHeader], Keys]

_Q = ("attn_q.weight", "attn_qkv.weight", "attn_q_b.weight")
_QKV_BIAS = ("attn_q.bias", "attn_qkv.bias")
_EXPERT_DOWN = ("ffn_down_exps.weight", "ffn_down.0.weight")


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
    keys = {"model_type": kind, **_common(header)}
    for part in row.parts:
        keys |= part(header)
    return keys


def _unknown(header: GgufHeader) -> Exception:
    name = header.architecture[:60]
    if name == "clip":
        return header.unsupported("is a vision or audio projector (mmproj), not a language model")
    return header.unsupported(f"GGUF architecture {name!r} is not supported")


# --- What all have -----------------------------------------------------------------------------


def _common(h: GgufHeader) -> Keys:
    embedding = h.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise h.unsupported("holds no token_embd.weight matrix: not a language model's file")
    hidden = h.needed("embedding_length")
    heads = h.number("attention.head_count") if not _varied(h, "attention.head_count") else 0
    keys: Keys = {
        "hidden_size": hidden,
        "num_hidden_layers": h.layers,
        "vocab_size": embedding.shape[1],
        "max_position_embeddings": h.number("context_length") or None,
        "tie_word_embeddings": "output.weight" not in h.tensors,
        "intermediate_size": _dense_width(h) or None,
    }
    if heads:
        kv_heads = (
            0 if _varied(h, "attention.head_count_kv") else h.number("attention.head_count_kv")
        )
        head_dim = h.number("attention.key_length") or max(1, hidden // heads)
        value = h.number("attention.value_length")
        keys |= {
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads or heads,
            "head_dim": head_dim,
            "v_head_dim": value if value not in (0, head_dim) else None,
            "attention_bias": h.has(*_QKV_BIAS),
            "mlp_bias": h.has("ffn_up.bias"),
        }
    return keys


def _varied(h: GgufHeader, key: str) -> bool:
    """Whether layers that have any differ in it: the architecture's own part reads such a list."""
    value = h.raw(key)
    return isinstance(value, list) and len(set(map(str, value)) - {"0"}) > 1


def _dense_width(h: GgufHeader) -> int:
    return h.length(0, "ffn_down.weight") or h.length(0, "ffn_down_shexp.weight")


def _expert_width(h: GgufHeader) -> int:
    return h.length(0, *_EXPERT_DOWN)


def _window(period: int, name: str = "sliding_attention") -> Part:
    """layer_types from attention.sliding_window(_pattern); else every `period`-th layer is full."""

    def part(h: GgufHeader) -> Keys:
        window = h.number("attention.sliding_window")
        if not window:
            return {}
        pattern = h.raw("attention.sliding_window_pattern")
        if isinstance(pattern, list):
            if len(pattern) < h.layers:
                raise h.error("has fewer entries than there are layers",
                              "attention.sliding_window_pattern")  # fmt: skip
            windowed = [bool(item) for item in pattern[: h.layers]]
        else:
            every = pattern if isinstance(pattern, int) and pattern > 0 else period
            windowed = [i % every < every - 1 for i in range(h.layers)]
        kinds = [name if local else "full_attention" for local in windowed]
        return {"sliding_window": window, "layer_types": kinds}

    return part


# --- Experts -----------------------------------------------------------------------------------


def _experts(h: GgufHeader) -> Keys:
    """Routed experts; their width from the tensors, since not every converter states it."""
    return {
        "num_experts": h.needed("expert_count"),
        "num_experts_per_tok": h.needed("expert_used_count"),
        "moe_intermediate_size": _expert_width(h) or h.needed("expert_feed_forward_length"),
    }


def _experts_are_the_mlp(h: GgufHeader) -> Keys:
    """Families whose only MLP width is that of the experts."""
    keys = _experts(h)
    return {**keys, "intermediate_size": keys["moe_intermediate_size"]}


def _first_dense(h: GgufHeader) -> Keys:
    """Leading dense layers, read from where the experts are; none may follow them."""
    sparse = h.holders(*_EXPERT_DOWN)
    first = sparse[0] if sparse else h.layers
    if sparse != tuple(range(first, h.layers)):
        raise h.unsupported("dense layers between layers with experts are not understood here")
    return {"first_k_dense_replace": first, "num_dense_layers": first}


def _shared(key: str = "n_shared_experts") -> Part:
    """Shared experts, as their number: all widths are multiples of an expert's."""

    def part(h: GgufHeader) -> Keys:
        width, one = h.length(0, "ffn_down_shexp.weight"), _expert_width(h)
        if one and width % one:
            raise h.unsupported("a shared expert that is no multiple of an expert's width")
        return {key: width // one if one else 0}

    return part


def _shared_width(key: str) -> Part:
    return lambda h: {key: h.length(0, "ffn_down_shexp.weight")}


def _mtp(h: GgufHeader) -> Keys:
    return {"num_nextn_predict_layers": h.mtp_layers or None}


def _flag(key: str, *suffixes: str) -> Part:
    """A flag that is set where a tensor is there."""
    return lambda h: {key: h.has(*suffixes)}


_QK_NORM = _flag("use_qk_norm", "attn_q_norm.weight")
_SPARSE = (_experts, _first_dense, _shared())

# --- Llama and what calls itself Llama ---------------------------------------------------------


def _llama(h: GgufHeader) -> str:
    if h.has(*_EXPERT_DOWN):
        return "mixtral"
    if h.has("attn_q.bias") and not h.has("attn_output.bias"):
        return "qwen2"  # a Llama whose Q, K and V alone have biases
    return "llama"


def _llama_experts(h: GgufHeader) -> Keys:
    return _experts_are_the_mlp(h) if h.has(*_EXPERT_DOWN) else {}


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
        **_experts_are_the_mlp(h), "moe_intermediate_size": None,
        "intermediate_size_mlp": h.length(0, "ffn_down.weight") or h.number("feed_forward_length"),
        "moe_layers": list(h.holders(*_EXPERT_DOWN)),
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


def _positions(h: GgufHeader) -> Keys:
    table = h.tensors.get("position_embd.weight")
    rows = table.shape[-1] if table else h.needed("context_length")
    return {"n_positions": rows, "max_position_embeddings": rows}


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


# --- MLA ---------------------------------------------------------------------------------------


def _latent(h: GgufHeader) -> Keys:
    """Files since April 2025 state the cache's widths as key_length and the heads' as *_mla."""
    rope = h.needed("rope.dimension_count")
    key = h.number("attention.key_length_mla") or h.needed("attention.key_length")
    value = h.number("attention.value_length_mla") or h.needed("attention.value_length")
    if key <= rope:
        raise h.error(f"is no wider than the {rope} rotary dimensions", "attention.key_length")
    return {
        "kv_lora_rank": h.needed("attention.kv_lora_rank"),
        "q_lora_rank": h.number("attention.q_lora_rank") or None,
        "qk_rope_head_dim": rope,
        "qk_nope_head_dim": key - rope,
        "v_head_dim": value,
        "head_dim": None,
    }


def _deepseek(h: GgufHeader) -> Keys:
    if not h.has(*_EXPERT_DOWN):
        return {"first_k_dense_replace": h.layers}
    return {**_experts(h), **_first_dense(h), **_shared()(h)}


def _indexer(h: GgufHeader) -> Keys:
    owners = h.holders("indexer.attn_q_b.weight")
    return {
        "index_n_heads": h.needed("attention.indexer.head_count"),
        "index_head_dim": h.needed("attention.indexer.key_length"),
        "index_topk": h.needed("attention.indexer.top_k"),
        "indexer_types": ["full" if i in owners else "shared" for i in range(h.layers)],
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
    kinds = _window(6)(h).get("layer_types")
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
        keys |= {**_experts(h), "enable_moe_block": True}
    return keys


# --- Linear attention, Mamba, convolutions -----------------------------------------------------


def _mixers(attention: str, other: str) -> Part:
    """layer_types: attention where a layer has Q (or a KV projection), else `other`."""

    def part(h: GgufHeader) -> Keys:
        attends = set(h.holders("attn_k.weight"))
        return {"layer_types": [attention if i in attends else other for i in range(h.layers)]}

    return part


def _delta_net(h: GgufHeader) -> Keys:
    heads, inner = h.needed("ssm.time_step_rank"), h.needed("ssm.inner_size")
    return {
        "linear_num_key_heads": h.needed("ssm.group_count"),
        "linear_num_value_heads": heads,
        "linear_key_head_dim": h.needed("ssm.state_size"),
        "linear_value_head_dim": max(1, inner // heads),
        "linear_conv_kernel_dim": h.needed("ssm.conv_kernel"),
    }


def _mamba2(h: GgufHeader) -> Keys:
    """Mamba-2 beside attention; ssm.time_step_rank counts heads."""
    heads, inner = h.needed("ssm.time_step_rank"), h.needed("ssm.inner_size")
    return {
        "mamba_n_heads": heads,
        "mamba_d_head": max(1, inner // heads),
        "mamba_n_groups": h.needed("ssm.group_count"),
        "mamba_d_state": h.needed("ssm.state_size"),
        "mamba_d_conv": h.needed("ssm.conv_kernel"),
        "mamba_expand": max(1, inner // h.needed("embedding_length")),
        "mamba_conv_bias": h.has("ssm_conv1d.bias"),
        "mamba_proj_bias": h.has("ssm_in.bias"),
    }


def _falcon_h1(h: GgufHeader) -> Keys:
    return {
        "mamba_d_ssm": h.needed("ssm.inner_size"),
        "mamba_rms_norm": h.has("ssm_norm.weight"),
        "projectors_bias": h.has("ssm_out.bias"),
    }


def _granite_hybrid(h: GgufHeader) -> Keys:
    shared = h.length(0, "ffn_down_shexp.weight", "ffn_down.weight")
    if not h.has(*_EXPERT_DOWN):
        return {"num_local_experts": 0, "shared_intermediate_size": shared}
    keys = _experts_are_the_mlp(h)
    keys["num_local_experts"] = keys.pop("num_experts")
    return {**keys, "shared_intermediate_size": shared}


def _pure_mamba(h: GgufHeader) -> Keys:
    inner, hidden = h.needed("ssm.inner_size"), h.needed("embedding_length")
    keys: Keys = {
        "state_size": h.needed("ssm.state_size"),
        "conv_kernel": h.needed("ssm.conv_kernel"),
        "expand": max(1, inner // hidden),
        "use_conv_bias": h.has("ssm_conv1d.bias"),
        "use_bias": h.has("ssm_in.bias"),
        "num_attention_heads": None,
    }
    if h.architecture == "mamba2":
        heads = h.needed("ssm.time_step_rank")
        return keys | {"num_heads": heads, "head_dim": max(1, inner // heads),
                       "n_groups": h.needed("ssm.group_count")}  # fmt: skip
    rank = h.needed("ssm.time_step_rank")
    return keys | {"intermediate_size": inner, "time_step_rank": rank}


def _nemotron_h(h: GgufHeader) -> Keys:
    """Every layer has one mixer: which one, its tensors say."""
    letters = {"ssm_in.weight": "M", "attn_q.weight": "*", "ffn_up_exps.weight": "E",
               "ffn_up.weight": "-"}  # fmt: skip
    kinds = {i: letter for suffix, letter in letters.items() for i in h.holders(suffix)}
    if len(kinds) != h.layers:
        raise h.unsupported("a layer without a mixer")
    keys: Keys = {
        "hybrid_override_pattern": "".join(kinds[i] for i in range(h.layers)),
        "mamba_num_heads": h.needed("ssm.time_step_rank"),
        "mamba_head_dim": max(1, h.needed("ssm.inner_size") // h.needed("ssm.time_step_rank")),
        "n_groups": h.needed("ssm.group_count"),
        "ssm_state_size": h.needed("ssm.state_size"),
        "conv_kernel": h.needed("ssm.conv_kernel"),
        "use_conv_bias": h.has("ssm_conv1d.bias"),
        "tie_word_embeddings": None,
    }
    if h.has("ffn_up_exps.weight"):
        keys |= {
            **_experts(h),
            "n_routed_experts": h.needed("expert_count"),
            "num_experts": None,
            "n_shared_experts": 1,
            "moe_shared_expert_intermediate_size": h.length(0, "ffn_down_shexp.weight"),
            "moe_latent_size": h.number("moe_latent_size") or None,
        }
    return keys


def _jamba(h: GgufHeader) -> Keys:
    """Attention and experts at fixed periods, found from where they are."""
    keys: Keys = {
        "mamba_expand": max(1, h.needed("ssm.inner_size") // h.needed("embedding_length")),
        "mamba_d_state": h.needed("ssm.state_size"),
        "mamba_d_conv": h.needed("ssm.conv_kernel"),
        "mamba_dt_rank": h.needed("ssm.time_step_rank"),
        "num_experts": h.number("expert_count", 1) or 1,
        "num_experts_per_tok": h.number("expert_used_count", 1) or 1,
        "intermediate_size": h.length(0, "ffn_down.weight", *_EXPERT_DOWN),
    }
    for name, layers in (("attn", h.holders("attn_k.weight")),
                         ("expert", h.holders(*_EXPERT_DOWN))):  # fmt: skip
        if not layers:
            continue
        period = layers[1] - layers[0] if len(layers) > 1 else h.layers
        if layers != tuple(range(layers[0], h.layers, period)):
            raise h.unsupported("layers at no fixed period")
        keys |= {f"{name}_layer_period": period, f"{name}_layer_offset": layers[0]}
    return keys


def _lfm2(h: GgufHeader) -> Keys:
    return {
        "conv_L_cache": h.needed("shortconv.l_cache"),
        "conv_bias": h.has("shortconv.conv.bias"),
        "block_auto_adjust_ff_dim": False,
    }


# --- Experts with words of their own -----------------------------------------------------------


def _ernie_moe(h: GgufHeader) -> Keys:
    first = _first_dense(h)["first_k_dense_replace"]
    return {
        "use_bias": h.has("attn_q.bias"), "moe_layer_start_index": first, "moe_layer_interval": 1,
    }  # fmt: skip


def _hunyuan(h: GgufHeader) -> Keys:
    return {**_shared("num_shared_expert")(h), "moe_layer_num_skipped": 0}


def _mimo2(h: GgufHeader) -> Keys:
    """Windowed layers have KV heads of their own."""
    kinds = _window(6)(h).get("layer_types")
    kv_heads = h.numbers("attention.head_count_kv")
    if kinds is None or kv_heads is None:
        raise h.error("missing; it is needed", "attention.sliding_window")
    local = [kind != "full_attention" for kind in kinds]
    if all(local) or not any(local):
        raise h.unsupported("MiMo-V2 without both full and windowed layers")
    sinks = set(h.holders("attn_sinks.weight"))
    sparse = set(h.holders(*_EXPERT_DOWN))
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
        "mlp_hidden_size": _dense_width(h), "n_kv_heads": h.number("attention.head_count_kv"),
        "include_qkv_bias": h.has(*_QKV_BIAS), "include_bias": h.has("ffn_up.bias"),
        "attention_bias": None, "mlp_bias": None, "num_key_value_heads": None,
        "intermediate_size": None, "block_type": "llama", "tie_word_embeddings": None,
        "weight_tying": "output.weight" not in h.tensors,
    }  # fmt: skip


def _qwen(h: GgufHeader) -> Keys:
    """Its intermediate_size counts gate and up together; Q, K and V alone have biases."""
    return {"intermediate_size": 2 * _dense_width(h), "no_bias": True, "attention_bias": None,
            "mlp_bias": None}  # fmt: skip


# --- Encoders ----------------------------------------------------------------------------------


def _reads(name: str, **more: str | None) -> Part:
    """An encoder of transformers' class `name`: its scores where the file has some, no pooler.

    Converters leave the pooler and the masked-LM head out. `more`: keys that its class has other
    words for, or none (null).
    """

    def part(h: GgufHeader) -> Keys:
        types = h.tensors.get("token_types.weight")
        rows = 0 if types is None else types.elements // h.needed("embedding_length")
        scores = h.tensors.get("cls.output.weight") or h.tensors.get("cls.weight")
        labels = 0 if scores is None else scores.elements // scores.shape[0]
        return {
            "architectures": [f"{name}ForSequenceClassification" if labels else f"{name}Model"],
            "id2label": {str(i): f"LABEL_{i}" for i in range(labels)} or None,
            "type_vocab_size": rows,
            "add_pooling_layer": False,
            "tie_word_embeddings": True,
            **more,
        }

    return part


def _no_heads_of_its_own(h: GgufHeader) -> Keys:
    """BERT's heads divide the width, one for K and V as for Q; biases go without saying."""
    return dict.fromkeys(("head_dim", "num_key_value_heads", "attention_bias", "mlp_bias"))


def _modern_bert(h: GgufHeader) -> Keys:
    every = h.raw("attention.sliding_window_pattern")
    return {
        "local_attention": h.needed("attention.sliding_window"),
        "global_attn_every_n_layers": every if isinstance(every, int) else 3,
        "attention_bias": h.has("attn_qkv.bias"),
        "mlp_bias": h.has("ffn_up.bias"),
        "norm_bias": h.has("attn_norm.bias"),
    }


def _nomic_bert(h: GgufHeader) -> Keys:
    return {
        "qkv_proj_bias": h.has(*_QKV_BIAS),
        "mlp_fc1_bias": h.has("ffn_up.bias"),
        "mlp_fc2_bias": h.has("ffn_down.bias"),
    }


# --- Rows --------------------------------------------------------------------------------------

ARCHITECTURES: dict[str, Row] = {
    "llama": Row(_llama, (_llama_experts,)),
    "mistral3": Row("ministral3"),
    "deci": Row("nemotron-nas", (_deci,)),
    "llama4": Row("llama4_text", (_llama4,)),
    "qwen2": Row("qwen2"),
    "qwen2vl": Row("qwen2"),
    "qwen2moe": Row("qwen2_moe", (_experts, _shared_width("shared_expert_intermediate_size"))),
    "qwen3": Row("qwen3"),
    "qwen3vl": Row("qwen3"),
    "qwen3moe": Row("qwen3_moe", (_experts,)),
    "qwen3vlmoe": Row("qwen3_moe", (_experts,)),
    "qwen3next": Row("qwen3_next", (
        _delta_net, _mixers("full_attention", "linear_attention"), _experts,
        _shared_width("shared_expert_intermediate_size"))),
    "qwen35": Row("qwen3_5_text", (_delta_net, _mixers("full_attention", "linear_attention"))),
    "qwen35moe": Row("qwen3_5_moe_text", (
        _delta_net, _mixers("full_attention", "linear_attention"), _experts,
        _shared_width("shared_expert_intermediate_size"))),
    "gemma": Row("gemma"),
    "gemma2": Row("gemma2", (_window(2),)),
    "gemma3": Row("gemma3_text", (_window(6),)),
    "gemma3n": Row("gemma3n_text", (_window(5), _per_layer_input, _gemma3n)),
    "gemma4": Row("gemma4_text", (_window(6), _per_layer_input, _gemma4)),
    "phi2": Row("phi"),
    "phi3": Row("phi3"),
    "phimoe": Row("phimoe", (_experts, lambda h: {"lm_head_bias": "output.bias" in h.tensors})),
    "gpt-oss": Row("gpt_oss", (_experts_are_the_mlp, _window(2))),
    "deepseek": Row("deepseek", _SPARSE),
    "deepseek2": Row("deepseek_v3", (_latent, _deepseek, _mtp)),
    "mistral4": Row("mistral4", (_latent, _deepseek)),
    "glm-dsa": Row("glm_moe_dsa", (_latent, _deepseek, _indexer, _mtp)),
    "deepseek32": Row("deepseek_v32", (_latent, _deepseek, _indexer, _mtp)),
    "minicpm3": Row("minicpm3", (_latent,)),
    "chatglm": Row("glm"),
    "glm4": Row("glm4"),
    "glm4moe": Row("glm4_moe", (*_SPARSE, _QK_NORM, _mtp)),
    "command-r": Row("cohere", (_QK_NORM,)),
    "cohere2": Row("cohere2", (_window(4),)),
    "olmo": Row("olmo"),
    "olmo2": Row(lambda h: "olmo3" if h.number("attention.sliding_window") else "olmo2",
                 (_window(4),)),
    "olmoe": Row("olmoe", (_experts_are_the_mlp,)),
    "granite": Row("granite"),
    "granitemoe": Row(
        lambda h: "granitemoeshared" if h.has("ffn_down_shexp.weight") else "granitemoe",
        (_experts_are_the_mlp,
         lambda h: {"shared_intermediate_size": h.length(0, "ffn_down_shexp.weight") or None})),
    "granitehybrid": Row("granitemoehybrid", (
        _mamba2, _mixers("attention", "mamba"), _granite_hybrid)),
    "falcon": Row("falcon", (_falcon,)),
    "falcon-h1": Row("falcon_h1", (_mamba2, _falcon_h1)),
    "starcoder": Row("gpt_bigcode", (_positions, _falcon)),
    "starcoder2": Row("starcoder2", (_flag("use_bias", "attn_q.bias"),)),
    "gpt2": Row("gpt2", (_positions,)),
    "gptneox": Row("gpt_neox"),
    "bloom": Row("bloom"),
    "mpt": Row("mpt", (_mpt,)),
    "stablelm": Row("stablelm", (_stablelm,)),
    "internlm2": Row("internlm2", (_flag("bias", "attn_q.bias"),)),
    "baichuan": Row("baichuan"),
    "xverse": Row("xverse"),
    "orion": Row("orion"),
    "minicpm": Row("minicpm"),
    "exaone": Row("exaone"),
    "exaone4": Row("exaone4", (_window(4),)),
    "exaone-moe": Row("exaone_moe", (*_SPARSE, _window(4), _mtp)),
    "smollm3": Row("smollm3"),
    "seed_oss": Row("seed_oss", (_flag("attention_out_bias", "attn_output.bias"),)),
    "hunyuan-dense": Row("hunyuan_v1_dense"),
    "hunyuan-moe": Row("hunyuan_v1_moe", (_experts, _hunyuan, _QK_NORM)),
    "ernie4_5": Row("ernie4_5", (_flag("use_bias", "attn_q.bias"),)),
    "ernie4_5-moe": Row("ernie4_5_moe", (
        _experts, _shared("moe_num_shared_experts"), _ernie_moe)),
    "arcee": Row("arcee"),
    "nemotron": Row("nemotron"),
    "nemotron_h": Row("nemotron_h", (_nemotron_h,)),
    "nemotron_h_moe": Row("nemotron_h", (_nemotron_h,)),
    "minimax-m2": Row("minimax_m2", (_experts_are_the_mlp,)),
    "dots1": Row("dots1", _SPARSE),
    "bailingmoe": Row("bailing_moe", (
        *_SPARSE, _QK_NORM, _flag("use_qkv_bias", *_QKV_BIAS))),
    "bailingmoe2": Row("bailing_moe_v2", (
        *_SPARSE, _QK_NORM, _flag("use_qkv_bias", *_QKV_BIAS))),
    "lfm2": Row("lfm2", (_lfm2, _mixers("full_attention", "conv"))),
    "lfm2moe": Row("lfm2_moe", (
        _lfm2, _mixers("full_attention", "conv"), _experts, _first_dense)),
    "mamba": Row("mamba", (_pure_mamba,)),
    "mamba2": Row("mamba2", (_pure_mamba,)),
    "jamba": Row("jamba", (_jamba,)),
    "afmoe": Row("afmoe", (*_SPARSE, _window(4), _afmoe)),
    "apertus": Row("apertus", (lambda h: {"hidden_act": "xielu, its numbers in the metadata"},)),
    "mimo2": Row("mimo_v2_flash", (_experts, _window(6), _mimo2)),
    "dream": Row("dream", (lambda h: {"attention_bias": None},)),
    "llada": Row("llada", (_llada,)),
    "qwen": Row("qwen", (_qwen,)),
    "gptj": Row("gptj"),
    "pangu-embedded": Row("pangu_embedded", (
        _flag("qkv_bias", "attn_q.bias"), _flag("attention_bias", "attn_output.bias"))),
    "paddleocr": Row("paddleocr_vl_text", (_flag("use_bias", "attn_q.bias"),)),
    "hunyuan_vl": Row("hunyuan_vl_text"),
    "bert": Row("bert", (_positions, _no_heads_of_its_own, _reads("Bert"))),
    "jina-bert-v2": Row("bert", (
        _no_heads_of_its_own, _reads("JinaBert", position_embedding_type="alibi"),
        _flag("use_qk_norm", "attn_q_norm.weight"),
        lambda h: {"feed_forward_type": "original" if h.has("ffn_up.bias") else "geglu"})),
    "jina-bert-v3": Row("jina_embeddings_v3", (
        _no_heads_of_its_own, _reads("XLMRoberta", position_embedding_type="rotary"))),
    "nomic-bert": Row("nomic_bert", (
        _no_heads_of_its_own, _reads("NomicBert"), _nomic_bert)),
    "modern-bert": Row("modernbert", (
        _no_heads_of_its_own, _reads("ModernBert"), _modern_bert)),
    "eurobert": Row("eurobert", (_reads("EuroBert"),)),
    "gemma-embedding": Row("gemma3_text", (
        _window(6), lambda h: {"architectures": ["Gemma3TextModel"]})),
    "llama-embed": Row("llama", (lambda h: {"architectures": ["LlamaModel"]},)),
}  # fmt: skip
"""By general.architecture (MODEL_ARCH_NAMES in gguf-py/gguf/constants.py)."""
