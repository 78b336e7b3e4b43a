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
