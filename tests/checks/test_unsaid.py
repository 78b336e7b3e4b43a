"""How many GPUs or which cache ran, where no file says so: then they explain a figure."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf import Result, Setup
from vperf.checks.check import Check

RAN: dict[str, Any] = {"input_len": 1024.0, "output_len": 256.0, "requests": 160}


def file_of(model: str, *, tool: str = "vllm bench serve", **ran: Any) -> Check:
    """A file of a client that knows nothing of the server, of a run that went as expected there."""
    load: dict[str, Any] = {"max_concurrency": 16, "input_len": 1024, "output_len": 256}
    expected = vperf.estimate(model, "h100", **load, **ran).expected
    setup = Setup(max_concurrency=16.0, **RAN)
    result = Result(tool, "", setup, tpot_s=expected.tpot_s, ttft_s=expected.ttft_s)
    return vperf.check(result, "h100", model)


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_several_gpus_that_the_file_does_not_name_are_no_impossible_result(gpus: int) -> None:
    check = file_of("Qwen/Qwen3-32B", tp=gpus)
    assert check.main.of_limit > 1.0
    assert check.verdict == "better"
    assert f"it could be {gpus} (--tp {gpus})" in " ".join(map(str, check.warnings))


def test_a_cache_in_fewer_bits_that_the_file_does_not_name_is_none() -> None:
    long: dict[str, Any] = {"input_len": 30_000, "output_len": 512, "batch_size": 32}
    ran = vperf.estimate("Qwen/Qwen3-8B", "b200", kv_cache_dtype="fp8", **long)
    setup = Setup(tp=1, input_len=30_000.0, output_len=512.0, batch_size=32)
    result = Result("vllm bench latency", "", setup, tpot_s=1.02 * ran.limit.tpot_s)
    check = vperf.check(result, "b200", "Qwen/Qwen3-8B")
    assert check.main.of_limit > 1.0
    assert check.verdict == "better"
    assert "--kv-cache-dtype fp8" in " ".join(map(str, check.warnings))


def test_ten_times_what_is_expected_is_impossible_whatever_is_unsaid() -> None:
    expected = vperf.estimate("Qwen/Qwen3-8B", "h100", max_concurrency=16).expected
    setup = Setup(max_concurrency=16.0, **RAN)
    result = Result("vllm bench serve", "", setup, tpot_s=expected.tpot_s / 10)
    assert vperf.check(result, "h100", "Qwen/Qwen3-8B").verdict == "impossible"


def test_what_is_said_is_no_excuse() -> None:
    limit = vperf.estimate("Qwen/Qwen3-8B", "h100").limit.tpot_s
    setup = Setup(tp=1, kv_cache_dtype="fp16", batch_size=1, input_len=1024.0, output_len=128.0)
    result = Result("vllm bench latency", "", setup, tpot_s=limit / 1.5)
    assert vperf.check(result, "h100", "Qwen/Qwen3-8B").verdict == "impossible"


@pytest.mark.parametrize("faster", [1.9, 2.5, 3.4])
def test_speculation_that_nobody_excluded_is_the_first_reason(faster: float) -> None:
    expected = vperf.estimate("Qwen/Qwen3-8B", "h100").expected.decode_tokens_per_s
    result = Result("command line", "", Setup(), decode_tokens_per_s=faster * expected)
    check = vperf.check(result, "h100", "Qwen/Qwen3-8B")
    assert check.verdict == "impossible"
    assert check.reasons[0].id == "speculative"


def test_users_that_were_spread_over_replicas_are_a_reason() -> None:
    # The point of NVIDIA's that is left out of the scores: 416 users, spread over replicas.
    ran: dict[str, Any] = {
        "tp": 2,
        "quantization": "nvfp4",
        "engine": "trtllm",
        "kv_cache_dtype": "fp8",
    }
    load: dict[str, Any] = {"max_concurrency": 416, "input_len": 15_000, "output_len": 500}
    result = Result("command line", "", Setup(), tpot_s=0.0137, ttft_s=0.719)
    check = vperf.check(result, "b200", "Qwen/Qwen3-32B", **load, **ran)
    assert check.verdict == "impossible"
    assert any("spread over" in each.sentence for each in check.reasons)
