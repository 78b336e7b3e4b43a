"""What vLLM and SGLang log as they serve."""

from __future__ import annotations

from tests.checks.importers.files import result


def test_vllms_intervals_of_decoding_alone_are_averaged_at_their_batch() -> None:
    run = result("vllm_engine.log")
    assert (run.decode_tokens_per_s, run.setup.batch_size) == (820.0, 16)
    assert (run.setup.model, run.setup.tp) == ("Qwen/Qwen3-14B-FP8", 2)
    assert (run.setup.kv_cache_dtype, run.setup.max_batch) == ("fp8", 64)
    assert run.warnings == ("3 more requests waited for room or for --max-num-seqs",)


def test_sglangs_decode_batches_have_their_context() -> None:
    run = result("sglang_engine.log")
    assert (run.decode_tokens_per_s, run.setup.batch_size) == (510.0, 4)
    assert run.setup.input_len == 1125
    assert run.setup.model == "meta-llama/Llama-3.1-8B-Instruct"
