"""vllm bench latency and throughput: what they measured, and what the files leave out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.checks.importers.files import DATA, result
from vperf.checks.importers import read_results, results_of
from vperf.checks.importers.document import parse
from vperf.errors import InputError


@pytest.mark.parametrize("name", ["vllm_latency.json", "vllm_latency_2024.json"])
def test_latency_has_its_mean_and_spread_and_says_that_lengths_are_missing(name: str) -> None:
    run = result(name)
    assert run.tool == "vllm bench latency"
    assert run.latency_s == pytest.approx(2.413, rel=1e-3)
    assert run.spread == pytest.approx(0.00127, rel=0.01)
    assert (run.setup.input_len, run.setup.output_len, run.setup.batch_size) == (None, None, None)
    assert "they come from the command line" in run.notes[0]
    assert dict(run.percentiles)["p90_latency_s"] > (run.latency_s or 0)


def test_printed_latency_is_read() -> None:
    run = result("vllm_latency.txt")
    assert run.latency_s == 2.4131
    assert dict(run.percentiles)["p99_latency_s"] == 2.4182


def test_throughput_json_keeps_prompt_and_output_tokens_apart_from_decoding() -> None:
    run = result("vllm_throughput.json")
    assert run.requests_per_s == pytest.approx(1000 / 48.21)
    assert run.output_tokens_per_s is None, "tokens_per_second counts prompts too"
    assert run.setup.requests == run.setup.batch_size == 1000
    assert "413 a request" in run.notes[1]


def test_printed_throughput_gives_mean_lengths() -> None:
    run = result("vllm_throughput.txt")
    assert run.output_tokens_per_s == 4103.15
    assert run.setup.input_len == pytest.approx(215.2, abs=0.1)
    assert run.setup.output_len == pytest.approx(197.8, abs=0.1)
    assert run.setup.requests == 1000


def test_a_latency_among_the_runs_that_is_no_number_is_named(tmp_path: Path) -> None:
    values = json.loads((DATA / "vllm_latency.json").read_text())
    values["latencies"][3] = "slow"
    (tmp_path / "run.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"latencies 4: 'slow' is not a number"):
        read_results(tmp_path / "run.json")


def test_the_rates_of_2024_have_no_output_rate() -> None:
    run = result("vllm_throughput_2024.txt")
    assert (run.requests_per_s, run.output_tokens_per_s) == (10.21, None)
    assert "480 a request" in run.notes[-1]


def test_the_progress_of_generate_ends_with_rates_of_all_prompts() -> None:
    run = result("vllm_generate.log")
    assert run.output_tokens_per_s == 1292.8
    assert run.requests_per_s == pytest.approx(256 / 25)
    assert (run.setup.requests, run.setup.batch_size) == (256, 256)
    assert run.setup.output_len == pytest.approx(1292.8 / (256 / 25))


def test_a_bar_whose_time_has_thousands_of_digits_is_none() -> None:
    text = (DATA / "vllm_generate.log").read_text()
    bar = next(line for line in text.splitlines() if "Processed prompts: 100%" in line)
    (time,) = re.findall(r"\[(\d+:\d+)<", bar)
    with pytest.raises(InputError):
        results_of(parse(text.replace(f"[{time}<", f"[{'9' * 5000}:00<"), "x"))
