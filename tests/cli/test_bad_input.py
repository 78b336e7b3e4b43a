"""Bad input: one clear line that names file and field, exit code 2, nothing on stdout."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from vperf.cli.main import main

from .conftest import QWEN, Run, one_line

TINY: dict[str, Any] = json.loads(Path(__file__).with_name("tiny_config.json").read_text())
CARD = (
    'name = "Mine"\n[memory]\nsize = "48 GB"\nbandwidth = "2 TB/s"\n[peak]\nbf16 = "200 TFLOPS"\n'
)


def ask(vperf: Run, model: object, *more: object) -> str:
    return one_line(vperf("estimate", "--model", model, "--gpu", "rtx-4090", *more))


def config_file(tmp_path: Path, content: str | bytes | dict[str, Any]) -> Path:
    file = tmp_path / "config.json"
    if isinstance(content, dict):
        content = json.dumps(content)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_a_good_config_is_read_so_that_the_bad_ones_mean_something(
    vperf: Run, tmp_path: Path
) -> None:
    assert vperf("estimate", "-m", config_file(tmp_path, TINY), "-g", "rtx-4090").code == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        " \n",
        "not json",
        '{"model_type": "llama"',
        b"\xff\xfe\x00garbage",
        b"\x00" * 100,
        "[" * 100_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        "[1, 2, 3]",
        '"a string"',
        "42",
        "null",
        "true",
        "{}",
    ],
    ids=[
        *("empty", "blank", "text", "cut-off", "not-utf-8", "zeros", "open-brackets", "nested"),
        *("list", "string", "number", "null", "true", "no-keys"),
    ],
)
def test_a_file_that_is_no_config_is_named(
    vperf: Run, tmp_path: Path, content: str | bytes
) -> None:
    assert "config.json" in ask(vperf, config_file(tmp_path, content))


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads"])
@pytest.mark.parametrize(
    "value",
    [0, -1, 10**30, math.nan, math.inf, "4096", "x" * 5000, [1], {"a": 1}, True, 1.5, None],
    ids=str,
)
def test_an_impossible_dimension_is_named_with_its_file(
    vperf: Run, tmp_path: Path, field: str, value: object
) -> None:
    line = ask(vperf, config_file(tmp_path, {**TINY, field: value}))
    assert "config.json" in line
    assert field in line


@pytest.mark.parametrize(
    "field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "model_type"]
)
def test_a_missing_key_is_named_with_its_file(vperf: Run, tmp_path: Path, field: str) -> None:
    """Where transformers has no class whose default it could take."""
    config = {**TINY, "model_type": "internlm2"}
    del config[field]
    line = ask(vperf, config_file(tmp_path, config))
    assert "config.json" in line
    assert field in line


def test_heads_that_do_not_divide_are_refused(vperf: Run, tmp_path: Path) -> None:
    line = ask(vperf, config_file(tmp_path, {**TINY, "num_key_value_heads": 3}))
    assert "num_key_value_heads" in line


def test_an_architecture_that_is_not_understood_is_refused_by_name(
    vperf: Run, tmp_path: Path
) -> None:
    line = ask(vperf, config_file(tmp_path, {**TINY, "model_type": "hyena-dna"}))
    assert "hyena-dna" in line
    assert "not supported" in line


def test_a_directory_without_config_json_is_named(vperf: Run, tmp_path: Path) -> None:
    line = ask(vperf, tmp_path)
    assert "config.json" in line
    assert tmp_path.name in line


def test_a_file_that_does_not_exist_is_named(vperf: Run, tmp_path: Path) -> None:
    assert "nowhere.json" in ask(vperf, tmp_path / "nowhere.json")


def test_a_file_of_200_megabytes_is_refused_unread(vperf: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    with file.open("wb") as stream:
        stream.truncate(200 * 10**6)
    assert "config.json" in ask(vperf, file)


def test_a_bad_config_on_standard_input_is_named_so(
    vperf: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"{")))
    assert "standard input" in ask(vperf, "-")


@pytest.mark.parametrize(
    "name", ["", " ", "nothing-like-this", "no/such/model", "../../etc/passwd"]
)
def test_an_unknown_model_is_one_line(vperf: Run, name: str) -> None:
    ask(vperf, name)


def test_a_hub_id_without_a_network_says_what_to_do_and_exits_3(vperf: Run) -> None:
    one_line(vperf("estimate", "-m", "nobody/no-such-model", "-g", "h100"), 3)


@pytest.mark.parametrize("form", ["int3.7", "", "FP99", "x" * 3000])
def test_an_unknown_quantization_is_named(vperf: Run, form: str) -> None:
    assert "quantization" in ask(vperf, QWEN, "--quantization", form).lower()


def test_an_unknown_kv_cache_dtype_is_named(vperf: Run) -> None:
    assert "fp99" in ask(vperf, QWEN, "--kv-cache-dtype", "fp99")


def test_an_unknown_engine_is_named(vperf: Run) -> None:
    assert "vlllm" in ask(vperf, QWEN, "--engine", "vlllm")


@pytest.mark.parametrize("option", ["--batch-size", "--input-len", "--output-len"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "nan"])
def test_an_impossible_length_names_its_option(vperf: Run, option: str, value: str) -> None:
    assert option in ask(vperf, QWEN, option, value)


@pytest.mark.parametrize("option", ["--batch-size", "--input-len", "--output-len"])
def test_an_absurd_length_never_ends_in_a_traceback(vperf: Run, option: str) -> None:
    ran = vperf("estimate", "-m", QWEN, "-g", "rtx-4090", option, "9" * 40)
    assert ran.code in (0, 2)
    assert ran.code == 0 or one_line(ran)


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("option", ["--batch-size", "--request-rate", "--prefix-cache-hit"])
def test_a_number_of_many_digits_is_out_of_range_and_not_what_python_calls_it(
    vperf: Run, option: str, digits: int
) -> None:
    line = ask(vperf, QWEN, option, "9" * digits)
    assert "out of range" in line
    ran = vperf("sweep", "-m", QWEN, "-g", "rtx-4090", option, f"1..{'9' * digits}")
    assert "set_int_max_str_digits" not in one_line(ran) + line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--json", "--csv"), "--csv"),
        (("--json", "--markdown"), "--markdown"),
        (("--gpu-file", "x.toml"), "--gpu-file"),
        (("--peak", "bf16"), "--peak"),
        (("--peak", "bf16=fast"), "bf16"),
        (("--peak", "bf16=1 TFLOPS", "--peak", "bf16=2 TFLOPS"), "twice"),
        (("--peak", "bf61=1 TFLOPS"), "bf61"),
        (("--memory", "48 GB/s"), "memory"),
        (("--memory", "-48 GB"), "memory"),
        (("--memory-bandwidth", "fast"), "bandwidth"),
        (("--memory-bandwidth", "0 GB/s"), "bandwidth"),
        (("--no-such-option",), "--no-such-option"),
        (("stray",), "stray"),
    ],
)
def test_options_that_conflict_or_make_no_sense_are_named(
    vperf: Run, arguments: tuple[str, ...], named: str
) -> None:
    assert named in ask(vperf, QWEN, *arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("estimate",), "--model"),
        (("estimate", "-m", QWEN), "--gpu"),
        (("estimate", "-m"), "-m"),
        (("estimat",), "estimat"),
        (("napkin", "--params", "4B", "--model", QWEN), "--model"),
        (("napkin", "--params", "4B"), "--bandwidth"),
        (("napkin", "--bandwidth", "1 TB/s"), "--params"),
        (("napkin", "--params", "4B", "--bandwidth", "1 TB/s", "-g", "h100"), "--gpu"),
        (("napkin", "--params", "4B", "--bandwidth", "1 TB/s", "-q", "fp8"), "--quantization"),
        (("napkin", "--params", "four", "--bandwidth", "1 TB/s"), "four"),
        (("napkin", "--params", "4B", "--bandwidth", "quick"), "quick"),
        (("napkin", "--params", "4B", "--bandwidth", "1 TB/s", "--bits", "0"), "bits"),
        (("napkin", "--params", "4B", "--bandwidth", "1 TB/s", "--bits", "nan"), "bits"),
        (("napkin", "-m", "nothing-like-this", "-g", "h100"), "nothing-like-this"),
        (("gpus", "no-such-card"), "no-such-card"),
        (("models", "no-such-model-anywhere"), "no-such-model-anywhere"),
    ],
)
def test_wrong_usage_is_one_line(vperf: Run, arguments: tuple[str, ...], named: str) -> None:
    assert named in one_line(vperf(*arguments))


def test_an_unknown_gpu_lists_the_nearest(vperf: Run) -> None:
    line = one_line(vperf("estimate", "-m", QWEN, "-g", "rtx-4091"))
    assert "did you mean" in line
    assert "rtx-4090" in line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (CARD.replace("bandwidth", "bandwith"), "bandwith"),
        (CARD.replace('"2 TB/s"', '"2 TB"'), "bandwidth"),
        (CARD.replace('"2 TB/s"', "-2"), "bandwidth"),
        (CARD.replace("bf16", "bf61"), "bf61"),
        (CARD.replace("[peak]", "[peek]"), "peek"),
        (CARD.replace('name = "Mine"\n', ""), "name"),
        ("", "name"),
        ("name = ", "TOML"),
        ("\x00", "TOML"),
    ],
)
def test_a_mistake_in_a_gpu_file_names_file_and_key(
    vperf: Run, tmp_path: Path, text: str, named: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    line = one_line(vperf("estimate", "-m", QWEN, "--gpu-file", file))
    assert "mine.toml" in line
    assert named in line


def test_a_gpu_file_that_is_missing_is_named(vperf: Run, tmp_path: Path) -> None:
    line = one_line(vperf("estimate", "-m", QWEN, "--gpu-file", tmp_path / "none.toml"))
    assert "none.toml" in line


def test_control_characters_of_bad_input_do_not_reach_the_terminal(
    vperf: Run, tmp_path: Path
) -> None:
    evil = "\x1b[2J\u202e\x9bevil\n[bold]"
    for arguments in (
        ("estimate", "-m", evil, "-g", "h100"),
        ("estimate", "-m", QWEN, "-g", evil),
        ("estimate", "-m", QWEN, "-g", "h100", "-q", evil),
        ("estimate", "-m", QWEN, "-g", "h100", "--engine", evil),
        ("gpus", evil),
        ("models", evil),
        (evil,),
        ("estimate", f"--{evil}"),
        ("estimate", "-m", config_file(tmp_path, {**TINY, "model_type": evil}), "-g", "h100"),
        ("estimate", "-m", config_file(tmp_path, {**TINY, "hidden_size": evil}), "-g", "h100"),
    ):
        ran = vperf(*arguments)
        assert ran.code in (2, 3), arguments
        one_line(ran, ran.code)


def test_a_model_without_a_name_says_so(vperf: Run) -> None:
    ran = vperf("models", "")
    assert ran.code == 2
    assert "name is empty" in one_line(ran)


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_standard_stream_that_is_closed_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sys, name, None)
    asked = "-" if name == "stdin" else "qwen3-8b"
    code = main(["compare", "-m", asked, "-g", "h100"])
    getattr(sys, name).close()
    assert code == (2 if name == "stdin" else 0)


def test_what_is_too_long_for_a_file_is_not_taken_for_a_disk_that_is_full(vperf: Run) -> None:
    long = "x" * 300
    for gpu, said in ((f"2x{long}", "unknown GPU"), (f"2x{long}/y.toml", "cannot be read"),
                      (f"{long},h100", "is not one GPU")):  # fmt: skip
        assert said in one_line(vperf("estimate", "-m", QWEN, "-g", gpu))
    assert "cannot be read" in one_line(vperf("check", f"9ms{long}", "-m", QWEN, "-g", "h100"))


def test_an_error_of_the_disk_names_its_file(vperf: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> object:
        raise PermissionError(13, "Permission denied", "/home/x/y.toml")

    monkeypatch.setattr("vperf.cli.scenario_options.missing_model", refused)
    said = one_line(vperf("estimate", "-g", "h100"))
    assert said == "/home/x/y.toml: Permission denied"


def test_as_many_stages_as_a_list_cannot_hold_are_refused(vperf: Run) -> None:
    for stages in (10**9, 10**21):
        said = one_line(vperf("estimate", "-m", QWEN, "-g", "h100", "--cpu-moe", "--pp", stages))
        assert "must be an integer from 1 to 1024" in said
