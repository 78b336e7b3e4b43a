"""Thirty sentences as people write them, with what is meant; and what is no result."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse
from vperf.checks.prose import read_sentence
from vperf.errors import InputError, VperfError

SENTENCES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    (
        "DeepSeek-R1-Q4_K_M eval rate:4.5tokens/s, GPU: NVIDIA GeForce RTX 4090, ktransformers",
        {"decode_tokens_per_s": 4.5},
        {"model": "deepseek-ai/DeepSeek-R1", "engine": "ktransformers", "gpu": "rtx-4090"},
    ),
    (
        "qwen3-coder-next on 2x MI50 32GB llama.cpp ROCm 38 t/s tg, 450 pp",
        {"decode_tokens_per_s": 38.0, "prefill_tokens_per_s": 450.0},
        {"pp": 2, "usual_quantization": "q4_k_m"},
    ),
    (
        "llama3 8b Q6 RTX 4090 llama.cpp Prompt evaluation speed : 4668 tokens per second"
        " Generation speed : 93 tokens per second",
        {"decode_tokens_per_s": 93.0, "prefill_tokens_per_s": 4668.0},
        {"gpu": "rtx-4090", "engine": "llama.cpp"},
    ),
    (
        "Llama 3.1 8B Q4_K_M NVIDIA RTX 3080. Prompt evaluation: 3806.89 \u00b1 15.44. Token"
        " generation: 111.95 \u00b1 2.45.",
        {"decode_tokens_per_s": 111.95, "prefill_tokens_per_s": 3806.89},
        {"quantization": "q4_k_m", "gpu": "rtx-3080-10gb"},
    ),
    (
        "108T/s with gpt-oss:120b on my dual 5090s with: llama-server -hf"
        " ggml-org/gpt-oss-120b-GGUF --ctx-size 0 --jinja --n-gpu-layers 99 --n-cpu-moe 3",
        {"decode_tokens_per_s": 108.0},
        {"model": "openai/gpt-oss-120b", "pp": 2, "gpu": "rtx-5090", "n_cpu_moe": 3},
    ),
    (
        "Qwen3.6 35B-A3B Ollama on RTX 5080 16GB, --cpu-moe: eval rate 36.5 toks, prompt eval rate"
        " 692 toks (2.7k token prompt)",
        {"decode_tokens_per_s": 36.5, "prefill_tokens_per_s": 692.0},
        {"cpu_moe": True, "input_len": 2700, "usual_quantization": "q4_k_m"},
    ),
    (
        "M4 Pro, Qwen 3.6 27B 4bit MLX, around 18-19 tokens/sec generation and 111 tokens/sec"
        " prefill",
        {"decode_tokens_per_s": 18.0, "prefill_tokens_per_s": 111.0},  # the lower proves less
        {"quantization": "mlx_q4"},
    ),
    (
        "only 8 tokens per second on Mixtral 8x7B Q5_K_M with a 3060 12GB",
        {"decode_tokens_per_s": 8.0},
        {"model": "mistralai/Mixtral-8x7B-v0.1", "gpu": "rtx-3060-12gb"},
    ),
    (
        "Qwen3-32B AWQ on 2x3090, vLLM, 38 tok/s at 8k",
        {"decode_tokens_per_s": 38.0},
        {"model": "Qwen/Qwen3-32B", "quantization": "awq", "gpu": "rtx-3090", "tp": 2,
         "engine": "vllm", "input_len": 8192},
    ),
    (
        "gpt-oss-20b on an RTX 4090 with llama.cpp: 160 t/s, prompt 4,800 t/s",
        {"decode_tokens_per_s": 160.0, "prefill_tokens_per_s": 4800.0},
        {"model": "openai/gpt-oss-20b", "gpu": "rtx-4090", "engine": "llama.cpp"},
    ),
    (
        "Llama-3.1-8B-Instruct FP8 on H100, vLLM 0.11.0, 32 users, 1024 in / 128 out, 3,100 tok/s"
        " total",
        {"output_tokens_per_s": 3100.0},
        {"model": "meta-llama/Llama-3.1-8B-Instruct", "quantization": "fp8", "max_concurrency": 32,
         "input_len": 1024, "output_len": 128, "gpu": "h100-sxm-80gb"},
    ),
    (
        "TTFT 62ms and 10.3 ms per token with Qwen3-4B-Instruct-2507 on a 4090, vllm",
        {"ttft_s": 0.062, "tpot_s": 0.0103},
        {"model": "Qwen/Qwen3-4B-Instruct-2507", "gpu": "rtx-4090", "engine": "vllm"},
    ),
    (
        "I get 25 tokens per second with Qwen2.5-72B-Instruct Q4_K_M in Ollama on two RTX 5090s",
        {"decode_tokens_per_s": 25.0},
        {"model": "Qwen/Qwen2.5-72B-Instruct", "quantization": "q4_k_m", "gpu": "rtx-5090",
         "engine": "llama.cpp", "pp": 2, "tp": None},
    ),
    (
        "mlx-lm, Qwen3-30B-A3B 8bit on M3 Max, 68 tok/s",
        {"decode_tokens_per_s": 68.0},
        {"model": "Qwen/Qwen3-30B-A3B", "quantization": "mlx_q8", "gpu": "apple-m3-max"},
    ),
    (
        "DeepSeek-V3 on 8x H200 with sglang tp 8: TPOT 21 ms at concurrency 16",
        {"tpot_s": 0.021},
        {"model": "deepseek-ai/DeepSeek-V3", "gpu": "h200-sxm-141gb", "tp": 8,
         "max_concurrency": 16, "engine": "sglang"},
    ),
    (
        "Is 8.7 tok/s normal? Llama-3.3-70B-Instruct Q4_K_M, M4 Pro, LM Studio",
        {"decode_tokens_per_s": 8.7},
        {"model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "apple-m4-pro",
         "engine": "llama.cpp"},
    ),
    (
        "gemma-3-27b-it on A100 80GB: first token after 1.2 s for a 16k prompt, sglang",
        {"ttft_s": 1.2},
        {"model": "google/gemma-3-27b-it", "gpu": "a100-sxm-80gb", "input_len": 16384},
    ),
    (
        "glm-4.5-air AWQ-4bit, 4 x RTX PRO 6000, tp=4, batch 8, 410 tok/s throughput",
        {"output_tokens_per_s": 410.0},
        {"model": "zai-org/GLM-4.5-Air", "quantization": "awq", "tp": 4, "batch_size": 8},
    ),
    (
        "Qwen3-8B bf16, L40S, vllm, 10 req/s, ISL 1024 OSL 256, TPOT 28ms, TTFT 210 ms",
        {"ttft_s": 0.21, "tpot_s": 0.028},
        {"model": "Qwen/Qwen3-8B", "request_rate": 10.0, "input_len": 1024, "output_len": 256},
    ),
    (
        "llama3.1:8b on RX 7900 XTX, ollama, 80 tok/s",
        {"decode_tokens_per_s": 80.0},
        {"model": "meta-llama/Llama-3.1-8B", "gpu": "rx-7900-xtx", "engine": "llama.cpp"},
    ),
    (
        "Qwen3.6-27B Q4_K_M: 41 tok/s on a 3090, 993 t/s prefill at 8k context",
        {"decode_tokens_per_s": 41.0, "prefill_tokens_per_s": 993.0},
        {"model": "Qwen/Qwen3.6-27B", "gpu": "rtx-3090", "input_len": 8192},
    ),
    (
        "openai/gpt-oss-120b on DGX Spark: 38.6 t/s generation",
        {"decode_tokens_per_s": 38.6},
        {"model": "openai/gpt-oss-120b", "gpu": "dgx-spark"},
    ),
    (
        "RTX 5080, Qwen3-14B-AWQ, vLLM, 64 concurrent requests, 2048/512, 1800 tokens/s output",
        {"output_tokens_per_s": 1800.0},
        {"model": "Qwen/Qwen3-14B-AWQ", "gpu": "rtx-5080", "max_concurrency": 64,
         "input_len": 2048, "output_len": 512},
    ),
    (
        "M2 Ultra running Qwen3-Next-80B-A3B-Instruct 8-bit in MLX only gives 0.4 tok/s",
        {"decode_tokens_per_s": 0.4},
        {"model": "Qwen/Qwen3-Next-80B-A3B-Instruct", "quantization": "mlx_q8",
         "gpu": "apple-m2-ultra"},
    ),
    (
        "Mistral-7B-Instruct-v0.3 on T4, fp16, transformers, 18 tokens/s",
        {"decode_tokens_per_s": 18.0},
        {"model": "mistralai/Mistral-7B-Instruct-v0.3", "gpu": "t4", "quantization": "fp16"},
    ),
    (
        "8 H100 SXM, Llama-3.1-405B-Instruct-FP8, trt-llm, batch size 32, 335 tok/s",
        {"output_tokens_per_s": 335.0},
        {"model": "nvidia/Llama-3.1-405B-Instruct-FP8", "gpu": "h100-sxm-80gb", "tp": 8,
         "batch_size": 32, "engine": "trtllm"},
    ),
    (
        "Strix Halo, gpt-oss-20b, vulkan llama.cpp: pp512 564 t/s, tg128 45 t/s",
        {"decode_tokens_per_s": 45.0, "prefill_tokens_per_s": 564.0},
        {"model": "openai/gpt-oss-20b", "gpu": "strix-halo"},
    ),
    (
        "Kimi-K2-Instruct on 16 H20, SGLang, 32 users at 65.2 ms/token",
        {"tpot_s": 0.0652},
        {"model": "moonshotai/Kimi-K2-Instruct", "gpu": "h20-96gb", "tp": 16,
         "max_concurrency": 32},
    ),
    (
        "2 x A100 80GB, Llama-3.1-70B-Instruct FP8, 100 requests/s, output throughput 3200 tok/s",
        {"output_tokens_per_s": 3200.0},
        {"model": "meta-llama/Llama-3.1-70B-Instruct", "tp": 2, "request_rate": 100.0},
    ),
    (
        "llama 3.3 70b q4_k_m on a dual 3090 rig gives me 17 t/s",
        {"decode_tokens_per_s": 17.0},
        {"model": "meta-llama/Llama-3.3-70B-Instruct", "engine": "llama.cpp", "pp": 2, "tp": None},
    ),
    (
        "Qwen3-30B-A3B-Instruct 4bit MLX on M3 Ultra: 84.6 tok/sec, 16k context",
        {"decode_tokens_per_s": 84.6},
        {"model": "Qwen/Qwen3-30B-A3B", "quantization": "mlx_q4", "input_len": 16384},
    ),
    (
        "vLLM 0.10 on 8xH200 serving DeepSeek-R1: 6,000 output tok/s at concurrency 256, 1k in 1k"
        " out",
        {"output_tokens_per_s": 6000.0},
        {"model": "deepseek-ai/DeepSeek-R1", "gpu": "h200-sxm-141gb", "tp": 8,
         "max_concurrency": 256, "input_len": 1024, "output_len": 1024},
    ),
    (
        "MI300X with vLLM: Llama-3.1-405B-FP8 on 8 GPUs, 2,400 tok/s at 128 concurrency",
        {"output_tokens_per_s": 2400.0},
        {"gpu": "mi300x", "gpus": 8, "tp": 8, "max_concurrency": 128, "quantization": "fp8"},
    ),
    (
        "qwen3:30b on ollama with a 4070 Ti Super 16GB: 22 tokens/s",
        {"decode_tokens_per_s": 22.0},
        {"model": "Qwen/Qwen3-30B-A3B", "gpu": "rtx-4070-ti-super", "input_len": None},
    ),
    (
        "GLM-4.5-Air Q4 3x3090 llama.cpp: pp 450, tg 35",
        {"prefill_tokens_per_s": 450.0, "decode_tokens_per_s": 35.0},
        {"model": "zai-org/GLM-4.5-Air", "gpu": "rtx-3090", "pp": 3, "quantization": "q4_k_m"},
    ),
    (
        "H20x8 DeepSeek-V3 sglang bs=1 27 tok/s",
        {"decode_tokens_per_s": 27.0},
        {"gpu": "h20-96gb", "gpus": 8, "tp": 8, "batch_size": 1, "engine": "sglang"},
    ),
    (
        "A100-80GB, Llama-3.1-8B bf16, 100 req/s, TPOT p50 18 ms",
        {"tpot_s": 0.018},
        {"gpu": "a100-sxm-80gb", "request_rate": 100.0},
    ),
    (
        "we see 12k tok/s prefill with Llama-3.1-70B-Instruct on 8xH100",
        {"prefill_tokens_per_s": 12_000.0},
        {"gpus": 8, "input_len": None},
    ),
    (
        "Qwen3-235B-A22B Q3_K_M ~11 t/s on Strix Halo",
        {"decode_tokens_per_s": 11.0},
        {"model": "Qwen/Qwen3-235B-A22B", "quantization": "q3_k_m", "gpu": "strix-halo"},
    ),
    (
        "R1 671B Q4_K_M on a 3090, ktransformers aside, llama.cpp: 12 tps",
        {"decode_tokens_per_s": 12.0},
        {"model": "deepseek-ai/DeepSeek-R1", "quantization": "q4_k_m", "gpu": "rtx-3090"},
    ),
)  # fmt: skip


@pytest.mark.parametrize(("text", "figures", "setup"), SENTENCES)
def test_each_sentence_is_understood(
    text: str, figures: dict[str, Any], setup: dict[str, Any]
) -> None:
    run = read_sentence(text)
    found = {name: getattr(run, name) for name in figures}
    assert found == pytest.approx(figures)
    others = ("ttft_s", "tpot_s", "decode_tokens_per_s", "output_tokens_per_s",
              "prefill_tokens_per_s", "latency_s")  # fmt: skip
    assert [name for name in others if getattr(run, name) and name not in figures] == []
    assert {name: getattr(run.setup, name) for name in setup} == setup
    assert run.warnings == ()


def test_what_was_understood_is_said_and_so_is_what_was_not() -> None:
    run = read_sentence("Qwen3-8B on H100 at 75 C: 150 tok/s")
    assert run.notes == ("understood: decode 150 tok/s; model Qwen/Qwen3-8B; card h100-sxm-80gb",)
    assert "75 C" in run.warnings[0]


@pytest.mark.parametrize(
    ("text", "rate", "length"),
    [
        ("RTX 5090, Qwen3-32B-Q4_K_M, 60 t/s empty context, 45 t/s at 32k", 45.0, 32_768),
        ("from 40 t/s to 25 t/s on Qwen3-32B Q4_K_M with RTX 4090", 25.0, None),
        ("Qwen3-32B on H100: 40 t/s, once 25 t/s", 40.0, None),
    ],
)
def test_of_two_speeds_one_is_taken_and_the_other_is_said(
    text: str, rate: float, length: int | None
) -> None:
    run = read_sentence(text)
    assert (run.decode_tokens_per_s, run.setup.input_len) == (rate, length)
    assert "a second speed" in run.warnings[0]


@pytest.mark.parametrize("text", ["", "Qwen3-8B on an H100", "it is slow", "4090"])
def test_a_sentence_without_a_figure_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match="tells no measured figure") as error:
        read_sentence(text)
    assert "38 tok/s" in error.value.hint


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_a_result_or_a_vperf_error(text: str) -> None:
    try:
        run = read_sentence(f"{text} 12 tok/s {text}")
    except VperfError:
        return
    assert run.decode_tokens_per_s or run.output_tokens_per_s or run.prefill_tokens_per_s


def test_a_text_that_is_no_sentence_is_refused() -> None:
    with pytest.raises(InputError, match="is longer than 2,000 characters"):
        read_sentence("30 tok/s " * 300)


def test_a_number_of_many_digits_is_read_from_its_start_alone() -> None:
    """Each rule looks at it once, not once from each of its digits."""
    found = read_sentence(f"prompt {'9' * 20} tok/s and 30 tok/s with Qwen3-8B on a 4090")
    assert found.prefill_tokens_per_s == float("9" * 20)
    assert found.decode_tokens_per_s == 30.0


def test_first_tokens_of_a_window_prove_nothing_since_it_need_not_be_full() -> None:
    """runlocalai.co/benchmarks/327: "Context 8K" is the window; 612 ms read a short prompt."""
    run = read_sentence("Llama 3.3 70B on RTX 4090, 14.8 tok/s, TTFT 612 ms, Q4_K_M, Context 8K")
    assert run.doubtful == ("ttft_s",)


def test_words_in_a_file_are_read_line_by_line_beside_what_the_others_name() -> None:
    """raullenchai/Rapid-MLX#585: the card above, a run a line."""
    short, long = results_of(parse(
        "Hardware: Apple M3 Ultra, 256 GB RAM\nResults (greedy):\n"
        "- short (prompt=512, max=128): decode median 167.93 tok/s, prefill 2197.19 tok/s\n"
        "- long (prompt=2048, max=512): decode median 159.76 tok/s, prefill 2278.37 tok/s\n", "x",
    ))  # fmt: skip
    assert (short.decode_tokens_per_s, long.decode_tokens_per_s) == (167.93, 159.76)
    assert (short.setup.input_len, long.setup.input_len) == (512, 2048)
    assert short.setup.gpu == long.setup.gpu == "apple-m3-ultra"


