"""Engine profiles: every file is complete, and an unknown engine is refused."""

from __future__ import annotations

import dataclasses
import datetime
import tomllib

import pytest

from vperf import load_model
from vperf.errors import UnknownNameError
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import PIPES
from vperf.sources.catalog import data_dir
from vperf.sources.engines import _SECONDS, engine_names, load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card

REQUIRED = {
    "id", "name", "host_time_per_step", "launch_time", "eager_host_time_per_step",
    "eager_launch_time", "memory_utilization", "max_batched_tokens", "request_time",
    "admission_steps", "source", "checked",
}  # fmt: skip
FIELDS = {field.name for field in dataclasses.fields(Engine)}


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_file_has_only_known_keys_a_source_and_a_date(name: str) -> None:
    file = tomllib.loads((data_dir() / "engines" / f"{name}.toml").read_text("utf-8"))
    assert set(file) >= REQUIRED
    assert {_SECONDS.get(key, key) for key in file} <= FIELDS
    engine = load_engine(name)
    assert engine.id == name
    assert engine.source
    assert "remembered" not in engine.source
    assert datetime.date.fromisoformat(engine.checked)


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_is_physically_possible(name: str) -> None:
    engine = load_engine(name)
    assert 0 < engine.host_s_per_step <= engine.eager_host_s_per_step < 0.1
    assert 0 < engine.launch_s <= engine.eager_launch_s < 1e-3 or not engine.eager_launch_s
    assert 0.5 < engine.memory_utilization <= 1
    assert engine.max_batched_tokens >= 128
    shares = [engine.wide_stream, engine.narrow_stream, engine.nested_stream]
    shares += [engine.all_reduce_latency, engine.recurrent_share, *engine.compute_share.values()]
    assert all(0 < share <= 1 for share in shares)
    assert set(engine.compute_share) <= set(PIPES)
    assert 0 <= engine.quantize_s_per_element < 1e-10
    assert 0 <= engine.host_s_per_sequence < engine.host_s_per_step
    assert 0 <= engine.request_s_per_token < 1e-4
    assert 0.5 < engine.ttft_spread[0] < 1 < engine.ttft_spread[1] < 5


def test_without_cuda_graphs_the_gpu_waits_for_launches_that_take_longer_than_kernels() -> None:
    eager = load_engine("vllm").without_graphs()
    launches = 300 * eager.eager_launch_s
    assert eager.overhead_s(300, 0.0, 0) == pytest.approx(eager.host_s_per_step + launches)
    assert eager.overhead_s(300, launches / 2, 0) == pytest.approx(
        eager.host_s_per_step + launches / 2
    )
    assert eager.overhead_s(300, 2 * launches, 0) == eager.host_s_per_step


def test_with_cuda_graphs_the_number_of_kernels_costs_the_host_nothing() -> None:
    engine = load_engine("vllm")
    assert engine.overhead_s(10_000, 0.0, 0) == engine.host_s_per_step


@pytest.mark.parametrize("name", ["vllm", "sglang", "trtllm"])
def test_every_sequence_of_a_step_takes_the_host_as_long(name: str) -> None:
    for engine in (load_engine(name), load_engine(name).without_graphs()):
        alone, many = (engine.overhead_s(300, 1.0, n) for n in (1, 101))
        assert many - alone == pytest.approx(100 * engine.host_s_per_sequence)
        assert engine.host_s_per_sequence > 0


def test_cuda_graphs_buy_more_on_a_small_model_than_on_a_large_one() -> None:
    graphs = load_engine("vllm")

    def gain(model: str) -> float:
        slow, fast = (
            Compiled(load_model(model), Card(load_gpu("h100"), engine)).decode(1, 1024)[1]
            for engine in (graphs.without_graphs(), graphs)
        )
        return slow / fast

    assert gain("Qwen/Qwen3-0.6B") > gain("Qwen/Qwen3-32B") > 1


def test_an_unknown_engine_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown engine 'fast'") as caught:
        load_engine("fast")
    assert "vllm" in caught.value.hint
