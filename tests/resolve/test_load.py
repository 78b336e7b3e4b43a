"""Lengths that nobody gives are those that the model takes."""

from __future__ import annotations

import vperf


def test_a_text_of_no_given_length_is_as_long_as_the_model_takes() -> None:
    bge = "BAAI/bge-large-en-v1.5"
    taken, typed = vperf.estimate(bge, "l4"), vperf.estimate(bge, "l4", input_len=512)
    assert taken.workload.prompt_tokens == 512
    assert taken.limit.ttft_s == typed.limit.ttft_s
    assert any("texts of 512 tokens" in line for line in taken.to_dict()["assumptions"])
    assert vperf.estimate(bge, "l4", input_len=700).workload.prompt_tokens == 700
    assert vperf.estimate("BAAI/bge-m3", "l4").workload.prompt_tokens == 1024
