"""A card is what its name, its file and the figures given for it say."""

from __future__ import annotations

from pathlib import Path

import vperf

QWEN = "Qwen/Qwen3-8B"


def test_a_gpu_file_is_read_anew_by_each_estimate(tmp_path: Path) -> None:
    file = tmp_path / "card.toml"
    text = (
        'name = "C"\n[memory]\nsize = "80 GB"\nbandwidth = "{} TB/s"\n[peak]\nbf16 = "1 PFLOPS"\n'
    )
    file.write_text(text.format(1))
    one = vperf.estimate(QWEN, str(file)).limit.tpot_s
    file.write_text(text.format(2))
    assert vperf.estimate(QWEN, gpu_file=file).limit.tpot_s < one


def test_the_card_may_be_described_in_python_as_on_the_command_line() -> None:
    answer = vperf.estimate(QWEN, "h100", memory="200 GB", peak=["bf16=250 TFLOPS"])
    assert answer.memory.capacity_bytes == 200e9
    assert any("bf16 peak" in note for note in answer.assumptions)
