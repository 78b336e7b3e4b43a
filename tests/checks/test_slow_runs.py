"""Slow runs of public threads whose cause was found: is it among the first two that are named?

Figures, setups and causes are those of the threads, not predictions fed back. Each cause is a set
of suspects that say it. A run whose cause no suspect says counts as a miss.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import vperf
from vperf import Result, Setup


class Slow(NamedTuple):
    """One run: where it is told, what ran, what was measured, and which suspects say its cause."""

    source: str
    model: str
    gpu: str
    options: dict[str, Any]
    figures: dict[str, Any]
    causes: frozenset[str]


def _slow(source: str, model: str, gpu: str, causes: str, **given: Any) -> Slow:
    figures = {k: given.pop(k) for k in list(given) if k.endswith("_s")}
    return Slow(source, model, gpu, given, figures, frozenset(causes.split()))


RUNS = (
    # a fused MoE kernel that was not tuned for the card
    _slow("sgl-project/sglang#8047", "moonshotai/Kimi-K2-Instruct", "h20", "kernels", tp=16,
          engine="sglang", max_concurrency=32, num_prompts=128, input_len=1719, output_len=726,
          tpot_s=0.0652, ttft_s=0.851, output_tokens_per_s=418.0),
    # an engine of a month that had no kernels for latent attention and block fp8
    _slow("sgl-project/sglang#3196", "deepseek-ai/DeepSeek-V3", "h200", "kernels", tp=8,
          engine="sglang", decode_tokens_per_s=13.0, ttft_s=2.0),
    # the AWQ kernel for experts falls back on this chip
    _slow("kyuz0/amd-strix-halo-vllm-toolboxes#42", "Qwen/Qwen3.6-35B-A3B", "strix-halo", "kernels",
          quantization="awq", decode_tokens_per_s=22.0),
    # a kernel missing on an older system: work falls back to the CPU
    _slow("ml-explore/mlx-lm#492", "Qwen/Qwen3-Next-80B-A3B-Instruct", "apple-m2-ultra", "kernels",
          quantization="mlx_q8", engine="mlx", decode_tokens_per_s=0.4),
    # GGUF is unpacked: 16-bit weights are read
    _slow("vllm-project/vllm#8669", "meta-llama/Llama-3.1-70B-Instruct", "a100-sxm-80gb",
          "sixteen-bit", quantization="q4_k_m", decode_tokens_per_s=8.7),
    # all-reduces of 500 us each
    _slow("meta-pytorch/gpt-fast#111", "meta-llama/Llama-2-7b-hf", "v100-sxm-16gb",
          "all-reduce pcie", quantization="fp16", engine="torch-compile", tp=2,
          decode_tokens_per_s=17.0),
    # experts in the host's memory
    _slow("ollama/ollama#11772", "Qwen/Qwen3.6-35B-A3B", "rtx-5080", "experts-on-host offload",
          quantization="q4_k_m", engine="llama.cpp", decode_tokens_per_s=36.5),
    # other processes on the card
    _slow("jundot/omlx#2016", "Qwen/Qwen3.6-27B", "apple-m5-max", "clocks kernels",
          quantization="mxfp8", engine="mlx", decode_tokens_per_s=1.7),
    # decode attention that is slow at long contexts
    _slow("ml-explore/mlx-lm#763", "MiniMaxAI/MiniMax-M2.1", "apple-m3-ultra-80core",
          "flash-attention kernels", quantization="mlx_q4", engine="mlx", input_len=30000,
          output_len=256, decode_tokens_per_s=25.0, ttft_s=82.5),
    # a first burst that waits for kernels to compile
    _slow("ai-bot-pro/achatbot#183", "openai/gpt-oss-20b", "h100-sxm-80gb", "cold-start",
          engine="sglang", max_concurrency=32, num_prompts=160, input_len=512, output_len=1024,
          tpot_s=0.00787, ttft_s=3.722, output_tokens_per_s=2764.8),
)  # fmt: skip


def named(run: Slow) -> list[str]:
    """The suspects that are named, in their order."""
    result = Result("command line", "", Setup(), **run.figures)
    check = vperf.check(result, run.gpu, run.model, **run.options)
    return [each.id for each in check.suspects if each.kind == "suspect"]


def test_the_cause_is_among_the_first_two_in_most_public_slow_runs() -> None:
    first = {run.source: named(run)[:2] for run in RUNS}
    hits = [run.source for run in RUNS if run.causes & set(first[run.source])]
    assert len(hits) >= 0.6 * len(RUNS), first
