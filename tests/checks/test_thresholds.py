"""Bars: what they are held against, and by how much they are missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import vperf
from tests.checks.results import result
from vperf import Bars, InputError
from vperf.checks.thresholds import longest


def test_a_bar_says_by_how_much_it_is_missed() -> None:
    check = vperf.check(
        result(tpot_s=0.02, ttft_s=0.062), bars=Bars(max_tpot_s=0.016, max_ttft_s=0.1)
    )
    tpot, ttft = (next(b for b in check.bars if b.name == n) for n in ("max_tpot_s", "max_ttft_s"))
    assert (tpot.passed, ttft.passed, check.passed) == (False, True, False)
    assert tpot.short == pytest.approx(0.25)
    assert ttft.short == 0.0


def test_efficiency_and_mbu_are_held_against_decode() -> None:
    check = vperf.check(result(tpot_s=0.0103))
    share, mbu = check.main.of_expected, check.utilization[0].mbu
    for bars, passed in (
        (Bars(min_efficiency=share - 0.01), True),
        (Bars(min_efficiency=share + 0.01), False),
        (Bars(min_mbu=mbu - 0.01), True),
        (Bars(min_mbu=mbu + 0.01), False),
        (Bars(min_of_limit=0.99), False),
    ):
        assert vperf.check(result(tpot_s=0.0103), bars=bars).passed is passed


def test_without_bars_a_slow_result_neither_passes_nor_fails() -> None:
    check = vperf.check(result(tpot_s=1.0))
    assert (check.verdict, check.passed) == ("slow", None)


def test_an_impossible_result_clears_no_bar() -> None:
    check = vperf.check(result(tpot_s=0.001), bars=Bars(max_tpot_s=1.0))
    assert check.passed is False
    assert [bar.name for bar in check.bars if not bar.passed] == ["possible", "max_tpot_s"]


def test_a_bar_that_cannot_be_judged_is_an_error() -> None:
    with pytest.raises(InputError, match=r"--max-ttft: cannot be judged: .* holds no TTFT"):
        vperf.check(result(tpot_s=0.01), bars=Bars(max_ttft_s=0.1))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bar_is_a_positive_number(value: float) -> None:
    with pytest.raises(InputError, match="min-efficiency"):
        Bars(min_efficiency=value)


def test_a_percentile_of_the_file_is_held_against_its_bar() -> None:
    measured = replace(
        result(tpot_s=0.0103, ttft_s=0.06), percentiles=(("p99_ttft_s", 0.2), ("p99_tpot_s", 0.02))
    )
    bars = Bars(max_ttft_s=0.1, percentiles=(("p99_ttft_s", 0.15), ("p99_tpot_s", 0.03)))
    check = vperf.check(measured, bars=bars)
    assert [(bar.name, bar.metric, bar.passed) for bar in check.bars] == [
        ("max_ttft_s", "ttft_s", True),
        ("max_ttft_s", "p99_ttft_s", False),
        ("max_tpot_s", "p99_tpot_s", True),
    ]
    assert check.bars[1].short == pytest.approx(0.2 / 0.15 - 1)
    with pytest.raises(InputError, match=r"--max-ttft: cannot be judged: .* no p95 of TTFT"):
        vperf.check(measured, bars=Bars(percentiles=(("p95_ttft_s", 0.15),)))


@pytest.mark.parametrize(
    ("text", "mean", "ranks"),
    [
        ("200 ms", 0.2, ()),
        ("p99:500ms", None, (("p99_ttft_s", 0.5),)),
        ("200ms, p95:0.4s, 99.9:1s", 0.2, (("p95_ttft_s", 0.4), ("p99.9_ttft_s", 1.0))),
    ],
)
def test_bars_on_times_are_of_the_mean_or_of_percentiles(
    text: str, mean: float | None, ranks: tuple[tuple[str, float], ...]
) -> None:
    assert longest(text, "--max-ttft", "ttft_s") == (mean, ranks)


@pytest.mark.parametrize("text", ["p0:1s", "p100:1s", "worst:1s", "p99:", "p99:-1s", ""])
def test_a_bar_that_is_no_time_or_no_percentile_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        longest(text, "--max-ttft", "ttft_s")
    assert caught.value.field == "--max-ttft"


@pytest.mark.parametrize("name", ["min_efficiency", "min_of_limit", "min_mbu", "max_drift"])
def test_a_bar_in_percent_without_its_sign_is_refused_from_whatever_it_comes(name: str) -> None:
    bar: dict[str, Any] = {name: 70.0}
    with pytest.raises(InputError, match=r"70 is not a share of one; did you mean 0\.7\?"):
        Bars(**bar)
