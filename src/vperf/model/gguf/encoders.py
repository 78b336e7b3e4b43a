"""Encoders of a GGUF file: the class that reads it, its heads and its biases."""

from __future__ import annotations

from vperf.model.gguf.header import GgufHeader
from vperf.model.gguf.parts import QKV_BIAS, Keys, Part


def reads(name: str, **more: str | None) -> Part:
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


def no_heads_of_its_own(h: GgufHeader) -> Keys:
    """BERT's heads divide the width, one for K and V as for Q; biases go without saying."""
    return dict.fromkeys(("head_dim", "num_key_value_heads", "attention_bias", "mlp_bias"))


def modern_bert(h: GgufHeader) -> Keys:
    """Windows but for every so many layers; flags of its biases."""
    every = h.raw("attention.sliding_window_pattern")
    return {
        "local_attention": h.needed("attention.sliding_window"),
        "global_attn_every_n_layers": every if isinstance(every, int) else 3,
        "attention_bias": h.has("attn_qkv.bias"),
        "mlp_bias": h.has("ffn_up.bias"),
        "norm_bias": h.has("attn_norm.bias"),
    }


def nomic_bert(h: GgufHeader) -> Keys:
    """Its own flags of biases."""
    return {
        "qkv_proj_bias": h.has(*QKV_BIAS),
        "mlp_fc1_bias": h.has("ffn_up.bias"),
        "mlp_fc2_bias": h.has("ffn_down.bias"),
    }
