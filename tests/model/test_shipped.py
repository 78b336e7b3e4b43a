"""Every shipped model: what vperf derives is what its checkpoint holds."""

from __future__ import annotations

import re

import pytest

from tests.every import every
from vperf.errors import UnsupportedModelError
from vperf.model.ops import Step
from vperf.model.quantization import read_scheme
from vperf.model.read import build_model
from vperf.sources.models import load_model_config, model_ids, shipped_model


@every((name, (name,)) for name in model_ids())
def test_derived_parameters_equal_the_recorded_count(model_id: str) -> None:
    found = load_model_config(model_id)
    model = build_model(found.config, source=model_id, hf_quant_config=found.hf_quant_config)
    assert model.parameters == shipped_model(model_id).parameters
    assert 0 < model.active_parameters <= model.parameters
    assert model.weight_bytes > 0
    for step in (Step(1, 7, 0), Step(3, 1, 100)):
        ops = model.ops(step)
        assert all(op.flops >= 0 and op.streamed_bytes >= 0 for op in ops)
        # Nothing streams more than is stored.
        assert sum(op.count * op.weight_bytes for op in ops) <= model.weight_bytes * 1.0001


def test_an_architecture_that_is_not_understood_is_refused_by_name() -> None:
    config = {"model_type": "frobnicator", "hidden_size": 64}
    with pytest.raises(UnsupportedModelError, match="model_type 'frobnicator' is not supported"):
        build_model(config, source="config.json")


def test_a_known_type_with_a_mechanism_it_should_not_have_is_refused() -> None:
    found = load_model_config("meta-llama/Llama-3.1-8B-Instruct")
    config = {**found.config, "kv_lora_rank": 512}
    with pytest.raises(UnsupportedModelError, match="kv_lora_rank"):
        build_model(config, source="config.json")


_SAYS_QUANTIZED = re.compile(
    r"fp8|nvfp4|mxfp4|awq|gptq|int4|int8|w4a16|w8a8|w8a16|[48]bit|bnb|quantized", re.IGNORECASE
)


@every((name, (name,)) for name in model_ids() if _SAYS_QUANTIZED.search(name))
def test_what_a_name_says_of_its_format_is_read_or_said_to_be_missing(model_id: str) -> None:
    found = load_model_config(model_id)
    scheme = read_scheme(found.config, found.hf_quant_config, source=model_id)
    assert scheme.rules or any("publishes" in line for line in found.warnings)


def test_a_repository_with_a_sibling_in_bf16_is_not_in_bf16() -> None:
    """Ministral-3-3B-Instruct-2512 holds 4.67 GB, its -BF16 sibling 7.7."""
    siblings = [name.removesuffix("-BF16") for name in model_ids() if name.endswith("-BF16")]
    held = [name for name in siblings if name in model_ids()]
    assert "mistralai/Ministral-3-3B-Instruct-2512" in held
    for name in held:
        found = load_model_config(name)
        model = build_model(found.config, source=name, hf_quant_config=found.hf_quant_config)
        assert model.weight_bytes < 1.3 * model.parameters
    assert 4.6e9 < model.weight_bytes < 4.75e9
