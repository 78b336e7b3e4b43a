"""`vperf estimate`: the same answer in every form, where it was asked for."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from pathlib import Path

import pytest

import vperf as api
from vperf.units import format_seconds

from .conftest import QWEN, Run, one_line

ASK = ("estimate", "--model", QWEN, "--gpu", "rtx-pro-6000")


def test_line_1_is_the_answer_in_words_with_its_ceiling(vperf: Run) -> None:
    ran = vperf(*ASK)
    assert ran.code == 0
    assert ran.err == ""
    first, second, *_ = ran.out.splitlines()
    assert re.fullmatch(
        r"\d+ tok/s expected \(\d+-\d+\), limit \d+; first token \d+\.\d ms; fits\.", first
    )
    assert second.startswith("Qwen3-4B-Instruct-2507 on rtx-pro-6000-workstation ")


def test_every_line_fits_80_columns_with_ops_too(vperf: Run) -> None:
    for line in vperf(*ASK, "--ops").out.splitlines():
        assert len(line) <= 80, line


def test_the_screen_shows_the_exact_counts(vperf: Run) -> None:
    out = vperf(*ASK).out
    for count in ("4,022,468,096", "147,456"):
        assert count in out


def test_json_is_alone_on_stdout_and_is_the_python_answer(vperf: Run) -> None:
    ran = vperf(*ASK, "--input-len", 512, "--batch-size", 4, "--json")
    assert ran.err == ""
    answer = api.estimate(QWEN, "rtx-pro-6000", input_len=512, batch_size=4)
    assert json.loads(ran.out) == json.loads(json.dumps(answer.to_dict()))
    assert json.loads(ran.out)["schema"] == "vperf/estimate/1"


def test_csv_has_a_row_for_every_op_of_both_phases(vperf: Run) -> None:
    rows = list(csv.DictReader(StringIO(vperf(*ASK, "--csv").out)))
    answer = api.estimate(QWEN, "rtx-pro-6000")
    assert len(rows) == len(answer.prefill.ops) + len(answer.decode.ops) + 2
    for phase, times in (("prefill", answer.prefill), ("decode", answer.decode)):
        total = sum(float(row["expected_s"]) for row in rows if row["phase"] == phase)
        assert total == pytest.approx(times.expected_s)


def test_markdown_is_a_table_to_paste(vperf: Run) -> None:
    out = vperf(*ASK, "--markdown").out
    assert re.match(r"\*\*\d+ tok/s expected \(", out)
    assert "| TTFT |" in out


@pytest.mark.parametrize("suffix", ["json", "csv", "md"])
def test_the_suffix_of_output_chooses_the_format(vperf: Run, tmp_path: Path, suffix: str) -> None:
    flag = {"json": "--json", "csv": "--csv", "md": "--markdown"}[suffix]
    file = tmp_path / f"answer.{suffix}"
    ran = vperf(*ASK, "-o", file)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert file.read_text(encoding="utf-8") == vperf(*ASK, flag).out


def test_a_flag_chooses_the_format_of_a_file_without_a_known_suffix(
    vperf: Run, tmp_path: Path
) -> None:
    assert vperf(*ASK, "--json", "-o", tmp_path / "answer").code == 0
    assert json.loads((tmp_path / "answer").read_text())["schema"]


def test_output_never_guesses_a_format(vperf: Run, tmp_path: Path) -> None:
    assert "format" in one_line(vperf(*ASK, "-o", tmp_path / "answer.xlsx"))
    assert "--json" in one_line(vperf(*ASK, "--json", "-o", tmp_path / "answer.csv"))
    assert list(tmp_path.iterdir()) == []


def test_output_into_a_missing_directory_is_one_line(vperf: Run, tmp_path: Path) -> None:
    line = one_line(vperf(*ASK, "-o", tmp_path / "no" / "answer.json"))
    assert "--output" in line
    assert "answer.json" in line


def test_a_batch_is_never_slower_in_total_and_shows_each_user(vperf: Run) -> None:
    assert "for each user" in vperf(*ASK, "--batch-size", 8).out


def test_a_context_beyond_the_models_maximum_is_a_warning(vperf: Run) -> None:
    ran = vperf(*ASK, "--input-len", 300_000, "--json")
    assert ran.code == 0
    assert any("262,144" in text or "262144" in text for text in json.loads(ran.out)["warnings"])


def test_what_would_make_it_fit_is_of_the_card_as_it_was_described(vperf: Run) -> None:
    said = vperf("estimate", "qwen3-14b", "rtx-4090", "--memory", "10 GB", "--brief").out
    assert "--tp 4: 9.1 of 9.3 GiB" in said
    assert "24.0 GiB" not in said


def test_a_model_that_does_not_fit_is_an_answer_that_says_so_first(vperf: Run) -> None:
    ran = vperf("estimate", "-m", "Qwen/Qwen3-235B-A22B", "-g", "rtx-4090")
    assert ran.code == 0
    assert ran.out.startswith("Does not fit")


def test_overrides_describe_another_card(vperf: Run) -> None:
    base = json.loads(vperf(*ASK, "--json").out)
    options = ("--memory-bandwidth", "1.5 TB/s", "--memory", "48 GB", "--peak", "bf16=250 TFLOPS")
    other = json.loads(vperf(*ASK, *options, "--json").out)
    assert other["gpu"]["memory_bandwidth_bytes_per_s"] == 1.5e12
    assert other["gpu"]["memory_bytes"] == 48e9
    assert other["gpu"]["peak_flop_per_s"]["bf16"] == 250e12
    assert other["limit"]["decode_tokens_per_s"] < base["limit"]["decode_tokens_per_s"]
    assert any("as given" in text for text in other["assumptions"])


def test_a_gpu_file_describes_a_card_that_nobody_listed(vperf: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "Mine"\n[memory]\nsize = "48 GB"\nbandwidth = "2 TB/s"\n'
        '[peak]\nbf16 = "200 TFLOPS"\n'
    )
    ran = vperf("estimate", "-m", QWEN, "--gpu-file", file, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["gpu"]["memory_bandwidth_bytes_per_s"] == 2e12


def test_an_ambiguous_gpu_name_says_which_card_was_taken(vperf: Run) -> None:
    assumptions = json.loads(vperf(*ASK, "--json").out)["assumptions"]
    assert any("taken as rtx-pro-6000-workstation, not " in text for text in assumptions)


MTP = ("--speculative", "mtp")


def test_several_gpus_are_said_and_memory_is_of_one_of_them(vperf: Run) -> None:
    ran = vperf("estimate", "-m", "llama-3.3-70b-instruct", "-g", "h100", "--tp", 4, "--ops")
    lines = ran.out.splitlines()
    assert lines[1].startswith("Llama-3.3-70B-Instruct on 4 x h100-sxm-80gb ")
    assert any(line.startswith("Memory") and "per GPU" in line for line in lines)
    assert any(line.startswith("GPU ") and "4 x h100" in line for line in lines)
    assert any(re.match(r"\d+ x all-reduce ", line) for line in lines)
    assert any("--tensor-parallel-size 4" in line for line in lines)
    assert any("parallel: tensor 4; joined by NVLink" in line for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("short", "long", "key"),
    [
        ("--tp", "--tensor-parallel-size", "tensor_parallel"),
        ("--pp", "--pipeline-parallel-size", "pipeline_parallel"),
        ("--dp", "--data-parallel-size", "data_parallel"),
    ],
)
def test_gpus_have_long_and_short_options(vperf: Run, short: str, long: str, key: str) -> None:
    first, second = (json.loads(vperf(*ASK, name, 2, "--json").out) for name in (short, long))
    assert first == second
    assert first["workload"][key] == first["gpu"]["count"] == 2


def test_experts_are_divided_over_the_gpus_of_a_stage(vperf: Run) -> None:
    ask = (
        "estimate",
        "-m",
        "qwen3-30b-a3b",
        "-g",
        "h100",
        "--dp",
        4,
        "--ep",
        4,
        "--batch-size",
        64,
    )
    answer = json.loads(vperf(*ask, "--json").out)
    assert answer["workload"]["expert_parallel"] == answer["gpu"]["count"] == 4
    assert any(op["kind"] == "alltoall" for op in answer["decode"]["ops"])
    assert "--enable-expert-parallel" in vperf(*ask).out


def test_heads_that_do_not_divide_over_the_gpus_are_refused(vperf: Run) -> None:
    line = one_line(vperf(*ASK, "--tp", 3))
    assert "tensor-parallel-size" in line
    assert "32 attention heads" in line


@pytest.mark.parametrize("option", ["--tp", "--pp", "--ep", "--dp", "--draft-tokens"])
def test_a_count_below_1_is_refused(vperf: Run, option: str) -> None:
    assert option in one_line(vperf(*ASK, option, 0))


def test_drafts_are_said_with_the_acceptance_from_which_they_pay(vperf: Run) -> None:
    ask = ("estimate", "-m", "deepseek-v3", "-g", "h200", "--tp", 8, *MTP, "--acceptance", 0.85)
    lines = vperf(*ask).out.splitlines()
    (line,) = (line for line in lines if line.startswith("Drafts"))
    assert "1.85 tokens in" in line
    assert any("num_speculative_tokens" in line for line in lines)
    assert max(map(len, lines)) <= 80
    answer = json.loads(vperf(*ask, "--json").out)
    assert answer["workload"]["speculative"] == answer["speculative"]["method"] == "mtp"
    assert answer["workload"]["draft_tokens"] == answer["speculative"]["draft_tokens"] == 1
    assert 0 < answer["speculative"]["break_even_acceptance"] < 1
    assert "draft lm_head | " in vperf(*ask, "--ops", "--markdown").out
    assert json.loads(vperf(*ASK, "--json").out)["speculative"] is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--acceptance", "0.5"), "--speculative mtp"),
        (("--draft-tokens", "2"), "--speculative mtp"),
        (MTP, "num_nextn_predict_layers"),
        (("--speculative", "ngram", "--acceptance", "0.5"), "ngram"),
        (("--speculative", ""), "--speculative is empty"),
        (("--image-tokens", "256"), "no vision tower"),
        (("--image-tokens", "-1"), "--image-tokens"),
    ],
)
def test_what_the_model_cannot_do_is_refused(
    vperf: Run, options: tuple[str, ...], named: str
) -> None:
    assert named in one_line(vperf(*ASK, *options))


def test_an_acceptance_that_cannot_be_is_refused(vperf: Run) -> None:
    ask = ("estimate", "-m", "deepseek-v3", "-g", "h200", *MTP)
    for value in ("1.5", "-0.1", "nan"):
        assert "acceptance: must be from 0 to 1" in one_line(vperf(*ask, "--acceptance", value))
    assert "acceptance: missing" in one_line(vperf(*ask))


def test_image_tokens_are_said_and_their_encoding_is_left_out(vperf: Run) -> None:
    ask = ("estimate", "-m", "gemma-3-4b-it", "-g", "h100", "--image-tokens", 256)
    out = " ".join(vperf(*ask).out.split())
    assert "1,024 tokens and 256 image tokens in" in out
    assert "the vision tower's time" in out
    assert json.loads(vperf(*ask, "--json").out)["workload"]["image_tokens"] == 256


def test_a_hostile_directory_name_cannot_drive_the_terminal(vperf: Run, tmp_path: Path) -> None:
    place = tmp_path / "evil\x1b[31m[bold]\u202ename"
    place.mkdir()
    config = json.loads(Path(__file__).with_name("tiny_config.json").read_text())
    config["architectures"] = ["\x1b]0;owned\x07ForCausalLM"]
    (place / "config.json").write_text(json.dumps(config))
    for form in ((), ("--markdown",), ("--ops",), ("--json",), ("--csv",)):
        ran = vperf("estimate", "-m", place, "-g", "rtx-4090", *form)
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(ran.out + ran.err)


def test_a_served_load_says_its_users_its_running_batch_and_its_rate(vperf: Run) -> None:
    out = vperf("estimate", "-m", QWEN, "-g", "h100-sxm", "--max-concurrency", 64).out
    assert "64 users" in out
    assert "sequences decode at a time" in out
    assert "--max-concurrency 64" in out


def test_a_served_load_with_drafts_says_both(vperf: Run) -> None:
    ask = ("estimate", "-m", "deepseek-v3", "-g", "h200", "--tp", 8, *MTP, "--acceptance", 0.85,
           "--max-concurrency", 16)  # fmt: skip
    lines = vperf(*ask).out.splitlines()
    assert any(line.startswith("Drafts") and "1.85 tokens in" in line for line in lines)
    assert any(line.startswith("Load") for line in lines)
    assert any("num_speculative_tokens" in line for line in lines)
    assert max(map(len, lines)) <= 80
    answer = json.loads(vperf(*ask, "--json").out)
    assert answer["speculative"]["tokens_per_step"] == 1.85
    assert answer["serving"]["running_batch"] <= 16


def test_more_requests_than_can_be_served_is_an_answer_that_says_so(vperf: Run) -> None:
    ran = vperf("estimate", "-m", QWEN, "-g", "h100-sxm", "--request-rate", 5000)
    assert ran.code == 0
    assert ran.out.startswith("Cannot serve 5,000 requests/s: at most ")


def test_json_of_a_served_load_holds_what_it_settles_to(vperf: Run) -> None:
    ran = vperf("estimate", "-m", QWEN, "-g", "h100-sxm", "--max-concurrency", 16, "--json")
    served = json.loads(ran.out)["serving"]
    assert 0 < served["running_batch"] <= 16
    assert served["requests_asked_per_s"] is None
    assert not served["saturated"]


@pytest.mark.parametrize(
    "options",
    [
        ("--max-concurrency", 4, "--batch-size", 2),
        ("--request-rate", 0),
        ("--prefix-cache-hit", 0.5),
        ("--prefix-cache-hit", 1.5, "--max-concurrency", 4),
    ],
)
def test_a_load_that_contradicts_itself_is_refused(vperf: Run, options: tuple[object, ...]) -> None:
    one_line(vperf("estimate", "-m", QWEN, "-g", "h100-sxm", *options))


def test_without_cuda_graphs_a_small_model_waits_for_the_host(vperf: Run) -> None:
    speeds = []
    for options in ((), ("--no-cuda-graphs",)):
        ran = vperf("estimate", "-m", "qwen3-0.6b", "-g", "rtx-4090", "--json", *options)
        speeds.append(json.loads(ran.out)["expected"]["decode_tokens_per_s"])
    assert speeds[1] < 0.7 * speeds[0]


def test_one_user_is_one(vperf: Run) -> None:
    out = " ".join(vperf("estimate", "-m", QWEN, "-g", "h100", "--max-concurrency", 1).out.split())
    assert "128 out, 1 user," in out
    assert re.search(r" sequences? decodes? at a time \(room for ", out)
    assert "closed loop: 1 user, who sends" in out


def test_line_1_of_a_load_is_the_mean_of_its_simulated_run(vperf: Run) -> None:
    asked = ("estimate", "-m", QWEN, "-g", "h100", "--max-concurrency", 16)
    run = json.loads(vperf(*asked, "--json").out)["simulated"]
    out = vperf(*asked).out
    ttft = format_seconds(run["ttft"]["mean_s"])
    assert f"first token {ttft}; fits." in out.splitlines()[0]
    assert out.startswith(f"{run['output_tokens_per_s']:,.0f} tok/s expected")
    (row,) = re.findall(r"^TTFT +(\S+ \w+) ", out.partition("Means of")[2], re.MULTILINE)[:1]
    assert row == ttft
    assert run["limit_output_tokens_per_s"] > run["output_tokens_per_s"]


def test_a_rate_that_is_offered_has_no_limit_and_line_1_is_of_a_user(vperf: Run) -> None:
    asked = ("estimate", "-m", QWEN, "-g", "h100", "--request-rate", 5)
    run = json.loads(vperf(*asked, "--json").out)["simulated"]
    assert run["limit_output_tokens_per_s"] is None
    assert vperf(*asked).out.startswith(f"{1 / run['tpot']['mean_s']:.0f} tok/s a user expected")
