"""text-generation-benchmark's tables."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import results


def test_a_step_is_named_in_its_first_row_alone() -> None:
    one, eight = results("tgi_benchmark.md")
    assert one.ttft_s == pytest.approx(0.0401)
    assert (one.tpot_s, one.decode_tokens_per_s) == (0.0121, 82.6)
    assert (eight.ttft_s, eight.tpot_s, eight.prefill_tokens_per_s) == (0.2401, 0.0131, 17068.0)
    assert (eight.label, eight.setup.batch_size) == ("batch 8", 8)
    assert (one.setup.model, one.setup.input_len, one.setup.output_len) == (
        "Qwen/Qwen3-8B", 512, 128,
    )  # fmt: skip
