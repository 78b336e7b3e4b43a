"""The fitter: ranks drop until it fits, numbers are whole, words fold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vperf.report.columns import GAP, NARROW, fitted, is_number
from vperf.report.document import WORDS, Column, Kind

kinds = st.sampled_from([*sorted(WORDS), "time", "rate", "share", "count"])
columns = st.lists(
    st.tuples(kinds, st.integers(0, 5), st.integers(1, 40)), min_size=1, max_size=10
).map(lambda found: [(Column("h", kind, rank), need) for kind, rank, need in found])


@given(columns, st.integers(20, 220))
def test_a_table_is_never_wider_than_the_screen_and_no_number_is_narrowed(
    given_: list[tuple[Column, int]], width: int
) -> None:
    made = [column for column, _ in given_]
    layout = fitted(made, [need for _, need in given_], width)
    total = sum(layout.widths) + GAP * (len(layout.widths) - 1)
    assert layout.lines == (width < NARROW or total > width)
    for number, cells in zip(layout.kept, layout.widths, strict=True):
        column, need = given_[number]
        assert cells >= need or not is_number(column)
    assert {n for n, column in enumerate(made) if column.rank == 0} <= set(layout.kept)


@given(columns, st.integers(20, 220))
def test_whatever_went_had_a_rank_as_high_as_all_that_stayed(
    given_: list[tuple[Column, int]], width: int
) -> None:
    made = [column for column, _ in given_]
    layout = fitted(made, [need for _, need in given_], width)
    gone = [made[n].rank for n in range(len(made)) if n not in layout.kept]
    stayed = [made[n].rank for n in layout.kept]
    assert not gone or min(gone) >= max(stayed, default=0)


def _column(kind: Kind, rank: int = 0) -> Column:
    return Column(kind, kind, rank)


def test_of_one_rank_the_bar_goes_first() -> None:
    made = [_column("text"), _column("rate", 3), _column("bar", 3)]
    assert fitted(made, [20, 30, 1], 60).kept == (0, 1)


def test_a_bar_takes_what_is_left_up_to_a_length() -> None:
    made = [_column("text"), _column("bar", 5)]
    assert fitted(made, [20, 1], 80).widths == (20, 40)
    assert fitted(made, [40, 1], 80).widths == (40, 38)


def test_only_words_are_narrowed_and_not_below_what_can_be_read() -> None:
    made = [_column("text"), _column("rate")]
    assert fitted(made, [70, 20], 60).widths == (38, 20)
    assert fitted(made, [70, 50], 60).lines


def test_bars_and_extras_are_not_named_among_what_went() -> None:
    made = [
        _column("text"),
        Column("far", "rate", 2),
        Column("extra", "rate", 5),
        _column("bar", 5),
    ]
    assert fitted(made, [60, 30, 30, 1], 70).dropped == ("far",)
