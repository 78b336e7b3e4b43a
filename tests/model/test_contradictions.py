"""Two facts of one config that cannot both be: an error, or said which of them counts."""

from __future__ import annotations

from typing import Any

import pytest

from vperf.errors import InputError
from vperf.model.model import Model
from vperf.model.read import build_model

SIZES = {
    "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "head_dim": 32,
    "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 1000,
    "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
NEAR = ["sliding_attention", "full_attention"]


def built(model_type: str = "llama", **changes: Any) -> Model:
    return build_model({"model_type": model_type, **SIZES, **changes}, source="config.json")


@pytest.mark.parametrize(
    ("model_type", "changes", "field", "said"),
    [
        ("qwen3", {"layer_types": NEAR, "sliding_window": 512, "use_sliding_window": False},
         "layer_types[0]", "is 'sliding_attention', but use_sliding_window is false"),
        ("llama", {"layer_types": NEAR},
         "layer_types[0]", "is 'sliding_attention', but there is no sliding_window"),
        ("gpt_oss", {"layer_types": NEAR, "sliding_window": None, "num_local_experts": 4,
                     "num_experts_per_tok": 2},
         "layer_types[0]", "is 'sliding_attention', but there is no sliding_window"),
        ("llama", {"quantization_config": {"quant_method": "fp8", "activation_scheme": "none"}},
         "quantization_config.activation_scheme", "fp8 by 'none' scales is not supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_an_error_of_its_field(
    model_type: str, changes: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        built(model_type, **changes)
    assert caught.value.field == field
    assert said in caught.value.message


def test_a_window_that_is_used_is_a_window() -> None:
    used: dict[str, Any] = {"layer_types": NEAR, "sliding_window": 512, "use_sliding_window": True}
    assert [count for count, _ in built("qwen3", **used).kinds] == [1, 1]


def test_a_wrappers_ties_are_true_or_false() -> None:
    wrapper = {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", **SIZES},
               "vision_config": {}, "tie_word_embeddings": "false"}  # fmt: skip
    with pytest.raises(InputError, match="tie_word_embeddings: must be true or false"):
        build_model(wrapper, source="config.json")


@pytest.mark.parametrize("other", ["n_layer", "num_layers", "n_heads"])
def test_of_two_names_of_one_fact_the_one_that_does_not_count_is_said(other: str) -> None:
    four: dict[str, Any] = {other: 4}
    found = built(**four)
    assert f"set in the config and passed over: {other}" in found.assumptions
    assert found.parameters == built().parameters


def test_two_names_that_agree_are_not_worth_a_line() -> None:
    assert built(n_layer=2, torch_dtype="bfloat16").assumptions == ()


def test_a_class_of_another_family_than_the_model_type_is_said() -> None:
    lines = built(architectures=["GPT2LMHeadModel"]).assumptions
    assert "architectures names GPT2LMHeadModel: taken for what its model_type llama says" in lines


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("llama", "LlamaForCausalLM"),
        ("gemma3_text", "Gemma3ForCausalLM"),
        ("llama", "YiForCausalLM"),
    ],
)
def test_a_class_of_the_same_family_or_of_none_that_is_known_is_not_worth_a_line(
    model_type: str, name: str
) -> None:
    found = built(model_type, architectures=[name], torch_dtype="bfloat16", sliding_window=512)
    assert not any(line.startswith("architectures") for line in found.assumptions)


def test_a_text_model_that_is_not_the_wrappers_usual_one_is_said() -> None:
    wrapper = {"model_type": "gemma3", "vision_config": {}}
    found = build_model({**wrapper, "text_config": {"model_type": "qwen3", **SIZES}}, source="x")
    (line,) = (line for line in found.assumptions if "usual" in line)
    assert line == (
        "the text model of this gemma3 is qwen3, where gemma3_text is usual: counted as it says"
    )
