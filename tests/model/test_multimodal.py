"""Wrappers: the text model is found wherever it nests, and every tower counts to the unit."""

from __future__ import annotations

import contextlib
from itertools import product
from typing import Any, NamedTuple

import pytest

from tests.every import every
from vperf.errors import InputError, UnsupportedModelError
from vperf.model.model import Model
from vperf.model.ops import Step
from vperf.model.read import build_model


def built(**config: Any) -> Model:
    return build_model(config, source="config.json")


# --- Published models ---------------------------------------------------------------------------


class Published(NamedTuple):
    name: str
    parameters: int
    config: dict[str, Any]


# fmt: off
SIGLIP_SO400M = {
    "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
    "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": False,
}
QWEN2_7B = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
}
LLAMA4_VISION = {
    "hidden_size": 1408, "intermediate_size": 5632, "num_hidden_layers": 34, "image_size": 336,
    "patch_size": 14, "projector_input_dim": 4096, "projector_output_dim": 4096,
    "vision_output_dim": 4096,
}

# Parameters of the published files.
PUBLISHED = (
    Published("Qwen2-VL-7B, text keys at the top", 8_291_375_616, {
        "model_type": "qwen2_vl", **QWEN2_7B,
        "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4,
                          "patch_size": 14},
    }),
    Published("Qwen2.5-VL-7B", 8_292_166_656, {
        "model_type": "qwen2_5_vl", "text_config": {"model_type": "qwen2_5_vl_text", **QWEN2_7B},
        "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420,
                          "out_hidden_size": 3584},
    }),
    Published("Qwen3-VL-8B", 8_767_123_696, {
        "model_type": "qwen3_vl", "tie_word_embeddings": False,
        "text_config": {
            "model_type": "qwen3_vl_text", "hidden_size": 4096, "intermediate_size": 12288,
            "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128, "vocab_size": 151936,
        },
        "vision_config": {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304,
                          "out_hidden_size": 4096, "deepstack_visual_indexes": [8, 16, 24]},
    }),
    Published("Mistral-Small-3.1-24B", 24_011_361_280, {
        "model_type": "mistral3",
        "text_config": {
            "model_type": "mistral", "hidden_size": 5120, "intermediate_size": 32768,
            "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128, "vocab_size": 131072,
        },
        "vision_config": {"model_type": "pixtral", "hidden_size": 1024, "patch_size": 14,
                          "intermediate_size": 4096, "num_hidden_layers": 24},
    }),
    Published("Ministral-3-3B", 3_849_090_048, {
        "model_type": "mistral3",
        "text_config": {
            "model_type": "ministral3", "hidden_size": 3072, "intermediate_size": 9216,
            "num_hidden_layers": 26, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128, "vocab_size": 131072, "tie_word_embeddings": True,
        },
    }),
    Published("llava-1.5-7b-hf, a text_config of little but its vocabulary", 7_063_427_072, {
        "model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064},
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024,
                          "image_size": 336, "intermediate_size": 4096,
                          "num_hidden_layers": 24, "patch_size": 14},
    }),
    Published("liuhaotian/llava-v1.5-7b, its tower named and not described", 7_062_902_784, {
        "model_type": "llava", "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "vocab_size": 32000, "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "mm_projector_type": "mlp2x_gelu",
    }),
    Published("Llama-3.2-11B-Vision", 10_670_220_835, {
        "model_type": "mllama", "text_config": {"model_type": "mllama_text_model"},
        "vision_config": {"image_size": 560},
    }),
    Published("Llama-4-Scout", 108_641_793_536, {
        "model_type": "llama4", "vision_config": LLAMA4_VISION,
        "text_config": {
            "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192,
            "intermediate_size_mlp": 16384, "num_hidden_layers": 48, "num_attention_heads": 40,
            "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 16,
            "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "vocab_size": 202048,
            "attention_chunk_size": 8192,
        },
    }),
    Published("Voxtral-Mini-3B", 4_676_271_104, {
        "model_type": "voxtral", "audio_config": {"model_type": "voxtral_encoder"},
        "text_config": {"model_type": "llama"},
    }),
    Published("Qwen2-Audio-7B", 8_397_094_912, {
        "model_type": "qwen2_audio", "audio_config": {"model_type": "qwen2_audio_encoder"},
        "text_config": {"model_type": "qwen2", "intermediate_size": 11008, "vocab_size": 156032},
    }),
    Published("paligemma-3b", 2_923_466_480, {
        "model_type": "paligemma", "projection_dim": 2048, "vision_config": SIGLIP_SO400M,
        "text_config": {
            "model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384,
            "num_hidden_layers": 18, "num_attention_heads": 8, "num_key_value_heads": 1,
            "vocab_size": 257216,
        },
    }),
)
# fmt: on


