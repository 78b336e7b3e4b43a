"""Gemma 3n and 4: what is stored is more than what is read."""

from __future__ import annotations

from typing import Any

import pytest

from vperf.errors import InputError
from vperf.model.blocks.gqa import GroupedQueryAttention
from vperf.model.model import Model
from vperf.model.ops import Step
from vperf.model.read import build_model

# Five layers to a period, as the published files have it.
_WINDOWED = ["sliding_attention"] * 4 + ["full_attention"]

E2B: dict[str, Any] = {
    "model_type": "gemma3n_text", "hidden_size": 2048, "intermediate_size": 8192,
    "num_hidden_layers": 30, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256,
    "num_kv_shared_layers": 10, "layer_types": _WINDOWED * 6, "sliding_window": 512,
    "hidden_size_per_layer_input": 256, "vocab_size": 262400,
    "vocab_size_per_layer_input": 262144, "altup_num_inputs": 4, "laurel_rank": 64,
}  # fmt: skip

GEMMA4_26B: dict[str, Any] = {
    "model_type": "gemma4_text", "hidden_size": 2816, "intermediate_size": 2112,
    "num_hidden_layers": 30, "num_attention_heads": 16, "num_key_value_heads": 8,
    "num_global_key_value_heads": 2, "head_dim": 256, "global_head_dim": 512,
    "attention_k_eq_v": True, "enable_moe_block": True, "num_experts": 128, "top_k_experts": 8,
    "moe_intermediate_size": 704, "hidden_size_per_layer_input": 0, "vocab_size": 262144,
    "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5, "sliding_window": 1024,
}  # fmt: skip

GEMMA4_E2B: dict[str, Any] = {
    "model_type": "gemma4_text", "hidden_size": 1536, "intermediate_size": 6144,
    "num_hidden_layers": 35, "num_attention_heads": 8, "num_key_value_heads": 1,
    "num_kv_shared_layers": 20, "head_dim": 256, "global_head_dim": 512,
    "use_double_wide_mlp": True, "layer_types": _WINDOWED * 7, "sliding_window": 512,
    "hidden_size_per_layer_input": 256, "vocab_size": 262144,
    "vocab_size_per_layer_input": 262144,
}  # fmt: skip


def built(config: dict[str, Any], **changes: Any) -> Model:
    return build_model({**config, **changes}, source="config.json")


# Counted by transformers 5.23 on the meta device, towers left out.
@pytest.mark.parametrize(
    ("config", "parameters", "active", "kv_bytes"),
    [
        (E2B, 4_435_182_688, 4_435_182_688, 40_960),
        (GEMMA4_26B, 25_233_141_760, 3_822_530_560, 225_280),
        (GEMMA4_E2B, 4_628_569_344, 4_628_569_344, 18_432),
    ],
    ids=["gemma-3n-E2B", "gemma-4-26B-A4B", "gemma-4-E2B"],
)
def test_counts_are_exact(
    config: dict[str, Any], parameters: int, active: int, kv_bytes: int
) -> None:
    model = built(config)
    assert model.parameters == parameters
    assert model.active_parameters == active
    assert model.kv_bytes_per_token == kv_bytes


def test_per_layer_embeddings_are_stored_and_never_streamed() -> None:
    model = built(E2B)
    table = 262144 * 30 * 256
    assert model.parameters - model.streamed_parameters == table
    assert model.weight_bytes - model.streamed_bytes == pytest.approx(2 * table)


def test_layers_that_share_a_cache_read_it_but_store_nothing() -> None:
    model = built(E2B)
    attention = [
        (count, block)
        for count, kind in model.kinds
        for block in kind.blocks
        if isinstance(block, GroupedQueryAttention)
    ]
    sharing = sum(count for count, block in attention if block.shares_cache)
    assert sharing == 10
    for _, block in attention:
        if block.shares_cache:
            assert block.cache_elements == 0
            assert [weight.name for _, weight in block.linears] == ["q_proj", "o_proj"]
            assert any(op.cache_bytes for op in block.ops(Step(1, 1, 100), model.cache))


def test_full_layers_whose_keys_are_the_values_cache_both_but_have_no_v_proj() -> None:
    full = next(
        block
        for _, kind in built(GEMMA4_26B).kinds
        for block in kind.blocks
        if isinstance(block, GroupedQueryAttention) and not block.windows
    )
    assert [weight.name for _, weight in full.linears] == ["q_proj", "k_proj", "o_proj"]
    assert full.cache_elements == 2 * (512 + 512)


