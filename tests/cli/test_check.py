"""`vperf check` as a user sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import vperf as api
from tests.cli.conftest import Run, one_line
from tests.snapshots.test_snapshots import HERE as SNAPSHOTS

SETUP = ("-m", "qwen3-4b-instruct-2507", "-g", "rtx-4090")
SERVED = {
    "backend": "vllm", "model_id": "Qwen/Qwen3-4B-Instruct-2507", "num_prompts": 320,
    "request_rate": "inf", "max_concurrency": 32, "duration": 41.0, "completed": 320,
    "total_input_tokens": 327680, "total_output_tokens": 40960, "request_throughput": 7.8,
    "output_throughput": 999.0, "mean_ttft_ms": 410.0, "mean_tpot_ms": 27.4,
}  # fmt: skip


def llama_bench(prompt: int, output: int, speed: float, depth: int = 0) -> dict[str, Any]:
    return {
        "build_number": 6000, "gpu_info": "NVIDIA GeForce RTX 4090", "backends": "CUDA",
        "model_filename": "qwen3-4b-q4_k_m.gguf", "model_type": "qwen3 4B Q4_K - Medium",
        "model_size": 2491000000, "model_n_params": 4022468096, "n_gpu_layers": 99,
        "split_mode": "layer", "type_k": "f16", "type_v": "f16", "n_prompt": prompt,
        "n_gen": output, "n_depth": depth, "avg_ts": speed, "stddev_ts": 1.0,
    }  # fmt: skip


@pytest.fixture
def served(tmp_path: Path) -> Path:
    path = tmp_path / "serve.json"
    path.write_text(json.dumps(SERVED), encoding="utf-8")
    return path


@pytest.fixture
def benched(tmp_path: Path) -> Path:
    path = tmp_path / "bench.json"
    rows = [llama_bench(512, 0, 9000.0), llama_bench(0, 128, 190.0), llama_bench(512, 0, 7e3, 4096)]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_plain_numbers_are_graded(vperf: Run) -> None:
    ran = vperf("check", *SETUP, "--decode-tok-s", 97.2, "--ttft", "62ms")
    assert (ran.code, ran.err) == (0, "")
    assert re.match(
        r"GOOD: 97\.2 tok/s is \d+% of expected \(\d+\.\d\), 78% of the limit\.\n", ran.out
    )
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_json_is_alone_and_is_the_python_answer(vperf: Run, served: Path) -> None:
    ran = vperf("check", served, "-g", "rtx-4090", "--json")
    assert ran.err == ""
    printed = json.loads(ran.out)
    assert printed["schema"] == "vperf/check/1"
    assert printed == json.loads(json.dumps(api.check(served, gpu="rtx-4090").to_dict()))
    assert printed["workload"]["concurrency"] == 32


def test_a_result_file_needs_no_model_and_no_lengths(vperf: Run, served: Path) -> None:
    ran = vperf("check", served, "-g", "rtx-4090")
    assert ran.code == 0
    assert "1,024 tokens in, 128 out, 32 users" in ran.out.replace("\n", " ")


def test_what_is_given_wins_and_the_difference_is_said(vperf: Run, served: Path) -> None:
    ran = vperf("check", served, "-g", "rtx-4090", "--max-concurrency", 16)
    assert "--max-concurrency 16 is taken; the result says 32" in ran.out


def test_several_results_are_summed_up_and_one_is_shown_by_its_label(
    vperf: Run, benched: Path
) -> None:
    ran = vperf("check", benched, "-m", "qwen3-4b")
    assert ran.out.splitlines()[0].startswith("2 results: ")
    assert "not graded: pp512 @ d4096" in ran.out
    one = vperf("check", benched, "-m", "qwen3-4b", "--label", "tg128")
    assert one.out.splitlines()[0].startswith("GOOD: 190 tok/s is ")
    assert "q4_k_m weights" in one.out
    many = json.loads(vperf("check", benched, "-m", "qwen3-4b", "--json").out)
    assert many["schema"] == "vperf/checks/1"
    assert [each["schema"] for each in many["checks"]] == ["vperf/check/1"] * 2


@pytest.mark.parametrize(
    ("bars", "code"),
    [
        ((), 0),
        (("--min-efficiency", 0.7), 0),
        (("--min-efficiency", 1.2), 1),
        (("--max-ttft", "60ms"), 1),
        (("--max-tpot", "12ms", "--min-mbu", 0.5), 0),
        (("--min-of-limit", 0.9), 1),
    ],
)
def test_a_missed_bar_is_exit_1(vperf: Run, bars: tuple[object, ...], code: int) -> None:
    ran = vperf("check", *SETUP, "--decode-tok-s", 97.2, "--ttft", "62ms", *bars)
    assert ran.code == code
    assert ran.out.startswith(" FAIL ") is (code == 1)
    assert vperf("check", *SETUP, "--decode-tok-s", 97.2, "--ttft", "62ms", *bars,
                 "--json").code == code  # fmt: skip


def test_slow_and_impossible_results_fail_only_under_a_bar(vperf: Run) -> None:
    for speed in (9.0, 900.0):
        assert vperf("check", *SETUP, "--decode-tok-s", speed).code == 0
        assert vperf("check", *SETUP, "--decode-tok-s", speed, "--min-efficiency", 0.5).code == 1


def test_a_config_holds_several_checks(
    vperf: Run, served: Path, benched: Path, tmp_path: Path
) -> None:
    config = tmp_path / "vperf.toml"
    config.write_text(
        f"""
        [defaults]
        gpu = "rtx-4090"
        min_efficiency = 0.6

        [[check]]
        file = "{served.name}"

        [[check]]
        file = "{benched.name}"
        model = "qwen3-4b"
        label = "tg128"
        """,
        encoding="utf-8",
    )
    ran = vperf("check", "--config", config)
    assert ran.code == 0, ran
    assert ran.out.startswith("2 results: ")
    assert "all 2 passed the bars" in ran.out.splitlines()[0]
    config.write_text(config.read_text().replace("0.6", "1.9"), encoding="utf-8")
    ran = vperf("check", "--config", config, "--json")
    assert ran.code == 1
    assert json.loads(ran.out)["passed"] is False
    assert "--config" in one_line(vperf("check", served, "--config", config))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to check"),
        (("none.json", "-g", "h100"), "none.json: no such file"),
        (("-g", "h100", "--decode-tok-s", "9"), "--model is missing"),
        (("-m", "qwen3-8b", "--decode-tok-s", "9"), "--gpu is missing"),
        ((*SETUP, "--decode-tok-s", "-9"), "--decode-tok-s: must be above 0"),
        ((*SETUP, "--decode-tok-s", "nan"), "--decode-tok-s: must be above 0"),
        ((*SETUP, "--decode-tok-s", "1e308"), "--decode-tok-s: 1e+308 is out of range"),
        ((*SETUP, "--output-tok-s", "1e-300"), "--output-tok-s: 1e-300 is out of range"),
        ((*SETUP, "--ttft", "5 km"), "--ttft: '5 km' is not a time"),
        ((*SETUP, "--ttft", "0ms"), "--ttft: must be above 0"),
        ((*SETUP, "--ttft", "5ms", "--min-mbu", "0.5"), "--min-mbu: cannot be judged"),
        ((*SETUP, "--ttft", "5ms", "--min-efficiency", "0"), "min-efficiency: must be above 0"),
        (("x.json", *SETUP, "--ttft", "5ms"), "cannot be combined with a FILE"),
        ((*SETUP, "--ttft", "5ms", "--label", "a"), "--label: means nothing without a FILE"),
        (("--config", "none.toml"), "none.toml: no such file"),
        ((*SETUP, "--ttft", "5ms", "--max-drift", "5%"), "--max-drift: cannot be judged"),
        ((*SETUP, "--ttft", "5ms", "--max-drift", "5"), "--max-drift: '5' is not a share"),
        ((*SETUP, "--ttft", "5ms", "--max-drift", "0%"), "--max-drift: must be above 0"),
        ((*SETUP, "--ttft", "5ms", "--baseline", "none.json"), "none.json: --baseline: no such"),
        ((*SETUP, "--ttft", "5ms", "--junit", "no/such/a.xml"), "--junit: cannot write"),
        ((*SETUP, "--ttft", "5ms", "--junit", "-"), "--junit: needs a file"),
        ((*SETUP, "--ttft", "5ms", "-o", "a.txt"), "does not say which format"),
        ((*SETUP, "--ttft", "5ms", "--csv", "--json"), "cannot be combined"),
    ],
)
def test_wrong_usage_is_one_line(vperf: Run, arguments: tuple[str, ...], words: str) -> None:
    assert words in one_line(vperf("check", *arguments))


def test_a_file_that_is_no_result_is_one_line(vperf: Run, tmp_path: Path) -> None:
    for name, text in (("a.json", "{}"), ("b.txt", "hello"), ("c.json", '{"completed": 3')):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        assert str(path) in one_line(vperf("check", path, "-g", "h100"))


NUMBERS = ("check", *SETUP, "--decode-tok-s", 97.2, "--ttft", "62ms")


def test_a_file_gets_the_form_of_its_suffix(vperf: Run, tmp_path: Path) -> None:
    for name, start in (("a.json", "{"), ("a.csv", "source,label,"), ("a.md", "**GOOD: 97.2 ")):
        ran = vperf(*NUMBERS, "-o", tmp_path / name)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
        assert vperf(*NUMBERS, {"j": "--json", "c": "--csv", "m": "--markdown"}[name[2]]).out == (
            tmp_path / name
        ).read_text(encoding="utf-8")


def test_a_baseline_is_what_json_wrote_of_an_earlier_run(vperf: Run, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    vperf(*NUMBERS, "-o", before)
    assert "Against the baseline" in vperf(*NUMBERS, "--baseline", before).out
    slower = ("check", *SETUP, "--decode-tok-s", 90, "--ttft", "62ms", "--baseline", before)
    assert vperf(*slower).code == 0
    ran = vperf(*slower, "--max-drift", "5%")
    assert ran.code == 1
    assert "✗ --max-drift 5%: Decode tok/s is 7.4% slower than the baseline\n" in ran.out
    assert vperf(*slower, "--max-drift", "0.1").code == 0
    data = json.loads(vperf(*slower, "--json").out)
    assert data["baseline"]["changes"][1]["faster"] == pytest.approx(90 / 97.2 - 1)


def test_a_failed_check_written_to_a_file_says_why_on_stderr(vperf: Run, tmp_path: Path) -> None:
    ran = vperf(*NUMBERS, "--min-efficiency", 1.2, "-o", tmp_path / "a.json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Fails --min-efficiency 1.2: ")


def test_junit_is_written_beside_the_answer(vperf: Run, tmp_path: Path) -> None:
    ran = vperf(*NUMBERS, "--min-efficiency", 1.2, "--junit", tmp_path / "report.xml", "--json")
    assert ran.code == 1
    assert json.loads(ran.out)["passed"] is False
    assert 'failures="1"' in (tmp_path / "report.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("automatic", [True, False])
def test_github_gets_annotations_on_stderr_a_summary_and_outputs(
    vperf: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, automatic: bool
) -> None:
    summary, outputs = tmp_path / "summary.md", tmp_path / "outputs"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    if automatic:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ran = vperf(*NUMBERS, "--min-efficiency", 1.2, "--json", *([] if automatic else ["--github"]))
    assert ran.code == 1
    assert json.loads(ran.out)["passed"] is False
    assert ran.err.startswith("::error title=vperf check%3A command line::Fails --min-efficiency 1")
    assert summary.read_text(encoding="utf-8").startswith("before\n**FAIL  GOOD: 97.2 tok/s is ")
    assert outputs.read_text(encoding="utf-8").startswith("passed=false\nefficiency=1.0")
    quiet = vperf(*NUMBERS, "--no-github")
    assert (quiet.code, quiet.err) == (0, "")


def test_a_summary_that_cannot_be_written_is_one_line(
    vperf: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert "GITHUB_STEP_SUMMARY: cannot write" in one_line(vperf(*NUMBERS, "--github"))


def test_a_config_takes_a_baseline_from_the_command_line(
    vperf: Run, served: Path, tmp_path: Path
) -> None:
    config, before = tmp_path / "vperf.toml", tmp_path / "before.json"
    config.write_text("[[check]]\nfile = 'serve*.json'\ngpu = 'rtx-4090'\n", encoding="utf-8")
    vperf("check", "--config", config, "-o", before)
    served.write_text(json.dumps({**SERVED, "mean_tpot_ms": 29.9}), encoding="utf-8")
    ran = vperf("check", "--config", config, "--baseline", before, "--max-drift", "5%")
    assert ran.code == 1
    assert "serve.json: Fails --max-drift 5%: TPOT is 8.4% slower" in ran.out


def test_a_broken_file_of_a_config_keeps_no_other_from_its_verdict(
    vperf: Run, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, outputs = tmp_path / "vperf.toml", tmp_path / "outputs"
    config.write_text(
        f"""
        defaults = {{ gpu = "rtx-4090", min_efficiency = 0.1 }}
        check = [{{ file = "broken.json" }}, {{ file = "{served.name}" }}, {{ file = "none.json" }}]
        """,
        encoding="utf-8",
    )
    (tmp_path / "broken.json").write_text('{"completed": 3', encoding="utf-8")
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    ran = vperf("check", "--config", config, "--junit", tmp_path / "report.xml")
    assert ran.code == 2
    assert ran.out.startswith("1 result: 1 good; passed the bars; 2 errors.\n")
    first, second = ran.err.splitlines()
    assert "broken.json: ends in the middle of JSON" in first
    assert "none.json: no such file" in second
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert (root.get("tests"), root.get("errors"), root.get("failures")) == ("3", "2", "0")
    ran = vperf("check", "--config", config, "--json", "--github")
    printed = json.loads(ran.out)
    assert (printed["passed"], len(printed["checks"])) == (False, 1)
    assert [each["name"] for each in printed["errors"]] == ["broken.json", "none.json"]
    assert ran.err.startswith("::error title=vperf check%3A broken.json::")
    assert outputs.read_text(encoding="utf-8").startswith("passed=false\n")
    assert "- " in vperf("check", "--config", config, "--markdown").out


def test_a_config_of_broken_files_alone_answers_nothing(vperf: Run, tmp_path: Path) -> None:
    config = tmp_path / "vperf.toml"
    config.write_text("[[check]]\nfile = 'none.json'\n", encoding="utf-8")
    assert "none.json: no such file" in one_line(vperf("check", "--config", config))
    with pytest.raises(api.InputError, match="no such file"):
        api.check_config(config)


def test_a_bar_that_a_file_cannot_be_held_against_keeps_the_others_verdict(
    vperf: Run, served: Path, tmp_path: Path
) -> None:
    config = tmp_path / "vperf.toml"
    no_times = {k: v for k, v in SERVED.items() if k != "mean_ttft_ms"}
    (tmp_path / "rate.json").write_text(json.dumps(no_times), encoding="utf-8")
    config.write_text(
        f"""
        defaults = {{ gpu = "rtx-4090", max_ttft = "1 s" }}
        check = [{{ file = "rate.json" }}, {{ file = "{served.name}" }}]
        """,
        encoding="utf-8",
    )
    ran = vperf("check", "--config", config)
    assert ran.code == 2
    assert ran.out.startswith("2 results: ")
    assert "--max-ttft: cannot be judged" in ran.err


def test_a_file_that_cannot_be_graded_is_in_the_report_too(vperf: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    ran = vperf("check", tmp_path / "none.json", "--junit", report, "--github")
    assert (ran.code, ran.out) == (2, "")
    annotation, line = ran.err.splitlines()
    assert annotation.startswith("::error title=vperf check%3A ")
    assert line.endswith("none.json: no such file")
    assert ElementTree.parse(report).getroot().get("errors") == "1"


def test_a_sentence_is_graded_and_what_was_understood_is_said(vperf: Run) -> None:
    ran = vperf("check", "--text", "Qwen3-32B AWQ on 2x3090, vLLM, 38 tok/s at 8k")
    assert ran.code == 0, ran.err
    assert "understood: decode 38 tok/s" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--text", "it is slow"), "tells no measured figure"),
        (("--text", "Qwen3-8B, 4090, 90 tok/s", "--ttft", "1s"), "cannot be combined"),
        (("--decode-tok-s", "9", "--duration", "5s"), "without the address of a server"),
        (("http://127.0.0.1:9", "--duration", "1s"), "cannot be reached"),
    ],
)
def test_sentences_and_servers_that_are_none_are_told_so(
    vperf: Run, args: tuple[str, ...], words: str
) -> None:
    ran = vperf("check", *args)
    assert ran.code == 2
    assert words in ran.err


def test_a_time_of_a_token_without_its_unit_is_in_milliseconds(vperf: Run) -> None:
    given = (*SETUP, "--decode-tok-s", "97 tok/s", "--json")
    bare = vperf("check", *given, "--ttft", "62", "--max-ttft", "200", "--min-efficiency", "10%")
    said = vperf("check", *given, "--ttft", "62ms", "--max-ttft", "0.2 s", "--min-efficiency", 0.1)
    assert bare.code == said.code == 0
    assert bare.out == said.out


def test_a_bar_in_percent_without_its_sign_is_asked_about(vperf: Run) -> None:
    line = one_line(vperf("check", *SETUP, "--decode-tok-s", 97, "--min-efficiency", 70))
    assert "did you mean 0.7?" in line


def test_several_files_are_summed_up_each_result_by_its_file(
    vperf: Run, served: Path, benched: Path
) -> None:
    ran = vperf("check", served, benched, "-g", "h100", "-m", "qwen3-4b-instruct-2507", "--csv")
    assert ran.code == 0, ran.err
    alone = [
        vperf("check", each, "-g", "h100", "-m", "qwen3-4b-instruct-2507", "--csv").out.splitlines()
        for each in (served, benched)
    ]
    assert len(ran.out.splitlines()) == len(alone[0]) + len(alone[1]) - 1


def test_of_several_files_those_that_can_be_graded_are(vperf: Run, served: Path) -> None:
    ran = vperf("check", served, "nope.json", "-g", "h100")
    assert ran.code == 2
    assert served.name in ran.out
    assert "nope.json: no such file" in ran.err


def test_a_speed_in_place_of_a_file_is_told_its_option(vperf: Run) -> None:
    assert '--decode-tok-s "110 tok/s"' in one_line(vperf("check", "110 tok/s", "-g", "h100"))


def test_results_of_one_server_calibrate_a_file_for_its_card(vperf: Run, tmp_path: Path) -> None:
    files = []
    for users, tpot in ((4, 12.9), (16, 19.5), (32, 29.0)):
        files.append(tmp_path / f"{users}.json")
        run = SERVED | {"max_concurrency": users, "mean_tpot_ms": tpot, "mean_ttft_ms": 200.0}
        files[-1].write_text(json.dumps(run), encoding="utf-8")
    server = tmp_path / "server.toml"
    ran = vperf("check", *files, "-g", "rtx-4090", "--calibrate", "-o", server)
    assert (ran.code, ran.err) == (0, "")
    assert re.match(r"3 results of one server: [\d.]+% off with its factors", ran.out)
    estimate = vperf("estimate", "-m", SETUP[1], "-g", server, "--max-concurrency", 8)
    assert estimate.code == 0
    assert "calibrated to 3 results of this server" in " ".join(estimate.out.split())
    kept = json.loads(vperf("check", *files, "-g", "rtx-4090", "--calibrate", "--json").out)
    assert kept["schema"] == "vperf/calibration/1"
    refused = vperf("check", files[0], "-g", "rtx-4090", "-o", server)
    assert (refused.code, "add --calibrate" in refused.err) == (2, True)


def test_percentiles_stand_side_by_side_and_a_pipe_has_at_most_45_lines(
    vperf: Run, tmp_path: Path
) -> None:
    served = json.loads((SNAPSHOTS / "inputs" / "serve.json").read_text())
    times = {"ttft": 410.0, "tpot": 27.0, "itl": 27.0, "e2el": 4000.0}
    served |= {f"p{p}_{name}_ms": t * (1 + p / 100) for name, t in times.items() for p in (50, 99)}
    (tmp_path / "served.json").write_text(json.dumps(served))
    lines = vperf("check", tmp_path / "served.json", "-g", "rtx-4090").out.splitlines()
    assert len(lines) <= 45
    at = next(n for n, line in enumerate(lines) if line.startswith("Percentiles"))
    assert lines[at + 1].split() == ["p50", "p99"]
    assert [line.split()[0] for line in lines[at + 3 : at + 7]] == [
        "TTFT",
        "TPOT",
        "ITL",
        "Latency",
    ]


@pytest.mark.parametrize("form", [("--json", "-o", "serve.json"), ("--json", "-o", "./serve.json"),
                                  ("--junit", "serve.json")])  # fmt: skip
def test_a_result_is_never_replaced_by_the_answer_about_it(
    vperf: Run, served: Path, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]
) -> None:
    monkeypatch.chdir(served.parent)
    before = served.read_text()
    ran = vperf("check", "serve.json", "-g", "h100", *form)
    assert one_line(ran).endswith("serve.json is a result that is read: name another file")
    assert served.read_text() == before
