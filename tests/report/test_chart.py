"""The value that every writer draws: what it holds, its ranges, ticks and places of labels."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vperf.errors import InputError
from vperf.report.chart import (
    Axis,
    Chart,
    Mark,
    Series,
    letter,
    share_of,
    spread,
    tick_text,
    ticks,
)

from .charts import lines

LINEAR, LOG = Axis("x"), Axis("x", log=True)
values = st.floats(1e-9, 1e18)


def chart(*points: tuple[float, float], log: bool = False, marks: tuple[Mark, ...] = ()) -> Chart:
    axis = LOG if log else LINEAR
    return Chart("t", axis, axis, (Series("a", points),), marks)


@pytest.mark.parametrize(
    ("value", "axis", "text"),
    [
        (1e14, Axis("rate", "FLOP/s"), "100T"),
        (1000.0, LOG, "1k"),
        (0.5, LOG, "0.5"),
        (0, LINEAR, "0"),
        (0.02, Axis("TTFT", "s"), "20ms"),
        (5e-6, Axis("TTFT", "s"), "5us"),
        (1500.0, Axis("TTFT", "s"), "1500s"),
        (-2000.0, LINEAR, "-2k"),
    ],
)
def test_a_tick_is_labelled_with_a_prefix_and_seconds_with_their_unit(
    value: float, axis: Axis, text: str
) -> None:
    assert tick_text(value, axis) == text


def test_a_short_log_axis_has_steps_within_a_decade_and_a_long_one_has_not() -> None:
    assert ticks(90, 2100, log=True, most=8) == (100, 200, 500, 1000, 2000)
    assert ticks(1, 1e6, log=True, most=8) == tuple(10.0**k for k in range(7))


@given(values, st.floats(1.5, 1e12), st.booleans(), st.integers(2, 12))
def test_ticks_are_within_the_range_rise_and_are_not_too_many(
    low: float, factor: float, log: bool, most: int
) -> None:
    high = low * factor
    found = ticks(low, high, log=log, most=most)
    assert 1 <= len(found) <= most + 2
    assert all(a < b for a, b in pairwise(found))
    air = 1e-6 * (low if log else high - low)
    assert all(low - air <= value <= high * (1 + 1e-6) for value in found)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_labels_keep_their_order_their_distance_and_stay_inside(wanted: list[float]) -> None:
    placed = spread(wanted, 5.0, 0.0, 100.0)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    inside = [placed[number] for number in order]
    assert all(b - a >= 5.0 - 1e-6 for a, b in pairwise(inside))
    assert inside[0] >= -1e-6
    assert inside[-1] <= 100.0 + 1e-6


def test_labels_with_room_stay_where_they_are_wanted() -> None:
    assert spread([10.0, 90.0, 50.0], 5.0, 0.0, 100.0) == [10.0, 90.0, 50.0]


def test_more_labels_than_room_are_pressed_together_and_not_pushed_out() -> None:
    placed = spread([50.0] * 5, 40.0, 0.0, 100.0)
    assert placed == pytest.approx([0.0, 25.0, 50.0, 75.0, 100.0])


def test_a_log_axis_leaves_out_what_is_not_above_zero() -> None:
    drawn = chart((1.0, 0.0), (2.0, 3.0), (math.nan, 1.0), log=True)
    assert drawn.shown(drawn.series[0]) == ((1, (2.0, 3.0)),)


@pytest.mark.parametrize("points", [(), ((1.0, math.nan),), ((math.inf, 1.0),)])
def test_a_chart_without_a_point_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InputError, match="nothing to plot"):
        chart(*points)


def test_a_band_has_a_range_for_each_point() -> None:
    with pytest.raises(ValueError, match="band of 'a'"):
        Series("a", ((1.0, 1.0), (2.0, 2.0)), band=((0.5, 1.5),))


def test_the_ranges_hold_points_bands_and_marks() -> None:
    (x_low, x_high), (y_low, y_high) = lines(1).ranges()
    assert (x_low, x_high) == (1.0, 1024.0)
    assert y_low < 72
    assert y_high > 100 * 1024 / 17
    beyond = chart((1.0, 1.0), (2.0, 2.0), marks=(Mark("x", 9.0, "here"), Mark("y", 7.0, "there")))
    assert beyond.ranges()[0][1] == 9.0
    assert beyond.ranges()[1][1] > 7.0


def test_a_linear_axis_starts_at_zero_unless_its_values_are_far_from_it() -> None:
    assert chart((1.0, 5.0), (64.0, 9.0)).ranges()[0][0] == 0.0
    assert chart((50.0, 5.0), (64.0, 9.0)).ranges() == ((50.0, 64.0), (0.0, 9.16))


@pytest.mark.parametrize("log", [False, True])
def test_one_point_has_room_around_it(log: bool) -> None:
    for low, high in chart((5.0, 5.0), log=log).ranges():
        assert low < 5.0 < high


def test_a_log_axis_is_even_in_decades() -> None:
    assert share_of(10.0, 1.0, 100.0, LOG) == 0.5
    assert share_of(10.0, 0.0, 100.0, LINEAR) == 0.1


def test_names_and_styles_are_each_listed_once() -> None:
    drawn = lines(2)
    assert drawn.names == ("H100 SXM", "H200")
    assert drawn.styles == ("limit", "expected", "measured")


def test_letters_run_on_after_z() -> None:
    assert [letter(n) for n in (0, 25, 26, 51, 52)] == ["a", "z", "A", "Z", "?"]
