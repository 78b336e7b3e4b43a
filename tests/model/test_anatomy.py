"""The parts of a model add up to it."""

from __future__ import annotations

import pytest

import vperf
from vperf.model.anatomy import anatomy
from vperf.sources.models import model_ids


@pytest.mark.parametrize("model_id", model_ids()[::7])
def test_parts_add_up_to_the_parameters(model_id: str) -> None:
    model = vperf.load_model(model_id)
    parts = anatomy(model)
    assert sum(count for _, count in parts.parts) == model.parameters
    assert sum(row.count for row in parts.layers) == model.layer_count
    kv = sum(row.count * row.kv_elements_per_token for row in parts.layers)
    assert kv == model.cache_elements_per_token


def test_gpt_oss_shows_its_windows_its_experts_and_its_formats() -> None:
    parts = anatomy(vperf.load_model("openai/gpt-oss-120b"))
    windowed, full = parts.layers
    assert windowed.mechanisms[0] == "attention 64 heads, 8 KV heads of 64, window 128"
    assert full.mechanisms[0] == "attention 64 heads, 8 KV heads of 64"
    assert full.mechanisms[1] == "experts 4 of 128, width 2880"
    assert dict(parts.parts)["experts"] == 36 * 128 * (3 * 2880 * 2880 + 3 * 2880)
    assert [name for name, _ in parts.bytes_by_format] == ["mxfp4", "bf16"]


def test_multi_token_prediction_layers_are_told_apart() -> None:
    parts = anatomy(vperf.load_model("deepseek-ai/DeepSeek-V3"))
    assert parts.mtp_layers == 1
    assert parts.mtp_parameters
    assert sum(n for _, n in parts.parts) == 671_026_404_352
