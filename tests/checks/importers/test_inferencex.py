"""InferenceX's aggregates, and the records of its API."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_rates_per_gpu_become_rates_and_lengths_the_mean_of_their_range() -> None:
    run = result("inferencex_agg.json")
    assert run.output_tokens_per_s == 8 * 250.0
    assert (run.ttft_s, run.tpot_s, run.latency_s) == (0.5, 0.03, 28.1)
    assert (run.setup.input_len, run.setup.output_len) == (921.6, 921.6)
    assert (run.setup.gpu, run.setup.tp, run.setup.max_concurrency) == ("h200", 8, 64)
    assert (run.setup.engine, run.setup.quantization) == ("sglang", "fp8")


def test_a_record_of_the_api_is_read_like_an_aggregate() -> None:
    run = result("inferencex_api.json")
    assert (run.output_tokens_per_s, run.tpot_s) == (1000.0, 0.0039)
    assert (run.setup.model, run.setup.gpu) == ("openai/gpt-oss-120b", "B200")
