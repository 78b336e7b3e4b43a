"""Names of files, caches, repositories, tags and kinds: the bundled model that is meant."""

from __future__ import annotations

import pytest

from vperf.sources.model_named import find_model


@pytest.mark.parametrize(
    ("said", "model"),
    [
        ("Qwen/Qwen3.6-35B-A3B-FP8", "Qwen/Qwen3.6-35B-A3B"),
        ("/root/.cache/huggingface/hub/models--Qwen--Qwen3-32B/snapshots/0a1b", "Qwen/Qwen3-32B"),
        ("Qwen--Qwen3-8B", "Qwen/Qwen3-8B"),
        ("unsloth/gpt-oss-120b-GGUF/gpt-oss-120b-mxfp4-00001-of-00003.gguf", "openai/gpt-oss-120b"),
        ("Qwen3-Coder-30B-A3B-Instruct-UD-Q4_K_XL.gguf", "Qwen/Qwen3-Coder-30B-A3B-Instruct"),
        ("Qwen3-32B-i1-Q4_K_M.gguf", "Qwen/Qwen3-32B"),
        ("mlx-community/Qwen3-30B-A3B-4bit", "Qwen/Qwen3-30B-A3B"),
        ("llama3.1:8b-instruct-q4_K_M", "meta-llama/Llama-3.1-8B-Instruct"),
        ("qwen2.5:7b", "Qwen/Qwen2.5-7B"),
        ("gemma3:27b-it-qat", "google/gemma-3-27b-it"),
        ("deepseek-r1:32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"),
        ("phi4:14b", "microsoft/phi-4"),
        ("kimi-k2:1t", "moonshotai/Kimi-K2-Instruct"),
        ("mixtral:8x7b", "mistralai/Mixtral-8x7B-v0.1"),
        ("mistral-small3.2", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
        ("llama3.2", "meta-llama/Llama-3.2-3B-Instruct"),
        ("nemotron-3-nano-30b-nvfp4", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
    ],
)
def test_each_spelling_finds_its_model(said: str, model: str) -> None:
    assert find_model(said) == model


@pytest.mark.parametrize(
    ("said", "params", "model"),
    [
        ("llama 8B Q4_K - Medium", 8.03e9, "meta-llama/Llama-3.1-8B-Instruct"),
        ("qwen2 14B Q4_K - Medium", 14.77e9, "Qwen/Qwen2.5-14B-Instruct"),
        ("qwen3moe 30B.A3B Q6_K", 30.53e9, "Qwen/Qwen3-30B-A3B-Instruct-2507"),
        ("gpt-oss 20B F16", 20.91e9, "openai/gpt-oss-20b"),
        # Its vision tower is in another file.
        ("gemma3 12B IQ4_XS - 4.25 bpw", 11.77e9, "google/gemma-3-12b-it"),
    ],
)
def test_a_kind_is_told_from_its_siblings_by_its_parameters(
    said: str, params: float, model: str
) -> None:
    assert find_model(said, params) == model


@pytest.mark.parametrize("said", ["my-model", "llama-70b", "model", "", "8b"])
def test_what_could_be_several_models_is_none_of_them(said: str) -> None:
    assert find_model(said) is None
