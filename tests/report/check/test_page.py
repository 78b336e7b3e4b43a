"""The words of a graded result: line 1 in one order, the rest where it belongs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import vperf
from tests.checks.results import GPU, result, setup
from vperf import Bars, Check
from vperf.notes import Note
from vperf.report.check import page as report
from vperf.report.check.sentences import line_1
from vperf.report.document import Bar, Bullets, Table, plain, shown
from vperf.report.screen import Look, render


def check(bars: Bars | None = None, ran: Any = None, **figures: Any) -> Check:
    return vperf.check(result(ran=ran, **figures), bars=bars)


def screen(graded: Check, *, full: bool = True) -> str:
    return render(report.document(graded), Look(80, full))


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (
            {"decode_tokens_per_s": 97.2},
            r"^GOOD: 97.2 tok/s is \d+% of expected \(9\d\.\d\), 78% of the limit\.$",
        ),
        ({"decode_tokens_per_s": 122.0}, "^BETTER: 122 tok/s is 1"),
        ({"decode_tokens_per_s": 50.0}, "^SLOW: 50.0 tok/s is "),
        (
            {"decode_tokens_per_s": 300.0},
            r"^IMPOSSIBLE: 300 tok/s is 24\d% of the limit \(124\); see the likely reasons\.$",
        ),
        (
            {"ttft_s": 0.062},
            r"^GOOD: TTFT 62.0 ms is \d+% of expected \(\d+\.\d ms\), 61% of the limit\.$",
        ),
    ],
)
def test_line_1_is_the_verdict_in_one_order(figures: dict[str, Any], line: str) -> None:
    first = screen(check(**figures)).splitlines()[0]
    assert re.search(line, first)
    assert first == line_1(check(**figures))


@pytest.mark.parametrize(("bar", "badge"), [(0.5, "PASS GOOD: "), (1.5, "FAIL GOOD: ")])
def test_a_gate_stands_before_the_verdict(bar: float, badge: str) -> None:
    assert line_1(check(Bars(min_efficiency=bar))).startswith(badge)


def test_bars_are_listed_with_how_far_they_were_missed() -> None:
    lines = screen(check(Bars(max_tpot_s=0.010, max_ttft_s=0.1), tpot_s=0.0103, ttft_s=0.062))
    assert "\n  ✗ --max-tpot 10.0 ms: TPOT is 10.3 ms, 3.0% too much\n" in lines
    assert "\n  ✓ --max-ttft 100 ms: TTFT is 62.0 ms\n" in lines


def test_figures_that_line_1_is_not_about_are_named_where_they_differ() -> None:
    text = screen(check(tpot_s=0.0108, ttft_s=0.4))
    assert re.search(r"^TTFT is slow, \d+% below its range\.$", text, re.MULTILINE)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("tpot", [0.0137, 0.03, 0.9])
def test_the_bars_of_a_waterfall_reach_from_nothing_to_what_was_measured(
    full: bool, tpot: float
) -> None:
    blocks = shown(report.document(check(tpot_s=tpot)), full=full)
    (table,) = (b for b in blocks if isinstance(b, Table) and b.title.startswith("Where "))
    ends = []
    for row in table.rows:
        bar = row.cells[-1]
        assert isinstance(bar, Bar)
        ends += [bar.start, bar.start + bar.parts[0][0]]
    assert min(ends) == pytest.approx(0.0, abs=1e-9)
    assert max(ends) == pytest.approx(1.0)
    assert sum(float(str(row.cells[1]).split()[0]) for row in table.rows) == pytest.approx(
        1e3 * tpot, rel=0.01
    )


def test_a_run_faster_than_expected_is_not_taken_apart() -> None:
    text = screen(check(decode_tokens_per_s=97.2))
    assert "TPOT is faster than expected by " in text
    assert "Where " not in text


def test_an_impossible_result_is_not_taken_apart() -> None:
    text = screen(check(Bars(min_efficiency=0.7), decode_tokens_per_s=300.0))
    assert "Where " not in text
    assert "Likely reasons" in text
    assert text.startswith(" FAIL  IMPOSSIBLE: ")
    assert "✗ every bar: the result is above the limit" in text
    assert "✓" not in text


def test_a_slow_result_that_nothing_explains_has_a_checklist() -> None:
    graded = check(decode_tokens_per_s=6.0)
    text = screen(graded)
    assert "No fault is telling: look, in this order" in text
    assert "cuda" in text.split("what the engine says of graphs")[1].split(")")[0]
    assert "vperf measure --quick -o me.toml" in text
    assert "look first at the card under load" in screen(graded, full=False)


def test_what_is_only_usual_is_not_called_likely() -> None:
    assert "→ perhaps " in screen(check(decode_tokens_per_s=6.0), full=False)


def test_several_results_are_a_line_each() -> None:
    checks = [("a", check(tpot_s=0.0103)), ("b", check(tpot_s=0.05))]
    lines = render(report.documents(checks, hint="more"), Look(80, full=False)).splitlines()
    assert lines[0] == "2 results: 1 good, 1 slow."
    assert lines[-1] == "more"
    bars = Bars(min_efficiency=0.7)
    failing = [(name, replace(c, bars=check(bars, tpot_s=c.tpot_s or 0.0).bars))
               for name, c in checks]  # fmt: skip
    first, *_ = report.documents(failing)
    assert plain(first.text) == "1 of 2 results failed the bars: 1 good, 1 slow."  # type: ignore[union-attr]


def test_the_short_form_adds_kinds_of_kernels_up_and_the_whole_form_has_each() -> None:
    graded = check(tpot_s=0.03)
    short, full = screen(graded, full=False), screen(graded)
    assert "limit: weights, KV cache" in short
    assert "matmul kernels" not in short
    assert "matmul kernels" in full


_times = st.floats(1e-4, 1e2)


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    figures=st.fixed_dictionaries(
        {},
        optional={"tpot_s": _times, "ttft_s": _times, "latency_s": _times,
                  "output_tokens_per_s": st.floats(1e-3, 1e8)},
    ).filter(bool),
    load=st.sampled_from([{}, {"batch_size": None, "max_concurrency": 16}, {"batch_size": 64}]),
    engine=st.sampled_from(["vllm", "llama.cpp", "trtllm"]),
)  # fmt: skip
def test_no_line_is_wider_than_80_columns(
    figures: dict[str, Any], load: dict[str, Any], engine: str
) -> None:
    ran = setup(gpu=GPU, engine=engine, **load)
    graded = check(Bars(min_efficiency=0.7), ran, **figures)
    for full in (True, False):
        for line in screen(graded, full=full).splitlines():
            assert len(line) <= 80, line
    assert any(isinstance(block, Bullets) for block in report.document(graded))


def test_a_warning_that_many_results_have_with_other_figures_is_said_once() -> None:
    few = [Note("capped", most=8, waiting=waiting) for waiting in (1, 2)]
    many = [Note("capped", most=8, waiting=waiting) for waiting in range(1, 9)]
    for notes, lines in ((few, 2), (many, 1)):
        named = [
            (f"r{n}", replace(check(tpot_s=0.0103), warnings=(note,)))
            for n, note in enumerate(notes)
        ]
        text = " ".join(render(report.documents(named), Look(120, full=True)).split())
        assert text.count("users wait for their first token") == lines
        assert ("7 other results alike" in text) == (lines == 1)
