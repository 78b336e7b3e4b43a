"""An engine is the one named, or what is usual on the card; it knows its own formats."""

from __future__ import annotations

from typing import Any

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


def test_llama_cpp_runs_gpt_oss_as_its_files_store_it_and_that_is_said() -> None:
    # 59.02 GiB and 11.27 GiB are what llama-bench prints of ggml-org's two files.
    for model, gib in (("openai/gpt-oss-120b", 59.02), ("openai/gpt-oss-20b", 11.27)):
        for quantization in (None, "auto", "mxfp4"):
            at = deploy(Scenario(model, "h100", engine="llama.cpp", quantization=quantization))
            assert at.model.weight_bytes / 2**30 == pytest.approx(gib, abs=0.006)
            assert [note.kind for note in at.taken] == ["converted"]
    assert deploy(Scenario(model, "h100", engine="vllm")).model.quantization == "mxfp4"


def test_weights_that_llama_cpp_does_not_load_are_warned_of() -> None:
    def said(model: str, **asked: Any) -> list[str]:
        return [str(note) for note in deploy(Scenario(model, "h100", tp=8, **asked)).taken]

    (text,) = said("deepseek-ai/DeepSeek-R1", engine="llama.cpp")
    assert text == (
        "llama.cpp loads no fp8 (block 128x128) weights: name a GGUF format, as "
        "--quantization q4_k_m"
    )
    assert said("qwen3-8b", engine="llama.cpp", quantization="awq")
    for quantization in (None, "fp16", "q8_0", "mxfp4_moe"):
        assert not said("qwen3-8b", engine="llama.cpp", quantization=quantization)
    assert not said("deepseek-ai/DeepSeek-R1", engine="vllm")


def test_a_format_of_gguf_files_is_run_by_llama_cpp_where_nobody_names_an_engine() -> None:
    for gpu in ("rtx-3090", "apple-m4-max"):
        for quantization in ("q4_k_m", "Q8_0"):
            answer = vperf.estimate("qwen3-8b", gpu, quantization=quantization)
            assert answer.workload.engine == "llama.cpp"
    assert vperf.estimate("qwen3-8b", "rtx-3090", quantization="awq").workload.engine == "vllm"
    named = vperf.estimate("qwen3-8b", "rtx-3090", quantization="q4_k_m", engine="vllm")
    assert named.workload.engine == "vllm"


def test_an_engine_that_reads_prompts_whole_has_steps_that_hold_them_beside_what_decodes() -> None:
    # TensorRT-LLM's own 8,192 hold one of 8,192 only while nobody decodes: one request at a time.
    asked: dict[str, Any] = {"engine": "trtllm", "tp": 8, "output_len": 256, "max_concurrency": 32}

    def answer(prompt: int, **more: Any) -> vperf.Estimate:
        return vperf.estimate("deepseek-ai/DeepSeek-R1", "b200", input_len=prompt, **asked, **more)

    fits, full, one = answer(8_000), answer(8_192), answer(8_192, max_num_batched_tokens=8_192)
    assert not [note for note in fits.assumptions if note.kind == "step_budget"]
    assert [n.values["tokens"] for n in full.assumptions if n.kind == "step_budget"] == [9_216]
    rates = [each.simulated.requests_per_s for each in (fits, full, one) if each.simulated]
    assert rates[1] == pytest.approx(rates[0], rel=0.05)
    assert rates[2] < rates[1] / 4
    assert not [n for n in one.assumptions if n.kind == "step_budget"]


def test_mlx_has_no_windows_for_gemma_2_and_that_is_said() -> None:
    """mlx_lm/models/gemma2.py keeps a plain cache and masks causally; gemma3_text.py does not."""
    gemma2, gemma3 = (
        vperf.estimate(f"google/{name}", "apple-m3-ultra", input_len=32_767, output_len=1)
        for name in ("gemma-2-9b-it", "gemma-3-12b-it")
    )
    # 42 layers of 8 KV heads of 256: keys and values of 2 bytes.
    assert gemma2.memory.kv_cache_bytes == 32_768 * 42 * 2 * 8 * 256 * 2
    assert any("no windows for gemma2" in each for each in gemma2.assumptions)
    assert not any("no windows" in each for each in gemma3.assumptions)


def test_mlx_reads_a_cache_that_query_heads_share_at_a_lower_rate() -> None:
    """mlx_lm.benchmark on an M3 Ultra (guruswami-ai/mlx-benchmarks): a token of context lengthens
    a step by 0.74 us with as many KV heads as query heads, by 0.49 and 0.66 with a fifth."""
    measured = {
        "deepseek-ai/deepseek-coder-6.7b-instruct": 0.74e-6,
        "Qwen/Qwen2.5-14B-Instruct": 0.49e-6,
        "Qwen/Qwen2.5-32B": 0.66e-6,
    }
    for model, each in measured.items():
        short, long = (
            vperf.estimate(model, "apple-m3-ultra", input_len=tokens, output_len=1,
                           quantization="mlx_q4").expected.tpot_s
            for tokens in (1_024, 65_536)
        )  # fmt: skip
        assert (long - short) / (65_536 - 1_024) == pytest.approx(each, rel=0.1)
