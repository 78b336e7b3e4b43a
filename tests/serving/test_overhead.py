"""What an engine takes beside weights and cache, against what engines log and users report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vperf.hardware.engine import Engine
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.memory import Use, memory_use, plan_memory, pools
from vperf.serving.overhead import Overhead, overhead, visible_bytes
from vperf.sources.gpus import load_gpu

GIB = 2.0**30


def pool(scenario: Scenario) -> tuple[float, float]:
    """Bytes left for the cache of one GPU, and tokens."""
    at = deploy(scenario)
    gpu, model = at.card.gpu, at.model
    taken = overhead(model, gpu, at.card.engine).total_bytes
    free = gpu.memory_bytes - model.rank_weight_bytes - taken
    return free, free / (model.rank_cache_bytes(65536) / 65536)


@pytest.mark.parametrize(
    ("gpu", "seen_gib"), [("rtx-3090", 23.58), ("rtx-5090", 31.36), ("h100-sxm", 79.22)]
)
def test_a_program_sees_a_little_less_than_the_driver_shows(gpu: str, seen_gib: float) -> None:
    assert visible_bytes(load_gpu(gpu)) == pytest.approx(seen_gib * GIB, rel=0.005)


def test_metal_gives_three_quarters_of_unified_memory_and_less_of_a_small_mac() -> None:
    # An M4 Max with 128 GB recommends 96 GiB, an M4 with 24 GB 16: the catalogue has the three
    # quarters of each that macOS gives.
    large, small = load_gpu("apple-m4-max"), load_gpu("apple-m4")
    assert visible_bytes(large) == 96 * GIB
    assert visible_bytes(replace(small, memory_bytes=0.75 * 24 * GIB)) == pytest.approx(16 * GIB)


@pytest.mark.parametrize(
    ("scenario", "tokens"),
    [
        # vLLM on 24 GB at 0.9: 47,700 tokens.
        (Scenario("meta-llama/Llama-3.1-8B-Instruct", "rtx-3090",
                  gpu_memory_utilization=0.9), 47_700),
        # vllm-project/vllm#10511: 53.29 GiB beside 1.63 GiB wrongly counted, 128 KiB a token.
        (Scenario("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm",
                  gpu_memory_utilization=0.9), 449_900),
        # A user's RTX 5090: 122,880 tokens work, 131,072 do not.
        (Scenario("Qwen/Qwen3-Coder-30B-A3B-Instruct", "rtx-5090", quantization="awq"), 127_000),
    ],
)  # fmt: skip
def test_the_pool_holds_as_many_tokens_as_vllm_logs(scenario: Scenario, tokens: int) -> None:
    assert pool(scenario)[1] == pytest.approx(tokens, rel=0.08)


def _vllm(model: str, gpu: str, version: str, share: float, **options: Any) -> Scenario:
    return Scenario(model, gpu, engine=f"vllm@{version}", gpu_memory_utilization=share, **options)


@pytest.mark.parametrize(
    ("at", "gib"),
    [
        # llm-d-benchmark, config_explorer: logs of vLLM 0.11 on H100, 2025-10.
        (_vllm("Qwen/Qwen3-0.6B", "h100-sxm", "0.11", 0.9), 64.45),
        (_vllm("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm", "0.11", 0.9), 51.38),
        (_vllm("Qwen/Qwen3-32B", "h100-sxm", "0.11", 0.9), 4.45),
        (_vllm("Qwen/Qwen3-32B", "h100-sxm", "0.11", 0.9, tp=2), 34.49),
        (_vllm("openai/gpt-oss-20b", "h100-sxm", "0.11", 0.9), 50.28),
        (_vllm("openai/gpt-oss-120b", "h100-sxm", "0.11", 0.95), 3.33),
        # 77,088 tokens, 2025.
        (_vllm("Qwen/Qwen2.5-7B-Instruct", "a10g", "0.10", 0.9), 4.117),
        # LMCache issue 3430, 2026-05; logs of 2026-09 and 2026-10.
        (_vllm("Qwen/Qwen3-8B", "rtx-a5000", "0.21", 0.9764, max_num_batched_tokens=8192), 6.37),
        (_vllm("Qwen/Qwen2.5-7B-Instruct", "l40s", "0.22", 0.95), 26.32),
        (_vllm("meta-llama/Llama-3.1-8B-Instruct", "a100-sxm-80gb", "0.31", 0.92), 56.21),
    ],
)
def test_each_release_of_vllm_leaves_the_pool_that_it_logs(at: Scenario, gib: float) -> None:
    assert pool(at)[0] == pytest.approx(gib * GIB, rel=0.08)


def test_graphs_take_of_the_share_since_0_21_and_sorted_logits_do_until_0_16() -> None:
    """Llama-3.1-8B: 256 sequences of 128,256 logits; 10 MB of graphs for each of 32 layers."""
    taken = {
        version: overhead(at.model, at.card.gpu, at.card.engine)
        for version in ("0.16", "0.17", "0.20", "0.21")
        for at in [
            deploy(Scenario("meta-llama/Llama-3.1-8B-Instruct", "l40s", engine=f"vllm@{version}"))
        ]
    }
    logits = 256 * 128256
    assert taken["0.16"].activation_bytes == pytest.approx(39 * logits)
    assert taken["0.17"].activation_bytes == pytest.approx(16 * logits)
    assert taken["0.20"].graph_bytes == 0
    assert taken["0.21"].graph_bytes == pytest.approx(32 * 10e6)


@pytest.mark.parametrize(("model", "gib"), [("gpt-oss-20b", 13.47), ("gpt-oss-120b", 64.38)])
def test_mxfp4_experts_are_loaded_in_whole_tiles(model: str, gib: float) -> None:
    """What vLLM logs on H100 (llm-d-benchmark, 2025-10); stored are 12.8 and 60.8 GiB."""
    at = deploy(Scenario(f"openai/{model}", "h100-sxm"))
    padding = overhead(at.model, at.card.gpu, at.card.engine).padding_bytes
    assert at.model.rank_weight_bytes + padding == pytest.approx(gib * GIB, rel=0.01)
    two = deploy(Scenario(f"openai/{model}", "h100-sxm", tp=2))
    halved = overhead(two.model, two.card.gpu, two.card.engine).padding_bytes
    assert halved == pytest.approx(padding / 2, rel=0.02)


def test_sglangs_pool_holds_what_it_logs() -> None:
    # vllm-project/vllm#21348: 16.46 GB of K and V on each of four H100.
    at = Scenario("Qwen/Qwen3-235B-A22B-FP8", "h100-sxm", tp=4, engine="sglang",
                  gpu_memory_utilization=0.93)  # fmt: skip
    assert pool(at)[0] == pytest.approx(16.46 * GIB, rel=0.05)


def test_a_share_of_all_holds_what_the_engine_needs_beside_weights_and_cache() -> None:
    at = deploy(Scenario("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm"))
    gpu, visible = at.card.gpu, visible_bytes(at.card.gpu)

    def taken(share_of: str, share: float) -> Overhead:
        engine = replace(at.card.engine, share_of=share_of, memory_utilization=share)  # type: ignore[arg-type]
        return overhead(at.model, gpu, engine)

    everything, static, free = (taken(kind, 0.9) for kind in ("all", "weights and cache", "free"))
    needs = everything.activation_bytes + everything.graph_bytes
    assert everything.left_bytes == pytest.approx(0.1 * visible)
    # What is free once the process is there: the context takes half a GB before.
    assert static.left_bytes + needs == pytest.approx(0.5e9 + 0.1 * (visible - 0.5e9))
    weights = at.model.rank_weight_bytes
    assert free.left_bytes == pytest.approx(0.1 * (visible - weights - needs))
    assert taken("weights and cache", 1.0).left_bytes == max(0.0, 0.5e9 - needs)


def test_a_step_of_fewer_tokens_needs_less_and_more_gpus_need_buffers_between_them() -> None:
    one = deploy(Scenario("meta-llama/Llama-3.3-70B-Instruct", "h200-sxm", quantization="fp8"))
    two = deploy(
        Scenario("meta-llama/Llama-3.3-70B-Instruct", "h200-sxm", quantization="fp8", tp=2)
    )
    small = one.card.engine.with_scheduler(max_batched_tokens=2048, max_sequences=128)
    whole = overhead(one.model, one.card.gpu, one.card.engine)
    assert overhead(one.model, one.card.gpu, small).activation_bytes < whole.activation_bytes / 4
    assert (
        whole.exchange_bytes
        == 0
        < overhead(two.model, two.card.gpu, two.card.engine).exchange_bytes
    )
    eager = one.card.engine.without_graphs()
    assert overhead(one.model, one.card.gpu, eager).graph_bytes == 0 < whole.graph_bytes


def test_activations_are_those_of_the_profiled_step_or_of_its_sampler() -> None:
    """Of each token three of the residual stream and one and a half of the widest output, or the
    logits of 1,024 sequences: Llama-3.1-8B has 4,096, 28,672 and 128,256 of them."""
    at = deploy(Scenario("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm"))
    few = at.card.engine.with_scheduler(max_sequences=64)
    of_tokens = few.max_batched_tokens * 2 * (3 * 4096 + 1.5 * 28672)
    assert overhead(at.model, at.card.gpu, few).activation_bytes == pytest.approx(of_tokens)
    whole = overhead(at.model, at.card.gpu, at.card.engine)
    assert whole.activation_bytes == pytest.approx(1024 * 128256 * 16.0)


def test_experts_write_two_buffers_for_each_of_a_token_s() -> None:
    """Qwen3-235B-A22B: 8 of 128 experts of width 1,536 over a stream of 4,096; on four ranks gate
    and up of an expert are 768 columns, narrower than the stream. Their layers' graphs count
    twice."""
    at = deploy(Scenario("Qwen/Qwen3-235B-A22B-FP8", "h100-sxm", tp=4))
    few = at.card.engine.with_scheduler(max_sequences=64)
    found = overhead(at.model, at.card.gpu, few)
    attention = 1.5 * 9216 / 4  # q, k and v
    routed = 8 * (4096 + 384)
    by_hand = few.max_batched_tokens * 2 * (3 * 4096 + attention + routed)
    assert found.activation_bytes == pytest.approx(by_hand)
    assert found.graph_bytes == pytest.approx(2 * 94 * 10e6)


@pytest.mark.parametrize("engine", ["transformers", "torch.compile"])
def test_an_engine_without_a_budget_needs_activations_of_the_prompts_it_is_given(
    engine: str,
) -> None:
    """Llama-3.1-8B on 80 GB: as above, for the 8 x 1,000 tokens of the prompts alone."""
    at = deploy(Scenario("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm", engine=engine))
    card, model = at.card, at.model

    def use(engine: Engine, batch: int, prompt: int) -> Use:
        return memory_use(model, pools(model, card.gpu, engine), batch, prompt, 24)

    by_hand = 8 * 1000 * 2 * (3 * 4096 + 1.5 * 28672)
    more = use(card.engine, 8, 1000).other_bytes - use(card.engine, 8, 0).other_bytes
    assert more == pytest.approx(by_hand)
    given = card.engine.with_scheduler(max_batched_tokens=512)
    assert use(given, 8, 1000).other_bytes == use(given, 1, 1000).other_bytes
    plan = plan_memory(model, card.gpu, at.replica.pools, 1, 1024, 128)
    assert plan.fits
    largest = plan.max_batch_size
    assert plan_memory(model, card.gpu, at.replica.pools, largest, 1024, 128).fits
    assert not plan_memory(model, card.gpu, at.replica.pools, largest + 1, 1024, 128).fits


def test_the_longest_prompt_without_a_budget_is_the_last_that_fits() -> None:
    at = deploy(Scenario("meta-llama/Llama-3.1-8B-Instruct", "rtx-3090", engine="transformers"))
    gpu, of_card = at.card.gpu, at.replica.pools
    longest = plan_memory(at.model, gpu, of_card, 1, 1024, 128).max_context_tokens
    assert plan_memory(at.model, gpu, of_card, 1, longest, 0).fits
    assert not plan_memory(at.model, gpu, of_card, 1, longest + 1, 0).fits


def test_the_sampler_is_profiled_with_the_drafts_that_it_verifies() -> None:
    """256 sequences, each with its own token and those drafted; of few tokens a step, so that the
    logits are what is largest."""
    taken = []
    drafts: dict[str, Any] = {"speculative": "mtp", "draft_tokens": 1, "acceptance": 0.8}
    for options in ({}, drafts):
        at = deploy(Scenario("deepseek-v3", "h200", tp=8, max_num_batched_tokens=256, **options))
        taken.append(overhead(at.model, at.card.gpu, at.card.engine).activation_bytes)
    assert taken[1] == pytest.approx(2 * taken[0])
