"""MLPerf's summary of a language model."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import DATA, result
from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse


def test_nanoseconds_become_seconds_and_an_invalid_run_is_said() -> None:
    run = result("mlperf_log_summary.txt")
    assert (run.output_tokens_per_s, run.requests_per_s) == (5800.0, 20.0)
    assert run.ttft_s == pytest.approx(0.4)
    assert run.tpot_s == pytest.approx(0.05)
    assert (run.setup.output_len, run.setup.request_rate) == (290, 21)
    assert dict(run.percentiles)["p99_ttft_s"] == pytest.approx(1.8)
    assert "INVALID" in run.warnings[0]


def test_a_single_stream_is_one_request_at_a_time() -> None:
    text = (DATA / "mlperf_log_summary.txt").read_text()
    text = text.replace("Scenario : Server", "Scenario : SingleStream")
    text = text.replace("Completed tokens per second", "TPS w/o loadgen overhead")
    text = text.replace("Completed samples per second", "QPS w/o loadgen overhead")
    (run,) = results_of(parse(text, "a file"))
    assert (run.setup.batch_size, run.setup.request_rate) == (1, None)
