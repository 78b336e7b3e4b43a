"""What people read: the table, Markdown and the napkin, from an Estimate made by hand."""

from __future__ import annotations

import csv as reader
import re
from dataclasses import replace
from io import StringIO

import pytest
from vperf.report.page import Column, Page
from vperf.report.words import OP_HEADINGS, headline, verify

from vperf.answer import Estimate, Speculative
from vperf.hardware.gpu import Achieved, AllReduce, Gpu
from vperf.napkin import napkin
from vperf.notes import Note
from vperf.report import gpus, markdown, table
from vperf.report import napkin as napkin_report
from vperf.report import to_csv as csv
from vperf.report import to_json as json
from vperf.report.format import clean, per_second, seconds, span
from vperf.sources.gpus import load_gpu

from .example import EXAMPLE, example

EVIL = "evil\x1b[31m\x07/[bold]na\u202eme\n\x9b2J[/bold]`|<b>@all"
LONG = "An-Organisation/A-Model-Name-That-Goes-On-And-On-Instruct-2507"


def screens(answer: Estimate = EXAMPLE, width: int = 80) -> str:
    return table.render(answer, ops=True, width=width)


def test_line_1_is_the_answer_with_its_ceiling() -> None:
    first = screens().splitlines()[0]
    assert first == (
        "Qwen3-4B-Instruct-2507 on RTX PRO 6000 Workstation: decode 190 tok/s, limit 221."
    )


def test_line_1_says_more_where_there_is_room() -> None:
    assert headline(EXAMPLE, 200).endswith("decode 190 tok/s expected (175-201), limit 221.")


def test_line_1_holds_answer_and_ceiling_for_names_of_any_length() -> None:
    first = table.render(example(model={"id": LONG})).splitlines()[0]
    assert first.startswith("Decode 190 tok/s, limit 221:")


def test_line_1_says_that_it_does_not_fit() -> None:
    first = screens(example(memory={"fits": False})).splitlines()[0]
    assert first.startswith("Does not fit")
    assert "17.3 GB of 103 GB" in first


def test_a_batch_shows_the_speed_of_all_and_of_each() -> None:
    text = screens(example(workload={"batch_size": 8}))
    assert "Decode tok/s, all 8" in text
    assert "Decode tok/s per user" in text
    assert "per user" not in screens()


def test_every_figure_of_the_table_stands_beside_its_limit_and_range() -> None:
    rows = {line.split("  ")[0]: line.split() for line in screens().splitlines()}
    assert rows["TTFT"] == ["TTFT", "16.7", "ms", "24.1", "ms", "21.0-27.0", "ms", "compute"]
    assert rows["Decode tok/s"] == ["Decode", "tok/s", "221", "190", "175-201", "memory"]


@pytest.mark.parametrize("width", [20, 80])
def test_nothing_is_wider_than_80_columns(width: int) -> None:
    answers = [EXAMPLE, example(model={"id": LONG}), example(workload={"batch_size": 4096})]
    for answer in answers:
        for line in screens(answer, width).splitlines():
            assert len(line) <= 80, line


def test_a_long_shape_folds_and_no_number_does() -> None:
    op = replace(EXAMPLE.prefill.ops[0], name="x" * 70, shape="1048576x16384 @ 16384x262144 " * 4)
    text = screens(example(prefill={"ops": (op,)}))
    assert max(map(len, text.splitlines())) <= 80
    for figure in ("1.23 T", "4.57 GB", "2.50 ms", "2.55 ms", "3.10 ms", "30.0 %"):
        assert figure in text


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    for line in screens(example(memory={"fits": False})).splitlines():
        assert not re.match(r"\s*(GB|MB|ms|us|TFLOPS)\b", line), line


@pytest.mark.parametrize("width", [80, 160])
def test_the_op_table_has_every_column_overhead_and_total(width: int) -> None:
    text = screens(width=width)
    for heading in OP_HEADINGS:
        assert heading in text
    for figure in ("attn.qkv_proj", "1024x2560 @ 2560x6144", "2.10 ms", "overhead", "100.0 %"):
        assert figure in text


def test_a_wide_screen_gives_an_op_one_line() -> None:
    (row,) = [r for r in screens(width=160).splitlines() if r.startswith("mlp.gate_up_proj")]
    assert row.split()[-1] == "compute"
    assert "9.14 GB" in row


def test_the_screen_states_exact_counts() -> None:
    for exact in ("4,022,468,096", "8,044,936,192", "147,456"):
        assert exact in screens()


