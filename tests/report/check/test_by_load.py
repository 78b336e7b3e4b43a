"""Results of one setup under rising loads: one table, one curve."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from tests.checks.results import GPU, MODEL, went
from vperf import InputError, Scenario
from vperf.checks.check import Check
from vperf.report.check.by_load import chart, load_of, sweeps, tables


def at(slower: float = 1.0, **load: Any) -> Check:
    asked = Scenario(MODEL, GPU, **load)
    return vperf.check(went(asked, slower=slower, batch_size=None, **load))


SWEEP = [at(max_concurrency=users, slower=slow) for users, slow in ((16, 1.5), (4, 1.0), (8, 1.0))]


def test_a_sweep_is_rows_by_rising_load_with_shares_of_expected() -> None:
    (table,) = tables(SWEEP)
    assert [row.cells[0] for row in table.rows] == ["4", "8", "16"]
    shares = [getattr(row.cells[1], "text", row.cells[1]) for row in table.rows]
    assert shares == ["100%", "100%", "67%"]
    assert MODEL in table.title


def test_the_curve_is_measured_over_expected_against_load() -> None:
    drawn = chart(SWEEP)
    assert drawn.x.label == "users"
    by_name = {series.name: series.points for series in drawn.series}
    assert [x for x, _ in by_name["TPOT"]] == [4.0, 8.0, 16.0]
    assert by_name["TPOT"][-1][1] == pytest.approx(1 / 1.5, rel=0.01)


def test_unlike_setups_and_fewer_than_three_loads_are_no_sweep() -> None:
    assert sweeps(SWEEP[:2]) == []
    other = vperf.check(went(Scenario(MODEL, GPU, output_len=64, max_concurrency=16)))
    assert len(sweeps([*SWEEP, other])) == 1
    with pytest.raises(InputError, match="nothing to plot"):
        chart(SWEEP[:2])


def test_a_load_is_users_or_a_rate() -> None:
    assert load_of(SWEEP[0]) == ("users", 16.0)
    assert load_of(at(request_rate=2.0)) == ("requests/s", 2.0)
