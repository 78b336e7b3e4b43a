"""`vperf roofline` as a shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import QWEN, Run, one_line

ASK = ("roofline", "-m", QWEN, "-g", "h100-sxm")


def test_it_answers_in_words_a_plot_and_a_table(
    vperf: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ran = vperf(*ASK)
    assert ran.code == 0
    assert ran.out.startswith("Decode is memory-bound (1.06 FLOP/byte, ridge 295); prefill")
    for part in ("arithmetic intensity (FLOP/byte)", "⠒⠒⠒", "ridge 295", "Decode, op by op"):
        assert part in ran.out
    assert "\x1b" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.parametrize("term", ["dumb", "linux"])
def test_a_plain_terminal_gets_ascii(
    vperf: Run, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    assert vperf(*ASK).out.isascii()


def test_it_takes_the_options_of_an_estimate(vperf: Run) -> None:
    ran = vperf(*ASK, "--batch-size", 32, "-q", "fp8", "--tp", 2, "--json")
    answer = json.loads(ran.out)
    assert answer["workload"]["batch_size"] == 32
    assert answer["gpu"]["count"] == 2
    assert [roof["pipe"] for roof in answer["roofs"]] == ["bf16", "fp8"]


@pytest.mark.parametrize("suffix", [".json", ".csv", ".md"])
def test_a_file_of_data_holds_what_the_flag_prints(vperf: Run, tmp_path: Path, suffix: str) -> None:
    flag = {".json": "--json", ".csv": "--csv", ".md": "--markdown"}[suffix]
    file = tmp_path / f"roofline{suffix}"
    assert vperf(*ASK, "-o", file).out == ""
    assert file.read_text(encoding="utf-8") == vperf(*ASK, flag).out


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_a_plot_is_written_to_its_file_and_nothing_is_printed(
    vperf: Run, tmp_path: Path, suffix: str
) -> None:
    pytest.importorskip("matplotlib")
    ran = vperf(*ASK, "-o", tmp_path / f"roofline{suffix}", "--theme", "dark")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert (tmp_path / f"roofline{suffix}").stat().st_size > 5000


def test_another_suffix_names_those_that_work(vperf: Run, tmp_path: Path) -> None:
    error = one_line(vperf(*ASK, "-o", tmp_path / "roofline.pdf"))
    assert "end it in .svg, .png, .html, .json, .csv or .md" in error


def test_a_plot_cannot_be_json(vperf: Run, tmp_path: Path) -> None:
    assert "contradicts the suffix" in one_line(vperf(*ASK, "--json", "-o", tmp_path / "r.svg"))


def test_without_matplotlib_nothing_is_computed_and_the_extra_is_named(
    vperf: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vperf.report.chart_file.find_spec", lambda _: None)
    error = one_line(vperf("roofline", "-o", tmp_path / "roofline.svg"))
    assert error.endswith(" -m pip install matplotlib")


def test_an_unknown_theme_is_refused(vperf: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    error = one_line(vperf(*ASK, "-o", tmp_path / "roofline.svg", "--theme", "blue"))
    assert "'blue' is not light, dark or auto" in error


def test_a_card_as_the_options_describe_it_moves_the_ridge(vperf: Run) -> None:
    ran = vperf(*ASK, "--memory-bandwidth", "1 TB/s", "--json")
    assert json.loads(ran.out)["roofs"][0]["ridge_flop_per_byte"] == pytest.approx(989.4)
