"""ollama run --verbose, and the answers of its API."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_printed_durations_and_rates_are_read_with_the_model_of_the_command() -> None:
    run = result("ollama_verbose.log")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (16.0, 237.5)
    assert (run.setup.input_len, run.setup.output_len, run.setup.batch_size) == (38, 1024, 1)
    assert run.setup.model == "qwen2.5:14b-instruct-q5_K_M"
    assert (run.setup.quantization, run.setup.engine) == ("q5_k_m", "llama.cpp")


def test_rates_of_the_api_follow_from_its_nanoseconds() -> None:
    run = result("ollama_api.json")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (50.0, 400.0)
    assert "the model was loaded for this request" in run.notes
