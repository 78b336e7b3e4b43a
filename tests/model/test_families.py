"""Every family counts to the unit what somebody else counted, and refuses what it cannot know."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.every import every
from tests.model.known import KNOWN, Known
from vperf.errors import InputError, UnsupportedModelError, VperfError
from vperf.model import families
from vperf.model.families import LINEAGES, all_families, families_of, find_family
from vperf.model.model import Model
from vperf.model.read import build_model

BY_NAME = {known.name: known for known in KNOWN}


def built(name: str, **changes: Any) -> Model:
    """The model of a known config with some keys changed; None drops a key."""
    config = {**BY_NAME[name].config, **changes}
    return build_model({k: v for k, v in config.items() if v is not None}, source=name)


@every((known.name, (known,)) for known in KNOWN)
def test_the_count_is_exact(known: Known) -> None:
    model = build_model(known.config, source=known.name)
    assert model.parameters == known.parameters
    if known.active is not None:
        assert model.active_parameters == known.active
    if known.kv_bytes is not None:
        assert model.kv_bytes_per_token == known.kv_bytes


def test_longcat_counts_its_real_experts_only() -> None:
    """560B published; the class of transformers also allocates weights for the zero experts."""
    model = build_model(
        {
            "model_type": "longcat_flash", "hidden_size": 6144, "num_layers": 28,
            "num_attention_heads": 64, "ffn_hidden_size": 12288, "q_lora_rank": 1536,
            "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
            "v_head_dim": 128, "moe_topk": 12, "n_routed_experts": 512, "zero_expert_num": 256,
            "expert_ffn_hidden_size": 2048, "vocab_size": 131072,
        },
        source="LongCat-Flash",
    )  # fmt: skip
    assert model.parameters == 560_664_958_976
    assert model.kv_bytes_per_token == 2 * 28 * 576 * 2


def test_arctic_has_a_dense_mlp_of_the_hidden_width_beside_its_experts() -> None:
    """479B published."""
    config = {
        "model_type": "arctic", "architectures": ["ArcticForCausalLM"], "hidden_size": 7168,
        "intermediate_size": 4864, "num_hidden_layers": 35, "num_attention_heads": 56,
        "num_key_value_heads": 8, "vocab_size": 32000, "num_local_experts": 128,
        "num_experts_per_tok": 2, "moe_layer_frequency": 1, "parallel_attn_mlp_res": True,
        "tie_word_embeddings": False, "moe_train_capacity_factor": 1, "moe_token_dropping": False,
        "use_residual": True, "enable_expert_tensor_parallelism": False,
    }  # fmt: skip
    model = build_model(config, source="snowflake-arctic-instruct")
    attention, expert, beside = 2 * 7168 * (7168 + 1024), 3 * 7168 * 4864, 3 * 7168**2
    layer = attention + 128 * (expert + 7168) + beside + 3 * 7168
    assert model.parameters == 35 * layer + 2 * 32000 * 7168 + 7168 == 478_584_608_768
    assert model.active_parameters == model.parameters - 35 * 126 * expert
    every_other = build_model({**config, "moe_layer_frequency": 2}, source="config.json")
    dense = attention + expert + 2 * 7168
    assert model.parameters - every_other.parameters == 18 * (layer - dense)


def test_grok_1_has_four_norms_a_layer_and_one_embedding() -> None:
    """314B published, without the embedding."""
    config = {
        "model_type": "grok-1", "hidden_size": 6144, "intermediate_size": 32768,
        "num_hidden_layers": 64, "num_attention_heads": 48, "num_key_value_heads": 8,
        "vocab_size": 131072, "num_experts": 8, "num_experts_per_tok": 2,
        "attn_output_multiplier": 0.088, "max_attn_value": 30.0,
        "embedding_multiplier_scale": 78.4, "output_multiplier_scale": 0.577,
    }  # fmt: skip
    model = build_model(config, source="grok-1")
    layer = 2 * 6144 * (6144 + 1024) + 8 * (3 * 6144 * 32768 + 6144) + 4 * 6144
    assert model.parameters == 64 * layer + 131072 * 6144 + 6144 == 315_684_820_992


def test_step_3_5_has_more_heads_in_windowed_layers_and_one_gate_a_head() -> None:
    """196.96B published for the text model."""
    model = build_model(
        {
            "model_type": "step3p5", "hidden_size": 4096, "intermediate_size": 11264,
            "num_hidden_layers": 45, "num_attention_heads": 64, "num_attention_groups": 8,
            "head_dim": 128, "vocab_size": 128896, "moe_intermediate_size": 1280,
            "share_expert_dim": 1280, "moe_num_experts": 288, "moe_top_k": 8,
            "moe_layers_enum": ",".join(str(i) for i in range(3, 45)), "sliding_window": 512,
            "layer_types": (["full_attention"] + ["sliding_attention"] * 3) * 12,
            "attention_other_setting": {"num_attention_heads": 96, "num_attention_groups": 8},
        },
        source="Step-3.5-Flash",
    )  # fmt: skip
    assert model.parameters == 196_956_118_272
    assert model.kv_bytes_per_token == 45 * 8 * 2 * 128 * 2


def test_minimax_m3_has_indexers_in_its_sparse_layers() -> None:
    """The text model of the 427,040,132,864 parameters that transformers counts."""
    model = build_model(
        {
            "model_type": "minimax_m3_vl_text", "vocab_size": 200064, "hidden_size": 6144,
            "intermediate_size": 3072, "dense_intermediate_size": 12288,
            "shared_intermediate_size": 3072, "num_hidden_layers": 60, "num_attention_heads": 64,
            "num_key_value_heads": 4, "head_dim": 128, "num_experts_per_tok": 4,
            "num_local_experts": 128, "moe_layer_freq": [0] * 3 + [1] * 57,
            "sparse_attention_config": {
                "sparse_attention_freq": [0] * 3 + [1] * 57, "sparse_num_index_heads": 4,
                "sparse_index_dim": 128, "sparse_block_size": 128, "sparse_topk_blocks": 16,
            },
        },
        source="MiniMax-M3",
    )  # fmt: skip
    assert model.parameters == 426_174_565_632
    assert model.active_parameters == 25_962_466_560
    assert model.kv_bytes_per_token == 122_880
    assert model.windows == (2048,)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # Published counts with the MTP module, less the model, less the routers' score biases.
        ("zai-org/GLM-5.2", 753_329_940_480 - 743_377_000_704 - 76 * 256),
        ("deepseek-ai/DeepSeek-V4-Flash", 290_944_616_402 - 284_334_567_511 - 256),
        ("deepseek-ai/DeepSeek-V4-Pro", 1_598_839_674_782 - 1_572_999_528_803 - 384),
    ],
)
def test_a_multi_token_prediction_module_is_counted_apart(name: str, parameters: int) -> None:
    model = built(name, num_nextn_predict_layers=1)
    assert model.mtp_layers == 1
    assert model.mtp_parameters == parameters


def test_glm_4_7_flash_stores_copies_of_embedding_and_head_in_its_mtp_module() -> None:
    model = built("zai-org/GLM-4.7-Flash", num_nextn_predict_layers=1)
    copies, score_biases = 2 * 154_880 * 2048, 47 * 64
    assert model.parameters + (model.mtp_parameters or 0) + copies + score_biases == 31_221_488_576


def test_without_an_mtp_key_there_is_no_mtp_module() -> None:
    model = built("deepseek-ai/DeepSeek-V3", num_nextn_predict_layers=None)
    assert model.mtp_layers == 0
    assert model.mtp_parameters == 0


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", {"compress_ratios": [8] * 43}),
        ("zai-org/GLM-5.2", {"indexer_types": ["half"] * 78}),
        ("zai-org/GLM-4.7-Flash", {"mlp_layer_types": ["odd"] * 47}),
        ("zai-org/GLM-4.7-Flash", {"layer_types": ["linear_attention"] * 47}),
        ("Hunyuan-A13B", {"use_cla": True, "cla_share_factor": 2}),
        ("mpt-7b", {"no_bias": False}),
        ("mpt-7b", {"attn_config": {"qk_ln": True}}),
        ("OpenELM-270M", {"share_input_output_layers": False}),
        ("chatglm3-6b", {"rmsnorm": False}),
        ("Qwen-7B", {"num_experts": 64}),
        ("Baichuan2-7B", {"index_topk": 2048}),
        ("Qwen/Qwen3-30B-A3B", {"hc_mult": 4}),
        ("Baichuan2-7B", {"layer_types": ["mamba"] * 32}),
        ("deepseek-ai/DeepSeek-V3", {"zero_expert_num": 8}),
    ],
)
def test_what_is_not_understood_is_refused(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match=f"^{name}"):
        built(name, **changes)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", {"compress_ratios": [0] * 9}, "compress_ratios"),
        ("deepseek-ai/DeepSeek-V4-Flash", {"o_groups": 7}, "o_groups"),
        ("deepseek-ai/DeepSeek-V3", {"num_experts_per_tok": 257}, "num_experts_per_tok"),
        ("OpenELM-270M", {"model_dim": None}, "hidden_size"),
        ("deepseek-ai/DeepSeek-V3", {"first_k_dense_replace": "three"}, "first_k_dense_replace"),
        ("zai-org/GLM-5.2", {"indexer_types": ["full"]}, "indexer_types"),
        ("zai-org/GLM-5.2", {"indexer_types": None, "index_topk_pattern": "F"},
         "index_topk_pattern"),
        ("Hunyuan-A13B", {"moe_topk": [8]}, "moe_topk"),
        ("OpenELM-270M", {"ffn_multipliers": [0]}, "ffn_multipliers"),
        ("OpenELM-270M", {"num_query_heads": [12]}, "num_query_heads"),
        ("gpt-neo-1.3B", {"attention_layers": None, "attention_types": [[["global"], 3]]},
         "attention_types"),
        ("gpt-neo-1.3B", {"attention_layers": None, "attention_types": 7}, "attention_types"),
        ("dbrx", {"ffn_config": None}, "ffn_config"),
        ("dbrx", {"attn_config": []}, "attn_config"),
        ("llama4_text class defaults", {"moe_layers": 1}, "moe_layers"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_an_error_with_file_and_field(
    name: str, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError, match=rf"^{name}: (\w+\.)*{field}"):
        built(name, **changes)


@every((known.name, (known,)) for known in KNOWN)
def test_no_value_of_any_key_escapes_as_another_error(known: Known) -> None:
    odd: list[Any] = [None, 0, "x", [[]], 2**40]
    for key in known.config:
        for value in odd:
            with suppress(VperfError):
                build_model({**known.config, key: value}, source=known.name)


def test_llama_4_reads_its_own_chunk_in_three_layers_of_four() -> None:
    """The FP8 file of Maverick holds an empty no_rope_layers: every fourth layer sees all."""
    silent: dict[str, Any] = {"layer_types": None, "no_rope_layers": []}
    for changes in (silent, {}):
        model = built("llama4_text class defaults", **changes)
        full = sum(n for n, k in model.kinds if k.blocks[0].windows == ())
        assert full == 12
        assert model.windows == (8192,)


def test_a_config_that_is_silent_gets_the_defaults_of_its_class_and_says_so() -> None:
    model = built("deepseek-ai/DeepSeek-V3")
    assert not any("class's defaults" in line for line in model.assumptions)
    silent = built("zai-org/GLM-4.7-Flash", mlp_layer_types=None)
    assert silent.parameters == BY_NAME["zai-org/GLM-4.7-Flash"].parameters
    assert any("first_k_dense_replace 1" in line for line in silent.assumptions)


# --- what is imported ---------------------------------------------------------------------------


def test_every_model_type_is_one_familys_alone() -> None:
    listed = [name for lineage in LINEAGES for name in families_of(lineage)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(all_families())
    assert all(find_family(name) is family for name, family in all_families().items())
    assert find_family("no-such-type") is None


def test_every_file_of_families_is_listed() -> None:
    folder = Path(families.__file__).parent
    shared = {"__init__", "family", "keys", "encoder_parts", "experts"}
    modules = {file.stem for file in folder.glob("*.py")} - shared
    assert modules == set(LINEAGES)


def test_a_dense_model_imports_no_other_lineage_and_no_quantization_dialect() -> None:
    code = (
        "import sys, vperf; vperf.estimate('Qwen/Qwen3-4B', 'h100');"
        "print(*(name for name in sys.modules if name.startswith('vperf.model')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "vperf.model.families.dense" in loaded
    for lineage in set(LINEAGES) - {"dense"}:
        assert f"vperf.model.families.{lineage}" not in loaded
    assert "vperf.model.quantization.dialects" not in loaded
