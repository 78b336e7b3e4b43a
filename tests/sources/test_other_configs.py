"""Directories that say what a model is by another file than config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vperf
from vperf.errors import InputError, VperfError
from vperf.resolve.model import build
from vperf.sources.models import load_model_config

MISTRAL_7B = {
    "dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32,
    "n_kv_heads": 8, "norm_eps": 1e-05, "vocab_size": 32768, "rope_theta": 1000000.0,
}  # fmt: skip
LLAMA_70B = {
    "dim": 8192, "ffn_dim_multiplier": 1.3, "multiple_of": 4096, "n_heads": 64, "n_kv_heads": 8,
    "n_layers": 80, "norm_eps": 1e-05, "vocab_size": 128256,
}  # fmt: skip
EXPERTS = {**MISTRAL_7B, "vocab_size": 32000, "moe": {"num_experts": 8, "num_experts_per_tok": 2}}


def written(directory: Path, name: str, value: dict[str, Any]) -> Path:
    (directory / name).write_text(json.dumps(value))
    return directory


@pytest.mark.parametrize(
    ("params", "parameters"),
    [
        (MISTRAL_7B, 7_248_023_552),  # mistralai/Mistral-7B-v0.3
        (LLAMA_70B, 70_553_706_496),  # meta-llama/Meta-Llama-3-70B
        (EXPERTS, 46_702_792_704),  # mistralai/Mixtral-8x7B-v0.1
    ],
)
def test_params_of_a_release_are_read(
    tmp_path: Path, params: dict[str, Any], parameters: int
) -> None:
    _, model = build(str(written(tmp_path, "params.json", params)))
    assert model.parameters == parameters


def test_a_config_with_the_same_keys_is_itself(tmp_path: Path) -> None:
    config = {"model_type": "distilbert", "architectures": ["DistilBertModel"], "dim": 768,
              "n_layers": 6, "n_heads": 12, "hidden_dim": 3072, "vocab_size": 30522}  # fmt: skip
    _, model = build(str(written(tmp_path, "config.json", config)))
    assert model.parameters == 66_362_880


def test_mistral_large_3_is_mla_with_shared_experts(tmp_path: Path) -> None:
    params = {
        "dim": 1024, "n_layers": 3, "head_dim": 128, "hidden_dim": 4096, "n_heads": 8,
        "n_kv_heads": 8, "vocab_size": 1000, "q_lora_rank": 256, "kv_lora_rank": 128,
        "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64,
        "quantization": {"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"},
        "moe": {"num_experts": 8, "num_experts_per_tok": 2, "expert_hidden_dim": 512,
                "num_shared_experts": 1, "first_k_dense_replace": 1, "route_every_n": 1},
    }  # fmt: skip
    _, model = build(str(written(tmp_path, "params.json", params)))
    assert model.model_type == "deepseek_v3"
    assert model.cache_elements_per_token == 3 * (128 + 32)
    assert model.quantization == "fp8 (per tensor)"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"use_biases": True}, "use_biases"),
        ({"vocab_size": -1}, "vocab_size"),
        ({"hidden_dim": None}, "hidden_dim"),
        ({"quantization": {"bits": 4}}, "quantization"),
    ],
)
def test_params_that_are_not_understood_are_refused(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(VperfError, match=field):
        build(str(written(tmp_path, "params.json", {**MISTRAL_7B, **changes})))


BASE = "Qwen/Qwen3-4B-Instruct-2507"
ADAPTER = {
    "peft_type": "LORA", "base_model_name_or_path": BASE, "r": 16,
    "target_modules": ["q_proj", "v_proj"], "lora_alpha": 32,
}  # fmt: skip


def test_an_adapter_is_its_base_model_with_a_lora(tmp_path: Path) -> None:
    directory = str(written(tmp_path, "adapter_config.json", ADAPTER))
    found = load_model_config(directory)
    assert (found.id, found.adapter and found.adapter.rank) == (BASE, 16)
    plain, adapted = (vperf.estimate(name, "h100-sxm") for name in (BASE, directory))
    asked = vperf.estimate(BASE, "h100-sxm", lora_rank=16, lora_targets="q_proj,v_proj")
    assert adapted.expected == asked.expected
    assert adapted.memory.total_bytes > plain.memory.total_bytes
    assert any("rank 16" in line for line in found.warnings)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"peft_type": "IA3"}, "peft_type"),
        ({"r": 0}, "r:"),
        ({"base_model_name_or_path": ""}, "base_model_name_or_path"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"),
    ],
)
def test_adapters_of_other_kinds_are_refused(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError, match=field):
        load_model_config(str(written(tmp_path, "adapter_config.json", {**ADAPTER, **changes})))


def test_a_shard_index_leads_to_the_config_beside_it(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {}}')
    with pytest.raises(InputError, match=r"config\.json beside it"):
        load_model_config(str(index))
    written(tmp_path, "params.json", MISTRAL_7B)
    assert build(str(index))[1].parameters == 7_248_023_552
