"""mlx_lm.generate and mlx_lm.benchmark: text alone, cut or whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.importers.files import DATA, result
from vperf.checks.importers import read_results
from vperf.errors import InputError


def test_generate_gives_speeds_and_lengths_whatever_the_model_wrote() -> None:
    run = result("mlx_generate.txt")
    assert (run.tool, run.setup.engine, run.setup.batch_size) == ("mlx_lm.generate", "mlx", 1)
    assert (run.setup.input_len, run.setup.output_len) == (22, 256)
    assert run.prefill_tokens_per_s == 345.611
    assert run.decode_tokens_per_s == pytest.approx(97.204 * 255 / 256), "255 tokens in that time"
    assert "counts the first token" in run.notes[1]


def test_generate_of_2024_has_no_lengths() -> None:
    run = result("mlx_generate_2024.txt")
    assert (run.setup.input_len, run.setup.output_len) == (None, None)
    assert run.decode_tokens_per_s == 41.903


def test_benchmark_gives_averages_and_the_spread_of_its_trials() -> None:
    run = result("mlx_benchmark.txt")
    assert (run.setup.input_len, run.setup.output_len, run.setup.batch_size) == (512, 1024, 1)
    assert run.prefill_tokens_per_s == 1808.134
    assert run.decode_tokens_per_s == pytest.approx(96.929 * 1023 / 1024)
    assert run.spread == pytest.approx(0.098e-2, rel=0.05)


def test_benchmark_of_a_batch_counts_all_sequences() -> None:
    run = result("mlx_benchmark_batch.txt")
    assert run.setup.batch_size == 8
    assert run.decode_tokens_per_s == 412.812
    assert run.spread is None


def test_a_benchmark_that_did_not_finish_is_an_error(tmp_path: Path) -> None:
    text = (DATA / "mlx_benchmark.txt").read_text()
    (tmp_path / "cut.txt").write_text(text[: text.index("Averages")])
    with pytest.raises(InputError, match="its last line, Averages, is missing"):
        read_results(tmp_path / "cut.txt")


def test_a_batch_has_the_speed_of_all_and_a_chat_of_one() -> None:
    batch, chat = result("mlx_generate_batch.txt"), result("mlx_chat.txt")
    assert (batch.decode_tokens_per_s, batch.setup.batch_size) == (161.2, None)
    assert (chat.tool, chat.setup.batch_size) == ("mlx_lm.chat", 1)
    assert chat.decode_tokens_per_s == pytest.approx(61.2 * 255 / 256)
