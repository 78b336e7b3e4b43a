"""Memory: what fits, and the largest context and batch that still do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.memory import Memory, plan_memory, pool, pools, reading_bytes
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu

VLLM = load_engine("vllm")
MODELS = ("Qwen/Qwen3-4B", "openai/gpt-oss-20b", "google/gemma-2-9b", "mistralai/Mistral-7B-v0.1")


def plan_of(model: Model, gpu: Gpu, *of: int) -> Memory:
    return plan_memory(model, gpu, pools(model, gpu, VLLM), *of)


def test_cache_and_weights_of_llama_3_1_8b_are_as_calculated_by_hand() -> None:
    model = vperf.load_model("meta-llama/Llama-3.1-8B-Instruct")
    plan = plan_of(model, load_gpu("h100-sxm"), 8, 1000, 24)
    assert plan.weight_bytes == 16_060_522_496
    assert plan.kv_cache_bytes == 8 * 1024 * 131_072
    assert plan.total_bytes == plan.weight_bytes + plan.kv_cache_bytes + plan.other_bytes
    assert plan.other_bytes > 0.08 * plan.capacity_bytes  # vLLM leaves 8 % of the memory free


def test_what_is_beside_weights_and_cache_does_not_depend_on_the_batch() -> None:
    # Llama-3.1-8B in vLLM samples at most from 1,024 rows of 128,256 logits, 16 bytes each, which
    # is more than the 8,192 tokens of the profiled step take; 10 MB of CUDA graphs a layer; 8 % of
    # what the driver gives left free.
    for batch in (1, 64):
        memory = vperf.estimate(
            "meta-llama/Llama-3.1-8B-Instruct", "h100", batch_size=batch, input_len=2000
        ).memory
        activations = 1024 * 16 * 128_256
        driver = 0.0025 * memory.capacity_bytes + 0.38e9
        left = 0.08 * (memory.capacity_bytes - driver)
        by_hand = driver + left + activations + 32 * 10e6
        assert memory.other_bytes == pytest.approx(by_hand, rel=1e-9)


def test_an_engine_is_given_more_of_the_memory_where_its_default_is_too_little() -> None:
    """DeepSeek-R1 in fp8 serves 32 users of 8,192 + 1,024 tokens on four B200 (InferenceMAX)."""
    load: dict[str, Any] = {"tp": 4, "max_concurrency": 32, "input_len": 8192, "output_len": 1024}
    load |= {"engine": "sglang", "kv_cache_dtype": "fp8"}
    answer = vperf.estimate("deepseek-ai/DeepSeek-R1", "b200", **load)
    assert answer.memory.fits
    assert answer.serving is not None
    assert answer.serving.slots >= 32
    assert any("95% of a GPU's memory" in line for line in answer.assumptions)
    told = vperf.estimate("deepseek-ai/DeepSeek-R1", "b200", gpu_memory_utilization=0.88, **load)
    assert told.memory.utilization == 0.88
    assert not told.memory.fits


def test_a_sliding_window_caps_the_cache_of_its_layers() -> None:
    model = vperf.load_model("mistralai/Mistral-7B-v0.1")  # 32 layers, window 4096
    assert model.cache_bytes(4096) == model.cache_bytes(32_768) == 4096 * 131_072


def test_alternating_windows_cache_half_the_layers_in_full() -> None:
    model = vperf.load_model("google/gemma-2-9b")  # 21 of 42 layers see 4096 tokens
    per_layer = 2 * 8 * 256 * 2
    assert model.cache_bytes(8192) == 21 * per_layer * 8192 + 21 * per_layer * 4096


def test_a_step_that_reads_a_prompt_takes_more_of_a_window_than_the_window() -> None:
    """Gemma-3-27B: 52 of 62 layers see 1,024 tokens, 16 heads of 128. 8,192 tokens of a step are in
    the cache until it ends (vLLM's SlidingWindowSpec)."""
    at = deploy(Scenario("google/gemma-3-27b-it", "h100-sxm", quantization="fp8"))
    beyond = 52 * 2 * 16 * 128 * 2 * (8192 - 1024)
    few = at.card.engine.with_scheduler(max_batched_tokens=2048)
    assert reading_bytes(at.model, at.replica.pools, 20_000) == beyond
    assert reading_bytes(at.model, at.replica.pools, 1000) == 0
    assert reading_bytes(at.model, pools(at.model, at.card.gpu, few), 20_000) == beyond / 7
    # On a 5090 with that budget two prompts of 32,768 tokens do not fit at once; a public run of
    # four users came to 0.8 at a time (hholtmann, 2025-12, vLLM 0.12).
    held = vperf.estimate(
        "google/gemma-3-27b-it", "rtx-5090", quantization="nvfp4", input_len=32_768,
        output_len=500, max_concurrency=4, max_num_batched_tokens=8192,
    ).memory.max_batch_size  # fmt: skip
    assert held <= 2


def test_mla_caches_one_latent_per_token() -> None:
    model = vperf.load_model("deepseek-ai/DeepSeek-V3")
    assert model.kv_bytes_per_token == 61 * (512 + 64) * 2 == 70_272
    assert model.cache_bytes(1000) == 1000 * 70_272


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(MODELS), st.floats(10e9, 200e9), st.integers(1, 64), st.integers(1, 20_000))
def test_the_largest_context_and_batch_fit_and_one_more_does_not(
    name: str, memory_bytes: float, batch: int, tokens: int
) -> None:
    model = vperf.load_model(name)
    gpu = replace(load_gpu("h100-sxm"), memory_bytes=memory_bytes)
    plan = plan_of(model, gpu, batch, tokens, 1)
    told = replace(VLLM, memory_utilization=plan.utilization, share_given=True)
    free = pool(model, gpu, told, 0.0).free_bytes
    context = plan.max_context_tokens

    def taken(context: int) -> float:
        reading = model.rank_cache.read_bytes(min(VLLM.max_batched_tokens, context))
        return batch * model.cache_bytes(context) + reading

    if context:
        assert taken(context) <= free * (1 + 1e-9)
    if context < (model.max_context_tokens or 0):
        assert taken(context + 1) > free * (1 - 1e-9)
    if plan.max_batch_size:
        assert plan_of(model, gpu, plan.max_batch_size, tokens, 1).fits
    more = plan_of(model, gpu, plan.max_batch_size + 1, tokens, 1)
    assert not more.fits or more.utilization > plan.utilization
    assert plan.fits == (plan.max_batch_size >= batch)


def test_an_8_bit_cache_doubles_the_context_that_fits() -> None:
    gpu = replace(load_gpu("h100-sxm"), memory_bytes=29e9)
    longest = [
        plan_of(
            vperf.load_model("Qwen/Qwen3-4B-Instruct-2507", kv_cache_dtype=fmt), gpu, 1, 1024, 1
        ).max_context_tokens
        for fmt in (None, "fp8")
    ]
    assert longest[1] == pytest.approx(2 * longest[0], rel=1e-3)


def test_the_pool_holds_its_bytes_over_those_of_a_token() -> None:
    model = vperf.load_model("meta-llama/Llama-3.1-8B-Instruct")  # 131,072 bytes a token
    plan = plan_of(model, load_gpu("h100-sxm"), 8, 1000, 24)
    assert plan.pool_tokens == pytest.approx(plan.pool_bytes / 131_072, rel=1e-4)
    assert plan.pool_bytes == plan.capacity_bytes - plan.weight_bytes - plan.other_bytes
