"""Nothing of a config is passed over in silence, and what is missing is not guessed."""

from __future__ import annotations

from typing import Any

import pytest

from vperf.errors import InputError, UnsupportedModelError
from vperf.model.class_defaults import class_defaults, never_ties, release
from vperf.model.model import Model
from vperf.model.read import build_model

LLAMA = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 1000,
    "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip


def built(**changes: Any) -> Model:
    return build_model({**LLAMA, **changes}, source="config.json")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model_type": "qwen2_moe", "shared_expert_gate_bias": 1, "num_local_experts": 4,
          "sparse_attention_config": {"top": 1}}, "sparse_attention_config"),
        ({"kv_lora_rank": 512}, "kv_lora_rank"),
        ({"model_type": "opt", "ffn_dim": 512, "layer_norm_elementwise_affine": False},
         "layer_norm_elementwise_affine"),
        ({"model_type": "internlm2", "residual_rank": 16}, "residual_rank"),
        ({"model_type": "gpt_bigcode", "num_key_value_heads": 8}, "num_key_value_heads"),
    ],
)  # fmt: skip
def test_a_key_that_may_shape_weights_and_nobody_reads_is_refused(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        built(**changes)
    assert caught.value.field == field


def test_a_key_that_the_class_does_not_have_is_said() -> None:
    assert "set in the config and passed over: my_trick" in built(my_trick=3).assumptions
    assert built(my_trick=3).parameters == built().parameters


@pytest.mark.parametrize(
    "key", ["pad_token_id", "attention_dropout", "rope_scaling", "rms_norm_eps", "torch_dtype",
            "unsloth_version", "router_aux_loss_coef", "mtp_extra"]
)  # fmt: skip
def test_a_harmless_key_is_not_worth_a_line(key: str) -> None:
    lines = built(torch_dtype="bfloat16", **({} if key == "torch_dtype" else {key: 1})).assumptions
    assert lines == ()


def test_a_tower_beside_a_plain_text_type_is_said_not_to_be_counted() -> None:
    model = built(vision_config={"hidden_size": 64})
    assert "vision_config: not counted, parameters are the text model's" in model.assumptions


@pytest.mark.parametrize(
    ("model_type", "key", "value"),
    [
        ("mistral", "num_key_value_heads", 8), ("qwen3", "head_dim", 128),
        ("mistral", "sliding_window", 4096), ("llama", "intermediate_size", 11008),
    ],
)  # fmt: skip
def test_a_missing_key_is_the_default_of_its_class_and_said(
    model_type: str, key: str, value: int
) -> None:
    config = {**LLAMA, "model_type": model_type}
    config.pop(key, None)
    silent = build_model(config, source="config.json")
    stated = build_model({**config, key: value}, source="config.json")
    assert silent.kinds == stated.kinds
    assert any(f"{key} {value}" in line for line in silent.assumptions)
    assert class_defaults(model_type)[key] == value


def test_an_expert_width_is_never_that_of_a_dense_layer() -> None:
    experts = {
        "model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2,
        "moe_intermediate_size": 768,
    }  # fmt: skip
    stated = built(**experts)
    del experts["moe_intermediate_size"]  # the class's default is 768, intermediate_size is 512
    assert built(**experts).parameters == stated.parameters


def test_a_null_is_none_and_not_the_default() -> None:
    model = built(model_type="mistral", num_key_value_heads=None)
    assert model.parameters == built(model_type="mistral", num_key_value_heads=8).parameters
    assert built(model_type="mistral", sliding_window=None).windows == ()


def test_without_a_class_a_missing_key_is_an_error() -> None:
    config = {**LLAMA, "model_type": "internlm2"}
    del config["intermediate_size"]
    with pytest.raises(InputError, match="intermediate_size: missing"):
        build_model(config, source="config.json")


def test_the_table_says_of_which_release_it_is() -> None:
    version, read = release().split(", ")
    assert int(version.split(".")[0]) >= 5
    assert read >= "2026"
    assert class_defaults("no_such_type") == {}
    assert never_ties("voxtral")
    assert not never_ties("llama")
