"""sglang.bench_serving: JSON lines with and without the server's arguments, and the summary."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result, results
from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse


def test_each_line_is_a_run_with_the_servers_own_arguments() -> None:
    first, second = results("sglang_serving.jsonl")
    assert first.tool == "sglang.bench_serving"
    assert (first.setup.model, first.setup.engine) == ("openai/gpt-oss-20b", "sglang")
    assert (first.setup.gpus, first.setup.tp, first.setup.engine_version) == (2, 2, "0.5.6")
    assert (first.setup.quantization, first.setup.kv_cache_dtype) == ("mxfp4", None)
    assert (first.setup.max_concurrency, second.setup.max_concurrency) == (8, 16)
    assert first.tpot_s == pytest.approx(0.0069)
    assert second.tpot_s == pytest.approx(0.0077)
    assert first.latency_s == pytest.approx(0.0951 + 249 * 0.0069)
    assert dict(first.percentiles)["p95_latency_s"] == pytest.approx((first.latency_s or 0) * 1.03)


def test_an_older_line_names_neither_model_nor_gpus() -> None:
    run = result("sglang_serving_2025.jsonl")
    assert (run.setup.model, run.setup.gpus, run.setup.tp) == (None, None, None)
    assert run.setup.request_rate == 2.0
    assert run.setup.acceptance_length == 3.1


def test_a_line_of_early_2025_has_neither_request_rates_nor_means_of_ttft() -> None:
    (run,) = results_of(
        parse(
            '{"backend": "sglang", "dataset_name": "random", "request_rate": 4.0,'
            ' "max_concurrency": null, "total_input_tokens": 51200, "total_output_tokens": 25600,'
            ' "total_output_tokens_retokenized": 25570, "mean_e2e_latency_ms": 9100.5,'
            ' "median_e2e_latency_ms": 9050.25, "median_ttft_ms": 140.5, "median_itl_ms": 17.5,'
            ' "output_throughput": 812.5, "sharegpt_output_len": null, "random_input_len": 512,'
            ' "random_output_len": 256, "random_range_ratio": 1.0, "duration": 31.5,'
            ' "completed": 100}',
            "a file",
        )
    )
    assert (run.tool, run.setup.request_rate) == ("sglang.bench_serving", 4.0)
    assert run.output_tokens_per_s == 812.5
    assert run.ttft_s == pytest.approx(0.1405)
    assert run.latency_s == pytest.approx(9.1005)


def test_dp_attention_divides_the_gpus_that_tp_counts() -> None:
    run = result("sglang_serving_dp.jsonl")
    assert (run.setup.tp, run.setup.dp, run.setup.ep, run.setup.gpus) == (1, 8, 8, 8)
    assert run.setup.kv_cache_dtype == "fp8_e4m3"
    assert run.setup.prefix_cache_hit == 0.25
    assert run.notes == ("dp attention: 8 groups, tp 1 in each",)


def test_a_summary_without_tpot_lends_its_itl_and_says_so() -> None:
    run = result("sglang_serving.txt")
    assert run.tpot_s == pytest.approx(0.0659)
    assert run.setup.batch_size == 80
    assert run.setup.acceptance_length == 2.51
    assert "TPOT is not in the file: mean ITL stands for it" in run.notes
