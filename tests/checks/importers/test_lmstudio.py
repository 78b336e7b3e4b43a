"""LM Studio's answers."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_an_answer_has_its_speed_and_the_format_of_the_weights() -> None:
    run = result("lmstudio.json")
    assert (run.decode_tokens_per_s, run.ttft_s) == (86.3, 0.111)
    assert (run.setup.quantization, run.setup.engine) == ("q4_k_m", "llama.cpp")
    assert (run.setup.input_len, run.setup.output_len) == (24, 332)
    assert run.setup.model == "qwen3-30b-a3b-2507"
