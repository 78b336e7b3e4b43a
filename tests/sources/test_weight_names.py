"""Quantizations of engines, by vperf's names."""

from __future__ import annotations

import pytest

from vperf.sources.weight_names import quantization_named, weight_name


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("NVFP4", "nvfp4"),
        ("W4A16_AWQ", "awq"),
        ("FP8_BLOCK_SCALES", "fp8_block"),
        ("modelopt_fp4", "nvfp4"),
        ("gptq_marlin", "gptq"),
        ("w8a8_int8", "int8"),
        ("NO_QUANT", None),
        (None, None),
    ],
)
def test_names_of_engines_become_vperfs(spelled: str | None, name: str | None) -> None:
    notes: list[str] = []
    assert quantization_named(spelled, notes) == name
    assert notes == []


def test_a_name_that_vperf_has_not_is_said() -> None:
    notes: list[str] = []
    assert quantization_named("aqlm", notes) is None
    assert notes == ["the quantization aqlm is none that vperf names"]


@pytest.mark.parametrize(
    ("said", "name", "quantization", "sure"),
    [
        ("Qwen/Qwen3.6-35B-A3B-FP8", "Qwen3.6-35B-A3B", "fp8", True),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "Llama-3.3-70B-Instruct", "fp8", True),
        ("nvidia/Qwen3-8B-NVFP4", "Qwen3-8B", "nvfp4", True),
        ("x/GLM-4.5-Air-AWQ-4bit", "GLM-4.5-Air", "awq", True),
        ("Qwen3-30B-A3B-GPTQ-Int4", "Qwen3-30B-A3B", "gptq", True),
        ("Qwen2.5-7B-Instruct-GPTQ-Int8", "Qwen2.5-7B-Instruct", "int8_w8a16", True),
        ("Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "Meta-Llama-3.1-8B-Instruct", "int4", True),
        ("/models/Qwen3.6-35B-A3B-UD-Q4_K_XL.gguf", "Qwen3.6-35B-A3B", "q4_k_m", False),
        ("Qwen3-32B-i1-IQ4_XS.gguf", "Qwen3-32B", "iq4_xs", True),
        ("gemma-3-27b-it-qat-q4_0.gguf", "gemma-3-27b-it", "q4_0", True),
        ("mlx-community/Qwen3-30B-A3B-4bit", "Qwen3-30B-A3B", "mlx_q4", True),
        ("Intel/Qwen3-30B-A3B-int4-AutoRound", "Qwen3-30B-A3B", "int4", False),
        ("turboderp/Qwen3-32B-exl3-4.0bpw", "Qwen3-32B", None, False),
        ("gpt-oss-20b-F16.gguf", "gpt-oss-20b", "fp16", True),
        ("Mistral-7B-v0.1", "Mistral-7B-v0.1", None, True),
    ],
)
def test_a_names_end_says_the_format(
    said: str, name: str, quantization: str | None, sure: bool
) -> None:
    found = weight_name(said)
    assert (found.name, found.quantization, found.sure) == (name, quantization, sure)
