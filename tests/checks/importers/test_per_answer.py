"""Servers that log a line for each answer."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result
from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse


def test_koboldcpps_line_has_both_phases_and_the_context() -> None:
    run = result("kobold.log")
    assert (run.tool, run.setup.engine) == ("KoboldCpp", "llama.cpp")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (25.0, 1000.0)
    assert (run.setup.input_len, run.setup.output_len) == (2000, 200)


@pytest.mark.parametrize(
    "line",
    [
        "CtxLimit:2200/8192, Amt:200/200, Init:0.01s, Process:2.00s (1000.00T/s), "
        "Generate:8.00s (25.00T/s), Total:10.00s",
        "ContextLimit: 2200/8192, Processing:2.00s (1.0ms/T), Generation:8.00s (40.0ms/T), "
        "Total:10.00s (50.0ms/T = 20.00T/s)",
        "CtxLimit: 2200/8192, Process:2.00s (1.0ms/T = 1000.00T/s), "
        "Generate:8.00s (40.0ms/T = 25.00T/s), Total:10.00s (20.00T/s)",
    ],
)  # fmt: skip
def test_its_line_of_other_years_is_the_same(line: str) -> None:
    (run,) = results_of(parse(line, "a file"))
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (25.0, 1000.0)


def test_koboldcpps_benchmark_is_read_as_printed_and_as_csv() -> None:
    run = result("kobold_benchmark.txt")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (100.0, 4046.0)
    assert (run.setup.model, run.setup.input_len) == ("Qwen3-8B-Q4_K_M", 8092)
    sheet = (
        "Timestamp,Backend,Layers,Model,MaxCtx,GenAmount,ProcessingTime,ProcessingSpeed,"
        "GenerationTime,GenerationSpeed,TotalTime,Output,Flags\n"
        "2026-10-01,cublas,99,Qwen3-8B-Q4_K_M,8192,100,2.0,4046.0,1.0,100.0,3.0,1 1,x\n"
    )
    (row,) = results_of(parse(sheet, "a file"))
    assert (row.measured, row.setup) == (run.measured, run.setup)


def test_tabbyapis_metrics_leave_out_a_cached_prompts_rate() -> None:
    run = result("tabby.log")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (38.2, 2100.5)
    assert (run.setup.input_len, run.setup.output_len, run.latency_s) == (1200, 512, 14.2)
    line = (
        "Metrics (ID: a): 50 tokens generated in 2.0 seconds (Queue: 0.0 s, Process: 900 cached "
        "tokens and 100 new tokens at 50.0 T/s, Generate: 30.0 T/s, Context: 1000 tokens)"
    )
    (cached,) = results_of(parse(line, "a file"))
    assert (cached.prefill_tokens_per_s, cached.setup.past_len) == (None, 900)


def test_the_rate_of_the_webui_is_over_the_whole_answer() -> None:
    run = result("webui.log")
    assert (run.output_tokens_per_s, run.latency_s, run.decode_tokens_per_s) == (15.61, 12.81, None)
    assert (run.setup.input_len, run.setup.output_len) == (1200, 200)
