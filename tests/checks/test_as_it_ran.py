"""Runs that end, caps and memory: what a result shows of how it ran."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import vperf
from tests.checks.results import GPU, MODEL, result, setup
from vperf import Result, Scenario


def ran(asked: Scenario, **said: Any) -> Result:
    """What the client of a simulated run would write."""
    found = vperf.ask(asked).simulated
    assert found is not None
    assert found.tpot is not None
    load = {"max_concurrency": asked.max_concurrency, "request_rate": asked.request_rate}
    return result(
        ran=setup(**{**load, "batch_size": None, "requests": found.prompts, **said}),
        ttft_s=found.ttft.mean_s, tpot_s=found.tpot.mean_s,
        output_tokens_per_s=found.output_tokens_per_s,
        percentiles=tuple((f"p{p:g}_ttft_s", v) for p, v in found.ttft.percentiles_s),
    )  # fmt: skip


@pytest.mark.parametrize(
    "load",
    [
        {"max_concurrency": 8, "num_prompts": 24},
        {"request_rate": 2.0, "num_prompts": 30},
        {"request_rate": 2.0, "num_prompts": 30, "burstiness": 0.3},
        {"request_rate": float("inf"), "num_prompts": 100},
        {"request_rate": 50.0, "num_prompts": 200},
        {"request_rate": 5.0, "max_concurrency": 4, "num_prompts": 40},
    ],
)
def test_a_run_is_held_against_itself(load: dict[str, Any]) -> None:
    check = vperf.check(ran(Scenario(MODEL, GPU, **load), burstiness=load.get("burstiness")))
    assert check.verdict == "good"
    for metric in (*check.metrics, *check.percentiles):
        assert metric.of_expected == pytest.approx(1.0, rel=0.01), metric.name
    assert {metric.name for metric in check.percentiles} >= {"p50_ttft_s", "p99_ttft_s"}


def test_of_requests_sent_at_once_those_are_graded_that_decoded() -> None:
    run = Scenario(MODEL, GPU, request_rate=float("inf"), num_prompts=300, max_num_seqs=12)
    check = vperf.check(ran(run))  # the file does not say the cap
    assert any("11 of 300 were decoding at a time" in text for text in check.warnings)
    assert {metric.name: metric.verdict for metric in check.metrics} == dict.fromkeys(
        ("ttft_s", "tpot_s", "output_tokens_per_s"), "good"
    )
    for metric in check.metrics:
        assert metric.of_expected == pytest.approx(1.0, rel=0.01)


def test_a_slow_prefill_is_no_cap() -> None:
    healthy = ran(Scenario(MODEL, GPU, max_concurrency=16, num_prompts=160))
    assert healthy.ttft_s is not None
    late = 6 * healthy.ttft_s
    check = vperf.check(replace(healthy, ttft_s=late))
    assert not any("decoding at a time" in text for text in check.warnings)


def test_more_than_fit_ran_and_the_result_wins() -> None:
    # 8 GB of weights: of 40 users with 4,096 tokens a card of 12 GB is thought to hold fewer.
    asked = Scenario(MODEL, GPU, 4000, 128, max_concurrency=40, num_prompts=80)
    check = vperf.check(ran(asked, input_len=4000.0), memory="12 GB")
    assert any("the result wins" in text for text in check.warnings)
    assert check.estimate.serving is not None
    assert check.estimate.serving.slots >= 20
    tpot = next(metric for metric in check.metrics if metric.name == "tpot_s")
    assert tpot.verdict in ("good", "better")


def test_a_rate_beyond_what_can_be_served_is_a_run_of_so_many_prompts() -> None:
    flooded = result(ran=setup(batch_size=None, request_rate=500.0), output_tokens_per_s=2500.0)
    check = vperf.check(flooded)
    assert any("no steady state: graded as a run of 1,000 prompts" in text for text in check.notes)
    assert check.estimate.serving is not None
    assert check.estimate.serving.prompts == 1000
