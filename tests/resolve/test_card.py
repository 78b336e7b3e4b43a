"""A card is what its name, its file and the figures given for it say."""

from __future__ import annotations

from pathlib import Path

import pytest

import vperf
from vperf.errors import InputError
from vperf.resolve.card import with_count
from vperf.sources.gpus import several

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


@pytest.mark.parametrize("named", ["2xh100", "2 x h100", "h100:2", "2XH100"])
def test_a_count_at_a_cards_name_divides_the_model(named: str) -> None:
    found = with_count({"model": "qwen3-8b", "gpu": named})
    assert found["gpu"].lower() == "h100"
    assert found["tp"] == 2
    assert vperf.estimate(QWEN, named).expected == vperf.estimate(QWEN, "h100", tp=2).expected


def test_layers_that_are_placed_are_divided_by_layers() -> None:
    for named in ({"n_gpu_layers": 20}, {"engine": "llama.cpp"}, {"quantization": "Q4_K_M"}):
        assert with_count({"gpu": "2x3090", **named})["pp"] == 2
    assert with_count({"gpu": "2x3090", "engine": "vllm", "quantization": "q4_k_m"})["tp"] == 2


def test_a_count_that_tp_pp_and_dp_contradict_is_an_error() -> None:
    assert with_count({"gpu": "4xh100", "tp": 2, "pp": 2}) == {"gpu": "h100", "tp": 2, "pp": 2}
    with pytest.raises(InputError, match="2 GPUs are not the 4"):
        with_count({"gpu": "2xh100", "tp": 4})


def test_no_count_is_read_into_files_hosts_and_unlike_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2x.toml").touch()
    for name in ("2x.toml", "cpu:9654", "rtx-5090+2xrtx-3090"):
        assert with_count({"gpu": name}) == {"gpu": name}


@pytest.mark.parametrize(
    ("typed", "count", "card"),
    [
        ("2x3090", 2, "3090"), ("A6000 x2", 2, "A6000"), ("dual RTX 3090s", 2, "RTX 3090"),
        ("H20 TP2", 2, "H20"), ("A100-80GB x4", 4, "A100-80GB"), ("2\u00d74090", 2, "4090"),
        ("quad l40s", 4, "l40s"), ("7900xtx", 1, "7900xtx"), ("mi300x", 1, "mi300x"),
    ],
)  # fmt: skip
def test_a_count_is_read_before_a_cards_name_and_after_it(
    typed: str, count: int, card: str
) -> None:
    assert several(typed) == (count, card)


def test_where_one_card_is_asked_for_several_are_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match="one card is asked for, not 2 of 3090"):
        vperf.napkin(QWEN, "2x3090")