def test_the_end_holds_caveats_and_the_command_that_verifies() -> None:
    text = screens(example())
    order = ["Assumptions", "Not modelled", "Measure it", "vllm bench serve"]
    assert sorted(order, key=text.index) == order
    assert "--random-input-len 1024" in text


def test_warnings_come_first_among_the_caveats_and_are_yellow_on_a_terminal() -> None:
    answer = replace(
        EXAMPLE, warnings=(Note("model_warning", text="context beyond the model's maximum"),)
    )
    text = table.render(answer, color=True)
    assert text.index("Warnings") < text.index("Assumptions")
    assert "\x1b[33m- context beyond the model's maximum\x1b[0m" in text


def test_there_is_no_ansi_without_colour() -> None:
    assert "\x1b" not in screens()


def test_depth_marks_contexts_that_do_not_fit() -> None:
    assert "58.9*" in screens()
    assert "* does not fit" in screens()


def test_hostile_names_reach_no_screen_raw() -> None:
    answer = example(
        model={"id": EVIL, "architecture": EVIL, "quantization": EVIL}, gpu={"name": EVIL}
    )
    for text in (screens(answer), markdown.render(answer, ops=True), csv.render(answer)):
        assert not set("\x1b\x07\u202e\x9b") & set(text)


def test_markup_in_a_name_stays_text() -> None:
    first = screens(example(gpu={"name": "[bold red]X[/] :smile:"})).splitlines()[0]
    assert "[bold red]X[/] :smile:" in first


def test_markdown_escapes_tables_html_and_mentions() -> None:
    text = markdown.render(example(model={"id": "a|b<i>@all`"}))
    first = text.splitlines()[0]
    assert r"a\|b\<i\>&#64;all\`" in first


def test_a_hostile_id_is_never_offered_to_a_shell() -> None:
    assert verify(example(model={"id": "a/$(rm -rf ~);b"}))[0] == "vllm serve 'a/$(rm -rf ~);b'"
    assert verify(example(model={"id": "a/b\nrm"})) == []
    assert verify(example(model={"source": "local"})) == []


def test_the_command_that_verifies_asks_for_the_same_gpus_and_drafts() -> None:
    many = {"tensor_parallel": 4, "data_parallel": 2, "expert_parallel": 8, "pipeline_parallel": 2}
    drafts = {"speculative": "mtp", "draft_tokens": 3}
    serve = " ".join(verify(example(workload={**many, **drafts})))
    for option in (
        "--tensor-parallel-size 4",
        "--data-parallel-size 2",
        "--pipeline-parallel-size 2",
        "--enable-expert-parallel",
        """--speculative-config '{"method": "mtp", "num_speculative_tokens": 3}'""",
    ):
        assert option in serve
    serve = " ".join(verify(example(workload={**many, **drafts, "engine": "sglang"})))
    for option in ("--tp-size 8", "--dp-size 2 --enable-dp-attention", "--ep-size 8",
                   "--speculative-num-draft-tokens 4"):  # fmt: skip
        assert option in serve
    assert "parallel" not in " ".join(verify(EXAMPLE))


def test_several_gpus_are_counted_on_the_screen() -> None:
    text = screens(example(gpu={"count": 8}))
    assert " on 8 x RTX PRO 6000" in text.splitlines()[0]
    assert "17.3 GB of 103 GB per GPU" in text
    assert "per GPU" not in screens()
    short = screens(example(gpu={"count": 8}, memory={"fits": False})).splitlines()[0]
    assert "17.3 GB of 103 GB per GPU" in short


def test_drafts_are_one_line_with_their_break_even() -> None:
    drafts = Speculative("mtp", 1, 0.85, 1.85, 0.25, 9e-3, 10e-3, 1e-3, 1.2e-3, 7e-3, 8e-3)
    text = " ".join(screens(replace(EXAMPLE, speculative=drafts)).split())
    assert "Drafts 1 a step (mtp), 1.85 tokens a step of 10.0 ms" in text
    assert "pays from an acceptance of 0.25 on: without, TPOT is 8.00 ms" in text
    never = replace(drafts, break_even_acceptance=None)
    assert "never pays" in screens(replace(EXAMPLE, speculative=never))
    assert "- Drafts: 1 a step" in markdown.render(replace(EXAMPLE, speculative=drafts))


def test_markdown_holds_the_same_figures_as_the_screen() -> None:
    text = markdown.render(EXAMPLE, ops=True)
    assert "| Decode tok/s | 221 | 190 | 175-201 | memory |" in text
    assert "| attn.qkv_proj |" in text
    assert text.count("```") == 2


