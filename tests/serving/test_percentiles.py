"""Means and percentiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vperf.errors import InputError
from vperf.serving.percentiles import distribution, read_percents, weighted_distribution

_values = st.lists(st.tuples(st.floats(0, 1e3), st.integers(1, 20)), min_size=1, max_size=30)


@given(_values, st.floats(0.1, 99.9))
def test_a_weighted_value_counts_as_that_many(
    rows: list[tuple[float, int]], percent: float
) -> None:
    values, counts = [v for v, _ in rows], [n for _, n in rows]
    every = [v for v, n in rows for _ in range(n)]
    plain = distribution(every, (percent,))
    weighted = weighted_distribution(values, counts, (percent,))
    assert weighted.mean_s == pytest.approx(plain.mean_s)
    assert weighted.at(percent) == pytest.approx(plain.at(percent))


def test_percentiles_are_interpolated_as_numpy_does() -> None:
    found = distribution([4.0, 1.0, 3.0, 2.0], (25.0, 50.0, 99.0))  # numpy.percentile
    assert [found.at(p) for p in (25.0, 50.0, 99.0)] == pytest.approx([1.75, 2.5, 3.97])


def test_percentiles_are_read_in_order_once() -> None:
    assert read_percents("99, 50,99.9,50") == (50.0, 99.0, 99.9)


@pytest.mark.parametrize("text", ["", "p99", "0", "100", "50,,90", "nan"])
def test_what_is_no_percentile_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="metric-percentiles"):
        read_percents(text)
