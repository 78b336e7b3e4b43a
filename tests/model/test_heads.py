"""What stands on top of the layers is what `architectures` names."""

from __future__ import annotations

from typing import Any

import pytest

from vperf.errors import UnsupportedModelError
from vperf.model.model import Model
from vperf.model.ops import Step
from vperf.model.read import build_model

HIDDEN, VOCAB = 256, 1000
QWEN3 = {
    "model_type": "qwen3", "hidden_size": HIDDEN, "intermediate_size": 512, "head_dim": 32,
    "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 2,
    "vocab_size": VOCAB, "tie_word_embeddings": False,
}  # fmt: skip


def built(architecture: str | None, **changes: Any) -> Model:
    named = {} if architecture is None else {"architectures": [architecture]}
    return build_model({**QWEN3, **named, **changes}, source="config.json")


LM = built(None).parameters
BARE = LM - HIDDEN * VOCAB


@pytest.mark.parametrize(
    ("architecture", "changes", "parameters"),
    [
        ("Qwen3ForCausalLM", {}, LM),
        ("Qwen3ForCausalLM", {"tie_word_embeddings": True}, BARE),
        ("Qwen3Model", {}, BARE),
        ("Qwen3Model", {"tie_word_embeddings": True}, BARE),
        ("Qwen3ForSequenceClassification", {"id2label": {"0": "LABEL_0"}}, BARE + HIDDEN),
        ("Qwen3ForSequenceClassification", {"num_labels": 5}, BARE + 5 * HIDDEN),
        ("Qwen3ForTokenClassification", {"num_labels": 2}, BARE + 2 * (HIDDEN + 1)),
        ("Qwen3ForQuestionAnswering", {}, BARE + 2 * (HIDDEN + 1)),
        ("Qwen2ForRewardModel", {}, BARE + HIDDEN * (HIDDEN + 1) + HIDDEN + 1),
        ("Qwen2ForProcessRewardModel", {}, BARE + HIDDEN * (HIDDEN + 1) + 2 * (HIDDEN + 1)),
    ],
)  # fmt: skip
def test_a_head_is_counted_as_its_class_builds_it(
    architecture: str, changes: dict[str, Any], parameters: int
) -> None:
    assert built(architecture, **changes).parameters == parameters


def test_a_base_model_streams_neither_head_nor_embedding() -> None:
    model = built("Qwen3Model")
    assert model.head is None
    assert all(op.name != "lm_head" for op in model.ops(Step(1, 1, 0)))
    assert model.streamed_parameters == BARE - HIDDEN * VOCAB
    assert any("generates no tokens" in line for line in model.assumptions)


def test_an_older_repository_calls_its_whole_lm_a_model() -> None:
    """ChatGLMModel of THUDM/glm-4-9b-chat generates: transformers has no class of that name."""
    config = {
        **QWEN3, "model_type": "internlm2", "architectures": ["InternLM2Model"], "head_dim": None,
    }  # fmt: skip
    assert build_model(config, source="config.json").head is not None


@pytest.mark.parametrize("name", ["LlamaForCausalLMEagle3", "EAGLEModel", "MedusaModel"])
def test_a_draft_model_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedModelError, match="draft model"):
        built(name)


def test_a_reward_head_that_is_not_known_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="not known"):
        built("InternLM2ForRewardModel")


def test_an_unknown_name_is_taken_for_an_lm_and_said() -> None:
    model = built("Qwen3WithTricks")
    assert model.parameters == LM
    assert "Qwen3WithTricks is taken to have an LM head" in model.assumptions
