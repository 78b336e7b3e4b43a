"""The roofline as people and programs read it."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest

from vperf.explore.roofline import Roofline, roofline_of
from vperf.report import markdown, to_csv
from vperf.report import roofline as report
from vperf.report.document import plain
from vperf.report.screen import Look, render
from vperf.report.to_json import dump
from vperf.scenario import Scenario

QWEN = "Qwen/Qwen3-4B-Instruct-2507"


@pytest.fixture(scope="module")
def answer() -> Roofline:
    return roofline_of(Scenario(QWEN, "h100-sxm"))


def test_line_1_says_what_bounds_decode_and_prefill(answer: Roofline) -> None:
    assert plain(report.headline(answer)) == (
        "Decode is memory-bound (1.06 FLOP/byte, ridge 295); "
        "prefill is compute-bound (459 FLOP/byte, ridge 295)."
    )


def test_line_1_says_that_it_does_not_fit() -> None:
    answer = roofline_of(Scenario("qwen3-32b", "rtx-4090"))
    assert plain(report.headline(answer)).startswith("Does not fit. Decode is ")


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_the_screen_fits_its_width(width: int, unicode: bool) -> None:
    for scenario in (
        Scenario(QWEN, "rtx-pro-6000", quantization="int4"),
        Scenario("deepseek-v3", "h200", tp=8, speculative="mtp", acceptance=0.8),
    ):
        text = render(report.document(roofline_of(scenario)), Look(width, ascii=not unicode))
        assert max(map(len, text.splitlines())) <= width
        assert text.isascii() or unicode


def test_every_letter_of_the_plot_is_in_the_table(answer: Roofline) -> None:
    text = render(report.document(answer), Look(80, ascii=True))
    table = text.split("Decode, op by op")[1].splitlines()
    for _, mark, name in report.chart(answer).key:
        op = name.split(" ", 1)[1]
        assert any(line.startswith(f"{mark}  {op} ") for line in table)


def test_ops_without_flops_are_in_the_table_and_not_in_the_plot(answer: Roofline) -> None:
    text = render(report.document(answer), Look(80))
    assert "norms, rotary, activation          -       -         -" in text
    assert not any("norms" in name for _, _, name in report.chart(answer).key)


def test_limit_and_expected_are_apart_in_the_chart(answer: Roofline) -> None:
    drawn = report.chart(answer)
    roofs = [s for s in drawn.series if s.name == "bf16 989 TFLOP/s"]
    assert [s.style for s in roofs] == ["limit", "expected"]
    limit, expected = (s.points for s in roofs)
    assert limit[1] == (answer.roofs[0].ridge_flop_per_byte, answer.roofs[0].limit_flop_per_s)
    assert expected[-1][1] == answer.roofs[0].expected_flop_per_s
    assert drawn.marks[0].value == answer.roofs[0].ridge_flop_per_byte


def test_csv_is_the_ops_unrounded(answer: Roofline) -> None:
    rows = list(csv.DictReader(StringIO("".join(to_csv.lines(report.report(answer).rows())))))
    assert [row["name"] for row in rows] == [op.name for op in answer.ops]
    assert float(rows[0]["flop_per_byte"]) == answer.ops[0].flop_per_byte


def test_json_is_the_dict(answer: Roofline) -> None:
    assert json.loads(dump(answer.to_dict())) == json.loads(json.dumps(answer.to_dict()))


def test_markdown_has_both_tables(answer: Roofline) -> None:
    text = markdown.render(report.document(answer))
    head = "|  | op | FLOP/byte | limit | expected | of limit | bound | share |"
    assert text.count(head) == 2
    assert "| qkv_proj |" in text


def test_a_ridge_that_two_pipes_share_is_marked_once() -> None:
    found = roofline_of(Scenario("qwen3-8b", "m3-ultra", quantization="q4_k_m", engine="llama.cpp"))
    assert [roof.pipe for roof in found.roofs] == ["bf16", "fp16"]
    assert len(report.chart(found).marks) == 1
