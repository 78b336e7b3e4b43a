"""Labels of figures."""

from __future__ import annotations

import pytest

from vperf.checks.importers.labels import Label, label_of, value_of


@pytest.mark.parametrize(
    ("said", "field", "statistic", "scale"),
    [
        ("Mean TTFT (ms)", "ttft_s", "mean", 1e-3),
        ("avg_time_to_first_token_s", "ttft_s", "mean", 1.0),
        ("P99 TPOT (ms)", "tpot_s", "p99", 1e-3),
        ("latency_p50_ms", "latency_s", "p50", 1e-3),
        ("Median ITL (ms)", "itl_s", "p50", 1e-3),
        ("Time per Output Token (excl. 1st token) (ms)", "tpot_s", "mean", 1e-3),
        ("Output token throughput (tok/s)", "output_tokens_per_s", "mean", 1.0),
        ("output_tok_s", "output_tokens_per_s", "mean", 1.0),
        ("Decode TPS", "decode_tokens_per_s", "mean", 1.0),
        ("Prefill (t/s)", "prefill_tokens_per_s", "mean", 1.0),
        ("Throughput (tokens/s/user)", "each_tokens_per_s", "mean", 1.0),
        ("tokens per second", "tokens_per_s", "mean", 1.0),
        ("Total Token throughput (tok/s)", "other rate", "mean", 1.0),
        ("RPS", "requests_per_s", "mean", 1.0),
        ("Number of concurrency", "max_concurrency", "mean", 1.0),
        ("Avg output tokens per request", "output_len", "mean", 1.0),
        ("ttft", "ttft_s", "mean", None),
        ("min TTFT (ms)", "ttft_s", "none", 1e-3),
    ],
)
def test_a_label_is_a_field_a_statistic_and_a_unit(
    said: str, field: str, statistic: str, scale: float | None
) -> None:
    assert label_of(said) == Label(field, statistic, scale)


@pytest.mark.parametrize("said", ["Price ($)", "accuracy", "GPU memory (GB)", "x" * 100, "ms", ""])
def test_other_words_are_no_label(said: str) -> None:
    assert label_of(said) is None


def test_a_test_of_llama_bench_names_its_length() -> None:
    assert label_of("pp512") == Label("prefill_tokens_per_s", "mean", 1.0, 512)
    assert label_of("tg128 t/s") == Label("decode_tokens_per_s", "mean", 1.0, 128)


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("1,853.3 tok/s", 1853.3, "tok/s"), ("0.21s", 0.21, "s"), ("118.2 ± 0.2", 118.2, ""),
        ("38,5 t/s", 38.5, "t/s"), ("avg=210.1 min=3", 210.1, "min=3"), ("1.54 (s)", 1.54, "s"),
        ("12,345", 12345.0, ""), ("1.234,56", 1234.56, ""), ("0,123", 0.123, ""),
        ("~38 tok/s", 38.0, "tok/s"), ("fast", None, ""),
    ],
)  # fmt: skip
def test_a_value_is_a_number_and_the_unit_after_it(
    text: str, number: float | None, unit: str
) -> None:
    assert value_of(text) == (number, unit)
