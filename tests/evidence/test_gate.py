"""Bars, and the vperf.toml that holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

import vperf
from tests.evidence.results import result
from vperf import Bars, InputError
from vperf.evidence.gate import read_config


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


def _config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "vperf.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_config_holds_checks_with_shared_defaults(tmp_path: Path) -> None:
    plans = read_config(
        _config(
            tmp_path,
            """
            [defaults]
            gpu = "h100"
            min_efficiency = 0.7

            [[check]]
            file = "a.json"
            max-ttft = "200 ms"

            [[check]]
            file = "sub/b.json"
            gpu = "h200"
            label = "tg128"
            tensor = 1
            """.replace("tensor = 1", "tp = 2"),
        )
    )
    first, second = plans
    assert first.file == tmp_path / "a.json"
    assert (first.gpu, first.bars) == ("h100", Bars(min_efficiency=0.7, max_ttft_s=0.2))
    assert (second.gpu, second.label, second.options) == ("h200", "tg128", {"tp": 2})
    assert second.bars == Bars(min_efficiency=0.7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"has no \[\[check\]\]"),
        ("x = [", "not valid TOML"),
        ("[checks]\na = 1", "unknown table 'checks'"),
        ("[[check]]\ngpu = 'h100'", "check 1: file: Field required"),
        ("[[check]]\nfile = 'a'\nmin_speed = 1", "check 1: unknown key 'min_speed'"),
        ("[[check]]\nfile = 'a'\ntp = 'two'", "check 1: tp: "),
        ("[[check]]\nfile = 'a'\nmax_ttft = '5 parsecs'", "check 1: max_ttft"),
        ("[[check]]\nfile = 'a'\nmin_mbu = -1", "check 1: min-mbu: must be above 0"),
    ],
)
def test_a_wrong_config_names_the_check_and_the_key(tmp_path: Path, text: str, words: str) -> None:
    path = _config(tmp_path, text)
    with pytest.raises(InputError, match=words) as error:
        read_config(path)
    assert str(path) in error.value.message


def test_a_config_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
