"""Dollars: by hand, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vperf import api
from vperf.errors import InputError, UnknownNameError
from vperf.explore.prices import cost_of, load_prices, parse_prices, prices_of
from vperf.scenario import Scenario


def test_tokens_cost_the_time_that_they_take() -> None:
    scenario = Scenario("qwen3-32b", "h100", batch_size=16, tp=2)
    estimate, figures = api.ask(scenario), api.figures(scenario)
    cost = cost_of(figures, 2.5)
    per_s = 2 * 2.5 / 3600
    assert cost.usd_per_hour == 5.0
    speed = estimate.expected
    assert cost.usd_per_mtok_output == pytest.approx(1e6 * per_s / speed.decode_tokens_per_s)
    assert cost.usd_per_mtok_input == pytest.approx(1e6 * per_s / speed.prefill_tokens_per_s)


def test_input_and_output_of_a_served_request_cost_all_of_it() -> None:
    load = Scenario("qwen3-32b", "h200", max_concurrency=32, input_len=2000, output_len=300)
    cost = cost_of(api.figures(load), 3.0)
    parts = 2000 * cost.usd_per_mtok_input + 300 * cost.usd_per_mtok_output
    assert parts / 1e6 == pytest.approx(cost.usd_per_request)


def test_prices_are_found_by_any_name_of_the_card() -> None:
    assert prices_of({"h100-sxm": 2.5, "NVIDIA L40S": 1}) == {"h100-sxm-80gb": 2.5, "l40s": 1.0}


@pytest.mark.parametrize("price", [0, -1, float("nan"), float("inf"), True, "2"])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(InputError, match="price of h100"):
        prices_of({"h100": price})


def test_a_price_of_no_gpu_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="h101"):
        prices_of({"h101": 2.0})


def test_two_prices_of_one_card_are_refused() -> None:
    with pytest.raises(InputError, match="given twice"):
        prices_of({"h100-sxm": 2.0, "h100-sxm-80gb": 3.0})


def test_prices_of_the_command_line_are_pairs() -> None:
    assert parse_prices(["h100=2.50", "l40s=$0.9"]) == {"h100": 2.5, "l40s": 0.9}


@pytest.mark.parametrize("text", ["h100", "=2", "h100=", "h100=much", "h100=nan"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not like"):
        parse_prices([text])


def test_prices_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("h100-sxm = 2.5\nl40s = 1\n")
    assert load_prices(file) == {"h100-sxm": 2.5, "l40s": 1}


@pytest.mark.parametrize(
    ("text", "said"), [("h100 = ", "TOML"), ('h100 = "two"', "h100"), ("", "no price")]
)
def test_a_file_without_prices_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        load_prices(file)
    assert "prices.toml" in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_prices(tmp_path / "none.toml")
