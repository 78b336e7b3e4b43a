"""The screen of a graded result: line 1 is the answer, nothing is wider than 80 columns."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from vperf.report.check_words import headline

import vperf
from tests.checks.results import GPU, result, setup
from vperf import Bars, Check
from vperf.report.check import render, render_all


def check(bars: Bars | None = None, ran: Any = None, **figures: Any) -> Check:
    return vperf.check(result(ran=ran, **figures), bars=bars)


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (
            {"decode_tokens_per_s": 97.2},
            r"^97.2 tok/s is 78 % of the limit \(124\) and \d+ % of expected: good for vLLM\.$",
        ),
        ({"decode_tokens_per_s": 122.0}, " better"),
        ({"decode_tokens_per_s": 50.0}, ": slow for vLLM"),
        ({"decode_tokens_per_s": 300.0}, ": impossible"),
        (
            {"ttft_s": 0.062},
            r"^TTFT 62.0 ms is 61 % of the limit \(38.1 ms\) and \d+ % of expec.*: go",
        ),
    ],
)
def test_line_1_is_the_verdict(figures: dict[str, Any], line: str) -> None:
    first = render(check(**figures)).splitlines()[0]
    assert re.search(line, first)
    assert first == headline(check(**figures))[:80]


def test_a_slow_result_says_how_far_below_the_range_it_is_where_there_is_room() -> None:
    slow = check(decode_tokens_per_s=50.0)
    share = f"{100 * slow.main.short_of_range:.0f} % below the range."
    assert headline(slow, 200).endswith(f"slow for vLLM, {share}")


def test_a_missed_bar_comes_before_everything() -> None:
    lines = render(check(Bars(max_tpot_s=0.010), tpot_s=0.0103)).splitlines()
    assert lines[0] == "Fails --max-tpot 10.0 ms: TPOT is 10.3 ms, 3.0 % too much."


def test_figures_that_line_1_is_not_about_are_named_where_they_are_not_good() -> None:
    text = render(check(tpot_s=0.0108, ttft_s=0.4))
    assert re.search(r"^TTFT is slow, \d+ % below its range\.$", text, re.MULTILINE)


def test_the_waterfall_on_the_screen_sums_to_what_was_measured() -> None:
    text = render(check(tpot_s=0.0103))
    table = text.partition("From the limit")[2].partition("Largest")[0]
    shown = [float(n) for n in re.findall(r" (-?\d+\.\d+)  +-?\d+\.\d %$", table, re.MULTILINE)]
    assert sum(shown[:-1]) == pytest.approx(shown[-1], abs=0.05)


def test_an_impossible_result_is_not_taken_apart() -> None:
    text = render(check(Bars(min_efficiency=0.7), decode_tokens_per_s=300.0))
    assert "From the limit" not in text
    assert "Likely reasons" in text
    assert text.startswith("Fails every bar: the result is above the limit.\n")
    assert "Passes" not in text


def test_a_slow_result_that_nothing_explains_says_so() -> None:
    assert "No fault that vperf predicts" in render(check(decode_tokens_per_s=11.0))


def test_several_results_are_a_line_each() -> None:
    checks = [("a", check(tpot_s=0.0103)), ("b", check(tpot_s=0.05))]
    lines = render_all(checks, hint="more").splitlines()
    assert lines[0] == "2 results: 1 good, 1 slow."
    assert lines[-1] == "more"
    assert max(map(len, lines)) <= 80
    bars = Bars(min_efficiency=0.7)
    failing = [(name, replace(c, bars=check(bars, tpot_s=c.tpot_s or 0.0).bars))
               for name, c in checks]  # fmt: skip
    assert render_all(failing).startswith("1 of 2 results failed the bars: 1 good, 1 slow.\n")


def test_a_name_that_leaves_no_room_stands_whole_above_its_figures() -> None:
    name = "results/2026-11-23-a-long-name-of-a-run.json"
    lines = render_all([("short", check(tpot_s=0.0103)), (name, check(tpot_s=0.05))]).splitlines()
    assert max(map(len, lines)) <= 80
    figures = lines[lines.index(name) + 1]
    assert figures.startswith("  Decode tok/s")
    assert figures.endswith("slow")
    assert "short" in lines


_times = st.floats(1e-4, 1e2)


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
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
    bars = Bars(min_efficiency=0.7)
    for line in render(check(bars, ran, **figures)).splitlines():
        assert len(line) <= 80, line
