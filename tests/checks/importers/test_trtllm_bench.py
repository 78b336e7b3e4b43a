"""trtllm-bench reports: throughput with and without streaming, low latency with speculation."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result


def test_a_streaming_report_has_everything() -> None:
    run = result("trtllm_throughput.json")
    assert run.tool == "trtllm-bench"
    assert run.setup.model == "nvidia/Llama-3.1-70B-Instruct-FP8"
    assert (run.setup.gpu, run.setup.gpus) == ("NVIDIA H100 80GB HBM3", 2)
    assert (run.setup.engine, run.setup.engine_version) == ("trtllm", "1.2.0")
    assert (run.setup.quantization, run.setup.kv_cache_dtype) == ("fp8_tensor", "fp8")
    assert (run.setup.tp, run.setup.pp, run.setup.ep) == (2, 1, 1)
    assert run.setup.max_concurrency == 498.3
    assert [run.ttft_s, run.tpot_s] == pytest.approx([1.8205, 0.0383])
    assert run.output_tokens_per_s == pytest.approx(512_000 / 41.2)
    assert dict(run.percentiles)["p99_ttft_s"] == pytest.approx(1.8205 * 1.2)


def test_an_offline_report_says_that_it_has_no_ttft() -> None:
    run = result("trtllm_throughput_offline.json")
    assert (run.ttft_s, run.tpot_s) == (None, None)
    assert (run.setup.gpu, run.setup.quantization, run.setup.kv_cache_dtype) == (None, None, None)
    assert "run without --streaming: no TTFT and no TPOT" in run.notes


def test_a_latency_report_has_its_acceptance_length() -> None:
    run = result("trtllm_latency.json")
    assert run.setup.max_concurrency == 1
    assert run.setup.acceptance_length == 2.4
    assert (run.setup.ep, run.setup.quantization) == (4, "nvfp4")


def test_the_printed_reports_of_two_years_have_what_the_json_has() -> None:
    run = result("trtllm_throughput_016.txt")
    assert (run.output_tokens_per_s, run.requests_per_s) == (6400.0, 50.0)
    assert (run.setup.model, run.setup.tp) == ("meta-llama/Llama-3.1-8B-Instruct", 2)
    assert (run.setup.quantization, run.setup.kv_cache_dtype) == ("awq", None)
    assert (run.setup.input_len, run.setup.output_len) == (512, 128)
    assert (run.setup.requests, run.setup.batch_size, run.setup.max_batch) == (1000, 1000, 512)
    run = result("trtllm_throughput_printed.txt")
    assert (run.output_tokens_per_s, run.ttft_s, run.tpot_s) == (3000.0, 0.42, 0.0202)
    assert (run.setup.max_concurrency, run.setup.max_batch) == (63.1, 2048)
    assert (run.setup.quantization, run.setup.kv_cache_dtype) == ("fp8_tensor", "fp8")


def test_titles_that_lost_their_signs_are_titles() -> None:
    run = result("trtllm_throughput_bare.txt")
    assert (run.output_tokens_per_s, run.setup.engine_version) == (15999.06, "1.2")
    assert (run.setup.tp, run.setup.ep, run.setup.max_batch) == (8, None, 256)
