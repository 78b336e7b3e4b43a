"""One unknown is solved for and named where its value is one that occurs; facts rule faults out."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf import Result, Scenario, Setup
from vperf.checks.case import Suspect


def named(
    model: str, gpu: str, *, slower: float = 3.0, later: float | None = None,
    setup: Setup | None = None, **options: Any,
) -> dict[str, Suspect]:  # fmt: skip
    """Suspects of a run so much slower than expected; its prompts are `later` by so much."""
    expected = vperf.ask(Scenario(model, gpu, **options)).expected
    result = Result(
        "command line", "", setup or Setup(), tpot_s=slower * expected.tpot_s,
        ttft_s=later * expected.ttft_s if later else None,
    )  # fmt: skip
    found = vperf.check(result, gpu, model, **options).suspects
    return {each.id: each for each in found if each.kind == "suspect"}


def test_gguf_under_an_engine_that_unpacks_it_is_named_and_not_under_llama_cpp() -> None:
    under = named("Qwen/Qwen3-14B", "rtx-4090", quantization="q4_k_m", engine="vllm")
    assert next(iter(under)) == "sixteen-bit"
    assert "unpacks GGUF files" in under["sixteen-bit"].sentence
    assert "sixteen-bit" not in named(
        "Qwen/Qwen3-14B", "rtx-4090", quantization="q4_k_m", engine="llama.cpp"
    )


def test_act_order_is_named_under_tensor_parallel_alone() -> None:
    assert "act-order" in named("Qwen/Qwen3-32B", "a100", quantization="gptq", tp=2)
    assert "act-order" not in named("Qwen/Qwen3-32B", "a100", quantization="gptq")
    assert "act-order" not in named("Qwen/Qwen3-32B", "a100", quantization="awq", tp=2)


@pytest.mark.parametrize(("cache", "on_cpu"), [("q5_1", True), ("q8_0", False), ("q4_0", False)])
def test_a_cache_without_kernels_puts_attention_on_the_cpu(cache: str, on_cpu: bool) -> None:
    # ggml-org/llama.cpp#28455: a default build has q4_0 and q8_0.
    found = named("Qwen/Qwen3-8B", "rtx-4090", quantization="q4_k_m", engine="llama.cpp",
                  kv_cache_dtype=cache)  # fmt: skip
    said = "flash-attention" in found and "runs on the CPU" in found["flash-attention"].sentence
    assert said == on_cpu


def test_flash_attention_that_was_on_is_not_said_to_be_off() -> None:
    long: dict[str, Any] = {"quantization": "q8_0", "engine": "llama.cpp", "input_len": 22_000}
    off = named("Qwen/Qwen3-4B", "rtx-4090", **long)["flash-attention"]
    assert (off.sentence, off.command) == ("attention without its fused kernel", "-fa on")
    on = named("Qwen/Qwen3-4B", "rtx-4090", setup=Setup(flash_attention=True), **long)
    assert on["flash-attention"].sentence != off.sentence
    assert on["flash-attention"].command == ""


def test_layers_that_are_all_on_the_card_are_not_said_to_be_on_the_host() -> None:
    ran: dict[str, Any] = {"quantization": "q4_k_m", "engine": "llama.cpp"}
    assert "offload" in named("Qwen/Qwen3-8B", "rtx-4090", **ran)
    told = Setup(weight_bytes=5.03e9)  # llama-bench, whose -ngl is all unless it says so
    assert "offload" not in named("Qwen/Qwen3-8B", "rtx-4090", setup=told, **ran)


def test_what_has_no_room_is_on_the_host_and_the_rate_of_its_memory_is_solved_for() -> None:
    # kvcache-ai/ktransformers#219: seven sticks of DDR4-2400.
    result = Result("command line", "", Setup(), decode_tokens_per_s=0.6)
    check = vperf.check(result, "rtx-4090", "deepseek-ai/DeepSeek-R1", quantization="q4_k_m",
                        engine="ktransformers")  # fmt: skip
    first = check.suspects[0]
    assert first.id == "host-memory"
    assert "NUMA" in first.sentence
    rate = float(first.evidence.split(" GB/s")[0])
    # 37e9 active parameters, nine tenths of them experts of 4.8 bits: 12 to 20 GB a token.
    assert 0.6 * 8 < rate < 0.6 * 21


def test_all_reduces_of_milliseconds_are_a_network_where_machines_work_together() -> None:
    found = named("deepseek-ai/DeepSeek-V3", "h100", slower=30.0, tp=16)
    assert "slow network" in found["all-reduce"].sentence
    near = named("Qwen/Qwen3-32B", "rtx-4090", slower=3.0, tp=2)["all-reduce"]
    assert near.sentence == "all-reduces over a slow link"
    assert "us more for each of 128 a token" in near.evidence  # two a layer, 64 layers


def test_layers_on_another_machine_are_a_network_s() -> None:
    ran: dict[str, Any] = {"quantization": "q4_k_m", "engine": "llama.cpp"}
    found = named("Qwen/Qwen3-8B", "rtx-4090", setup=Setup(rpc=True), **ran)
    assert next(iter(found)) == "network"


def test_the_acceptance_that_a_slow_speculative_run_had_is_solved_for() -> None:
    spec: dict[str, Any] = {"speculative": "mtp", "draft_tokens": 2}
    card, model = "h200", "deepseek-ai/DeepSeek-V3"
    poor = vperf.estimate(model, card, tp=8, acceptance=0.3, **spec).expected.tpot_s
    result = Result("command line", "", Setup(), tpot_s=poor)
    check = vperf.check(result, card, model, tp=8, acceptance=0.9, **spec)
    found = {each.id: each for each in check.suspects}["acceptance"]
    assert float(found.evidence.split()[3]) == pytest.approx(0.3, abs=0.02)


def test_images_that_come_late_are_preprocessed_by_the_host() -> None:
    found = named("Qwen/Qwen2.5-VL-7B-Instruct", "a100", slower=1.0, later=4.0, image_tokens=2000)
    assert "preprocessing" in found


def test_memory_swaps_where_a_mac_has_no_room() -> None:
    found = named("meta-llama/Llama-3.3-70B-Instruct", "apple-m4-pro", slower=20.0,
                  quantization="mlx_q8", engine="mlx")  # fmt: skip
    assert next(iter(found)) == "swap"


def test_decoding_alone_is_slow_where_the_host_launches_kernels() -> None:
    eager = named("Qwen/Qwen2.5-7B-Instruct", "a100", slower=2.2)
    assert next(iter(eager)) == "no-cuda-graphs"
    prompts = named("Qwen/Qwen2.5-7B-Instruct", "a100", slower=2.2, later=6.0)
    assert prompts["kernels"].odds >= prompts["no-cuda-graphs"].odds


def test_a_cap_that_lets_users_wait_is_what_to_raise_first() -> None:
    # vllm-project/vllm#17788: 32 of 1,000 decoded, and the cache had room for ten times as many.
    load: dict[str, Any] = {
        "max_concurrency": 1000,
        "input_len": 217,
        "output_len": 201,
        "max_num_seqs": 32,
    }
    found = vperf.check(
        Result("command line", "", Setup(), output_tokens_per_s=653.7, tpot_s=0.0488),
        "h100-nvl-94gb", "Qwen/Qwen3-32B", **load,
    ).suspects  # fmt: skip
    best = next(each for each in found if each.kind == "try")
    assert best.id == "max-num-seqs"
    assert best.command.startswith("--max-num-seqs ")
    assert (best.gain or 0.0) > 2.0


def test_an_engine_made_for_it_keeps_experts_on_the_host_without_being_told() -> None:
    # The tutorial of KTransformers: 8.7 tok/s of DeepSeek-V3 in q4_k_m on one socket, 12.2 on two.
    ran: dict[str, Any] = {"quantization": "q4_k_m", "engine": "ktransformers"}
    answer = vperf.estimate("deepseek-ai/DeepSeek-V3", "rtx-4090", **ran)
    assert answer.memory.fits
    assert 7.0 < answer.expected.decode_tokens_per_s < 13.0
    fast = Result("command line", "", Setup(), decode_tokens_per_s=40.0)
    check = vperf.check(fast, "rtx-4090", "deepseek-ai/DeepSeek-V3", **ran)
    assert check.main.of_limit > 1.0
    assert check.verdict == "better"  # of a host that nobody named nothing is impossible
