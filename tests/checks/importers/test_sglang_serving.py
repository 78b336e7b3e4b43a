"""sglang.bench_serving: JSON lines with and without the server's arguments, and the summary."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result, results


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
