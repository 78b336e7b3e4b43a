"""LM Studio's answers."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_an_answer_has_its_speed_and_the_format_of_the_weights() -> None:
    run = result("lmstudio.json")
    assert (run.decode_tokens_per_s, run.ttft_s) == (86.3, 0.111)
    assert (run.setup.quantization, run.setup.engine) == ("q4_k_m", "llama.cpp")
    assert (run.setup.input_len, run.setup.output_len) == (24, 332)
    assert run.setup.model == "qwen3-30b-a3b-2507"


def test_the_line_below_an_answer_and_the_statistics_of_lms_are_read() -> None:
    for name in ("lmstudio.txt", "lmstudio_stats.txt"):
        run = result(name)
        assert (run.decode_tokens_per_s, run.setup.output_len) == (61.2, 512)
    whole = result("lmstudio_stats.txt")
    assert (whole.ttft_s, whole.setup.input_len) == (0.32, 24)
    assert result("lmstudio.txt").ttft_s is None, "of a prompt of unknown length"
