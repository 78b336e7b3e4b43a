"""The parts of a model add up to it."""

from __future__ import annotations

import pytest

import vperf
from tests.every import every
from vperf.model.anatomy import anatomy
from vperf.sources.models import load_model_config, model_ids


@every((name, (name,)) for name in model_ids()[::7])
def test_parts_add_up_to_the_parameters(model_id: str) -> None:
    model = vperf.load_model(model_id)
    parts = anatomy(model)
    assert sum(count for _, count in parts.parts) == model.parameters
    assert sum(row.count for row in parts.layers) == model.layer_count
    kv = sum(row.count * row.kv_elements_per_token for row in parts.layers)
    assert kv == model.cache_elements_per_token
    stored = sum(size for _, size in parts.bytes_by_format)
    assert stored == pytest.approx(model.weight_bytes, rel=1e-12)
    assert parts.config_keys


def test_gpt_oss_shows_its_windows_its_experts_and_its_formats() -> None:
    parts = anatomy(vperf.load_model("openai/gpt-oss-120b"))
    windowed, full = parts.layers
    assert windowed.mechanisms[0] == "attention 64 heads, 8 KV heads of 64, window 128"
    assert full.mechanisms[0] == "attention 64 heads, 8 KV heads of 64"
    assert full.mechanisms[1] == "experts 4 of 128, width 2880"
    assert dict(parts.parts)["experts"] == 36 * 128 * (3 * 2880 * 2880 + 3 * 2880)
    assert [name for name, _ in parts.bytes_by_format] == ["mxfp4", "bf16", "vectors, 16 bit"]


def test_a_tied_head_is_told_from_one_of_its_own() -> None:
    assert anatomy(vperf.load_model("Qwen/Qwen3-4B")).tied_head
    assert not anatomy(vperf.load_model("Qwen/Qwen3-8B")).tied_head


@pytest.mark.parametrize(
    ("model_id", "mechanism"),
    [
        ("deepseek-ai/DeepSeek-V3.2", "indexer 64 heads of 128, picks 2048"),
        ("deepseek-ai/DeepSeek-V3.2", "MLA 128 heads, latent 512 + 64, best 2048 keys"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "gated delta rule 32 heads of 128x128"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct",
         "attention 40 heads, 8 KV heads of 128, chunks of 8192"),
    ],
)  # fmt: skip
def test_mechanisms_are_said_in_words(model_id: str, mechanism: str) -> None:
    layers = anatomy(vperf.load_model(model_id)).layers
    assert mechanism in {words for row in layers for words in row.mechanisms}


def test_the_encoder_has_rows_of_its_own() -> None:
    parts = anatomy(vperf.load_model("google/flan-t5-xl"))
    assert sum(row.count for row in parts.encoder) == 24
    assert parts.encoder[0].mechanisms[0] == "attention both ways, 32 heads of 64"


def test_multi_token_prediction_layers_are_told_apart() -> None:
    parts = anatomy(vperf.load_model("deepseek-ai/DeepSeek-V3"))
    assert parts.mtp_layers == 1
    assert parts.mtp_parameters
    assert sum(n for _, n in parts.parts) == 671_026_404_352


def test_every_mechanism_of_every_kind_of_shipped_model_is_said_in_words() -> None:
    kinds = {load_model_config(name).config["model_type"]: name for name in model_ids()}
    unsaid = [
        (name, words)
        for name in kinds.values()
        for parts in (anatomy(vperf.load_model(name)),)
        for words in (
            *(words for row in (*parts.layers, *parts.encoder) for words in row.mechanisms),
            *(name for name, _ in parts.parts),
        )
        if not words or "None" in str(words)
    ]
    assert unsaid == []
