"""An engine is the one named, or what is usual on the card; it knows its own formats."""

from __future__ import annotations

import pytest

import vperf
from vperf import Scenario
from vperf.errors import InputError
from vperf.resolve import deploy


def test_a_card_has_an_engine_of_its_own_where_nobody_names_one() -> None:
    apple = vperf.estimate("llama-3.1-8b-instruct", "m4-max")
    assert apple.workload.engine == "mlx"
    assert [note for note in apple.assumptions if note.kind == "engine_default"]
    assert vperf.estimate("llama-3.1-8b-instruct", "h100").workload.engine == "vllm"
    named = vperf.estimate("llama-3.1-8b-instruct", "m4-max", engine="llama.cpp")
    assert named.workload.engine == "llama.cpp"


@pytest.mark.parametrize(
    ("engine", "typed", "taken"),
    [("vllm", "4bit", "int4"), ("vllm", "8-bit", "fp8"), ("mlx", "4BIT", "mlx_q4"),
     ("llama.cpp", "4_bit", "q4_k_m"), ("llama.cpp", "6bit", "q6_k")],
)  # fmt: skip
def test_bits_alone_are_the_engines_own_format_and_that_is_said(
    engine: str, typed: str, taken: str
) -> None:
    at = deploy(Scenario("qwen3-8b", "h100", engine=engine, quantization=typed))
    assert at.model.quantization == taken
    assert [str(note).partition(", ")[0] for note in at.taken] == [f"{typed} taken as {taken}"]


def test_bits_that_an_engine_has_no_format_of_are_refused() -> None:
    with pytest.raises(InputError, match="no usual weights of 3 bits"):
        deploy(Scenario("qwen3-8b", "h100", quantization="3bit"))


def test_a_format_of_gguf_files_is_run_by_llama_cpp_where_nobody_names_an_engine() -> None:
    for gpu in ("rtx-3090", "apple-m4-max"):
        for quantization in ("q4_k_m", "Q8_0"):
            answer = vperf.estimate("qwen3-8b", gpu, quantization=quantization)
            assert answer.workload.engine == "llama.cpp"
    assert vperf.estimate("qwen3-8b", "rtx-3090", quantization="awq").workload.engine == "vllm"
    named = vperf.estimate("qwen3-8b", "rtx-3090", quantization="q4_k_m", engine="vllm")
    assert named.workload.engine == "vllm"
