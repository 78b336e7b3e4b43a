"""What screens say, from answers made by hand: line 1, tables, marks; and numbers as text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vperf.answer import Estimate, Serving, Speculative
from vperf.hardware.gpu import Gpu
from vperf.napkin import napkin
from vperf.notes import Note
from vperf.report import gpus
from vperf.report import napkin as napkin_report
from vperf.report.document import Block, Bullets, Prose, Table, plain, shown, words_of
from vperf.report.estimate import page
from vperf.report.estimate.ops import op_table
from vperf.report.estimate.speed_table import speed_table
from vperf.report.format import clean, gib, number, per_second, percent, seconds, span
from vperf.report.notes import note_blocks
from vperf.report.screen import Look, render

from .answers import GUESS, WARNING, card
from .example import EXAMPLE, example
from .test_screen import EVIL

LONG = "An-Organisation/A-Model-Name-That-Goes-On-And-On-Instruct-2507"


def line_1(answer: Estimate) -> str:
    return plain(page.headline(answer))


def screen(answer: Estimate, *, full: bool = True, ops: bool = False) -> str:
    return render(page.document(answer, ops=ops), Look(80, full))


def test_line_1_is_the_figure_its_range_its_limit_and_whether_it_fits() -> None:
    said = "190 tok/s expected (175-201), limit 221; first token 24.1 ms; fits."
    assert line_1(EXAMPLE) == said
    assert line_1(example(model={"id": LONG}, gpu={"count": 8})) == said


def test_line_1_says_that_it_does_not_fit_and_the_speeds_step_back() -> None:
    answer = example(memory={"fits": False, "capacity_bytes": 10e9})
    assert line_1(answer) == "Does not fit: 16.1 GiB needed, 9.3 GiB there."
    several = example(memory={"fits": False, "capacity_bytes": 10e9}, gpu={"count": 2})
    assert line_1(several).endswith("9.3 GiB there on each GPU.")
    table = next(b for b in page.document(answer) if isinstance(b, Table))
    assert {row.tone for row in table.rows} == {"aside"}
    assert "with the memory: 190 tok/s" in screen(answer, full=False)


def test_a_load_that_cannot_be_served_has_no_finite_ttft() -> None:
    serving = Serving(383.0, 383, 30.2, 0.4, 1000.0, saturated=True)
    answer = replace(
        EXAMPLE, serving=serving,
        warnings=(Note("saturated", requests_per_s=1000.0, most_per_s=30.2),),
    )  # fmt: skip
    assert line_1(answer) == (
        "Cannot serve 1,000 requests/s: at most 30.2; the queue grows without end."
    )
    text = screen(answer)
    assert re.search(r"^TTFT +grows +-", text, re.MULTILINE)
    assert "24.1 ms" not in text
    assert "saturated" not in text  # line 1 says it


def test_a_batch_shows_the_speed_of_all_and_of_each() -> None:
    text = screen(example(workload={"batch_size": 8}))
    assert "Decode tok/s, all 8" in text
    assert "for each user" in text
    assert "for each user" not in screen(EXAMPLE)


def test_of_limit_is_a_share_of_speed_and_a_poor_one_stands_out() -> None:
    rows = {words_of(row.cells[0]): row.cells[4] for row in speed_table(EXAMPLE).rows}
    assert words_of(rows["TTFT"]) == "69%"
    assert words_of(rows["Decode tok/s"]) == "86%"
    slow = replace(EXAMPLE, expected=replace(EXAMPLE.expected, ttft_s=0.05))
    row = next(iter(speed_table(slow).rows))
    assert row.cells[4] == ("33%", "warn")


@pytest.mark.parametrize("width", [72, 80, 120, 200])
def test_both_times_of_an_op_never_leave_its_line(width: int) -> None:
    text = render(page.document(EXAMPLE, ops=True), Look(width))
    (line,) = (x for x in text.splitlines() if x.startswith("36 x mlp.gate_up_proj"))
    assert "5.00 ms  5.10 ms" in line


def test_a_collective_shows_its_link_time_in_place_of_memory() -> None:
    op = EXAMPLE.prefill.ops[0]
    table = op_table(
        "Decode",
        replace(EXAMPLE.decode, ops=(replace(op, kind="allreduce", bound="link", limit_s=0.5),)),
    )
    first = next(iter(table.rows))
    assert words_of(first.cells[2]) == "500 ms"
    assert [words_of(row.cells[4]) for row in table.rows] == ["link", "host", "memory"]


def test_depth_marks_contexts_that_do_not_fit() -> None:
    assert "✗ 58.9" in screen(EXAMPLE)
    far = replace(EXAMPLE, depth=tuple(replace(p, fits=False) for p in EXAMPLE.depth))
    assert "1k 189✗" in screen(far, full=False)


def test_the_whole_form_states_exact_counts_and_the_command_that_verifies() -> None:
    text = screen(EXAMPLE)
    for exact in ("4,022,468,096 parameters", "147,456 bytes"):
        assert exact in text
    order = ["Assumptions", "Measure it", "vllm bench serve"]
    assert sorted(order, key=text.index) == order


def test_drafts_are_one_line_with_their_break_even() -> None:
    drafts = Speculative("mtp", 1, 0.85, 1.85, 0.25, 9e-3, 10e-3, 1e-3, 1.2e-3, 7e-3, 8e-3)
    text = " ".join(screen(replace(EXAMPLE, speculative=drafts)).split())
    assert "Drafts 1 a step (mtp): 1.85 tokens in 10.0 ms, else 1 in 8.00 ms" in text
    assert "pays from 0.25" in text
    never = replace(drafts, break_even_acceptance=None)
    assert "never pays" in screen(replace(EXAMPLE, speculative=never))


# Notes --------------------------------------------------------------------------------------------


def _bullets(blocks: list[Block], *, full: bool) -> list[tuple[str, str]]:
    return [(b.mark, plain(item)) for b in shown(blocks, full=full) if isinstance(b, Bullets)
            for item in b.items]  # fmt: skip


def test_guesses_and_warnings_are_always_said_and_the_rest_is_counted() -> None:
    blocks = note_blocks((Note("windows"), GUESS, WARNING, Note("throttling")), more="a table")
    marks = [("?", str(GUESS)), ("!", str(WARNING))]
    assert _bullets(blocks, full=False) == marks
    (line,) = (b for b in shown(blocks, full=False) if isinstance(b, Prose))
    assert plain(line.text) == "1 more assumption, a table: -v"
    assert _bullets(blocks, full=True) == [*marks, ("-", str(Note("windows")))]
    *_, last = shown(blocks, full=True)
    assert isinstance(last, Prose)
    assert plain(last.text) == f"Not modelled: {Note('throttling')}"


def test_nothing_is_counted_where_there_is_no_more() -> None:
    assert not [b for b in shown(note_blocks((GUESS,)), full=False) if isinstance(b, Prose)]


# The napkin ---------------------------------------------------------------------------------------


def test_the_napkin_shows_a_sum_whose_numbers_agree() -> None:
    answer = napkin(
        4_022_468_096, 16, 1008e9, model_id="Qwen/Q", gpu_id="rtx-4090", stored_bytes=8.04e9,
        gpu_memory_bytes=24e9, measured_bandwidth=900e9,
    )  # fmt: skip
    text = render(napkin_report.document(answer), Look(80, full=False))
    assert text.splitlines()[0] == (
        "125 tok/s at batch 1: 8.04 GB of weights, read once a token, at 1,008 GB/s."
    )
    assert "4.02 B parameters x 2 bytes = 8.04 GB" in text
    assert "1,008 GB/s / 8.04 GB        = 125 tok/s" in text
    assert "900.0 GB/s / 8.04 GB        = 112 tok/s" in text
    assert "does not fit" not in text


def test_the_napkin_says_where_the_weights_do_not_fit() -> None:
    answer = napkin(70e9, 16, 1e12, stored_bytes=140e9, gpu_memory_bytes=24 * 2**30)
    lines = render(napkin_report.document(answer), Look(80)).splitlines()
    assert lines[1] == ("✗ does not fit: 130.4 GiB of weights, 24.0 GiB of memory; see vperf fit")
    assert answer.fits is False
    assert napkin(70e9, 16, 1e12).fits is None


def test_the_napkin_of_a_moe_says_that_it_counts_active_parameters() -> None:
    moe = napkin(3.3e9, 16, 1e12, stored_parameters=30.5e9)
    assert "active experts" in render(napkin_report.document(moe), Look(80))
    plain_one = render(napkin_report.document(napkin(3.3e9, 16, 1e12)), Look(80))
    assert "active experts" not in plain_one


# Numbers ------------------------------------------------------------------------------------------


def test_clean_text_is_one_printable_line() -> None:
    assert clean(EVIL).isprintable()
    assert clean("a\tb\r\nc") == "a b  c"
    assert len(clean("x" * 10_000)) == 2000
    assert clean("Modèle-模型") == "Modèle-模型"


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (99.96, "100"), (58.31, "58.3"), (9.999, "10.0"), (4.213, "4.21")],
)
def test_rates_have_three_significant_digits_or_more(value: float, text: str) -> None:
    assert per_second(value) == text


def test_figures_that_do_not_exist_are_a_dash() -> None:
    assert per_second(float("inf")) == "-"
    assert seconds(0.0) == "-"
    assert percent(float("nan")) == "-"
    assert span("1.00 ms", "2.00 s") == "1.00 ms - 2.00 s"


def test_shares_memory_and_plain_numbers() -> None:
    assert [percent(v) for v in (0.0049, 0.46, 9.99, 74.2, 1e5)] == [
        "0%", "46%", "999%", "74x", "1e+05x",
    ]  # fmt: skip
    assert [gib(v * 2**30) for v in (0, 0.021, 0.44, 15.26, 1234.5)] == [
        "0", "0.021", "0.4", "15.3", "1,234.5",
    ]  # fmt: skip
    assert [number(v) for v in (0.24, 12.0, 295.3, 4021.2)] == ["0.240", "12.0", "295", "4,021"]


# GPUs ---------------------------------------------------------------------------------------------


def test_gpu_views_survive_a_card_with_the_bare_minimum() -> None:
    bare = Gpu(
        id="mine", name=EVIL, vendor="", architecture="", compute_capability="", memory_bytes=24e9,
        memory_bandwidth=1e12, peak_flop_per_s={"bf16": 1e14}, sm_count=100, rated_clock_hz=1.8e9,
        max_clock_hz=1.8e9, l2_bytes=64e6, link=None, pcie_bytes_per_s=None, tdp_w=None,
        achieved=None,
    )  # fmt: skip
    text = render(gpus.card(bare), Look(80))
    assert "1,000 GB/s" in text
    assert "Not measured" in text
    assert "\x1b" not in text + render(gpus.listed([bare]), Look(200))
    assert gpus.to_dict(bare)["peak_flop_per_s"] == {"bf16": 1e14}
    (row,) = gpus.report(bare).rows()
    assert (row["memory_bytes"], row["measured"]) == (24e9, False)


def test_a_card_shows_both_lines_of_an_all_reduce_and_where_they_meet() -> None:
    lines = render(gpus.card(card()), Look(80)).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("all-reduce of 2"))
    assert [line.split("  ")[-1].strip() for line in lines[at : at + 3]] == [
        "4.00 µs + bytes / 250.0 GB/s, small messages",
        "68.0 µs + bytes / 330.0 GB/s, from 66.0 MB on",
        "13.0 µs + bytes / 3.000 GB/s",
    ]
    assert lines[at + 1].index("68.0") == lines[at].index("4.00")
