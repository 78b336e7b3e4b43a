"""Requests and when they are sent."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vperf.errors import InputError
from vperf.serving.arrivals import (
    Traffic,
    arrival_times,
    cached_prefixes,
    draw_lengths,
    sessions,
    with_prefix_hit,
)
from vperf.serving.lengths import distribution, equal


@given(st.floats(0.01, 1000), st.floats(0.05, 100), st.integers(1, 200), st.integers(0, 99))
def test_times_rise_to_count_over_rate(rate: float, burst: float, count: int, seed: int) -> None:
    times = list(arrival_times(count, rate, burstiness=burst, seed=seed))
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] == pytest.approx(count / rate)


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
def test_gaps_vary_by_one_over_the_root_of_burstiness(burstiness: float) -> None:
    times = arrival_times(20_000, 5.0, burstiness=burstiness)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    spread = statistics.stdev(gaps) / statistics.fmean(gaps)
    assert spread == pytest.approx(burstiness**-0.5, rel=0.05)


def test_infinite_burstiness_is_a_constant_rate() -> None:
    assert list(arrival_times(4, 2.0, burstiness=math.inf)) == [0.5, 1.0, 1.5, 2.0]


def test_an_endless_rate_is_all_at_once() -> None:
    assert list(arrival_times(3, math.inf)) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_a_rate_that_cannot_be_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="request-rate"):
        arrival_times(3, rate)


def test_a_burstiness_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="burstiness"):
        arrival_times(3, 1.0, burstiness=0.0)


def test_lengths_are_drawn_from_a_share_of_the_nominal_ones_up_to_them() -> None:
    inputs, outputs = draw_lengths(equal(1000, 100), 5000, low=0.8)
    assert (min(inputs), max(inputs)) == (800, 1000)
    assert statistics.fmean(outputs) == pytest.approx(90, abs=0.5)


def test_lengths_of_a_distribution_are_drawn_by_their_share() -> None:
    lengths = distribution([(100, 10, 3.0), (900, 90, 1.0)], name="", source="")
    inputs, _ = draw_lengths(lengths, 10_000, seed=1)
    assert list(inputs).count(900) == pytest.approx(2500, rel=0.05)


def test_no_request_is_refused() -> None:
    with pytest.raises(InputError, match="num-prompts"):
        Traffic([], [])


def test_the_last_token_of_a_prompt_is_never_cached() -> None:
    traffic = with_prefix_hit(Traffic([1, 10, 100], [1, 1, 1]), 0.999)
    assert traffic.cached_tokens is not None
    assert list(traffic.cached_tokens) == [0, 9, 99]


def test_a_session_that_reaches_the_longest_context_starts_anew() -> None:
    talk = sessions(1, 4, equal(500, 100), think_s=1.0, max_context=1300)
    assert list(talk.input_tokens) == [500, 1100, 500, 1100]


def test_prefix_hits_are_the_leading_blocks_seen_before() -> None:
    prompts = [(1, 2, 3), (1, 2, 4), (5, 2), (1, 2, 3)]
    tokens = [1536, 1400, 700, 1536]
    assert list(cached_prefixes(prompts, tokens, 512)) == [0, 1024, 0, 1535]


def test_the_least_recently_used_block_is_forgotten_first() -> None:
    prompts = [(1,), (2,), (1,), (3,), (2,), (1,)]
    found = cached_prefixes(prompts, [600] * 6, 512, most_blocks=2)
    assert [tokens > 0 for tokens in found] == [False, False, True, False, False, False]


def test_outputs_that_differ_keep_their_mean() -> None:
    _, outputs = draw_lengths(equal(1000, 400), 5000, around=0.025)
    assert (min(outputs), max(outputs)) == (390, 410)
    assert statistics.fmean(outputs) == 400


@pytest.mark.parametrize(("count", "turns", "think_s"), [(0, 1, 0.0), (1, 0, 0.0), (1, 1, -1.0)])
def test_sessions_that_cannot_be_are_refused(count: int, turns: int, think_s: float) -> None:
    with pytest.raises(InputError):
        sessions(count, turns, equal(10, 5), think_s=think_s)
    assert len(sessions(1, 1, equal(10, 5), think_s=0.0)) == 1
