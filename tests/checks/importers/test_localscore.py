"""LocalScore: a result for each of its tests."""

from __future__ import annotations

from tests.checks.importers.files import results


def test_prompt_and_generation_are_apart_and_the_name_says_the_format() -> None:
    first, second = results("localscore.json")
    assert (first.prefill_tokens_per_s, first.decode_tokens_per_s) == (5000.0, 90.0)
    assert first.ttft_s == 0.22
    assert (second.setup.input_len, second.setup.output_len) == (64, 1024)
    assert second.setup.quantization == "q4_k_m"
    assert second.setup.gpu == "NVIDIA GeForce RTX 4070 Ti SUPER"


def test_its_own_json_has_the_size_that_was_loaded_and_no_summary() -> None:
    (run,) = results("localscore_own.json")
    assert run.setup.quantization == "q4_k_m"
    assert (run.setup.weight_bytes, run.setup.params) == (4912898304, 8030261312)
    assert (run.prefill_tokens_per_s, run.decode_tokens_per_s) == (4120.0, 112.4)


def test_the_head_of_the_printed_table_names_card_and_model() -> None:
    short, long = results("localscore_table.txt")
    assert short.setup.gpu == "NVIDIA GeForce RTX 3090"
    assert (short.setup.model, short.setup.quantization) == (
        "Meta Llama 3.1 8B Instruct", "q4_k_m",
    )  # fmt: skip
    assert (long.setup.input_len, long.setup.output_len) == (4096, 256)
    assert (long.ttft_s, long.decode_tokens_per_s) == (1.05, 104.2)
