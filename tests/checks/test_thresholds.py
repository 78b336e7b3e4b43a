"""Bars: what they are held against, and by how much they are missed."""

from __future__ import annotations

import pytest

import vperf
from tests.checks.results import result
from vperf import Bars, InputError


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
