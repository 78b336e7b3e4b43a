"""Which row is best, and that none is lost."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import vperf
from vperf.errors import InputError, VperfError
from vperf.explore.compare import Comparison
from vperf.explore.rows import Row
from vperf.sources.gpus import load_gpu

SMALL = ("h100", "l40s", "rtx-4090", "apple-m4-max", "b200")
PRICES = {"h100-sxm": 2.5, "l40s": 0.9, "b200": 5.0}


def compared(**options: Any) -> Comparison:
    return vperf.compare("qwen3-8b", SMALL, **options)


def first_figures(answer: Comparison) -> list[Any]:
    return [row.figures for row in answer.rows if row.fits]


def test_every_setting_is_a_row() -> None:
    answer = compared(tp=[1, 2, 3], quantization=["auto", "fp8"])
    assert answer.asked == len(answer.rows) == len(SMALL) * 6
    assert sum(answer.problems.values()) == len(SMALL) * 2
    assert any("do not divide" in problem for problem in answer.problems)


def test_the_order_is_that_of_what_was_asked() -> None:
    decode = [f.expected.decode_tokens_per_s for f in first_figures(compared(by="decode"))]
    assert decode == sorted(decode, reverse=True)
    ttft = [f.expected.ttft_s for f in first_figures(compared(by="ttft"))]
    assert ttft == sorted(ttft)
    rates = [f.output_tokens_per_s for f in first_figures(compared(by="throughput", batch_size=8))]
    assert rates == sorted(rates, reverse=True)
    free = [f.capacity_bytes - f.memory_bytes for f in first_figures(compared(by="fits"))]
    assert free == sorted(free, reverse=True)


def test_the_cheapest_is_first_and_what_has_no_price_last() -> None:
    rows = compared(by="cost", prices=PRICES).rows
    paid = [row.cost.usd_per_request for row in rows if row.cost]
    assert len(paid) == 3
    assert paid == sorted(paid)
    assert [row.cost is None for row in rows] == [False] * 3 + [True] * 2


def test_tokens_per_joule_are_of_the_tdp_of_all_gpus() -> None:
    for row in compared(by="energy", tp=2).rows:
        if row.gpu.startswith("apple"):
            assert row.tokens_per_joule is None
        else:
            watts = 2 * (load_gpu(row.gpu).tdp_w or 0)
            assert row.figures is not None
            rate = row.figures.expected.decode_tokens_per_s
            assert row.tokens_per_joule == pytest.approx(rate / watts)
            shares = [rate / watts / (each or 1) for each in row.expected_tokens_per_joule]
            assert shares == pytest.approx([0.63, 0.76, 0.50])


def test_what_does_not_fit_comes_after_what_does_and_what_cannot_be_last() -> None:
    answer = vperf.compare("qwen3-32b", SMALL, tp=[1, 3])
    groups = [0 if row.fits else 1 if row.figures else 2 for row in answer.rows]
    assert groups == sorted(groups)
    assert set(groups) == {0, 1, 2}


def test_top_keeps_the_best_and_still_counts_all() -> None:
    every, best = compared(), compared(top=2)
    assert best.rows == every.rows[:2]
    assert (best.asked, best.fitting) == (every.asked, every.fitting)


def test_a_comparison_of_nothing_that_can_be_is_an_error() -> None:
    with pytest.raises(InputError, match="do not divide"):
        compared(tp=3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": "price"}, "by: must be one of"),
        ({"by": "cost"}, "needs prices"),
        ({"top": 0}, "top: must be"),
        ({"context": 5}, "option of sweep"),
        ({"prices": {"h200": -1}}, "price of h200"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        compared(**options)


def test_the_json_has_the_same_keys_in_every_row() -> None:
    answer = compared(tp=[1, 3], prices=PRICES).to_dict()
    assert answer["schema"] == "vperf/compare/1"
    assert {tuple(row) for row in answer["rows"]} == {tuple(answer["rows"][0])}
    problem = next(row for row in answer["rows"] if row["problem"])
    assert problem["expected"] is None
    assert problem["fits"] is False


def test_flat_rows_have_the_same_columns_whatever_they_hold() -> None:
    rows: tuple[Row, ...] = compared(tp=[1, 3], prices=PRICES).rows
    assert len({tuple(row.flat()) for row in rows}) == 1
    assert not any(isinstance(value, dict) for row in rows for value in row.flat().values())


def test_what_the_rows_rest_on_is_said() -> None:
    notes = " ".join(compared(quantization="fp8", prices=PRICES).notes)
    for part in ("rates measured on the card in", "no pipe for a format", "no price for"):
        assert part in notes


def test_a_frame_without_pandas_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(VperfError, match="needs pandas") as caught:
        compared().to_frame()
    assert "pip install pandas" in caught.value.hint


def test_a_notebook_shows_every_row() -> None:
    html = compared()._repr_html_()
    assert html.count("<tr") == len(SMALL) + 1


def test_more_gpus_that_are_slower_are_a_warning_with_their_link() -> None:
    answer = vperf.compare("llama-3.3-70b-instruct", ["l40s"], quantization="fp8", tp=[2, 4, 8])
    (warning,) = (note for note in answer.notes if note.kind == "more_are_slower")
    assert warning.startswith("l40s: TTFT is longer on 4 GPUs than on 2 (")
    assert warning.endswith("they exchange over PCIe")
    faster = vperf.compare("llama-3.3-70b-instruct", ["h100"], quantization="fp8", tp=[1, 8])
    assert not [note for note in faster.notes if note.kind == "more_are_slower"]