def test_of_two_speeds_that_of_the_load_is_the_loads() -> None:
    run = read_sentence(
        "dual A6000, llama 3.1 70b awq, vllm, 24 tokens/s single request; 350 tok/s with 32"
        " concurrent requests"
    )
    assert (run.output_tokens_per_s, run.setup.max_concurrency, run.setup.tp) == (350.0, 32, 2)
    assert "24 tok/s" in run.warnings[0]


def test_the_hosts_memory_beside_a_card_is_llama_cpps() -> None:
    run = read_sentence("gpt-oss-120b: 4060ti 16gb + 96gb ram = 12 tokens/sec")
    assert (run.setup.engine, run.decode_tokens_per_s) == ("llama.cpp", 12.0)


def test_a_speed_at_a_context_is_graded_there() -> None:
    run = read_sentence("5090: 210 tok/s on qwen3 30b a3b q4_k_m @ 4k, 120 tok/s @ 64k")
    assert (run.decode_tokens_per_s, run.setup.input_len) == (210.0, 4096)


def test_rows_of_a_table_are_no_sentences() -> None:
    """promptquorum.com: a column a model, which no sentence tells apart."""
    with pytest.raises(InputError):
        results_of(parse(
            "| Hardware | Llama 3.2 8B | Llama 3.3 70B |\n|---|---|---|\n"
            "| RTX 5090 (GPU, 32 GB) | 200 tok/sec | 50 tok/sec |\n", "x",
        ))  # fmt: skip


@pytest.mark.parametrize("digits", ["9" * 300, "9" * 400])
@pytest.mark.parametrize(
    "said", ["Qwen3-8B on H100, batch {}, 90 tok/s", "Qwen3-8B on H100, 90 tok/s at {} context",
             "Qwen3-8B on H100, {}k tokens in, 90 tok/s"],
)  # fmt: skip
def test_a_number_of_hundreds_of_digits_is_an_error(said: str, digits: str) -> None:
    with pytest.raises(InputError, match="holds a number that nobody measured"):
        read_sentence(said.format(digits))