def test_csv_adds_up_to_the_steps() -> None:
    rows = list(reader.DictReader(StringIO(csv.render(EXAMPLE))))
    assert tuple(rows[0]) == csv.COLUMNS
    assert [row["phase"] for row in rows] == ["prefill"] * 4 + ["decode"] * 3
    assert rows[3]["name"] == "overhead"
    assert float(rows[3]["expected_s"]) == EXAMPLE.prefill.overhead_s
    assert float(rows[0]["flops"]) == EXAMPLE.prefill.ops[0].flops


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        json.dump({"x": float("nan")})


def test_json_escapes_what_a_terminal_would_obey() -> None:
    assert "\x1b" not in json.dump({"x": EVIL})
    assert "\x9b" not in json.dump({"x": EVIL})


def test_the_napkin_shows_an_equation_whose_numbers_agree() -> None:
    text = napkin_report.render(
        napkin(4_022_468_096, 16, 1008e9, model_id="Qwen/Q", gpu_id="rtx-4090", gpu_name="RTX 4090")
    )
    assert "4,022,468,096 parameters x 2 bytes = 8.04 GB" in text
    assert re.search(r"1,008 GB/s / 8.04 GB += 125 tok/s", text)
    assert text.splitlines()[0] == "Q on RTX 4090: about 125 tok/s at batch 1."
    assert "It ignores" in text
    assert "It fails for" in text


def test_the_napkin_of_a_moe_says_that_it_counts_active_parameters() -> None:
    text = napkin_report.render(napkin(3.3e9, 16, 1e12, stored_parameters=30.5e9))
    assert "active experts only" in text
    assert "active experts only" not in napkin_report.render(napkin(3.3e9, 16, 1e12))


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
    assert span("1.00 ms", "2.00 s") == "1.00 ms - 2.00 s"


def test_wide_characters_keep_columns_aligned() -> None:
    page = Page(80, color=False)
    page.table([Column("a", left=True), Column("b")], [("模型", "1"), ("abcd", "2")])
    assert page.text() == "a     b\n模型  1\nabcd  2\n"


def test_gpu_views_survive_a_card_with_the_bare_minimum() -> None:
    card = Gpu(
        id="mine",
        name=EVIL,
        vendor="",
        architecture="",
        compute_capability="",
        memory_bytes=24e9,
        memory_bandwidth=1e12,
        peak_flop_per_s={"bf16": 1e14},
        sm_count=100,
        rated_clock_hz=1.8e9,
        max_clock_hz=1.8e9,
        l2_bytes=64e6,
        link=None,
        pcie_bytes_per_s=None,
        tdp_w=None,
        achieved=None,
    )
    assert "1,000 GB/s" in gpus.render_card(card)
    assert "\x1b" not in gpus.render_card(card) + gpus.render_list([card])
    assert gpus.to_dict(card)["peak_flop_per_s"] == {"bf16": 1e14}


def test_a_card_shows_both_lines_of_an_all_reduce_and_where_they_meet() -> None:
    lines = {
        2: AllReduce(4e-6, 250e9, 68e-6, 330e9),
        4: AllReduce(13e-6, 3e9),
        8: AllReduce(5e-6, 100e9, 5e-6, 200e9),
    }
    card = replace(load_gpu("h100-sxm"), achieved=Achieved(all_reduce=lines, cache8_bandwidth=2e12))
    screen = gpus.render_card(card).splitlines()
    at = next(n for n, line in enumerate(screen) if line.startswith("all-reduce of 2"))
    assert [line.split("  ")[-1].strip() for line in screen[at : at + 5]] == [
        "4.00 us + bytes / 250.0 GB/s, small messages",
        "68.0 us + bytes / 330.0 GB/s, from 66.0 MB on",
        "13.0 us + bytes / 3.000 GB/s",
        "5.00 us + bytes / 100.0 GB/s or",
        "5.00 us + bytes / 200.0 GB/s",
    ]
    assert screen[at + 1].index("68.0") == screen[at].index("4.00")
    assert any(line.split() == ["cache8", "bandwidth", "2,000", "GB/s"] for line in screen)
    for ranks, size in ((2, 65e6), (2, 67e6)):
        line = lines[ranks]
        small = line.latency_s + size / line.bytes_per_s
        assert (line.seconds(size) == small) == (size < 66e6)
    assert max(map(len, screen)) <= 80
