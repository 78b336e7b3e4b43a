"""What many architectures say in a GGUF file: widths, windows, experts, MLA.

A part reads metadata and tensors, and gives keys of a config.json. Not here: which architecture has
which parts (architectures.py), recurrences (hybrids.py), encoders (encoders.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vperf.model.gguf.header import GgufHeader

Keys = dict[str, Any]


Part = Callable[[GgufHeader], Keys]


QKV_BIAS = ("attn_q.bias", "attn_qkv.bias")


EXPERT_DOWN = ("ffn_down_exps.weight", "ffn_down.0.weight")


def common(h: GgufHeader) -> Keys:
    """Of every decoder: widths, heads, vocabulary, whether the head is tied. Raises InputError."""
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
        "intermediate_size": dense_width(h) or None,
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
            "attention_bias": h.has(*QKV_BIAS),
            "mlp_bias": h.has("ffn_up.bias"),
        }
    return keys


def _varied(h: GgufHeader, key: str) -> bool:
    """Whether layers that have any differ in it: the architecture's own part reads such a list."""
    value = h.raw(key)
    return isinstance(value, list) and len(set(map(str, value)) - {"0"}) > 1


def dense_width(h: GgufHeader) -> int:
    """Of a dense MLP, else of the shared expert, in elements; 0 without."""
    return h.length(0, "ffn_down.weight") or h.length(0, "ffn_down_shexp.weight")


def expert_width(h: GgufHeader) -> int:
    """Of one routed expert, in elements; 0 without."""
    return h.length(0, *EXPERT_DOWN)


def window(period: int, name: str = "sliding_attention") -> Part:
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


def experts(h: GgufHeader) -> Keys:
    """Routed experts; their width from the tensors, since not every converter states it."""
    return {
        "num_experts": h.needed("expert_count"),
        "num_experts_per_tok": h.needed("expert_used_count"),
        "moe_intermediate_size": expert_width(h) or h.needed("expert_feed_forward_length"),
    }


def experts_are_the_mlp(h: GgufHeader) -> Keys:
    """Families whose only MLP width is that of the experts."""
    keys = experts(h)
    return {**keys, "intermediate_size": keys["moe_intermediate_size"]}


def first_dense(h: GgufHeader) -> Keys:
    """Leading dense layers, read from where the experts are; none may follow them."""
    sparse = h.holders(*EXPERT_DOWN)
    first = sparse[0] if sparse else h.layers
    if sparse != tuple(range(first, h.layers)):
        raise h.unsupported("dense layers between layers with experts are not understood here")
    return {"first_k_dense_replace": first, "num_dense_layers": first}


def shared(key: str = "n_shared_experts") -> Part:
    """Shared experts, as their number: all widths are multiples of an expert's."""

    def part(h: GgufHeader) -> Keys:
        width, one = h.length(0, "ffn_down_shexp.weight"), expert_width(h)
        if one and width % one:
            raise h.unsupported("a shared expert that is no multiple of an expert's width")
        return {key: width // one if one else 0}

    return part


def shared_width(key: str) -> Part:
    """The width of the shared expert under `key`."""
    return lambda h: {key: h.length(0, "ffn_down_shexp.weight")}


def mtp(h: GgufHeader) -> Keys:
    """Layers that draft."""
    return {"num_nextn_predict_layers": h.mtp_layers or None}


def flag(key: str, *suffixes: str) -> Part:
    """A flag that is set where a tensor is there."""
    return lambda h: {key: h.has(*suffixes)}


QK_NORM = flag("use_qk_norm", "attn_q_norm.weight")


SPARSE = (experts, first_dense, shared())


def positions(h: GgufHeader) -> Keys:
    """Rows of a learned position table."""
    table = h.tensors.get("position_embd.weight")
    rows = table.shape[-1] if table else h.needed("context_length")
    return {"n_positions": rows, "max_position_embeddings": rows}


def latent(h: GgufHeader) -> Keys:
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


def deepseek(h: GgufHeader) -> Keys:
    """Experts as DeepSeek has them, or none."""
    if not h.has(*EXPERT_DOWN):
        return {"first_k_dense_replace": h.layers}
    return {**experts(h), **first_dense(h), **shared()(h)}


def indexer(h: GgufHeader) -> Keys:
    """Which layers pick keys, and with what heads."""
    owners = h.holders("indexer.attn_q_b.weight")
    return {
        "index_n_heads": h.needed("attention.indexer.head_count"),
        "index_head_dim": h.needed("attention.indexer.key_length"),
        "index_topk": h.needed("attention.indexer.top_k"),
        "indexer_types": ["full" if i in owners else "shared" for i in range(h.layers)],
    }
