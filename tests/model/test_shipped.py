"""Every shipped model: what vperf derives is what its checkpoint holds."""

from __future__ import annotations

import pytest

from vperf.errors import UnsupportedModelError
from vperf.model.ops import Step
from vperf.model.read import build_model
from vperf.sources.models import load_model_config, model_ids, shipped_model


@pytest.mark.parametrize("model_id", model_ids())
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
