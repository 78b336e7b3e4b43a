"""llama-batched-bench and llama-sweep-bench."""

from __future__ import annotations

from tests.checks.importers.files import result, results


def test_a_batch_is_a_row_with_its_prefill_and_its_decode() -> None:
    alone, eight = results("llama_batched_bench.txt")
    assert alone.setup.batch_size == 1
    assert (eight.setup.batch_size, eight.setup.input_len, eight.setup.output_len) == (8, 512, 128)
    assert (eight.ttft_s, eight.tpot_s) == (0.512, 0.0125)
    assert (eight.decode_tokens_per_s, eight.prefill_tokens_per_s) == (640.0, 8000.0)
    assert eight.setup.gpu == "NVIDIA H100 PCIe"


def test_a_shared_prompt_is_no_measure_of_prefill() -> None:
    run = result("llama_batched_bench.jsonl")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s, run.ttft_s) == (320.0, None, None)
    assert run.notes == ("the prompt is shared by all sequences (-pps)",)


def test_a_sweep_decodes_after_what_is_cached() -> None:
    empty, deep = results("llama_sweep_bench.md")
    assert (empty.decode_tokens_per_s, empty.prefill_tokens_per_s) == (50.0, 1280.0)
    assert (deep.setup.past_len, deep.decode_tokens_per_s) == (8192, 40.0)
    assert deep.prefill_tokens_per_s is None
    assert deep.setup.model == "/models/GLM-4.5-Air-IQ4_XS.gguf"
    assert deep.setup.kv_cache_dtype == "q8_0"
