"""Engine profiles: every file is complete, and an unknown engine is refused."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import replace
from typing import get_args

import pytest

from vperf import load_model
from vperf.errors import InputError, UnknownNameError
from vperf.hardware.gpu import PIPES
from vperf.hardware.scheduler import Policy
from vperf.sources.catalog import data_dir
from vperf.sources.engine_keys import ENGINE_FILE
from vperf.sources.engines import engine_id, engine_names, load_engine
from vperf.sources.gpus import gpu_names, load_gpu
from vperf.sources.schema import check_file
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_file_has_only_known_keys_a_source_and_a_date(name: str) -> None:
    path = data_dir() / "engines" / f"{name}.toml"
    file = check_file(tomllib.loads(path.read_text("utf-8")), ENGINE_FILE, path.name)
    assert file.eager_host_time_per_step
    assert file.eager_launch_time
    if small := file.scheduler.small_cards:
        assert set(small.cards) <= set(gpu_names())
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
    assert engine.scheduler.max_batched_tokens >= 128
    shares = [engine.wide_stream, engine.narrow_stream, engine.nested_stream]
    shares += [engine.all_reduce_latency, engine.recurrent_share, *engine.compute_share.values()]
    assert all(0 < share <= 1 for share in shares)
    assert set(engine.compute_share) <= set(PIPES)
    assert 0 <= engine.quantize_s_per_element < 1e-10
    assert 0 <= engine.host_s_per_sequence < engine.host_s_per_step
    facts = engine.scheduler
    assert facts.policy in get_args(Policy)
    assert 1 <= facts.max_sequences <= facts.max_batched_tokens
    assert 0 <= facts.admission_steps <= 5
    assert 0 <= facts.frontend_s_per_token < 1e-4
    assert 0 <= facts.frontend_s <= facts.frontend_s + facts.transit_s < 0.2
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


@pytest.mark.parametrize(
    ("spelled", "engine"),
    [
        ("vLLM", "vllm"), ("TensorRT-LLM", "trtllm"), ("llama-server", "llama.cpp"),
        ("LLAMA_CPP", "llama.cpp"), ("Hugging Face transformers", "transformers"),
    ],
)  # fmt: skip
def test_an_engine_is_found_by_any_spelling_of_its_names(spelled: str, engine: str) -> None:
    assert load_engine(spelled) == load_engine(engine)
    assert engine_id(spelled) == engine


@pytest.mark.parametrize("program", ["ollama", "LM Studio"])
def test_a_program_that_runs_another_engine_is_taken_as_it_and_that_is_said(program: str) -> None:
    engine = load_engine(program)
    assert engine.id == "llama.cpp"
    assert engine.name == f"llama.cpp (run by {program})"


def test_no_spelling_belongs_to_two_engines() -> None:
    owners: dict[str, set[str]] = {}
    for name in engine_names():
        file = tomllib.loads((data_dir() / "engines" / f"{name}.toml").read_text("utf-8"))
        for text in (name, file["name"], *file.get("aliases", ()), *file.get("run_by", ())):
            owners.setdefault("".join(filter(str.isalnum, text.lower())), set()).add(name)
    assert {key: ids for key, ids in owners.items() if len(ids) > 1} == {}


def test_vllm_takes_smaller_steps_on_smaller_cards_and_on_an_a100() -> None:
    engine = load_engine("vllm")
    for gpu_id, tokens in (("h100-sxm", 8192), ("l40s", 2048), ("a100-sxm-80gb", 2048)):
        gpu = load_gpu(gpu_id)
        assert engine.on(gpu.id, gpu.memory_bytes).max_batched_tokens == tokens


@pytest.mark.parametrize(
    ("name", "steps"),
    [("vllm", 3), ("vLLM@0.12", 0), ("vllm@0.14.1", 1), ("vllm@0.15", 3), ("vllm@0.19.0", 3)],
)
def test_a_version_schedules_as_it_did(name: str, steps: int) -> None:
    assert load_engine(name).scheduler.admission_steps == steps


def test_a_version_may_have_had_other_kernels() -> None:
    now, then = load_engine("trtllm"), load_engine("trtllm@1.0")
    assert (now.fused_quantize, then.fused_quantize) == (True, False)
    assert load_engine("trtllm@1.1").fused_quantize


@pytest.mark.parametrize("name", ["llama.cpp@b3000", "llama.cpp@3000"])
def test_builds_of_llama_cpp_are_versions(name: str) -> None:
    now, then = load_engine("llama.cpp@b9000"), load_engine(name)
    assert (now.nested_compute, then.nested_compute) == (1.0, 0.6)
    assert now.host_s_per_step < then.host_s_per_step


def test_ktransformers_copies_weights_of_long_prompts_since_kt_kernel() -> None:
    now, then = load_engine("ktransformers").host, load_engine("ktransformers@0.3").host
    assert now
    assert then
    assert (now.streams_from, then.streams_from) == (2048, 0)
    assert replace(now, streams_from=0) == then


@pytest.mark.parametrize("name", ["vllm@", "vllm@new", "vllm@0..1", "vllm@-1"])
def test_what_is_no_version_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="version"):
        load_engine(name)
