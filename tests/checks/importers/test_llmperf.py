"""llmperf's summary."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result


def test_tpot_leaves_out_the_first_token_that_llmperf_counts() -> None:
    run = result("llmperf_summary.json")
    assert run.tpot_s == pytest.approx((2.27 - 0.2) / 150)
    assert (run.ttft_s, run.latency_s, run.output_tokens_per_s) == (0.2, 2.27, 260.0)
    assert (run.setup.model, run.setup.max_concurrency) == ("Qwen/Qwen3-8B", 4)
    assert run.requests_per_s == pytest.approx(1.72)


def test_what_it_prints_has_sections_of_statistics() -> None:
    run = result("llmperf.txt")
    assert (run.ttft_s, run.latency_s, run.output_tokens_per_s) == (0.18, 2.42, 480.2)
    assert run.tpot_s == pytest.approx((2.42 - 0.18) / 149)
    assert (run.setup.input_len, run.setup.output_len, run.setup.requests) == (550, 150, 100)
    assert dict(run.percentiles)["p99_ttft_s"] == 0.4
