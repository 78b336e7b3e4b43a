"""sglang.bench_offline_throughput."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_the_printed_summary_is_a_run_of_all_requests_at_once() -> None:
    run = result("sglang_offline.txt")
    assert (run.output_tokens_per_s, run.requests_per_s) == (2000.0, 10.0)
    assert (run.setup.requests, run.setup.batch_size, run.setup.duration_s) == (200, 200, 20.0)
    assert (run.setup.input_len, run.setup.output_len) == (300, 200)
    assert run.setup.model == "Qwen/Qwen3-4B"


def test_its_json_line_has_the_same() -> None:
    run = result("sglang_offline.jsonl")
    assert (run.output_tokens_per_s, run.setup.requests) == (1024.0, 64)
