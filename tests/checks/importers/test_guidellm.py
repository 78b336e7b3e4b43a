"""guidellm: every rate of a run, in the newer schema and the one before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.checks.importers.files import DATA, result, results
from vperf.checks.importers import read_results, results_of
from vperf.checks.importers.document import parse
from vperf.errors import InputError


def test_a_sweep_has_a_result_for_every_rate() -> None:
    alone, flood, steady = results("guidellm_sweep.json")
    assert [r.label for r in (alone, flood, steady)] == [
        "synchronous", "throughput", "constant 5 req/s",
    ]  # fmt: skip
    assert (alone.setup.max_concurrency, alone.setup.request_rate) == (1, None)
    assert (steady.setup.max_concurrency, steady.setup.request_rate) == (None, 5)
    assert (flood.setup.max_concurrency, flood.setup.request_rate) == (None, None)
    assert any("neither concurrency nor request rate" in note for note in flood.notes)
    assert alone.setup.model == "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8"
    assert alone.setup.requests == 21


def test_tpot_leaves_out_the_first_token_as_guidellms_own_does_not() -> None:
    run = results("guidellm_concurrent.json")[1]
    assert run.setup.max_concurrency == 16
    assert run.setup.model == "Qwen/Qwen3-8B"
    assert [run.ttft_s, run.tpot_s] == pytest.approx([0.08, 0.0068])
    assert run.latency_s == pytest.approx(0.08 + 255 * 0.0068)
    assert run.output_tokens_per_s == pytest.approx(8.8 * 256)
    assert dict(run.percentiles)["p99_latency_s"] == pytest.approx((run.latency_s or 0) * 1.15)


def test_the_schema_of_2025_is_read() -> None:
    run = result("guidellm_2025.json")
    assert (run.label, run.setup.max_concurrency) == ("concurrent 8", 8)
    assert run.setup.model == "neuralmagic/Qwen2.5-7B-quantized.w8a8"
    assert run.setup.requests == 147
    assert run.tpot_s == pytest.approx(0.0062)


def emptied(tmp_path: Path, *indices: int) -> Path:
    values = json.loads((DATA / "guidellm_sweep.json").read_text())
    for index in indices:
        metrics = values["benchmarks"][index]["metrics"]
        metrics["request_totals"] = {"successful": 0, "incomplete": 4, "errored": 9, "total": 13}
    (tmp_path / "run.json").write_text(json.dumps(values))
    return tmp_path / "run.json"


def test_a_rate_without_requests_is_left_out_and_said(tmp_path: Path) -> None:
    runs = read_results(emptied(tmp_path, 1))
    assert [run.label for run in runs] == ["synchronous", "constant 5 req/s"]
    assert "left out, as no request completed: throughput" in runs[0].notes


def test_a_run_without_any_request_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="completed no request"):
        read_results(emptied(tmp_path, 0, 1, 2))


def test_other_lists_of_benchmarks_are_not_guidellms(tmp_path: Path) -> None:
    (tmp_path / "pytest.json").write_text('{"machine_info": {}, "benchmarks": [{"name": "x"}]}')
    with pytest.raises(InputError, match="is no benchmark result"):
        read_results(tmp_path / "pytest.json")
    (tmp_path / "bare.json").write_text('{"benchmarks": [{"name": "x"}]}')
    with pytest.raises(InputError, match="is no benchmark result"):
        read_results(tmp_path / "bare.json")


def test_the_printed_tables_are_joined_by_the_name_of_the_run() -> None:
    alone, eight = results("guidellm_table.txt")
    assert (alone.setup.max_concurrency, eight.setup.max_concurrency) == (1, 8)
    assert (eight.ttft_s, eight.tpot_s, eight.latency_s) == (0.13, 0.023, 3.05)
    assert (eight.output_tokens_per_s, eight.requests_per_s) == (332.8, 2.6)
    assert (eight.setup.input_len, eight.setup.output_len, eight.setup.requests) == (257, 128, 80)
    assert eight.setup.model == "unsloth/Meta-Llama-3.1-8B-Instruct"
    assert eight.warnings == ("2 requests failed",)


def test_tables_whose_heads_have_three_lines_are_joined_by_their_rows() -> None:
    alone, paced = results("guidellm_2026_table.txt")
    assert (alone.setup.max_concurrency, alone.setup.requests) == (1, 20)
    assert (paced.setup.request_rate, paced.setup.mean_concurrency) == (2.0, 4.6)
    assert (paced.ttft_s, paced.tpot_s, paced.output_tokens_per_s) == (0.0412, 0.0089, 510.0)
    assert paced.setup.input_len == 1024
    assert ("p95_ttft_s", 0.0603) in paced.percentiles
    assert paced.setup.model == "Qwen/Qwen3-8B"


def test_the_csv_of_three_lines_of_heads_holds_means() -> None:
    (run,) = results("guidellm_2026.csv")
    assert (run.ttft_s, run.tpot_s, run.latency_s) == (0.0615, 0.01176, 3.06)
    assert (run.setup.max_concurrency, run.setup.requests, run.setup.output_len) == (16, 312, 256)
    assert run.setup.model == "Qwen/Qwen3-8B"


def test_its_yaml_is_its_json() -> None:
    assert results("guidellm.yaml") == results("guidellm_concurrent.json")


def test_yaml_that_is_cut_is_told_so() -> None:
    text = (DATA / "guidellm.yaml").read_text()
    with pytest.raises(InputError, match="is not YAML"):
        results_of(parse(text[: text.index("percentiles") + 8] + "\n x: [", "a file"))


def test_the_boxes_of_2024_are_taken_off_and_each_rate_is_a_run() -> None:
    """vllm-project/guidellm#73: a report within two frames."""
    alone, served = results_of(parse(
        "│ ╭─ Benchmark Report 1 ───╮ │\n"
        "│ │ Backend(type=openai_server, target=http://x/v1, model=a/b)   │ │\n"
        "│ │ Data(type=emulated, source=prompt_tokens=512,generated_tokens=128)  │ │\n"
        "│ │ Performance Summary by Benchmark       │ │\n"
        "│ │ ┃ Benchmark ┃ Requests per Second ┃ Request Latency ┃ Time to First Token"
        " ┃ Inter Token Latency ┃ Output Token Throughput ┃ │ │\n"
        "│ │ │ synchronous │ 0.61 req/sec │ 1.64 sec │ 38.21 ms │ 12.62 ms"
        " │ 77.95 tokens/sec │ │ │\n"
        "│ │ │ asynchronous@8.00 req/sec │ 7.52 req/sec │ 2.64 sec │ 68.21 ms"
        " │ 20.22 ms │ 962.56 tokens/sec │ │ │\n", "x",
    ))  # fmt: skip
    assert (alone.setup.batch_size, alone.ttft_s, alone.latency_s) == (1, 0.03821, 1.64)
    assert (served.setup.request_rate, served.output_tokens_per_s) == (8.0, 962.56)
    assert (served.setup.model, served.setup.input_len, served.setup.output_len) == (
        "a/b",
        512,
        128,
    )
