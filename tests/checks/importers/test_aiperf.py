"""genai-perf and aiperf: the same metrics under four layouts of the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.checks.importers.files import DATA, result
from vperf.checks.importers import read_results
from vperf.errors import InputError


@pytest.mark.parametrize(
    ("name", "tool", "model", "users", "rate"),
    [
        ("genai_perf_2024.json", "genai-perf", "llama-3.1-8b-instruct", 10, None),
        ("genai_perf_2025.json", "genai-perf", "Qwen/Qwen3-8B", 10, None),
        ("aiperf_2025.json", "aiperf", "Qwen/Qwen3-8B", 10, None),
        ("aiperf_2026.json", "aiperf", "Qwen/Qwen3-8B", None, 8),
    ],
)
def test_model_and_load_are_found_in_every_layout(
    name: str, tool: str, model: str, users: int | None, rate: float | None
) -> None:
    run = result(name)
    assert (run.tool, run.setup.model) == (tool, model)
    assert (run.setup.max_concurrency, run.setup.request_rate) == (users, rate)
    assert (run.setup.input_len, run.setup.output_len) == (1000, 128)
    assert [run.ttft_s, run.tpot_s] == pytest.approx([0.0842, 0.00967])
    assert run.latency_s == pytest.approx(1.312)
    assert (run.output_tokens_per_s, run.requests_per_s) == (975.4, 7.62)
    assert len(run.percentiles) == 12


def test_telemetry_names_the_gpu_and_errors_are_said() -> None:
    run = result("aiperf_2026.json")
    assert (run.setup.gpu, run.setup.gpus) == ("NVIDIA H100 80GB HBM3", 1)
    assert run.notes == ("3 requests failed; figures are of the others",)


def changed(tmp_path: Path, **fields: object) -> Path:
    values = json.loads((DATA / "aiperf_2026.json").read_text()) | fields
    (tmp_path / "run.json").write_text(json.dumps(values))
    return tmp_path / "run.json"


def test_times_are_read_in_their_own_unit(tmp_path: Path) -> None:
    path = changed(tmp_path, time_to_first_token={"unit": "ns", "avg": 84.2e6})
    assert read_results(path)[0].ttft_s == pytest.approx(0.0842)
    with pytest.raises(InputError, match=r"time_to_first_token.unit: 'fortnights'"):
        read_results(changed(tmp_path, time_to_first_token={"unit": "fortnights", "avg": 1}))


def test_a_cancelled_run_is_said(tmp_path: Path) -> None:
    (run,) = read_results(changed(tmp_path, was_cancelled=True))
    assert run.notes[0].startswith("the run was cancelled")


def test_several_gpus_of_telemetry_leave_the_count_open(tmp_path: Path) -> None:
    cards = {f"gpu_{i}": {"gpu_name": "NVIDIA H100 80GB HBM3"} for i in range(8)}
    telemetry = {"endpoints": {"node": {"gpus": cards}}}
    (run,) = read_results(changed(tmp_path, telemetry_data=telemetry))
    assert (run.setup.gpu, run.setup.gpus) == ("NVIDIA H100 80GB HBM3", None)
    assert "telemetry saw 8 GPUs; how many the server used it does not say" in run.notes


def test_a_printed_table_joins_the_lines_of_a_name_and_has_the_commands_load() -> None:
    run = result("aiperf_table.txt")
    assert run.tool == "aiperf"
    assert (run.ttft_s, run.tpot_s, run.latency_s) == pytest.approx((0.02, 0.00384, 1.0005))
    assert (run.output_tokens_per_s, run.requests_per_s) == (2040.0, 7.97)
    assert (run.setup.model, run.setup.max_concurrency) == ("Qwen/Qwen3-0.6B", 8)
    assert (run.setup.input_len, run.setup.output_len) == (128, 256)


def test_the_csv_of_genai_perf_is_read() -> None:
    run = result("genai_perf.csv")
    assert run.tool == "genai-perf"
    assert (run.ttft_s, run.tpot_s) == pytest.approx((0.09, 0.0202))
    assert (run.output_tokens_per_s, run.setup.requests) == (47.8, 20)