def test_the_last_layer_of_gemma_4_is_full_whatever_its_type() -> None:
    windowed = built(GEMMA4_26B, layer_types=["sliding_attention"] * 30)
    assert sum(n for n, kind in windowed.kinds if not kind.blocks[0].windows) == 1


def test_gemma_3_fills_in_what_its_class_does_and_says_so() -> None:
    """The published gemma-3-27b leaves out vocabulary, pattern and tying."""
    model = build_model(
        {
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504,
                "num_hidden_layers": 62, "num_attention_heads": 32, "num_key_value_heads": 16,
                "head_dim": 128, "sliding_window": 1024,
            },
            "vision_config": {
                "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
                "image_size": 896, "patch_size": 14, "vision_use_head": False,
            },
        },
        source="gemma-3-27b",
    )  # fmt: skip
    assert model.parameters == 27_432_406_640
    assert any("vocab_size 262208" in line for line in model.assumptions)


def test_gemma_4_counts_its_audio_tower_where_the_config_has_one() -> None:
    towers: dict[str, Any] = {"vision_config": {"model_type": "gemma4_vision"}}
    nested = {"model_type": "gemma4", "text_config": GEMMA4_E2B}
    silent = build_model({**nested, **towers}, source="gemma-4-E2B")
    hearing = build_model({**nested, **towers, "audio_config": {}}, source="gemma-4-E2B")
    assert silent.parameters == 4_797_113_600
    # 5,123,178,051 on the Hub: with the K and V of the 20 layers that share a cache, and 35
    # layer scalars, which transformers keeps as buffers.
    unused = 16 * (2 * 1536 * 256 + 256) + 4 * (2 * 1536 * 512 + 512) + 35
    assert hearing.parameters == 5_123_178_051 - unused


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({**E2B, "num_kv_shared_layers": 30}, "num_kv_shared_layers"),
        ({**E2B, "altup_num_inputs": 2**31}, "altup_num_inputs"),
        ({**E2B, "intermediate_size": [8192]}, "intermediate_size"),
        ({**GEMMA4_26B, "num_global_key_value_heads": 3}, "num_key_value_heads"),
        ({**GEMMA4_26B, "layer_types": ["sliding_attention"]}, "layer_types"),
    ],
)
def test_values_that_cannot_be_name_their_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        build_model(config, source="config.json")


def test_widths_written_down_by_layer_are_those_of_the_class() -> None:
    """As save_pretrained writes them, numbers with leading zeros, and as the Hub's files do."""
    plain = {
        "model_type": "gemma4_text", "num_hidden_layers": 12, "hidden_size": 256, "head_dim": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 512,
        "vocab_size": 1000, "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 0,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 2,
    }  # fmt: skip
    listed = {"05": {"head_dim": 128}, "11": {"head_dim": 128}}
    by_layer = build_model({**plain, "per_layer_config": listed}, source="config.json")
    by_key = build_model({**plain, "global_head_dim": 128}, source="config.json")
    same = build_model({**plain, "global_head_dim": 64}, source="config.json")
    assert by_layer.kinds == by_key.kinds != same.kinds


@pytest.mark.parametrize(
    ("model_type", "norms"), [("gemma", 2), ("gemma2", 4), ("gemma3_text", 4), ("glm4", 4)]
)
def test_a_norm_behind_a_mechanism_is_a_kernel_of_its_own(model_type: str, norms: int) -> None:
    """Norms in a layer of modeling_gemma.py, _gemma2.py, _gemma3.py and _glm4.py: those before a
    mechanism add the residual on the way, those behind cannot."""
    config = {"model_type": model_type, "hidden_size": 2048, "intermediate_size": 8192,
              "num_hidden_layers": 10, "num_attention_heads": 8, "num_key_value_heads": 4,
              "head_dim": 256, "vocab_size": 1000, "sliding_window": 512}  # fmt: skip
    elements, launches, _ = build_model(config, source="config.json").decoder_small_kernels
    plain, fewer, _ = build_model(
        {**config, "model_type": "llama"}, source="config.json"
    ).decoder_small_kernels
    assert launches - fewer == 10 * (norms - 2)
    assert elements - plain == 10 * (norms - 2) * 2 * 2048
