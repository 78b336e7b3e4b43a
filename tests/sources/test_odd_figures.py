"""Figures that no card has are said: a unit is wrong there."""

from __future__ import annotations

from pathlib import Path

import pytest

from vperf.hardware.gpu import Gpu
from vperf.sources.catalog import data_dir
from vperf.sources.gpu_override import override
from vperf.sources.gpus import load_gpu, load_gpu_file
from vperf.sources.odd_figures import odd_figures

CARD = """
name = "Own"
tdp = "700 W"
[memory]
size = "80 GB"
bandwidth = "3350 GB/s"
[peak]
bf16 = "989 TFLOPS"
[compute]
rated_clock = "1830 MHz"
l2 = "50 MB"
[link]
name = "NVLink 4"
bandwidth = "450 GB/s"
"""


def own(folder: Path, old: str = "", new: str = "") -> Gpu:
    assert old in CARD
    path = folder / "own.toml"
    path.write_text(CARD.replace(old, new) if old else CARD)
    return load_gpu_file(path)


def odd(gpu: Gpu) -> list[str]:
    return [note for note in gpu.assumptions if note.kind == "card_odd"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("3350 GB/s", "3.35 GB/s", "memory size over bandwidth: 23.9 s, where cards have"),
        ("3350 GB/s", "3350 TB/s", "memory size over bandwidth: 2.39e-05 s, where cards have"),
        ("80 GB", "80 MB", "memory size over bandwidth: 2.39e-05 s, where cards have"),
        ("989 TFLOPS", "989 GFLOPS", "peak over memory bandwidth: 0.295 FLOP/B, where cards have"),
        ("50 MB", "50 GB", "cache over memory: 0.625, where cards have under 0.01"),
        ("450 GB/s", "450 TB/s", "peer link over memory bandwidth: 134, where cards have"),
        ("1830 MHz", "1830 GHz", "rated clock: 1.83e+12 Hz, where cards have 0.9 to 3.5 GHz"),
        ("700 W", "700 kW", "power: 7e+05 W, where cards have 25 to 1,400 W"),
    ],
)
def test_a_unit_that_is_a_thousand_off_is_said(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert odd(own(tmp_path)) == []
    assert said in "; ".join(odd(own(tmp_path, old, new)))


def test_an_option_that_is_a_thousand_off_is_said() -> None:
    h100 = load_gpu("h100-sxm-80gb")
    assert odd(override(h100, memory_bandwidth="4.8 TB/s", memory="141 GB")) == []
    assert len(odd(override(h100, memory_bandwidth="3.35"))) == 3  # GB/s, where nothing is said


def test_no_card_of_the_catalogue_is_odd() -> None:
    names = sorted(path.stem for path in (data_dir() / "gpus").glob("*.toml"))
    assert [name for name in names if odd_figures(load_gpu(name))] == []
