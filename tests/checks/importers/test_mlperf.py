"""MLPerf's summary of a language model."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result


def test_nanoseconds_become_seconds_and_an_invalid_run_is_said() -> None:
    run = result("mlperf_log_summary.txt")
    assert (run.output_tokens_per_s, run.requests_per_s) == (5800.0, 20.0)
    assert run.ttft_s == pytest.approx(0.4)
    assert run.tpot_s == pytest.approx(0.05)
    assert (run.setup.output_len, run.setup.request_rate) == (290, 21)
    assert dict(run.percentiles)["p99_ttft_s"] == pytest.approx(1.8)
    assert "INVALID" in run.warnings[0]
