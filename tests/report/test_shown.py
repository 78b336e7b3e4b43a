"""Answers in Python show themselves: a line, a screen, a notebook's HTML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vperf
from tests.checks.results import result

QWEN = "Qwen/Qwen3-4B-Instruct-2507"
ANSWERS: dict[str, Callable[[], Any]] = {
    "Estimate": lambda: vperf.estimate(QWEN, "rtx-4090"),
    "Napkin": vperf.napkin,
    "Comparison": lambda: vperf.compare(QWEN, ["rtx-4090", "l40s"]),
    "Sweep": lambda: vperf.sweep(QWEN, "rtx-4090", batch_size=[1, 8]),
    "Fit": lambda: vperf.fit("qwen3-32b", "rtx-4090"),
    "Plan": lambda: vperf.plan(QWEN, "h100", tpot="20ms"),
    "Roofline": lambda: vperf.roofline(QWEN, "rtx-4090"),
    "Check": lambda: vperf.check(result(tpot_s=0.0103)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_a_line_a_screen_and_html(name: str) -> None:
    answer = ANSWERS[name]()
    line, text, page = repr(answer), str(answer), answer._repr_html_()
    assert line.startswith(f"<{name}: ")
    assert len(line) < 200
    assert "\n" not in line
    first = " ".join(text.splitlines()[0].split())
    assert first[:40] in line
    assert max(map(len, text.splitlines())) <= 80
    assert page.startswith("<div>")
    assert "<table>" in page


def test_what_does_not_fit_is_red_with_the_words_of_the_screen() -> None:
    page = vperf.estimate("llama-3.3-70b-instruct", "rtx-4090")._repr_html_()
    assert 'color:red;font-weight:bold">Does not fit: ' in page


@pytest.mark.parametrize("name", ["Comparison", "Sweep", "Plan", "Roofline", "Check"])
def test_an_answer_draws_itself_as_text_as_a_picture_and_into_a_file(
    name: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "plot.svg"
    drawn = ANSWERS[name]().plot(file)
    title = drawn.chart.title
    assert title.split()[0] in str(drawn)
    assert title in repr(drawn)
    assert "<svg" in drawn._repr_html_()
    assert "<svg" in file.read_text("utf-8")


def test_a_sweep_draws_the_figure_that_is_asked_for() -> None:
    sweep = ANSWERS["Sweep"]()
    assert sweep.plot(figure="ttft").chart.y.label == "TTFT"
    with pytest.raises(vperf.InputError):
        sweep.plot(figure="charm")
