"""Constants of a card and an engine: measured ones first, generic ones by kind of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vperf.formats import AWQ, BF16, FP8, FP8_BLOCK
from vperf.hardware.gpu import Achieved, Gpu
from vperf.sources.engines import load_engine
from vperf.sources.gpus import list_gpus, load_gpu
from vperf.timing.constants import constants_of

VLLM, LLAMA_CPP = load_engine("vllm"), load_engine("llama.cpp")


def stream_share(gpu: Gpu) -> float:
    return constants_of(replace(gpu, achieved=None), VLLM).bandwidth / gpu.memory_bandwidth


def test_gddr_streams_nearer_to_its_peak_than_hbm_and_unified_memory() -> None:
    assert stream_share(load_gpu("rtx-4090")) == 0.92
    assert stream_share(load_gpu("h100-sxm")) == 0.81
    assert stream_share(load_gpu("strix-halo")) == 0.82
    assert stream_share(load_gpu("apple-m4-max")) == 0.80


@pytest.mark.parametrize("gpu", list_gpus(), ids=lambda gpu: gpu.id)
def test_no_card_achieves_more_than_its_peaks(gpu: Gpu) -> None:
    c = constants_of(gpu, VLLM)
    assert 0 < c.bandwidth <= gpu.memory_bandwidth
    assert 0 < c.cache8_bandwidth <= gpu.memory_bandwidth
    for pipe in gpu.peak_flop_per_s:
        fastest = gpu.peak_flop_per_s[pipe] * gpu.boost
        if pipe == "fp8":
            fastest = max(fastest, gpu.peak_flop_per_s.get("mxfp8", 0.0) * gpu.boost)
        assert 0 < c.flop_per_s(pipe) <= fastest * 1.001


def test_what_nobody_measured_is_named() -> None:
    known = replace(load_gpu("h100-sxm"), achieved=Achieved(decode_latency_s=9e-6))
    constants = constants_of(known, VLLM)
    assert constants.decode_latency_s == 9e-6
    assert "decode_latency_s" not in constants.guessed
    assert "gemm_latency_s" in constants.guessed
    assert constants.origin == "generic"


def test_block_scaled_fp8_and_unpacked_weights_have_rates_of_their_own() -> None:
    c = constants_of(load_gpu("h100-sxm"), VLLM)
    assert c.path(FP8)[1] == 1400e12
    assert c.path(FP8_BLOCK)[1] == 1300e12
    assert c.path(AWQ)[1] == c.path(BF16)[1] == 790e12


def test_an_engine_with_slower_kernels_has_a_share_of_the_rates() -> None:
    gpu = load_gpu("rtx-4090")
    fast, slow = constants_of(gpu, VLLM), constants_of(gpu, LLAMA_CPP)
    assert slow.flop_per_s("fp16") == pytest.approx(0.75 * fast.flop_per_s("fp16"))
    assert slow.nested_bandwidth == pytest.approx(0.87 * fast.nested_bandwidth)
    assert slow.wide_bandwidth == fast.wide_bandwidth
