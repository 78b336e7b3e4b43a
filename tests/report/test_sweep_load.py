"""Charts of a load: percentiles of simulated runs, and the knee."""

from __future__ import annotations

from vperf.explore.sweep import Sweeping
from vperf.report.document import Headline, Plot, plain
from vperf.report.sweep import chart, document

_ASKED = {"model": "qwen3-8b", "gpu": "h100-sxm", "input_len": 1024, "output_len": 64}
_RATES = (1.0, 4.0, 8.0, 16.0, 32.0, 48.0, 300.0)


def test_times_over_a_rate_have_percentiles_and_a_knee() -> None:
    sweep = Sweeping({**_ASKED, "request_rate": list(_RATES)})
    rows = list(sweep.rows())
    drawn = chart(sweep, rows, "ttft")
    lines = {each.name: dict(each.points) for each in drawn.series if each.style == "expected"}
    assert list(lines) == ["Qwen3-8B mean", "Qwen3-8B p50", "Qwen3-8B p99"]
    assert 300.0 not in lines["Qwen3-8B mean"]
    served = [rate for rate, row in zip(_RATES, rows, strict=True) if sweep.run(row)]
    assert 300.0 not in served  # it cannot be, so that no run of it says anything
    assert list(lines["Qwen3-8B p99"]) == list(lines["Qwen3-8B p50"]) == served
    assert all(lines["Qwen3-8B p50"][rate] < lines["Qwen3-8B p99"][rate] for rate in served)
    (knee,) = [mark.value for mark in drawn.marks if mark.label == "knee"]
    assert served[0] < knee < served[-1]


def test_the_times_of_a_rate_are_drawn_unless_something_else_is_asked_for() -> None:
    sweep = Sweeping({**_ASKED, "request_rate": [1.0, 4.0, 8.0, 16.0]})
    plots = [each for each in document(sweep, list(sweep.rows()), plot=True) if type(each) is Plot]
    assert [each.chart.y.label for each in plots] == ["TTFT", "TPOT"]
    one = [each for each in document(sweep, list(sweep.rows()), "decode", plot=True)
           if type(each) is Plot]  # fmt: skip
    assert [each.chart.y.label for each in one] == ["decode"]


def test_the_best_rate_is_one_that_is_served() -> None:
    sweep = Sweeping({**_ASKED, "request_rate": [8.0, 16.0, 300.0]})
    (line, *_) = [each for each in document(sweep, list(sweep.rows())) if type(each) is Headline]
    assert "16 requests/s" in plain(line.text)


def test_rates_of_tokens_and_batches_have_neither() -> None:
    loads = Sweeping({**_ASKED, "request_rate": [1.0, 2.0, 4.0, 8.0]})
    batches = Sweeping({**_ASKED, "batch_size": [1, 2, 4, 8]})
    for sweep, figure in ((loads, "decode"), (batches, "ttft")):
        drawn = chart(sweep, list(sweep.rows()), figure)
        assert {each.name for each in drawn.series} == {"Qwen3-8B"}
        assert not [mark for mark in drawn.marks if mark.label == "knee"]
