"""napkin, gpus, models, --help, --version, completion: what the small commands promise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

import vperf as package
from vperf.cli import main as cli
from vperf.cli.options import complete_engine, complete_gpu, complete_model

from .conftest import QWEN, Ran, Run, one_line

COMMANDS = ("napkin", "estimate", "check", "compare", "sweep", "fit", "roofline", "gpus", "models",
            "engines", "workloads")  # fmt: skip


def test_version_is_the_packages(vperf: Run) -> None:
    assert vperf("--version").out == f"vperf {package.__version__}\n"


def test_no_command_prints_the_help(vperf: Run) -> None:
    ran = vperf()
    assert ran.code == 0
    assert ran.out == vperf("--help").out
    assert all(command in ran.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_examples_in_80_columns(vperf: Run, command: str) -> None:
    out = vperf(command, "--help").out
    assert f"\n    vperf {command}" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_the_help_name_options_that_exist(vperf: Run, command: str) -> None:
    out = vperf(command, "--help-all").out
    known, examples = out.split("Examples:")
    for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", examples):
        assert option in known


def test_the_napkin_without_arguments_is_the_headline_example(vperf: Run) -> None:
    ran = vperf("napkin")
    assert ran.out.startswith("125 tok/s at batch 1: 8.04 GB of weights, ")
    for part in ("Qwen3-4B-Instruct-2507 on", "4.02 B parameters x 2 bytes", "1,008 GB/s / 8.04"):
        assert part in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_napkin_as_json_agrees_with_its_own_equation(vperf: Run) -> None:
    answer = json.loads(vperf("napkin", "--json").out)
    size = answer["parameters"] * answer["bits_per_parameter"] / 8
    assert size == answer["weight_bytes"] == 8_044_936_192
    assert answer["decode_tokens_per_s"] == answer["memory_bandwidth_bytes_per_s"] / size


def test_the_napkin_takes_raw_numbers(vperf: Run) -> None:
    raw = ("napkin", "--params", "4B", "--bandwidth", "1000")
    assert "125 tok/s" in vperf(*raw, "--bits", 16).out
    assert json.loads(vperf(*raw, "--bits", 8, "--json").out)["decode_tokens_per_s"] == 250


def test_the_napkin_is_nearly_twice_as_fast_with_fp8(vperf: Run) -> None:
    full = json.loads(vperf("napkin", "-m", QWEN, "-g", "rtx-4090", "--json").out)
    fp8 = json.loads(vperf("napkin", "-m", QWEN, "-g", "rtx-4090", "-q", "fp8", "--json").out)
    assert 1.7 < fp8["decode_tokens_per_s"] / full["decode_tokens_per_s"] <= 2


def test_the_napkin_of_a_moe_counts_active_parameters_and_says_so(vperf: Run) -> None:
    arguments = ("napkin", "-m", "Qwen/Qwen3-30B-A3B", "-g", "h100-sxm")
    answer = json.loads(vperf(*arguments, "--json").out)
    assert answer["parameters"] < 3.5e9
    assert answer["stored_parameters"] > 30e9
    assert "active" in vperf(*arguments).out


def test_gpus_lists_every_card_once(vperf: Run) -> None:
    listed = json.loads(vperf("gpus", "--json").out)["gpus"]
    assert len(listed) >= 100
    assert len({card["id"] for card in listed}) == len(listed)
    out = vperf("gpus").out
    assert max(map(len, out.splitlines())) <= 80
    assert f"{len(listed)} GPUs" in out


def test_gpus_shows_one_card_with_facts_and_source(vperf: Run) -> None:
    out = vperf("gpus", "NVIDIA GeForce RTX 4090").out
    assert "(rtx-4090)" in out.splitlines()[0]
    for part in ("1,008 GB/s", "source", "checked", "confidence"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80
    card = json.loads(vperf("gpus", "rtx-4090", "--json").out)
    assert card["schema"] == "vperf/gpu/1"
    assert card["memory_bandwidth"] == 1008e9


def test_gpus_shows_what_was_measured_on_a_card(vperf: Run) -> None:
    out = vperf("gpus", "h100-sxm").out
    assert "Measured" in out
    assert "memory stream" in out


def test_gpus_with_a_part_of_names_lists_all_that_have_it(vperf: Run) -> None:
    listed = json.loads(vperf("gpus", "laptop", "--json").out)["gpus"]
    assert len(listed) > 1
    assert all("laptop" in card["id"] for card in listed)


def test_models_lists_what_ships(vperf: Run) -> None:
    listed = json.loads(vperf("models", "--json").out)["models"]
    assert len(listed) >= 80
    assert {"id": QWEN, "parameters": 4_022_468_096}.items() <= next(
        model.items() for model in listed if model["id"] == QWEN
    )
    out = vperf("models").out
    assert max(map(len, out.splitlines())) <= 80
    assert "4,022,468,096" in out


def test_models_shows_one_with_its_source(vperf: Run) -> None:
    out = vperf("models", "qwen3-4b-instruct-2507").out
    assert out.splitlines()[0] == QWEN
    for part in ("4,022,468,096", "147,456", "source", "checked"):
        assert part in out
    assert json.loads(vperf("models", QWEN, "--json").out)["kv_bytes_per_token"] == 147_456


def test_models_with_a_part_of_ids_lists_all_that_have_it(vperf: Run) -> None:
    listed = json.loads(vperf("models", "qwen3-", "--json").out)["models"]
    assert len(listed) > 3
    assert all("qwen3-" in model["id"].lower() for model in listed)


def test_completion_knows_gpus_and_models_in_the_case_that_was_typed() -> None:
    assert "rtx-4090" in complete_gpu("rtx-40")
    assert "RTX-4090" in complete_gpu("RTX-40")
    assert QWEN in complete_model("Qwen/Qwen3-4B-I")
    assert "h100,rtx-4090" in complete_gpu("h100,rtx-40")
    assert "vllm" in complete_engine("vl")
    assert "qwen/Qwen3-4B-Instruct-2507" in complete_model("qwen/")
    assert "qwen3-4b-instruct-2507".casefold() in [
        name.casefold() for name in complete_model("qwen3-4b-i")
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_answers(vperf: Run, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    line = "vperf estimate --gpu rtx-409"
    monkeypatch.setenv("_VPERF_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    ran = vperf()
    assert "rtx-4090" in ran.out
    assert ran.code == 0


def test_a_bug_is_one_line_that_says_so(vperf: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh\x1b[31m no")

    monkeypatch.setattr("vperf.api.napkin", broken)
    ran = vperf("napkin")
    assert (ran.code, ran.out) == (70, "")
    assert ran.err.count("\n") == 1
    assert "VPERF_DEBUG=1" in ran.err
    assert "\x1b" not in ran.err
    monkeypatch.setenv("VPERF_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["napkin"])


def test_an_interrupt_exits_130_without_a_word(vperf: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vperf.api.napkin", interrupted)
    ran = vperf("napkin")
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "")


def test_an_interrupt_within_an_answer_says_that_it_is_cut(
    vperf: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> Iterator[str]:
        yield "half of it"
        raise KeyboardInterrupt

    monkeypatch.setattr("vperf.report.to_csv.lines", cut)
    ran = vperf("napkin", "--csv")
    assert ran == Ran(130, "half of it", "error: interrupted: the answer is cut\n")


def test_a_usage_error_says_where_help_is(vperf: Run) -> None:
    assert "'vperf estimate --help-all'" in one_line(vperf("estimate", "--nope"))


@pytest.mark.parametrize(
    ("words", "among", "count"),
    [("hopper", "h100-sxm-80gb", 12), ("ada", "rtx-4090", 26), ("apple", "apple-m4-max", 26)],
)
def test_gpus_are_listed_by_vendor_and_architecture(
    vperf: Run, words: str, among: str, count: int
) -> None:
    listed = json.loads(vperf("gpus", words, "--json").out)["gpus"]
    assert among in {gpu["id"] for gpu in listed}
    assert len(listed) >= count


def test_gpus_are_listed_that_have_all_words(vperf: Run) -> None:
    ran = vperf("gpus", "ada laptop")
    assert "rtx-4090-laptop" in ran.out
    assert "l40s" not in ran.out


def test_gpus_are_listed_by_maker_and_memory_in_an_order(vperf: Run) -> None:
    asked = ("gpus", "--vendor", "AMD", "--min-memory", 40, "--sort", "bandwidth")
    listed = json.loads(vperf(*asked, "--json").out)["gpus"]
    assert {gpu["vendor"] for gpu in listed} == {"AMD"}
    assert all(gpu["memory_bytes"] >= 40e9 for gpu in listed)
    rates = [gpu["memory_bandwidth"] for gpu in listed]
    assert rates == sorted(rates, reverse=True)
    assert "GB/s \N{BLACK DOWN-POINTING TRIANGLE}" in vperf(*asked).out
    assert "--sort: 'weight' is not one of" in one_line(vperf("gpus", "--sort", "weight"))
    assert one_line(vperf("gpus", "--vendor", "nobody")).startswith("no GPU is all that is asked")


def test_engines_are_listed_and_shown_by_any_of_their_names(vperf: Run) -> None:
    listed = json.loads(vperf("engines", "--json").out)["engines"]
    assert {"vllm", "sglang", "llama.cpp"} <= {each["id"] for each in listed}
    shown = json.loads(vperf("engines", "LM Studio", "--json").out)
    assert shown["id"] == "llama.cpp"
    assert "LM Studio" in shown["other_names"]
    assert shown["scheduler"]["max_sequences"] >= 1
    assert "vllm serve" in vperf("engines", "vllm").out


def test_workloads_are_listed_and_shown_with_their_source(vperf: Run) -> None:
    listed = json.loads(vperf("workloads", "--json").out)["workloads"]
    assert {"chat", "rag"} <= {each["name"] for each in listed}
    rag = json.loads(vperf("workloads", "rag", "--json").out)
    assert rag["input_tokens"] == 4000
    assert rag["source"] in " ".join(vperf("workloads", "rag").out.split())


@pytest.mark.parametrize(
    ("given", "missing"),
    [(("-m", "qwen3-8b"), "--gpu"), (("-g", "h100"), "--model"), (("-q", "fp8"), "--gpu")],
)
def test_a_napkin_chooses_no_model_or_gpu_beside_one_that_was_named(
    vperf: Run, given: tuple[str, ...], missing: str
) -> None:
    assert one_line(vperf("napkin", *given)).startswith(f"{missing} is missing")


def test_the_model_that_starts_with_the_typed_name_is_suggested_first(vperf: Run) -> None:
    line = one_line(vperf("estimate", "-m", "llama-4", "-g", "h100"))
    assert "did you mean meta-llama/Llama-4-" in line


def test_a_second_gpu_where_one_is_meant_is_refused(vperf: Run) -> None:
    for again in (("-g", "a100"), ("--gpu=a100",), ("-ga100",)):
        line = one_line(vperf("estimate", "-m", "qwen3-8b", "-g", "h100", *again))
        assert line == "--gpu: is given twice; vperf compare takes several"
    assert vperf("compare", "-m", "qwen3-8b", "-g", "h100", "-g", "a100").code == 0


def test_help_and_v_are_words_for_the_options(vperf: Run) -> None:
    assert vperf("help").out == vperf("--help").out
    assert vperf("help", "fit").out == vperf("fit", "--help").out
    assert vperf("-V").out == vperf("--version").out


def test_help_has_options_in_groups(vperf: Run) -> None:
    headings = re.findall(r"^(\w.*):$", vperf("estimate", "--help-all").out, re.MULTILINE)
    assert {"Model and GPU", "Workload", "Parallelism", "Engine", "Options"} <= set(headings)
    assert headings.index("Model and GPU") < headings.index("Options")


def test_help_has_the_usual_options_and_names_where_all_are(vperf: Run) -> None:
    short, whole = vperf("estimate", "--help").out, vperf("estimate", "--help-all").out
    assert "more options: vperf estimate --help-all" in short
    assert len(short.splitlines()) < 0.6 * len(whole.splitlines())
    assert "--tensor-parallel-size" in short
    assert "--burstiness" in whole
    assert "--burstiness" not in short
    assert "Sequences at a time. [1]" in whole
    assert "x>=" not in whole


def test_the_list_of_commands_cuts_no_description(vperf: Run) -> None:
    listed = vperf("--help").out.partition("Commands:")[2].partition("Examples:")[0]
    assert "..." not in listed
