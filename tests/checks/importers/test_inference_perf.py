"""inference-perf's summary."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_seconds_lengths_and_the_rate_asked_for_are_read() -> None:
    run = result("inference_perf.json")
    assert (run.ttft_s, run.tpot_s, run.latency_s) == (0.2, 0.024, 2.6)
    assert (run.output_tokens_per_s, run.requests_per_s) == (990.0, 9.9)
    assert (run.setup.input_len, run.setup.output_len) == (1000, 100)
    assert run.setup.request_rate == 10.0
    assert run.setup.mean_concurrency == 9.9 * 2.6
    assert run.warnings == ("3 of 600 requests failed",)


def test_the_report_of_2026_counts_prompts_and_what_the_cache_had_of_them() -> None:
    run = result("inference_perf_2026.json")
    assert (run.setup.input_len, run.setup.output_len, run.setup.max_concurrency) == (512, 128, 8)
    assert (run.setup.prefix_cache_hit, run.setup.duration_s) == (0.25, 60.5)
