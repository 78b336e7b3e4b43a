"""Figures that cannot all be true are said, and those that are wrong are not graded."""

from __future__ import annotations

from dataclasses import replace

import pytest

import vperf
from tests.checks.results import result, setup
from vperf.checks.contradictions import consistent
from vperf.checks.result import Result, Setup

ALONE = Setup(max_concurrency=1, input_len=100, output_len=1000)


def test_a_rate_above_what_one_request_makes_is_left_out() -> None:
    run = consistent(Result("t", "", ALONE, latency_s=20.0, output_tokens_per_s=200.0))
    assert run.output_tokens_per_s is None
    assert run.warnings == ("figures disagree: 1,000 tokens in 20.0 s are 50.0 tok/s, not 200.0",)


def test_a_first_token_later_than_reading_can_take_counts_the_thinking() -> None:
    run = consistent(Result("t", "", ALONE, ttft_s=40.0, tpot_s=0.01, latency_s=50.0))
    assert (run.ttft_s, run.tpot_s, run.latency_s) == (None, None, 50.0)
    assert "TTFT counts the thinking" in run.warnings[0]


def test_a_slow_prompt_of_a_loaded_server_is_no_thinking() -> None:
    many = Setup(max_concurrency=64, input_len=100, output_len=1000)
    run = Result("t", "", many, ttft_s=40.0, tpot_s=0.01, latency_s=50.0)
    assert consistent(run) == run


def test_latency_rates_and_lengths_that_do_not_agree_are_said_and_kept() -> None:
    many = Setup(max_concurrency=8, input_len=100, output_len=101)
    run = consistent(
        Result("t", "", many, ttft_s=1.0, tpot_s=0.01, latency_s=4.0, output_tokens_per_s=900.0,
               requests_per_s=4.0)
    )  # fmt: skip
    assert run.latency_s == 4.0
    assert [text.partition(":")[0] for text in run.warnings] == ["figures disagree"] * 2


def test_figures_that_agree_stay_as_they_are() -> None:
    many = Setup(max_concurrency=8, input_len=100, output_len=101)
    run = Result("t", "", many, ttft_s=1.0, tpot_s=0.01, latency_s=2.0, requests_per_s=4.0,
                 output_tokens_per_s=404.0)  # fmt: skip
    assert consistent(run) is run


def test_latency_and_ttft_are_clocks_that_a_short_tpot_contradicts() -> None:
    # A client that counts empty chunks prints half of the time a token takes.
    ran = setup(max_concurrency=8, batch_size=None, output_len=101.0)
    found = consistent(result(ran=ran, latency_s=1.05, ttft_s=0.05, tpot_s=0.005))
    assert found.tpot_s == pytest.approx(0.01)
    assert "graded with what they leave, 10 ms a token" in found.warnings[0]


def test_figures_that_contradict_each_other_prove_nothing() -> None:
    ran = setup(max_concurrency=8, batch_size=None, output_len=101.0)
    found = consistent(result(ran=ran, latency_s=0.6, ttft_s=0.05, tpot_s=0.01))
    assert "tpot_s" in found.doubtful
    rates = consistent(result(ran=ran, output_tokens_per_s=5e6, requests_per_s=1.0))
    assert rates.doubtful == ("output_tokens_per_s", "requests_per_s")
    assert vperf.check(rates).verdict == "better"
    assert vperf.check(replace(rates, doubtful=())).verdict == "impossible"
