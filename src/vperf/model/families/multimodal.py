"""Multimodal wrappers: a text model that nests under text_config, and towers beside it.

A wrapper is a row of its tower and its text model's class defaults; towers/ counts the towers.
Answers are for text: an image's tokens cost what text tokens cost, encoding the image is not
modelled. Checked against exact parameter counts in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from vperf.model import towers
from vperf.model.blocks import dense, gqa
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.projection import Dormant, Projections
from vperf.model.checkpoint import Config
from vperf.model.families import dense as dense_rows
from vperf.model.families import moe
from vperf.model.families.family import Family
from vperf.model.layers import one_of
from vperf.model.ops import Linear
from vperf.model.tower import TowerReader
from vperf.model.windows import every_layer, from_max_window_layers

# --- Text models that only wrappers hold ------------------------------------------------------


def _like(rows: tuple[Family, ...], model_type: str, *names: str) -> Family:
    """The row of `model_type` under other names."""
    return replace(next(row for row in rows if model_type in row.model_types), model_types=names)


# --- Llama 3.2 Vision: some layers attend to the image, and only to it ------------------------


def _crosses(config: Config) -> tuple[int, ...]:
    return config.integers("cross_attention_layers") or ()


def _mllama_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    mlp = dense.read(config, layer, scope.child("mlp"), bias=False)
    if not one_of(layer, _crosses(config)):
        return (
            gqa.read(config, layer, scope.child("self_attn"), qkv_bias=False, out_bias=False),
            mlp,
        )
    cross = gqa.read(
        config, layer, scope.child("cross_attn"), qkv_bias=False, out_bias=False, qk_norm="head",
        vectors=2,
    )  # fmt: skip
    return Dormant(cross), Dormant(mlp)


def _mllama_image_rows(config: Config, scope: Scope) -> tuple[Linear, ...]:
    """The embedding has eight rows more than the LM head: the image token's."""
    rows = scope.linear("embed_tokens.image", gqa.hidden_size(config), 8, kind="embedding")
    return (rows,)


# --- Voxtral Realtime: layers that know the delay ----------------------------------------------


def _realtime_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Between attention and MLP two narrow matrices turn the delay into a scale, once a step."""
    hidden, inner = gqa.hidden_size(config), scope.child("ada_rms_norm")
    chain = ((inner.linear("linear1", hidden, 32),), (inner.linear("linear2", 32, hidden),))
    return (
        gqa.read(config, layer, scope.child("self_attn"), rule=every_layer, qkv_bias=False,
                 out_bias=False),
        Projections("delay", chain, pooled=True),
        dense.read(config, layer, scope.child("mlp"), bias=False),
    )  # fmt: skip


TEXT = (
    Family(("voxtral_realtime_text",), layer=_realtime_layer, tied=True),
    Family(("qwen2_vl_text", "qwen2_5_vl_text", "qwen2_5_omni_text"), partial(
        gqa.read, rule=from_max_window_layers, qkv_bias=True, out_bias=False)),
    Family(("qwen3_vl_text",), partial(gqa.read, qk_norm="head")),
    _like(moe.FAMILIES, "qwen3_moe", "qwen3_vl_moe_text", "qwen3_omni_moe_text"),
    _like(dense_rows.FAMILIES, "exaone4", "exaone4_5_text"),
    Family(("mllama_text_model",), layer=_mllama_layer, ties=False,
           defaults={"cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38]},
           lookups=_mllama_image_rows,
           assumptions=("no image: the layers that attend to one are stored and skipped",)),
)  # fmt: skip

# --- Wrappers ---------------------------------------------------------------------------------

# Of a text model that the wrapper makes smaller than its class would.
_VOXTRAL_DEFAULTS = {
    "vocab_size": 131072, "hidden_size": 3072, "intermediate_size": 8192,
    "num_hidden_layers": 30, "num_attention_heads": 32, "num_key_value_heads": 8,
    "head_dim": 128, "max_position_embeddings": 131072,
}  # fmt: skip

# Gemma 3n's MobileNetV5 and Phi-3-vision's image processor are described by name only.
_NOT_COUNTED = "its vision and audio towers are not counted: parameters are the text model's"


def _wrapper(
    name: str,
    text: str,
    tower: TowerReader | None,
    *,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
    images: bool = True,
    assumptions: tuple[str, ...] = (),
) -> Family:
    """A row that wraps; `text` is the text model where the config does not name it."""
    return Family(
        (name,), wraps=(text,), tower=tower, images=images, text_defaults=defaults or {},
        assumptions=assumptions,
    )  # fmt: skip


WRAPPERS = (
    _wrapper("qwen2_vl", "qwen2_vl_text", towers.qwen2_vl),
    _wrapper("qwen2_5_vl", "qwen2_5_vl_text", towers.qwen2_5_vl),
    _wrapper("qwen3_vl", "qwen3_vl_text", towers.qwen3_vl),
    _wrapper("qwen3_vl_moe", "qwen3_vl_moe_text", towers.qwen3_vl),
    _wrapper("qwen3_5", "qwen3_5_text", towers.qwen3_5),
    _wrapper("qwen3_5_moe", "qwen3_5_moe_text", towers.qwen3_5),
    _wrapper("gemma3", "gemma3_text", towers.gemma3),
    _wrapper("gemma3n", "gemma3n_text", None, assumptions=(_NOT_COUNTED,)),
    _wrapper("gemma4", "gemma4_text", towers.gemma4),
    _wrapper("llava", "llama", towers.llava),
    _wrapper("mistral3", "mistral", towers.mistral3),
    _wrapper("voxtral", "llama", towers.voxtral, images=False,
             defaults={"llama": _VOXTRAL_DEFAULTS}),
    _wrapper("qwen2_audio", "qwen2", towers.qwen2_audio, images=False),
    _wrapper("audioflamingo3", "qwen2", towers.audio_flamingo, images=False),
    _wrapper("musicflamingo", "qwen2", towers.audio_flamingo, images=False),
    _wrapper("paligemma", "gemma", towers.paligemma),
    _wrapper("internvl", "qwen2", towers.internvl),
    _wrapper("voxtral_realtime", "voxtral_realtime_text", towers.voxtral_realtime, images=False,
             defaults={"voxtral_realtime_text": {"head_dim": 128}}),
    _wrapper("phi3_v", "phi3", None, assumptions=(_NOT_COUNTED,)),
    _wrapper("mllama", "mllama_text_model", towers.mllama, images=False),
    _wrapper("llama4", "llama4_text", towers.llama4),
    _wrapper("lfm2_vl", "lfm2", towers.lfm2_vl),
    _wrapper("kimi_k25", "deepseek_v3", towers.kimi_k25),
    _wrapper("exaone4_5", "exaone4", towers.exaone4_5),
    _wrapper("minimax_m3_vl", "minimax_m3_vl_text", towers.minimax_m3_vl),
)  # fmt: skip

FAMILIES = (*TEXT, *WRAPPERS)
