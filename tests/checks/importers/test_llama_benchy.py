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


def test_the_json_says_what_the_table_does() -> None:
    runs = {run.label: run for run in results("llama_benchy.json")}
    assert runs["pp2048 (c1)"].ttft_s == 0.2305
    deep = runs["tg32 @ d4096 (c4)"]
    assert (deep.decode_tokens_per_s, deep.setup.batch_size, deep.setup.past_len) == (
        290.0,
        4,
        4096,
    )
    context = runs["ctx_pp @ d4096 (c1)"]
    assert (context.setup.input_len, context.setup.past_len) == (4096, 0)
    assert runs["ctx_tg @ d4096 (c1)"].setup.past_len == 4096


def test_the_csv_says_what_the_table_does() -> None:
    prefill, decode = results("llama_benchy.csv")
    assert (prefill.prefill_tokens_per_s, prefill.ttft_s) == (9000.0, 0.2305)
    assert (decode.decode_tokens_per_s, decode.setup.output_len) == (88.0, 32)
