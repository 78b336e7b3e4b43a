"""Ranges of an axis: what they hold, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vperf.errors import InputError
from vperf.explore.axis import spread_out


def values(text: str, kind: type[int] | type[float] = int) -> list[int | float]:
    return list(spread_out(text, kind, "--batch-size"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1..256", [1, 2, 4, 8, 16, 32, 64, 128, 256]),
        ("1..100", [1, 2, 4, 8, 16, 32, 64, 100]),
        ("1..1000:x10", [1, 10, 100, 1000]),
        ("1024..4096:+1024", [1024, 2048, 3072, 4096]),
        ("0..10:+3", [0, 3, 6, 9]),
        ("1..4096:log4", [1, 16, 256, 4096]),
        ("7..7", [7]),
        ("7..7:+2", [7]),
    ],
)
def test_a_range_holds_what_its_spelling_says(text: str, expected: list[int]) -> None:
    assert values(text) == expected


def test_ranges_of_fractions_have_no_rounding_dust() -> None:
    assert values("0.1..0.5:+0.1", float) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert values("0.5..4", float) == [0.5, 1.0, 2.0, 4.0]


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.sampled_from(["", ":x3", ":log7", ":x1.3"]))
def test_a_range_rises_from_its_start_to_its_end(first: int, more: int, how: str) -> None:
    found = values(f"{first}..{first + more}{how}")
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (first, first + more)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9..1", "runs backwards"),
        ("1..", "not a range"),
        ("..5", "not a range"),
        ("1..9:+0", "step that is not above 0"),
        ("1..9:+-2", "step that is not above 0"),
        ("1..9:x1", "factor that is not above 1"),
        ("0..9", "multiplies from 0"),
        ("0..9:log3", "no ratio from 0"),
        ("1..9:log1", "fewer than two"),
        ("1..9:often", "'often' where"),
        ("a..9", "'a', which is not a whole number"),
        ("1..1000000000:+1", "1,000,000,000 values"),
    ],
)
def test_a_range_that_cannot_be_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        values(text)
    assert "--batch-size" in str(caught.value)
    assert text in str(caught.value)


def test_a_fraction_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        values("1..inf", float)
