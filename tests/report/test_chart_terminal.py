"""Charts as text: widths, ASCII, colour, and that lines stand where their values are."""

from __future__ import annotations

import re

import pytest

from vperf.report.chart import Axis, Chart, Mark, Series
from vperf.report.chart_terminal import render_terminal

from .charts import NAMES, lines, points

ANSI = re.compile(r"\x1b\[[0-9;]*m")
AXES = (Axis("x", "tokens"), Axis("y", "tok/s"))


def body(text: str) -> list[str]:
    """The rows of the plot itself, without what is left of the axis."""
    return [re.split("[|+]", line, maxsplit=1)[1] for line in text.splitlines()
            if re.match(r" *\S*[|+](?!-*\+-)", line)]  # fmt: skip


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [40, 80, 132, 200])
@pytest.mark.parametrize("count", [1, 5, 12])
def test_a_plot_is_never_wider_than_the_terminal(count: int, width: int, unicode: bool) -> None:
    for chart in (lines(count), lines(count, log=False)):
        text = render_terminal(chart, width, unicode)
        assert max(map(len, text.splitlines())) <= max(80, width)
        assert text.endswith("\n")
        assert not any(line != line.rstrip() for line in text.splitlines())


def test_a_wide_terminal_gets_a_larger_plot() -> None:
    narrow, wide = (render_terminal(lines(1), width).splitlines() for width in (80, 200))
    assert len(wide) > len(narrow)
    assert max(map(len, wide)) > 120


@pytest.mark.parametrize("count", [1, 5, 12])
def test_ascii_is_ascii_whatever_the_names_are(count: int) -> None:
    assert render_terminal(lines(count), 80, unicode=False).isascii()
    named = Chart("Größe →", *AXES, (Series("模型", ((1.0, 1.0), (2.0, 2.0))),))
    assert render_terminal(named, 80, unicode=False).isascii()


@pytest.mark.parametrize("unicode", [True, False])
def test_colour_changes_nothing_but_the_colour(unicode: bool) -> None:
    plain = render_terminal(lines(5), 80, unicode, color=False)
    coloured = render_terminal(lines(5), 80, unicode, color=True)
    assert "\x1b" not in plain
    assert "\x1b[36m" in coloured
    assert ANSI.sub("", coloured) == plain


def test_names_cannot_send_escapes_to_the_terminal() -> None:
    evil = Chart("t\x1b[2J", Axis("x\n"), AXES[1], (Series("\x1b]0;hi\x07", ((1.0, 1.0),)),),
                 (Mark("x", 1.0, "\x1b[31m"), Mark("y", 1.0, "\x9b")))  # fmt: skip
    assert "\x1b" not in render_terminal(evil)
    assert "\x9b" not in render_terminal(evil)


@pytest.mark.parametrize("count", [1, 5, 12])
def test_axes_marks_and_every_name_are_labelled(count: int) -> None:
    text = render_terminal(lines(count), 80)
    for label in ("batch size (sequences)", "decode throughput (tok/s)", "compute-bound from 64"):
        assert label in text
    assert "target" in text
    assert all(name[:18] in text for name in NAMES[:count])


def test_a_rising_line_rises_from_corner_to_corner() -> None:
    chart = Chart("t", *AXES, (Series("a", ((0.0, 0.0), (10.0, 10.0))),))
    rows = body(render_terminal(chart, 80, unicode=False))
    columns = [row.index("*") for row in rows if "*" in row]
    assert columns == sorted(columns, reverse=True)
    assert columns[-1] == 0
    assert columns[0] > 60


def test_a_limit_is_dotted_and_expected_solid() -> None:
    flat = ((0.0, 5.0), (10.0, 5.0))
    both = Chart("t", *AXES, (Series("a", flat, "limit"), Series("a", ((0.0, 2.0), (10.0, 2.0)))))
    text = render_terminal(both, 80, unicode=False)
    assert ". . . ." in text
    assert "*******" in text
    assert "... limit   *** expected" in text


def test_measured_points_are_crosses_that_nothing_joins() -> None:
    chart = Chart("t", *AXES, (Series("a", ((0.0, 1.0), (10.0, 9.0)), "measured"),))
    assert "".join(body(render_terminal(chart, 80, unicode=False))).count("x") == 2


def test_lines_carry_the_letters_that_stand_before_their_names() -> None:
    rows = body(render_terminal(lines(5), 80, unicode=False))
    plot = "\n".join(row[:40] for row in rows)
    assert all(mark in plot for mark in "abcde")
    assert any(row.endswith("e RTX 4090") for row in rows)


def test_one_name_needs_no_letter() -> None:
    assert re.search(r"(?<!a )H100 SXM", render_terminal(lines(1)))


def test_names_at_the_end_stand_in_the_order_of_their_lines() -> None:
    text = render_terminal(lines(12), 200)
    at = [text.index(f" {name}\n") for name in NAMES]
    assert at == sorted(at, reverse=True)


def test_limits_of_many_lines_are_left_out_and_that_is_said() -> None:
    assert "(limit: not drawn of so many)" in render_terminal(lines(12))
    assert "not drawn" not in render_terminal(lines(5))


def test_more_names_than_rows_go_below_the_plot() -> None:
    many = tuple(Series(f"card {n}", ((1.0, n + 1.0), (2.0, n + 2.0))) for n in range(30))
    text = render_terminal(Chart("t", *AXES, many))
    below = text.split("x (tokens)")[1]
    assert all(f" card {n}" in below for n in range(30))


def test_labelled_points_of_one_place_stand_side_by_side() -> None:
    assert "abc" in render_terminal(points(), unicode=False)


def test_the_key_of_points_can_be_left_to_a_table() -> None:
    assert "d decode experts" in render_terminal(points())
    assert "experts" not in render_terminal(points(), key=False)


def test_the_range_of_the_only_line_is_drawn() -> None:
    assert "░" in render_terminal(lines(1))
    assert ":::" in render_terminal(lines(1), unicode=False)
    assert "░" not in render_terminal(lines(2))
