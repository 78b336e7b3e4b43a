"""llama-benchy's table, which is not llama-bench's."""

from __future__ import annotations

from tests.checks.importers.files import results


def test_rows_are_prefill_and_decode_by_users_and_depth() -> None:
    prefill, decode, deep = results("llama_benchy.md")
    assert {run.tool for run in (prefill, decode, deep)} == {"llama-benchy"}
    assert (prefill.prefill_tokens_per_s, prefill.ttft_s) == (4096.0, 0.512)
    assert (decode.decode_tokens_per_s, decode.setup.batch_size) == (13.5, 1)
    assert (deep.decode_tokens_per_s, deep.setup.batch_size, deep.setup.past_len) == (48.0, 4, 4096)
    assert deep.setup.pp is None
    assert decode.setup.model == "Qwen/Qwen3-8B"
