"""Units: the only place where a prefix has a value."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vperf
from vperf import units
from vperf.errors import InputError


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_bytes, "48 GB", 48e9),
        (units.parse_bytes, "80GiB", 80 * 2**30),
        (units.parse_bytes, "97887 MiB", 97887 * 2**20),
        (units.parse_bytes, "512 bytes", 512),
        (units.parse_bandwidth, "1 TB/s", 1e12),  # a known tool's table makes this 1e13
        (units.parse_bandwidth, "1792 GB/s", 1.792e12),
        (units.parse_bandwidth, "3.35TBps", 3.35e12),
        (units.parse_bandwidth, "1,792 GB/s", 1.792e12),
        (units.parse_bandwidth, "1792gb/s", 1.792e12),
        (units.parse_bandwidth, "400 Gb/s", 50e9),  # a port of InfiniBand NDR, in bits
        (units.parse_bandwidth, "400Gbps", 50e9),
        (units.parse_bandwidth, "400 Gbit/s", 50e9),
        (units.parse_bandwidth, "100 gbps", 12.5e9),
        (units.parse_rate, "989.4 TFLOPS", 989.4e12),
        (units.parse_rate, "1979 TOPS", 1979e12),
        (units.parse_rate, "1.2 PFLOP/s", 1.2e15),
        (units.parse_count, "4B", 4e9),
        (units.parse_count, "7.6b", 7.6e9),
        (units.parse_count, "4_022_468_096", 4022468096),
        (units.parse_count, "360M", 360e6),
        (units.parse_frequency, "1830 MHz", 1.83e9),
        (units.parse_power, "600 W", 600),
        (units.parse_seconds, "62ms", 0.062),
        (units.parse_seconds, "4 us", 4e-6),
        (units.parse_seconds, "1.5 s", 1.5),
    ],
)
def test_text_with_a_unit_is_its_si_value(
    parse: Callable[[str], float], text: str, value: float
) -> None:
    assert parse(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (units.parse_bytes, "48"),
        (units.parse_bytes, "48 GB/s"),
        (units.parse_bytes, "-1 GB"),
        (units.parse_bytes, "0 GB"),
        (units.parse_bandwidth, "1 TB"),
        (units.parse_bandwidth, "fast"),
        (units.parse_bandwidth, "3,35 TB/s"),  # a decimal comma
        (units.parse_bandwidth, "1,79,2 GB/s"),
        (units.parse_bytes, "1,5 GB"),
        (units.parse_seconds, "62,5 ms"),
        (units.parse_rate, "1 TB/s"),
        (units.parse_count, "1e999"),
        (units.parse_seconds, "3 hours"),
        (units.parse_seconds, ""),
    ],
)
def test_a_wrong_unit_is_refused_with_an_example(parse: Callable[[str], float], text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


@given(st.text())
def test_no_text_raises_anything_but_an_input_error(text: str) -> None:
    for parse in (units.parse_bytes, units.parse_bandwidth, units.parse_count, units.parse_seconds):
        with contextlib.suppress(InputError):
            assert parse(text) >= 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (units.format_bytes(8044936192), "8.04 GB"),
        (units.format_bytes(999.9e6), "1.00 GB"),
        (units.format_bandwidth(1.792e12), "1,792 GB/s"),
        (units.format_rate(989.4e12), "989.4 TFLOPS"),
        (units.format_flops(14.57e12), "14.6 TFLOP"),
        (units.format_count(4022468096), "4.02 B"),
        (units.format_seconds(0.0147), "14.7 ms"),
        (units.format_seconds(0), "0 s"),
    ],
)
def test_values_are_shown_with_three_digits_and_a_prefix(text: str, shown: str) -> None:
    assert text == shown


@given(st.floats(min_value=1e-9, max_value=1e17))
def test_formatting_is_within_half_a_percent(value: float) -> None:
    number, unit = units.format_bytes(value).split(" ")
    scale = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}[unit]
    assert math.isclose(float(number.replace(",", "")) * scale, value, rel_tol=0.0051)


@pytest.mark.parametrize(
    ("per_s", "text"),
    [
        (1, "1 request/s"), (5, "5 requests/s"), (0.625, "0.625 requests/s"),
        (1.0, "1 request/s"), (1e6, "1,000,000 requests/s"),
    ],
)  # fmt: skip
def test_a_request_rate_is_a_number_with_its_noun(per_s: float, text: str) -> None:
    assert units.format_requests(per_s) == text


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("4k", "tokens", 4096), ("128k", "tokens", 131072), ("1M", "tokens", 1048576),
        ("10k", "tokens", 10000), ("1.5k", "tokens", 1500), ("4k", "", 4000), ("1_000", "", 1000),
    ],
)  # fmt: skip
def test_thousands_of_tokens_are_binary_where_contexts_are(
    text: str, unit: str, value: int
) -> None:
    assert units.parse_whole(text, unit) == value


@pytest.mark.parametrize("text", ["4x", "1.5", "k", "1.0001k", "", "4 tok"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        units.parse_whole(text, "tokens")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("110 tok/s", "tok/s", 110), ("1.2k tok/s", "tok/s", 1200), ("110", "tok/s", 110),
        ("70%", "%", 0.7), ("0.7", "%", 0.7), ("5 req/s", "req/s", 5), ("2k", "", 2000),
    ],
)  # fmt: skip
def test_a_number_may_have_its_own_unit(text: str, unit: str, value: float) -> None:
    assert units.parse_number(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(("text", "unit"), [("5 req/s", "tok/s"), ("70%", "tok/s"), ("fast", "")])
def test_a_number_with_the_unit_of_another_thing_is_refused(text: str, unit: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        units.parse_number(text, unit)


def test_a_percentage_without_its_sign_is_asked_about() -> None:
    with pytest.raises(ValueError, match=r"did you mean 0\.7\?"):
        units.parse_number("70", "%")


@pytest.mark.parametrize("text", ["1 x" + " " * 300_000 + "x", " " * 300_000, "1" + "," * 300_000])
def test_a_text_of_any_length_is_read_in_one_pass(text: str) -> None:
    """A pattern that backtracks over 300,000 spaces takes minutes."""
    with pytest.raises(InputError):
        units.parse_bytes(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (units.parse_bytes, "1e300 GB"),
        (units.parse_bandwidth, "1e308 GB/s"),
        (units.parse_rate, "1e290 TFLOPS"),
        (units.parse_seconds, "1e-300 ms"),
        (units.parse_power, "1e-31 W"),
        (units.parse_count, f"{'9' * 5000}B"),
    ],
)
def test_a_figure_that_overflows_behind_its_prefix_is_refused(
    parse: Callable[[str], float], text: str
) -> None:
    with pytest.raises(InputError, match="it must be"):
        parse(text)


@pytest.mark.parametrize("rate", [1e308, 1e-300, 0.0, float("nan")])
def test_a_rate_that_overflows_what_is_made_of_it_is_refused(rate: float) -> None:
    assert not units.is_moderate(rate)
    with pytest.raises(InputError, match="request-rate"):
        vperf.estimate("qwen3-8b", "h100", request_rate=rate)


def test_a_number_alone_has_the_unit_of_its_option_where_it_has_one() -> None:
    assert units.parse_bandwidth("1000", "GB/s") == 1000e9
    assert units.parse_seconds("20", "ms") == pytest.approx(0.020)
    assert units.parse_bytes("80 GiB", "GB") == 80 * 2**30
    with pytest.raises(InputError):
        units.parse_rate("250")
