"""evalscope perf's summary, as JSON and as it is printed."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result


def test_the_summary_is_read_by_the_units_in_its_names() -> None:
    run = result("evalscope_summary.json")
    assert (run.ttft_s, run.tpot_s, run.latency_s) == (0.12, 0.012, 6.0)
    assert (run.output_tokens_per_s, run.requests_per_s) == (400.0, 0.8167)
    assert (run.setup.max_concurrency, run.setup.request_rate) == (5, None)
    assert (run.setup.input_len, run.setup.output_len) == (600, 490)


def test_the_printed_table_has_the_model_of_the_line_above() -> None:
    run = result("evalscope_table.txt")
    assert (run.ttft_s, run.tpot_s, run.output_tokens_per_s) == (0.03, 0.0075, 256.0)
    assert run.setup.model == "Qwen/Qwen2.5-0.5B-Instruct"
    assert (run.setup.max_concurrency, run.setup.max_batch) == (2, None)


def test_the_labels_of_2026_are_read() -> None:
    run = result("evalscope_2026.txt")
    assert run.ttft_s == pytest.approx(0.1204)
    assert (run.tpot_s, run.latency_s) == (0.0152, 5.9)
    assert (run.output_tokens_per_s, run.requests_per_s) == (512.0, 1.33)
    assert (run.setup.max_concurrency, run.setup.request_rate, run.setup.requests) == (8, None, 80)
    assert (run.setup.input_len, run.setup.output_len, run.setup.duration_s) == (1024, 384, 60)


def test_the_lines_of_2024_have_the_inverse_of_the_rate_for_a_time_per_token() -> None:
    run = result("evalscope_2024.txt")
    assert (run.ttft_s, run.tpot_s, run.output_tokens_per_s) == (2.701, None, 891.275)
    assert any("1 / throughput" in note for note in run.notes)
    assert (run.setup.max_concurrency, run.setup.duration_s) == (128, 22.512)
