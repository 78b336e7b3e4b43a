"""The napkin: its arithmetic, its laws, and what it refuses."""

from __future__ import annotations

import doctest
import json
import math
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vperf import InputError
from vperf.napkin import check_choice, napkin

POSITIVE = st.floats(min_value=1e-3, max_value=1e18)
NOTHING = dict.fromkeys(("model", "gpu", "quantization", "params", "bandwidth", "bits"), False)


def test_qwen3_4b_on_a_4090_is_125_tokens_per_second() -> None:
    answer = napkin(4_022_468_096, 16, 1008e9)
    assert answer.weight_bytes == 8_044_936_192
    assert answer.tokens_per_s == pytest.approx(125.3, abs=0.05)


@given(POSITIVE, POSITIVE, POSITIVE)
def test_bandwidth_is_speed_times_size(parameters: float, bits: float, bandwidth: float) -> None:
    answer = napkin(parameters, bits, bandwidth)
    assert answer.weight_bytes == parameters * bits / 8
    assert math.isclose(answer.tokens_per_s * answer.weight_bytes, bandwidth)


@given(POSITIVE, POSITIVE, POSITIVE)
def test_half_the_bits_are_twice_as_fast(parameters: float, bits: float, bandwidth: float) -> None:
    whole, half = napkin(parameters, bits, bandwidth), napkin(parameters, bits / 2, bandwidth)
    assert math.isclose(half.tokens_per_s, 2 * whole.tokens_per_s)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("field", ["parameters", "bits", "memory_bandwidth"])
def test_what_is_not_a_positive_number_is_refused_by_name(field: str, bad: float) -> None:
    given_values = {"parameters": 1e9, "bits": 16.0, "memory_bandwidth": 1e12, field: bad}
    with pytest.raises(InputError, match=field):
        napkin(*given_values.values())


def test_the_dict_is_json_with_a_schema() -> None:
    answer = json.loads(json.dumps(napkin(4e9, 16, 1e12).to_dict(), allow_nan=False))
    assert answer["schema"] == "vperf/napkin/1"
    assert answer["decode_tokens_per_s"] == 125
    assert answer["memory_bandwidth_bytes_per_s"] == 1e12


@pytest.mark.parametrize(
    "given_options",
    [
        "",
        "model gpu quantization",
        "model bandwidth",
        "params bandwidth",
        "params bandwidth bits",
        "params gpu bits",
    ],
)
def test_choices_that_make_sense_pass(given_options: str) -> None:
    check_choice(**{**NOTHING, **dict.fromkeys(given_options.split(), True)})


@pytest.mark.parametrize(
    ("given_options", "named"),
    [
        ("params model", "--model"),
        ("params bandwidth quantization", "--quantization"),
        ("model bits", "--bits"),
        ("gpu bandwidth params", "--bandwidth"),
        ("params", "--bandwidth"),
        ("bandwidth", "--params"),
        ("bits", "--bits"),
    ],
)
def test_choices_that_contradict_or_lack_a_side_name_the_option(
    given_options: str, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        check_choice(**{**NOTHING, **dict.fromkeys(given_options.split(), True)})


def test_the_examples_of_the_docstrings_run() -> None:
    assert doctest.testmod(import_module("vperf.napkin")).failed == 0