@pytest.mark.parametrize("known", PUBLISHED, ids=lambda known: known.name)
def test_published_counts_are_exact(known: Published) -> None:
    assert build_model(known.config, source=known.name).parameters == known.parameters


# --- Every option of every tower ----------------------------------------------------------------

# fmt: off
TEXT = {
    "num_hidden_layers": 2, "hidden_size": 256, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000,
    "max_position_embeddings": 1000,
}
VISION = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
          "num_attention_heads": 4}
LFM2 = {
    "model_type": "lfm2", "vocab_size": 1000, "hidden_size": 256, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 512, "num_hidden_layers": 2,
    "layer_types": ["conv", "full_attention"],
}
MLA = {
    "model_type": "kimi_k2", "kv_lora_rank": 32, "q_lora_rank": 32, "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 16, "v_head_dim": 16, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "first_k_dense_replace": 1, "n_shared_experts": 1,
}

# Counted by transformers 5.23 on the meta device.
TINY: dict[str, tuple[int, dict[str, Any]]] = {
    "Qwen2-VL": (2_326_976, {
        "model_type": "qwen2_vl", "text_config": {**TEXT, "model_type": "qwen2_vl_text"},
        "vision_config": {"depth": 3, "embed_dim": 64, "hidden_size": 256, "mlp_ratio": 3,
                          "num_heads": 4, "patch_size": 12, "spatial_merge_size": 3,
                          "temporal_patch_size": 1},
    }),
    "Qwen2-VL without a word about its tower": (677_453_056, {
        "model_type": "qwen2_vl", "text_config": {**TEXT, "model_type": "qwen2_vl_text"},
    }),
    "Qwen3-VL-MoE, deepstack by default": (125_711_776, {
        "model_type": "qwen3_vl_moe", "vision_config": {"depth": 2, "out_hidden_size": 256},
        "text_config": {**TEXT, "model_type": "qwen3_vl_moe_text", "head_dim": 32,
                        "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64},
    }),
    "Qwen3.5, no deepstack": (72_273_568, {
        "model_type": "qwen3_5", "vision_config": {"depth": 2, "out_hidden_size": 256},
        "text_config": {
            **TEXT, "model_type": "qwen3_5_text", "num_hidden_layers": 4, "head_dim": 32,
            "linear_num_value_heads": 32, "linear_num_key_heads": 16,
            "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4,
        },
    }),
    "EXAONE 4.5": (2_404_952, {
        "model_type": "exaone4_5",
        "text_config": {**TEXT, "model_type": "exaone4_5_text", "head_dim": 32},
        "vision_config": {"depth": 2, "hidden_size": 128, "out_hidden_size": 256,
                          "intermediate_size": 342, "num_heads": 4, "num_key_value_heads": 2},
    }),
    "SigLIP with its attention pooling": (1_407_168, {
        "model_type": "gemma3", "text_config": {**TEXT, "model_type": "gemma3_text",
                                                "head_dim": 32},
        "vision_config": {**VISION, "image_size": 100, "patch_size": 12},
    }),
    "LFM2-VL, normed": (2_993_280, {
        "model_type": "lfm2_vl", "text_config": LFM2,
        "vision_config": {**VISION, "num_patches": 144},
    }),
    "LFM2-VL, plain": (1_740_320, {
        "model_type": "lfm2_vl", "text_config": LFM2, "downsample_factor": 3,
        "projector_hidden_size": 100, "projector_bias": False, "projector_use_layernorm": False,
        "vision_config": {**VISION, "vision_use_head": False},
    }),
    "LLaVA around Pixtral": (1_929_408, {
        "model_type": "llava", "text_config": {**TEXT, "model_type": "mistral"},
        "vision_config": {**VISION, "model_type": "pixtral"},
    }),
    "LLaVA around SigLIP, two feature layers": (1_971_456, {
        "model_type": "llava", "text_config": {**TEXT, "model_type": "qwen2"},
        "vision_feature_layer": [-2, -1], "multimodal_projector_bias": False,
        "vision_config": {**VISION, "model_type": "siglip_vision_model"},
    }),
    "Mistral 3 with biases": (1_966_336, {
        "model_type": "mistral3", "multimodal_projector_bias": True, "spatial_merge_size": 3,
        "text_config": {**TEXT, "model_type": "mistral"},
        "vision_config": {**VISION, "model_type": "pixtral"},
    }),
    "Llama 3.2 Vision": (1_987_113, {
        "model_type": "mllama",
        "text_config": {**TEXT, "model_type": "mllama_text_model", "cross_attention_layers": [1]},
        "vision_config": {
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
            "num_global_layers": 2, "image_size": 140, "max_num_tiles": 2,
            "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]], "vision_output_dim": 192,
        },
    }),
    "Voxtral": (1_889_184, {
        "model_type": "voxtral", "text_config": {**TEXT, "model_type": "llama", "head_dim": 64},
        "audio_config": {**VISION, "num_mel_bins": 20, "max_source_positions": 30},
    }),
    "Kimi-K2.5": (1_500_704, {
        "model_type": "kimi_k25", "text_config": {**TEXT, **MLA},
        "vision_config": {
            "vt_hidden_size": 64, "vt_intermediate_size": 96, "vt_num_hidden_layers": 3,
            "vt_num_attention_heads": 4, "init_pos_emb_height": 10, "init_pos_emb_width": 12,
            "merge_kernel_size": [2, 3], "mm_hidden_size": 64,
        },
    }),
}
# fmt: on


@pytest.mark.parametrize("name", TINY)
def test_every_option_of_a_tower_counts(name: str) -> None:
    parameters, config = TINY[name]
    assert build_model(config, source=name).parameters == parameters


# --- What a wrapper means -----------------------------------------------------------------------


def test_a_text_token_does_not_use_the_tower() -> None:
    model = build_model(PUBLISHED[2].config, source="Qwen3-VL-8B")
    assert model.tower_parameters == 576_388_336
    assert model.active_parameters == 8_190_735_360
    assert model.streamed_bytes < 2 * model.active_parameters


def test_text_keys_at_the_top_and_nested_are_the_same_model() -> None:
    vision = {"depth": 2, "hidden_size": 128, "out_hidden_size": 256, "intermediate_size": 342}
    nested = built(model_type="qwen2_5_vl", vision_config=vision, text_config=TEXT)
    flat = built(model_type="qwen2_5_vl", vision_config=vision, **TEXT)
    assert nested.parameters == flat.parameters == 2_635_480
    assert nested.kinds == flat.kinds


@pytest.mark.parametrize(
    ("top", "text", "tied"),
    [(True, False, True), (None, True, True), (False, True, False), (None, None, False)],
)
def test_tying_is_read_at_the_top_and_then_in_the_text_model(
    top: bool | None, text: bool | None, tied: bool
) -> None:
    model = built(
        model_type="mistral3", tie_word_embeddings=top,
        text_config={**TEXT, "model_type": "mistral", "tie_word_embeddings": text},
    )  # fmt: skip
    assert model.tied is tied


def test_class_defaults_are_reported() -> None:
    model = built(model_type="llava", text_config={"model_type": "llama", "vocab_size": 32064})
    assert any("hidden_size 4096" in line for line in model.assumptions)
    assert any("vision_config" in line and "depth" not in line for line in model.assumptions)


def test_layers_that_attend_to_an_image_are_stored_and_skipped_without_one() -> None:
    config = {"model_type": "mllama", "text_config": {"model_type": "mllama_text_model"}}
    model = build_model(config, source="Llama-3.2-11B-Vision")
    # 32 of 40 layers: 131,072 bytes a token and not 163,840.
    assert model.kv_bytes_per_token == 131_072
    runs = {op.name: op.count for op in model.ops(Step(1, 1, 100))}
    assert runs["qkv_proj"] == runs["down_proj"] == 32
    assert model.streamed_bytes < 0.85 * model.weight_bytes


def test_a_tower_that_cannot_be_counted_is_said_to_be_left_out() -> None:
    model = built(model_type="gemma3n", text_config={"model_type": "gemma3n_text"})
    assert model.parameters == 6_835_235_568
    assert any("not counted" in line for line in model.assumptions)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "llava", "text_config": TEXT, "vision_config": {"model_type": "sam"}},
         "vision_config.model_type: a 'sam' vision tower"),
        ({"model_type": "llava", **TEXT, "mm_vision_tower": "mine"}, "mm_vision_tower"),
        ({"model_type": "llava", **TEXT, "mm_projector_type": "perceiver",
          "mm_vision_tower": "openai/clip-vit-large-patch14"}, "mm_projector_type"),
        ({"model_type": "gemma3", "text_config": {"model_type": "frob"}}, "'frob'"),
        ({"model_type": "deepseek_vl_v2", "language_config": {}}, "'deepseek_vl_v2'"),
    ],
)  # fmt: skip
def test_a_tower_or_text_model_that_is_not_known_is_refused(
    config: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=words):
        build_model(config, source="config.json")


@every((name, (name,)) for name in TINY)
def test_nonsense_in_a_tower_is_a_clean_error_or_an_answer(name: str) -> None:
    _, config = TINY[name]
    part = "audio_config" if "audio_config" in config else "vision_config"
    nonsense: list[object] = [0, -1, "x", 1.5, [], {}, True, 10**30]
    for key, value in product(config.get(part, {}), nonsense):
        broken = {**config, part: {**config[part], key: value}}
        with contextlib.suppress(InputError):
            assert build_model(broken, source=name).parameters > 0
