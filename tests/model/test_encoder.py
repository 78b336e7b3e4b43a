"""Encoders: counted to the unit, every position sees every other, nothing is decoded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vperf
from vperf.model.model import Model
from vperf.model.ops import Step, near_pairs
from vperf.model.read import build_model

BERT_LARGE = {
    "model_type": "bert", "hidden_size": 1024, "intermediate_size": 4096,
    "num_hidden_layers": 24, "num_attention_heads": 16, "max_position_embeddings": 512,
    "type_vocab_size": 2, "vocab_size": 30522,
}  # fmt: skip
GTE = {
    "model_type": "new", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "max_position_embeddings": 8192, "type_vocab_size": 1,
    "vocab_size": 250048, "position_embedding_type": "rope", "layer_norm_type": "layer_norm",
    "pack_qkv": True,
}  # fmt: skip
NOMIC = {
    "model_type": "nomic_bert", "n_embd": 768, "n_inner": 3072, "n_layer": 12, "n_head": 12,
    "n_positions": 8192, "type_vocab_size": 2, "vocab_size": 30528,
    "activation_function": "swiglu", "qkv_proj_bias": False, "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
}  # fmt: skip
JINA = {
    "model_type": "bert", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "max_position_embeddings": 8192, "type_vocab_size": 2,
    "vocab_size": 30528, "position_embedding_type": "alibi", "feed_forward_type": "geglu",
}  # fmt: skip
JINA_BERT = (
    (30528 + 2 + 2) * 768  # words, token types, their norm; ALiBi has no table
    + 12 * (4 * 768 * 769 + 2 * 768 * 3072 + (3072 + 1) * 768 + 4 * 768)
    + 768 * 769  # pooler
)
DEBERTA_V3 = {
    "model_type": "deberta-v2", "hidden_size": 768, "intermediate_size": 3072,
    "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 512,
    "type_vocab_size": 0, "vocab_size": 128100, "relative_attention": True,
    "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "pos_att_type": "p2c|c2p", "position_biased_input": False,
}  # fmt: skip


def built(config: dict[str, Any], architecture: str | None) -> Model:
    named = {} if architecture is None else {"architectures": [architecture]}
    return build_model({**config, **named}, source="config.json")


@pytest.mark.parametrize(
    ("config", "architecture", "parameters"),
    [
        (BERT_LARGE, "BertModel", 335_141_888),  # BAAI/bge-large-en-v1.5
        (GTE, "NewModel", 305_368_320),  # Alibaba-NLP/gte-multilingual-base
        (NOMIC, "NomicBertModel", 136_731_648),  # nomic-ai/nomic-embed-text-v1.5
        (JINA, "JinaBertModel", JINA_BERT),
        (DEBERTA_V3, "DebertaV2Model", 183_831_552),  # microsoft/deberta-v3-base
    ],
)
def test_published_models_are_exact(
    config: dict[str, Any], architecture: str, parameters: int
) -> None:
    assert built(config, architecture).parameters == parameters


HIDDEN, VOCAB = 1024, 30522
LAYERS = 335_141_888 - HIDDEN * (HIDDEN + 1)  # of the base model without its pooler


@pytest.mark.parametrize(
    ("architecture", "changes", "more"),
    [
        ("BertForSequenceClassification", {"id2label": {"0": "A"}}, (HIDDEN + 1) * (HIDDEN + 1)),
        ("BertForSequenceClassification", {}, HIDDEN * (HIDDEN + 1) + 2 * (HIDDEN + 1)),
        ("BertForTokenClassification", {"num_labels": 9}, 9 * (HIDDEN + 1)),
        ("BertForQuestionAnswering", {}, 2 * (HIDDEN + 1)),
        ("BertForMaskedLM", {}, HIDDEN * (HIDDEN + 1) + 2 * HIDDEN + VOCAB),
        ("BertForMaskedLM", {"tie_word_embeddings": False},
         HIDDEN * (HIDDEN + 1) + 2 * HIDDEN + HIDDEN * VOCAB + 2 * VOCAB),
    ],
)  # fmt: skip
def test_what_stands_on_the_layers_is_that_of_the_class(
    architecture: str, changes: dict[str, Any], more: int
) -> None:
    assert built(BERT_LARGE | changes, architecture).parameters == LAYERS + more


def test_a_masked_lm_head_is_stored_and_not_run() -> None:
    masked, bare = built(BERT_LARGE, "BertForMaskedLM"), built(BERT_LARGE, "BertModel")
    step = Step(1, 128, 0)

    def flops(model: Model) -> float:
        return sum(op.count * op.flops for op in model.ops(step) if op.kind == "matmul")

    pooler = 2.0 * HIDDEN * HIDDEN
    assert flops(bare) - flops(masked) == pooler
    assert masked.streamed_parameters < masked.parameters - HIDDEN * VOCAB


def test_every_position_sees_every_other() -> None:
    model = built(BERT_LARGE, "BertModel")
    (attention,) = [op for op in model.ops(Step(2, 100, 0)) if op.kind == "attention"]
    assert attention.flops == 2 * 16 * 4 * 64 * 100 * 100
    assert model.kv_bytes_per_token == 0
    assert not model.generates


@pytest.mark.parametrize("new", [1, 5, 64, 65, 66, 200])
def test_pairs_within_reach_are_those_counted_one_by_one(new: int) -> None:
    reach = 64
    pairs = sum(abs(i - j) <= reach for i in range(new) for j in range(new))
    assert near_pairs(Step(3, new, 0), reach) == 3 * pairs


def test_layers_that_share_weights_are_stored_once_and_run_each_time() -> None:
    model = built({"model_type": "albert"}, "AlbertModel")
    assert model.layer_count == 12
    (up,) = [op for op in model.ops(Step(1, 8, 0)) if op.name == "up_proj"]
    assert up.count == 12
    assert model.parameters == 222_595_584


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"is_decoder": True}, "is_decoder"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
    ],
)
def test_a_decoder_under_its_name_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(vperf.VperfError, match=field):
        built(BERT_LARGE | changes, "BertModel")


@pytest.fixture
def bge(tmp_path: Path) -> str:
    config = BERT_LARGE | {"architectures": ["BertModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return str(tmp_path)


def test_an_estimate_is_of_the_prefill_alone(bge: str) -> None:
    found = vperf.estimate(bge, "h100-sxm", input_len=512, batch_size=8).to_dict()
    assert found["decode"]["ops"] == []
    assert found["depth"] == []
    assert found["expected"]["decode_tokens_per_s"] == 0
    assert found["expected"]["ttft_s"] > found["limit"]["ttft_s"] > 0
    assert found["workload"]["output_tokens"] == 0
    assert any("generates no tokens" in line for line in found["assumptions"])


@pytest.mark.parametrize(("kind", "tokens"), [("bert", 514), ("xlm-roberta", 512), ("mpnet", 512)])
def test_roberta_counts_positions_from_behind_its_padding(kind: str, tokens: int) -> None:
    config = BERT_LARGE | {"model_type": kind, "max_position_embeddings": 514}
    config |= {"relative_attention_num_buckets": 32} if kind == "mpnet" else {}
    assert built(config, None).max_context_tokens == tokens
