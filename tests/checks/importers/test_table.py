"""A table of one's own."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import results
from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse
from vperf.errors import InputError


def test_columns_are_known_by_their_heads_and_the_command_above_is_read() -> None:
    alone, many = results("table.md")
    assert (alone.label, many.label) == ("1 users", "32 users")
    assert (many.ttft_s, many.tpot_s, many.output_tokens_per_s) == (0.0925, 0.00835, 3640.0)
    assert many.latency_s == pytest.approx(1.1529)
    setup = many.setup
    assert (setup.input_len, setup.output_len, setup.requests) == (128, 128, 256)
    assert (setup.model, setup.quantization, setup.max_batch) == (
        "meta-llama/Llama-3.1-8B-Instruct", "fp8", 128,
    )  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [
        "| ISL | TTFT | TPOT |",  # times without a unit
        "| TTFT (ms) | TPOT (ms) |",  # neither lengths nor a load
        "| Users | Price ($) |",
        "| Users | TTFT (ms) | TTFT (s) |",
    ],
)
def test_a_table_that_does_not_say_what_it_is_of_is_none(head: str) -> None:
    row = "| 8 | 20 | 30 |"[: 2 + 5 * head.count("|")]
    with pytest.raises(InputError):
        results_of(parse(f"{head}\n|---|---|---|\n{row}\n", "a file"))
