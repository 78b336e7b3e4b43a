"""vllm bench serve: JSON of several versions and the printed summary say the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.checks.importers.files import DATA, result, results
from vperf.checks.importers import read_results
from vperf.errors import InputError


def test_a_closed_loop_has_its_users_and_mean_lengths() -> None:
    run = result("vllm_serve.json")
    assert run.tool == "vllm bench serve"
    assert (run.setup.model, run.setup.engine) == ("Qwen/Qwen3-8B", "vllm")
    assert (run.setup.input_len, run.setup.output_len) == (1024, 128)
    assert (run.setup.max_concurrency, run.setup.request_rate) == (16, None)
    assert (run.setup.requests, run.setup.batch_size) == (200, None)
    assert run.ttft_s == pytest.approx(0.0624)
    assert run.tpot_s == pytest.approx(0.00831)
    assert run.latency_s == pytest.approx(0.0624 + 127 * 0.00831)
    assert run.output_tokens_per_s == pytest.approx(128 * (run.requests_per_s or 0))
    assert dict(run.percentiles)["p99_tpot_s"] == pytest.approx(0.00831 * 1.05)
    assert dict(run.percentiles)["p50_latency_s"] == pytest.approx((run.latency_s or 0) * 0.98)
    assert run.notes == ()


def test_a_detailed_open_loop_has_rate_metadata_failures_and_speculation() -> None:
    run = result("vllm_serve_detailed.json")
    assert (run.setup.tp, run.setup.gpu) == (4, "NVIDIA H100 80GB HBM3")
    assert (run.setup.request_rate, run.setup.max_concurrency) == (4.0, None)
    assert run.setup.engine_version == "0.13.0"
    assert run.setup.acceptance_length == 2.84
    assert run.tpot_s == pytest.approx(0.0142), "TPOT, not the gap between chunks of 40.1 ms"
    assert dict(run.percentiles)["p99.9_ttft_s"] == pytest.approx(0.118 * 1.9)
    assert run.notes == (
        "3 of 60 requests failed; figures are of the others",
        "the result names the backend 'openai-chat' and no server: taken for vLLM",
    )


def test_a_file_of_2024_without_limits_is_a_batch_of_all_requests() -> None:
    run = result("vllm_benchmark_serving_2024.json")
    assert (run.setup.batch_size, run.setup.max_concurrency) == (1000, None)
    assert run.setup.input_len == pytest.approx(215.196)
    assert run.latency_s is None
    assert run.notes == ("no rate and no concurrency limit: 1000 requests at once",)


def test_appended_results_are_told_apart_by_their_lines() -> None:
    first, second = results("vllm_serve_appended.json")
    assert (first.label, second.label) == ("16 users", "32 users")
    assert (first.setup.max_concurrency, second.setup.max_concurrency) == (16, 32)


def test_the_printed_summary_reads_as_the_json_does() -> None:
    text, json_file = result("vllm_serve.txt"), result("vllm_serve.json")
    assert text.tpot_s == pytest.approx(json_file.tpot_s)
    assert text.ttft_s == pytest.approx(json_file.ttft_s)
    assert text.setup.max_concurrency == 16
    assert text.setup.input_len == 1024
    assert text.setup.model is None


def test_an_old_summary_says_that_the_load_is_unknown() -> None:
    run = result("vllm_serve_old.txt")
    assert (run.setup.batch_size, run.setup.max_concurrency) == (None, None)
    assert "the text says neither concurrency nor request rate" in run.notes


def test_a_new_summary_without_limits_sent_everything_at_once(tmp_path: Path) -> None:
    text = (DATA / "vllm_serve.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("Maximum request conc")]
    (tmp_path / "run.log").write_text("\n".join(lines))
    assert read_results(tmp_path / "run.log")[0].setup.batch_size == 200


def test_two_pasted_summaries_are_two_results(tmp_path: Path) -> None:
    text = (DATA / "vllm_serve.txt").read_text()
    (tmp_path / "two.txt").write_text(text + "\n" + text.replace("\n", "\r\n"))
    assert [run.label for run in read_results(tmp_path / "two.txt")] == ["result 1", "result 2"]


def test_a_summary_without_its_closing_rule_is_read_but_for_the_line_where_it_ends(
    tmp_path: Path,
) -> None:
    text = (DATA / "vllm_serve.txt").read_text()
    (tmp_path / "cut.txt").write_text(text[: text.index("Mean TPOT") + 42])
    (run,) = read_results(tmp_path / "cut.txt")
    assert run.ttft_s == result("vllm_serve.txt").ttft_s
    assert run.tpot_s is None
    assert "the summary is cut" in run.warnings[0]


def test_a_summary_cut_before_its_figures_is_told_to_be_cut(tmp_path: Path) -> None:
    text = (DATA / "vllm_serve.txt").read_text()
    (tmp_path / "cut.txt").write_text(text[: text.index("Request throughput") + 42])
    with pytest.raises(InputError, match="summary is cut"):
        read_results(tmp_path / "cut.txt")


def changed(tmp_path: Path, **fields: object) -> Path:
    values = json.loads((DATA / "vllm_serve.json").read_text()) | fields
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({key: value for key, value in values.items() if value != "gone"}))
    return path


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"completed": 0}, "completed: is 0: every request failed"),
        ({"completed": None}, "completed: is missing or null"),
        ({"mean_ttft_ms": -3.0}, "mean_ttft_ms: -3.0 is not a measurement"),
        ({"mean_ttft_ms": "62 ms"}, "mean_ttft_ms: '62 ms' is not a number"),
        ({"completed": 199.5}, "completed: 199.5 is not a whole number"),
        ({"model_id": ["Qwen"]}, "model_id: a list is not a text"),
        ({"request_rate": "fast"}, "request_rate: 'fast' is not a number"),
        ({"total_input_sequences": 200}, "pooling benchmark"),
    ],
)
def test_a_field_that_is_no_measurement_is_named(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_results(changed(tmp_path, **fields))
    assert error.value.message.startswith(str(tmp_path / "changed.json"))


def test_a_benchmark_of_one_token_has_no_tpot(tmp_path: Path) -> None:
    (run,) = read_results(changed(tmp_path, total_output_tokens=200, mean_tpot_ms=0.0))
    assert run.tpot_s is None
    assert run.notes == ("one output token a request: prefill was measured, no TPOT",)


def test_mean_itl_stands_for_a_missing_tpot_and_is_said(tmp_path: Path) -> None:
    fields = {"mean_tpot_ms": "gone", "median_tpot_ms": "gone"}
    (run,) = read_results(changed(tmp_path, **fields))
    assert run.tpot_s == pytest.approx(0.00831 * 1.002)
    assert "mean ITL stands for it" in run.notes[0]


@pytest.mark.parametrize("rate", ["inf", float("inf")])
def test_an_infinite_rate_is_none(tmp_path: Path, rate: object) -> None:
    assert read_results(changed(tmp_path, request_rate=rate))[0].setup.request_rate is None


def test_a_summary_pasted_without_its_rules_has_the_servers_command_above() -> None:
    run = result("vllm_serve_bare.txt")
    assert (run.ttft_s, run.tpot_s, run.output_tokens_per_s) == (0.3, 0.025, 256.0)
    assert (run.setup.model, run.setup.tp) == ("RedHatAI/Qwen3-32B-NVFP4", 2)
    assert (run.setup.max_batch, run.setup.max_batched_tokens) == (48, 8192)
    assert run.setup.kv_cache_dtype == "fp8"


@pytest.mark.parametrize("name", ["vllm_sweep_summary.json", "vllm_sweep_summary.csv"])
def test_the_parameters_of_a_sweep_are_the_setup(name: str) -> None:
    few, many = results(name)
    assert (few.label, many.label) == ("4 users", "16 users")
    assert (few.setup.tp, few.setup.max_batch, few.setup.requests) == (2, 64, 200)


@pytest.mark.parametrize("name", ["max_serve.txt", "max_serve_2026.txt"])
def test_modulars_summaries_have_other_labels_and_a_table(name: str) -> None:
    run = result(name)
    old = name == "max_serve.txt"
    assert (run.ttft_s, run.tpot_s) == ((1.0, 0.02) if old else (0.15, pytest.approx(0.024)))
    assert run.setup.max_concurrency == (500 if old else 32)
    assert run.output_tokens_per_s == (2000.0 if old else 1280.0)
    assert old or dict(run.percentiles)["p99_ttft_s"] == pytest.approx(0.24)
