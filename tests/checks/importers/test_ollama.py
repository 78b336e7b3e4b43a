"""ollama run --verbose, and the answers of its API."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import DATA, result
from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse
from vperf.errors import InputError


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


def test_rates_alone_are_enough_and_commas_may_stand_before_decimals() -> None:
    text = (
        "ollama run qwen3:8b --verbose\n"
        "prompt eval rate: 44,10 tokens/s\neval rate: 8,92 tokens/s\n"
    )
    (run,) = results_of(parse(text, "a file"))
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (8.92, 44.1)
    assert (run.setup.model, run.setup.engine) == ("qwen3:8b", "llama.cpp")


def test_two_answers_are_two_runs() -> None:
    text = (DATA / "ollama_verbose.log").read_text()
    assert [run.label for run in results_of(parse(text + text, "a file"))] == ["run 1", "run 2"]


def test_rates_with_all_digits_are_of_ktransformers() -> None:
    run = result("ktransformers.log")
    assert (run.tool, run.setup.engine) == ("KTransformers", "ktransformers")
    assert run.decode_tokens_per_s == pytest.approx(2.8632, abs=1e-4)
    assert run.setup.model == "DeepSeek-R1-GGUF/DeepSeek-R1-UD-IQ1_S"
    assert run.setup.quantization == "iq1_s"


def test_a_rate_that_is_no_number_is_not_measured() -> None:
    text = (
        "ollama run qwen3:8b --verbose\nprompt eval rate: 44.10 tokens/s\n"
        "eval count: 300 token(s)\neval duration: 20s\neval rate: nan tokens/s\n"
    )
    (run,) = results_of(parse(text, "a file"))
    assert run.decode_tokens_per_s == pytest.approx(15.0)


def test_a_rate_beyond_all_measurements_is_an_error() -> None:
    rate = f"{'4' * 308}.25"  # as Python prints them, and a hundred times it is infinite
    text = (
        "ollama run qwen3:8b --verbose\nprompt eval rate: 44.10 tokens/s\n"
        f"eval count: 300 token(s)\neval duration: 20s\neval rate: {rate} tokens/s\n"
    )
    with pytest.raises(InputError, match="is not a measurement"):
        results_of(parse(text, "a file"))
