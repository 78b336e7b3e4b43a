"""What fit proposes for the host: each proposal fits, and none that leaves less there does."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf.explore.fit import Fit, Remedy

HOST: dict[str, Any] = {"host": "desktop-ddr5", "host_memory": "96 GB DDR5-6000 x2"}


def on_host(found: Fit) -> list[Remedy]:
    return [way for way in found.ways if way.decode_tokens_per_s]


def test_the_fewest_experts_on_the_host_that_make_it_fit_come_before_whole_layers() -> None:
    ways = on_host(vperf.fit("gpt-oss-120b", "rtx-3090", **HOST))
    experts, layers = (way.options for way in ways[:2])
    assert experts["engine"] == layers["engine"] == "llama.cpp"
    assert {"n_cpu_moe"} < experts.keys()
    assert {"n_gpu_layers"} < layers.keys()
    rates = [way.decode_tokens_per_s or 0.0 for way in ways]
    assert rates == sorted(rates, reverse=True)
    for way, less in ((experts, {"n_cpu_moe": experts["n_cpu_moe"] - 1}),
                      (layers, {"n_gpu_layers": layers["n_gpu_layers"] + 1})):  # fmt: skip
        assert vperf.fit("gpt-oss-120b", "rtx-3090", **HOST, **way).fitting
        assert not vperf.fit("gpt-oss-120b", "rtx-3090", **HOST, **{**way, **less}).fitting


def test_of_vllm_weights_are_proposed_as_its_own_option_has_them() -> None:
    (way,) = on_host(vperf.fit("qwen3-32b", "rtx-4090", engine="vllm"))
    gib = way.options["cpu_offload_gb"]
    assert vperf.fit("qwen3-32b", "rtx-4090", engine="vllm", cpu_offload_gb=gib).fitting
    assert not vperf.fit("qwen3-32b", "rtx-4090", engine="vllm", cpu_offload_gb=gib - 1).fitting


def test_nothing_is_proposed_that_the_host_has_no_room_for() -> None:
    small = vperf.fit("gpt-oss-120b", "rtx-3090", host_memory="16 GB DDR5-6000 x2")
    assert not on_host(small)
    (room,) = vperf.fit(
        "gpt-oss-120b", "rtx-3090", host_memory="16 GB DDR5-6000 x2", cpu_moe=True
    ).rooms
    assert not room.fits


@pytest.mark.parametrize("gpu", ["m3-max", "strix-halo"])
def test_a_machine_of_one_memory_has_nothing_to_leave_elsewhere(gpu: str) -> None:
    assert not on_host(vperf.fit("deepseek-v3", gpu))


def test_of_unlike_cards_the_fastest_is_filled_first() -> None:
    found = vperf.fit("qwen3-32b", "rtx-3060-12gb+rtx-5090", quantization="q8_0")
    (way,) = on_host(found)
    slow, fast = map(int, way.options["tensor_split"].split(","))
    assert slow + fast == 65
    assert fast > 50
    more = f"{slow - 1},{fast + 1}"
    assert not vperf.fit(
        "qwen3-32b", "rtx-3060-12gb+rtx-5090", quantization="q8_0", tensor_split=more
    ).fitting
