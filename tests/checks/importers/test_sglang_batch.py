"""bench_one_batch and bench_one_batch_server: single batches, old lines and new."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result, results


def test_one_batch_has_prefill_and_the_median_decode_step() -> None:
    one, sixteen = results("sglang_one_batch.jsonl")
    assert one.label == "batch 1, 1024 in, 128 out"
    assert (one.ttft_s, one.tpot_s) == (0.0412, 0.00721)
    assert one.decode_tokens_per_s == pytest.approx(1 / 0.00721)
    assert sixteen.setup.batch_size == 16
    assert sixteen.prefill_tokens_per_s == pytest.approx(16 * 1024 / 0.512)


def test_a_batch_of_one_token_has_no_decode() -> None:
    run = result("sglang_one_batch_prefill.jsonl")
    assert (run.tpot_s, run.decode_tokens_per_s) == (None, None)


def test_tpot_of_a_server_is_the_time_after_the_last_first_token() -> None:
    run = result("sglang_one_batch_server.jsonl")
    assert run.ttft_s == 0.536
    assert run.tpot_s == pytest.approx((1.7421 - 0.536) / 127)
    assert run.decode_tokens_per_s == pytest.approx(16 * 127 / (1.7421 - 0.536))
    assert (run.decode_tokens_per_s or 0) < 1698.17, "the tool counts the first tokens too"
    assert run.setup.acceptance_length is None, "-1 is not a length"


def test_requests_that_stopped_early_leave_no_tpot() -> None:
    run = result("sglang_one_batch_server_early.jsonl")
    assert run.tpot_s is None
    assert run.setup.acceptance_length == 2.6
    assert "3 requests stopped early: no TPOT" in run.notes


def test_lines_before_last_ttft_have_throughput_over_the_whole_request() -> None:
    run = result("sglang_one_batch_server_2025.jsonl")
    assert run.output_tokens_per_s == 425.82
    assert (run.decode_tokens_per_s, run.ttft_s) == (None, None)
    assert run.latency_s == 0.6012


def test_what_a_batch_prints_has_its_size_and_lengths_by_rates_and_times() -> None:
    run = result("sglang_one_batch.txt")
    assert (run.ttft_s, run.tpot_s, run.latency_s) == (0.1021, 0.00985, 0.263)
    assert (run.setup.batch_size, run.setup.input_len) == (16, 128)
    assert run.decode_tokens_per_s == 1624.37


def test_what_a_batch_of_a_server_prints_is_its_line_of_json() -> None:
    run = result("sglang_one_batch_server.txt")
    assert (run.ttft_s, run.latency_s) == (1.02, 2.2)
    assert run.tpot_s == pytest.approx((2.2 - 1.02) / 127)
    assert (run.setup.batch_size, run.setup.input_len, run.setup.output_len) == (16, 1024, 128)
