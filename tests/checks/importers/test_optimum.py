"""optimum-benchmark's file of one benchmark."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_decode_is_the_time_of_all_tokens_after_the_first() -> None:
    run = result("optimum_benchmark.json")
    assert run.tpot_s == 1.6 / 64
    assert (run.ttft_s, run.decode_tokens_per_s, run.prefill_tokens_per_s) == (0.05, 80.0, 10240.0)
    assert (run.setup.batch_size, run.setup.input_len, run.setup.output_len) == (2, 256, 65)
    assert (run.setup.engine, run.setup.gpu) == ("transformers", "NVIDIA A100-SXM4-80GB")


def test_the_lines_of_a_report_are_those_of_its_json() -> None:
    run = result("optimum.log")
    assert (run.ttft_s, run.decode_tokens_per_s, run.prefill_tokens_per_s) == (0.04, 82.5, 12800.0)
