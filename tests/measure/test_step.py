"""The ops of a model's step, measured against the fake."""

from __future__ import annotations

import pytest

from tests.measure.fake import TRUE, FakeBackend
from vperf import api
from vperf.measure.step import measure_layer, measure_step
from vperf.model.ops import Step
from vperf.sources.engines import load_engine
from vperf.timing.compiled import Compiled
from vperf.timing.passes import Pass
from vperf.timing.step import Card

DENSE = api.load_model("Qwen/Qwen3-4B-Instruct-2507")
SPARSE = api.load_model("qwen3-30b-a3b")
DECODE = Step(1, 1, 1024)


def card(backend: FakeBackend) -> Card:
    return Card(backend.gpu, load_engine("ideal"))


def test_every_op_of_the_estimate_is_run_and_matches_it() -> None:
    backend = FakeBackend()
    for model in (DENSE, SPARSE):
        for name, step in (("prefill", Step(1, 1024, 0)), ("decode", DECODE)):
            found = measure_step(backend, model, step, card(backend), name)
            rows = Compiled(model, card(backend)).itemise((Pass(step),)).ops
            assert [op.estimate for op in found.ops] == list(rows)
            assert found.covered == 1.0
            for op in found.ops:
                assert op.measured_s == pytest.approx(op.estimate.expected_s, rel=0.02)


def test_an_op_runs_once_and_its_time_counts_as_often_as_the_step_runs_it() -> None:
    backend = FakeBackend()
    found = measure_step(backend, DENSE, DECODE, card(backend), "decode")
    assert {op.count for op in backend.asked} == {1}
    qkv = found.ops[0]
    assert qkv.estimate.count == 36
    assert qkv.measured_s == pytest.approx(36 * backend.time([backend.asked[0]]).median_s, rel=1e-9)


def test_what_cannot_run_keeps_its_reason_and_stays_out_of_the_sums() -> None:
    backend = FakeBackend(TRUE, cannot=("moe",))
    found = measure_step(backend, SPARSE, DECODE, card(backend), "decode")
    experts = next(op for op in found.ops if op.estimate.name == "experts")
    assert experts.measured_s is None
    assert experts.why == "no kernel for moe"
    assert 0.0 < found.covered < 0.9
    assert found.limit_s == pytest.approx(
        sum(op.estimate.limit_s for op in found.ops) - experts.estimate.limit_s
    )


def test_a_layer_takes_as_long_as_its_ops_in_a_row() -> None:
    backend = FakeBackend()
    layer = measure_layer(backend, DENSE, DECODE, card(backend), pytest.fail)
    assert layer is not None
    assert (layer.layers, layer.of) == (36, 36)
    assert layer.left_out == ()
    assert layer.measured_s == pytest.approx(layer.expected_s, rel=0.03)
    step = Compiled(DENSE, card(backend)).itemise((Pass(DECODE),))
    assert 36 * layer.expected_s < step.expected_s < 1.3 * 36 * layer.expected_s


def test_a_layer_without_one_of_its_ops_says_which() -> None:
    backend = FakeBackend(TRUE, cannot=("attention",))
    layer = measure_layer(backend, DENSE, DECODE, card(backend), pytest.fail)
    assert layer is not None
    assert layer.left_out == ("attention: no kernel for attention",)


def test_a_layer_of_which_nothing_runs_is_said() -> None:
    said: list[str] = []
    backend = FakeBackend(TRUE, cannot=("attention", "matmul", "elementwise"))
    assert measure_layer(backend, DENSE, DECODE, card(backend), said.append) is None
    assert said == ["no op of the layer could be run"]
