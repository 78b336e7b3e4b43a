"""compare, sweep and fit as a shell sees them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from vperf.cli.many import counted
from vperf.cli.progress import Progress

from .conftest import Run, one_line

COMPARE = ("compare", "-m", "qwen3-32b")
SWEEP = ("sweep", "-m", "qwen3-8b", "-g", "h100")
SOME = ("-g", "h100-sxm,l40s,rtx-4090", "-q", "auto,fp8", "--tp", "1,2")
PRICED = ("--price", "h100-sxm=2.50", "--price", "l40s=0.90")


def narrow(out: str) -> bool:
    return max(map(len, out.splitlines())) <= 80


def test_line_one_of_a_comparison_is_the_answer(vperf: Run) -> None:
    ran = vperf(*COMPARE, *SOME)
    assert ran.code == 0
    first = ran.out.splitlines()[0]
    assert re.match(r"h100-sxm-80gb fp8 x2 is the fastest that fits: [\d.]+ tok/s \(", first)
    assert len(first) <= 80
    assert "12 settings, 8 fit" in ran.out
    assert narrow(ran.out)


@pytest.mark.parametrize(
    ("by", "start"),
    [
        ("ttft", "x2 is first to answer: TTFT "), ("throughput", "x2 gives the most: "),
        ("cost", "x1 is the cheapest that fits: $"),
        ("energy", "x1 is the most frugal that fits: "),
        ("fits", "x2 has the most room: "),
    ],
)  # fmt: skip
def test_each_order_has_its_words_and_fits_80_columns(vperf: Run, by: str, start: str) -> None:
    ran = vperf(*COMPARE, *SOME, *PRICED, "--by", by)
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"h100-sxm-80gb fp8 {start}")
    assert len(ran.out.splitlines()[0]) <= 80
    assert ("\N{BLACK UP-POINTING TRIANGLE}" in ran.out) is (by in ("ttft", "cost"))
    assert ("\N{BLACK DOWN-POINTING TRIANGLE}" in ran.out) is (by not in ("ttft", "cost"))
    assert narrow(ran.out)


def test_all_gpus_are_compared_in_80_columns(vperf: Run) -> None:
    ran = vperf(*COMPARE, "-g", "all", "--price", "h100-sxm=2.5")
    assert narrow(ran.out)
    assert "gb300" in ran.out
    assert "apple-m1" in ran.out


def test_settings_that_cannot_be_are_counted_with_their_reason(vperf: Run) -> None:
    out = vperf(*COMPARE, "-g", "h100,b200", "--tp", "1,3").out
    assert "2 cannot be" in out
    assert "64 attention heads do not divide over 3 GPUs (2 settings)" in " ".join(out.split())


def test_csv_and_json_of_a_comparison_hold_the_same(vperf: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(vperf(*COMPARE, *SOME, *PRICED, "--csv").out)))
    answer = json.loads(vperf(*COMPARE, *SOME, *PRICED, "--json").out)
    assert answer["schema"] == "vperf/compare/1"
    assert len(rows) == len(answer["rows"]) == 12
    for flat, row in zip(rows, answer["rows"], strict=True):
        assert float(flat["expected_decode_tokens_per_s"]) == row["expected"]["decode_tokens_per_s"]
        assert flat["gpu"] == row["gpu"]
        assert flat["fits"] == str(row["fits"]).lower()


def test_markdown_has_a_row_a_setting(vperf: Run) -> None:
    out = vperf(*COMPARE, *SOME, "--markdown").out
    assert out.startswith("**h100-sxm-80gb fp8 x2 is the fastest that fits: ")
    assert len(re.findall(r"^\| (?!:?--|GPU)", out, re.MULTILINE)) == 12


def test_a_comparison_goes_to_a_file(vperf: Run, tmp_path: Path) -> None:
    ran = vperf(*COMPARE, *SOME, "-o", tmp_path / "out.csv")
    assert (ran.code, ran.out) == (0, "")
    assert (tmp_path / "out.csv").read_text().count("\n") == 13


def test_prices_of_a_file_give_way_to_those_of_the_line(vperf: Run, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("h100-sxm = 4.0\nl40s = 1.0\n")
    answer = json.loads(
        vperf(*COMPARE, *SOME, "--prices", file, "--price", "h100-sxm=2", "--json").out
    )
    paid = {(row["gpu"], row["tp"]): row["cost"] for row in answer["rows"]}
    assert paid["h100-sxm-80gb", 1]["usd_per_hour"] == 2.0
    assert paid["l40s", 2]["usd_per_hour"] == 2.0
    assert paid["rtx-4090", 1] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*COMPARE,), "--gpu is missing"),
        (("compare", "-g", "h100"), "--model is missing"),
        ((*COMPARE, "-g", "all-acme"), "all-nvidia"),
        ((*COMPARE, "-g", "h100", "--engine", "vllm,foo"), "unknown engine 'foo'"),
        ((*COMPARE, "-g", "h100", "-q", "fp8,fp99"), "unknown quantization 'fp99'"),
        ((*COMPARE, "-g", "h100", "--workload", "poetry"), "unknown workload"),
        (("fit", "-m", "qwen3-8b", "-g", "h100,l40s", "-q", "fp99"), "unknown quantization"),
        ((*COMPARE, "-g", "h100", "--tp", "3"), "do not divide"),
        ((*COMPARE, "-g", "h100", "--tp", "128"), "do not divide"),
        ((*COMPARE, "-g", "h100", "--price", "h101=2"), "unknown GPU"),
        ((*COMPARE, "-g", "h100", "--price", "cheap"), "not like h100-sxm=2.50"),
        ((*COMPARE, "-g", "h100", "--by", "cost"), "needs prices"),
        ((*COMPARE, "-g", "h100", "--by", "beauty"), "by: must be one of"),
        ((*COMPARE, "-g", "h100", "--batch-size", "8..1"), "runs backwards"),
        ((*COMPARE, "-g", "h100", "--batch-size", "1,,2"), "empty choice"),
        ((*COMPARE, "-g", "h100", "--batch-size", "0..4:+1"), "0 is less than 1"),
        ((*COMPARE, "-g", "h100", "--workload", "chat", "--input-len", "1..4"), "leave out"),
        ((*SWEEP,), "nothing varies"),
        ((*SWEEP, "--context", "1..8:+0"), "--context: '1..8:+0' has a step"),
        ((*SWEEP, "--context", "1..8", "--input-len", "8"), "context: cannot be combined"),
        ((*SWEEP, "--context", "1..8", "--max-concurrency", "2"), "one decode step"),
        ((*SWEEP, "--tp", "3,5"), "do not divide"),
        ((*SWEEP, "-q", "auto,fp8", "--plot"), "axis of numbers"),
        ((*SWEEP, "--batch-size", "1..4", "--plot", "--y", "z"), "--y: must be"),
        ((*SWEEP, "--batch-size", "1..4", "--tp", "1..8:+1", "--input-len", "1..2", "--plot"),
         "divide"),
        (("fit",), "give --model, --gpu or both"),
        (("fit", "-m", "qwen3-32b", "-g", "h100", "--tp", "3"), "do not divide"),
        (("fit", "-m", "qwen3-8b", "-g", "h100", "--gpu-memory-utilization", "90"), "mean 0.9"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_red_line(
    vperf: Run, arguments: tuple[str, ...], said: str
) -> None:
    if said == "divide":
        assert vperf(*arguments).code == 0  # those that divide are drawn
        return
    assert said in one_line(vperf(*arguments))


def test_a_sweep_prints_its_rows_and_where_it_turns(vperf: Run) -> None:
    ran = vperf(*SWEEP, "--batch-size", "1..8")
    assert ran.code == 0
    assert ran.out.startswith("Fastest that fits: batch 8, ")
    assert "batch 1 to 8; 4 settings" in " ".join(ran.out.split())
    assert "\nWhere it turns\n- decode, limit: " in ran.out
    assert narrow(ran.out)


def test_columns_of_a_sweep_stay_where_they_are(vperf: Run) -> None:
    out = vperf(*SWEEP, "--batch-size", "1..512", "--input-len", "1..8192:x8").out
    lines = out.splitlines()
    rows = [line for line in lines if re.match(r"\s*[\d,]+\s+[\d,]+\s+[\d,.]+  ", line)]
    assert len(rows) == 60
    assert len({re.search(r" (µs|ms|s)", line).start() for line in rows}) <= 2  # type: ignore[union-attr]


def test_json_lines_csv_and_json_of_a_sweep_hold_the_same(vperf: Run) -> None:
    asked = (*SWEEP, "--batch-size", "1..8", "--tp", "1,3")
    lines = [json.loads(line) for line in vperf(*asked, "--jsonl").out.splitlines()]
    answer = json.loads(vperf(*asked, "--json").out)
    rows = list(csv.DictReader(io.StringIO(vperf(*asked, "--csv").out)))
    assert answer["schema"] == "vperf/sweep/1"
    assert lines == answer["rows"]
    assert [int(row["batch_size"]) for row in rows] == [row["batch_size"] for row in lines]
    assert rows[1]["expected_ttft_s"] == ""
    assert "do not divide" in rows[1]["problem"]


def test_a_sweep_is_drawn(vperf: Run) -> None:
    ran = vperf(*SWEEP, "--context", "1024..65536", "--plot")
    assert "context (tokens)" in ran.out
    assert "decode (tok/s)" in ran.out
    assert narrow(ran.out)


def test_too_many_lines_for_a_plot_are_refused(vperf: Run) -> None:
    asked = (*SWEEP, "--batch-size", "1..64:+1", "--input-len", "1..16:+1", "--plot")
    assert "more than 12 lines" in one_line(vperf(*asked))


def test_fit_says_no_with_its_exit_code_and_a_way_out(vperf: Run) -> None:
    ran = vperf("fit", "-m", "qwen3-32b", "-g", "rtx-4090")
    assert ran.code == 1
    assert ran.err == ""
    assert re.match(
        r"Does not fit: 6\d\.\d GiB needed, 24.0 GiB there\.\nQwen3-32B on rtx", ran.out
    )
    assert "\n\N{RIGHTWARDS ARROW} -q int4  " in ran.out
    assert narrow(ran.out)


def test_fit_says_yes_with_exit_code_0(vperf: Run) -> None:
    ran = vperf("fit", "-m", "qwen3-32b", "-g", "h100", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["fits"] is True


@pytest.mark.parametrize(
    "arguments",
    [("-m", "qwen3-32b"), ("-m", "qwen3-32b", "--tp", "1,2,3"),
     ("-g", "rtx-4090", "-m", "qwen3-32b,qwen3-8b,openai/gpt-oss-20b")],
)  # fmt: skip
def test_a_table_of_fits_is_answered_in_80_columns(vperf: Run, arguments: tuple[str, ...]) -> None:
    ran = vperf("fit", *arguments)
    assert ran.code == 0
    assert " fit; " in ran.out.splitlines()[0]
    assert narrow(ran.out)


def test_fits_as_csv_and_markdown(vperf: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(vperf("fit", "-m", "qwen3-8b", "--csv").out)))
    assert len(rows) > 100
    assert {row["fits"] for row in rows} == {"true", "false"}
    assert "| GPU | GiB | of |" in vperf("fit", "-m", "qwen3-8b", "--markdown").out


def test_nothing_of_a_bar_reaches_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    assert list(counted(range(100), 100, progress)) == list(range(100))
    assert capsys.readouterr().err == ""


def test_overrides_of_the_card_hold_for_every_gpu(vperf: Run) -> None:
    asked = ("-m", "qwen3-8b", "-g", "h100,l40s", "--memory-bandwidth", "1 TB/s", "--json")
    rows = json.loads(vperf("compare", *asked).out)["rows"]
    limits = [row["limit"]["decode_tokens_per_s"] for row in rows]
    assert len(limits) == 2
    assert limits[0] == pytest.approx(limits[1], rel=0.02)


@pytest.mark.parametrize(
    "given",
    [("-q", "auto,nvfp5"), ("--engine", "vllm,vlm"), ("--kv-cache-dtype", "auto,fp7")],
)  # fmt: skip
def test_a_wrong_name_among_several_is_said_before_any_row(
    vperf: Run, given: tuple[str, ...]
) -> None:
    ran = vperf(*SWEEP, *given)
    assert (ran.code, ran.out) == (2, "")
    assert "unknown" in one_line(ran)


def test_batches_of_a_served_load_are_refused_not_listed(vperf: Run) -> None:
    ran = vperf(*SWEEP, "--batch-size", "1..8", "--max-concurrency", "1..8")
    assert (ran.code, ran.out) == (2, "")
    assert "batch-size: cannot be combined with a served load" in one_line(ran)


def test_why_a_setting_cannot_be_is_cut_at_the_width_and_whole_in_the_notes(vperf: Run) -> None:
    out = vperf(*SWEEP, "--batch-size", "99999999999999999999,1").out
    assert narrow(out)
    assert "not 99999999999999999999 (1 setting)" in " ".join(out.split())


def test_a_request_rate_that_varies_is_not_taken_for_the_rate_served(vperf: Run) -> None:
    lines = vperf(*SWEEP, "--request-rate", "0,1,2.5").out.splitlines()
    assert lines[0].startswith("Fastest that fits: 2.5 requests/s, ")
    assert any(line.split()[:1] == ["requests/s"] for line in lines)
    assert any(line.startswith("! request-rate: must be from 1e-06") for line in lines)


@pytest.mark.parametrize("given", [("--y", "ttft"), ("--y", "speed"), ("--plot", "--json")])
def test_options_of_a_plot_need_one(vperf: Run, given: tuple[str, ...]) -> None:
    ran = vperf(*SWEEP, "--batch-size", "1,2", *given)
    assert (ran.code, ran.out) == (2, "")
    assert given[0] in one_line(ran)


def test_the_cheapest_needs_the_price_of_a_gpu_that_is_compared(vperf: Run) -> None:
    ran = vperf(*COMPARE, "-g", "h100", "--price", "l40s=1", "--by", "cost")
    assert ran.code == 2
    assert "--price h100-sxm-80gb=2.50" in one_line(ran)
    some = vperf(*COMPARE, "-g", "h100,l40s", "--price", "l40s=1", "--by", "cost")
    assert some.code == 0
    assert "no price for h100-sxm-80gb" in some.out


def test_names_fold_where_many_columns_leave_no_room(vperf: Run) -> None:
    given = (
        "-m", "qwen3-8b,llama-3.3-70b-instruct", "-g", "h100,rtx-pro-6000-workstation",
        "--tp", "1,8", "-q", "auto,fp8", "--engine", "vllm,sglang", "--kv-cache-dtype", "auto,fp8",
    )  # fmt: skip
    for command in ("compare", "sweep"):
        out = vperf(command, *given).out
        assert narrow(out)
        assert len(re.findall(r"^(?:Qwen3-8B|Llama-3)", out, re.MULTILINE)) > 30
    assert "rtx-pro-6000-workstation" in vperf("compare", *given, "--csv").out


def test_several_gpus_are_for_other_commands_than_estimate(vperf: Run) -> None:
    for several in ("h100,l40s", "all"):
        ran = vperf("estimate", "-m", "qwen3-8b", "-g", several)
        assert ran.code == 2
        assert "vperf compare" in one_line(ran)
