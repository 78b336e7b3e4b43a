"""Constants of a card and an engine: measured ones first, generic ones by kind of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from generic_constants import count_constants, derive, derive_links, measured_cards

import vperf
from tests.every import every
from vperf.formats import AWQ, BF16, FP8, FP8_BLOCK, FP16, Q4_0, Q4_K
from vperf.hardware.engine import Engine, Kernels
from vperf.hardware.gpu import Achieved, Gpu
from vperf.sources.engines import load_engine
from vperf.sources.gpus import list_gpus, load_gpu
from vperf.sources.hosts import load_host
from vperf.timing.collectives import LINKS
from vperf.timing.constants import GENERIC, TENSOR_CORES, Origins, constants_of, tensor_cores

VLLM, LLAMA_CPP = load_engine("vllm"), load_engine("llama.cpp")
LLAMA, GPT_OSS = "meta-llama/Llama-3.1-8B-Instruct", "openai/gpt-oss-20b"


def stream_share(gpu: Gpu) -> float:
    return constants_of(replace(gpu, achieved=None), VLLM).bandwidth / gpu.memory_bandwidth


def test_gddr_streams_nearer_to_its_peak_than_hbm_and_unified_memory() -> None:
    assert stream_share(load_gpu("rtx-4090")) == 0.92
    assert stream_share(load_gpu("h100-sxm")) == 0.83
    assert stream_share(load_gpu("strix-halo")) == 0.82
    assert stream_share(load_gpu("apple-m4-max")) == 0.80


@every((gpu.id, (gpu,)) for gpu in list_gpus())
def test_no_card_achieves_more_than_its_peaks(gpu: Gpu) -> None:
    c = constants_of(gpu, VLLM)
    assert 0 < c.bandwidth <= gpu.memory_bandwidth
    assert 0 < c.bandwidth <= c.stream_bandwidth <= gpu.memory_bandwidth
    assert 0 < c.cache8_bandwidth <= gpu.memory_bandwidth
    for pipe in gpu.peak_flop_per_s:
        fastest = gpu.peak_flop_per_s[pipe] * gpu.boost
        if pipe == "fp8":
            fastest = max(fastest, gpu.peak_flop_per_s.get("mxfp8", 0.0) * gpu.boost)
        assert 0 < c.flop_per_s(pipe) <= fastest * 1.001


def test_each_kind_of_constant_says_where_it_was_measured() -> None:
    h100 = load_gpu("h100-sxm")
    known = replace(h100, achieved=Achieved(decode_latency_s=9e-6))
    constants = constants_of(known, VLLM)
    assert constants.decode_latency_s == 9e-6
    assert constants.origins == Origins("generic", "generic", "generic")
    assert constants_of(h100, VLLM).origins == Origins("measured", "measured", "measured")
    rate_only = replace(h100, achieved=Achieved(flop_per_s={"bf16": 700e12}))
    origins = constants_of(rate_only.with_same_die(h100), VLLM).origins
    assert origins == Origins("measured", "same_die", "same_die")
    assert origins.whole == "same_die"


def test_a_card_of_a_measured_die_keeps_its_shares_and_its_kernels_times() -> None:
    # The H20: an H100's die with 148 of 989.4 TFLOPS and 4,000 of 3,350 GB/s of the same HBM3.
    h20, h100 = load_gpu("h20-96gb"), load_gpu("h100-sxm")
    c = constants_of(replace(h20, achieved=None), VLLM)
    assert c.bandwidth == pytest.approx(2.9e12 * 4000 / 3350)
    assert c.flop_per_s("bf16") == pytest.approx(790e12 * 148 / 989.4, rel=1e-3)
    assert c.gemm_latency_s == constants_of(h100, VLLM).gemm_latency_s
    # Its own matmul rate was measured: that stands before the share.
    assert constants_of(h20, VLLM).flop_per_s("bf16") == 142.1e12


def test_a_stream_carries_over_to_the_same_hbm_only() -> None:
    h100_pcie, workstation = load_gpu("h100-pcie"), load_gpu("rtx-pro-6000-workstation")
    assert h100_pcie.same_die
    assert constants_of(h100_pcie, VLLM).origins.memory_stream == "generic"
    found = constants_of(workstation, VLLM)
    assert found.bandwidth == pytest.approx(GENERIC.bandwidth_fraction["GDDR"] * 1792e9)
    assert found.origins == Origins("measured", "generic", "same_die")


def test_no_card_stands_in_that_was_not_measured_itself() -> None:
    for gpu in list_gpus():
        if gpu.same_die:
            other = load_gpu(gpu.same_die)
            assert other.id == gpu.same_die
            assert not other.same_die
            assert constants_of(other, VLLM).origins.whole == "measured"
            assert other.architecture == gpu.architecture


def test_block_scaled_fp8_and_unpacked_weights_have_rates_of_their_own() -> None:
    c = constants_of(load_gpu("h100-sxm"), VLLM)
    assert c.path(FP8)[1] == 1400e12
    assert c.path(FP8_BLOCK)[1] == 1300e12
    assert c.path(AWQ)[1] == c.path(BF16)[1] == 790e12


def test_an_engine_with_slower_kernels_has_a_share_of_the_rates() -> None:
    gpu = load_gpu("rtx-4090")
    fast, slow = constants_of(gpu, VLLM), constants_of(gpu, LLAMA_CPP)
    assert slow.flop_per_s("fp16") == pytest.approx(0.75 * fast.flop_per_s("fp16"))
    assert slow.nested_bandwidth == pytest.approx(0.93 * fast.nested_bandwidth)
    assert slow.wide_bandwidth == fast.wide_bandwidth


@pytest.mark.parametrize(
    ("name", "generation"),
    [
        ("a100-sxm", "mma"), ("l40s", "mma"), ("rtx-5090", "mma"), ("gaudi2", "mma"),
        ("h200-sxm", "wgmma"), ("b300-sxm", "tcgen05"), ("jetson-thor-t5000", "tcgen05"),
    ],
)  # fmt: skip
def test_latencies_nobody_measured_are_those_of_the_same_tensor_cores(
    name: str, generation: str
) -> None:
    gpu = load_gpu(name)
    assert TENSOR_CORES[tensor_cores(gpu)] == generation
    constants = constants_of(replace(gpu, achieved=None), VLLM)
    expected = GENERIC.others["decode_block_s"][tensor_cores(gpu)]
    assert constants.decode_block_s == expected


def test_a_generation_has_constants_of_its_own_where_nobody_measured_the_card() -> None:
    mi300x, plain = load_gpu("mi300x"), constants_of(load_gpu("gaudi2"), VLLM)
    c = constants_of(mi300x, VLLM)
    own = GENERIC.generations[mi300x.architecture]
    assert c.bandwidth == own.bandwidth_fraction * mi300x.memory_bandwidth  # type: ignore[operator]
    assert c.decode_block_s == pytest.approx(own.latency * plain.decode_block_s)
    assert c.moe_latency_s == own.others["moe_latency_s"]
    assert c.mla_efficiency == plain.mla_efficiency  # no time: not slower
    known = replace(mi300x, achieved=Achieved(moe_latency_s=9e-6, memory_bandwidth=4e12))
    assert constants_of(known, VLLM).moe_latency_s == 9e-6
    assert constants_of(known, VLLM).bandwidth == 4e12


def test_kernels_of_an_engine_on_an_architecture_are_slower_by_their_factors() -> None:
    gpu = load_gpu("mi300x")
    there = replace(
        VLLM, kernels_on={gpu.architecture: Kernels(latency=2.0, stream=0.5, compute=0.25)}
    )
    elsewhere = replace(VLLM, kernels_on={"Hopper": Kernels(latency=2.0)})
    c, slow = constants_of(gpu, VLLM), constants_of(gpu, there)
    assert slow.gemm_latency_s == 2.0 * c.gemm_latency_s
    assert slow.launch_scale == 2.0 * c.launch_scale
    assert slow.bandwidth == 0.5 * c.bandwidth
    assert slow.flop_per_s("bf16") == 0.25 * c.flop_per_s("bf16")
    assert constants_of(gpu, elsewhere).gemm_latency_s == c.gemm_latency_s


def test_wide_weights_outside_of_experts_have_a_rate_of_their_own() -> None:
    """Argonne's LLM-Inference-Bench, 2024: 128 prompts of 128 tokens and as many answers on one
    MI300X under vLLM 0.6.1 took 72.4 s of Llama-3-70B; 64 of Mixtral 6.0 s."""

    def whole_s(model: str, batch: int) -> float:
        found = vperf.estimate(
            model, "mi300x", engine="vllm-v0", batch_size=batch, input_len=128, output_len=128
        ).expected
        return found.ttft_s + 127 * found.tpot_s

    assert whole_s("meta-llama/Meta-Llama-3-70B", 128) == pytest.approx(72.4, rel=0.2)
    assert whole_s("mistralai/Mixtral-8x7B-v0.1", 64) == pytest.approx(6.03, rel=0.1)


def test_block_scales_alone_are_slower_where_an_engine_has_kernels_of_its_own_for_them() -> None:
    gpu = load_gpu("mi300x")
    there = replace(VLLM, kernels_on={gpu.architecture: Kernels(blocks=3.0)})
    c, slow = constants_of(gpu, VLLM), constants_of(gpu, there)
    assert slow.quantize_latency_s == 3.0 * c.quantize_latency_s
    assert slow.moe_block_latency_s == 3.0 * c.moe_block_latency_s
    assert slow.gemm_latency_s == c.gemm_latency_s
    assert slow.moe_latency_s == c.moe_latency_s
    assert slow.launch_scale == c.launch_scale


def test_kernels_without_tiles_leave_those_of_a_cpu_idle() -> None:
    """llama.cpp and its fork multiply 3.7 to 7.1 T operations a second of Llama-3.1-8B on a Xeon
    Platinum 8480, whose tiles have 229 (ik_llama.cpp issue 437); KTransformers 35 of its int8."""
    xeon = load_host("Xeon Platinum 8480")
    vectors = 56 * 2.0e9 * 128
    for name in ("llama.cpp", "ik_llama.cpp"):
        engine = load_engine(name).on_host()
        assert constants_of(xeon, engine).peak_flop_per_s["int8"] == vectors
        assert 3.6e12 < constants_of(xeon, engine).path(Q4_0)[1] < 7.2e12
    tiles = constants_of(xeon, load_engine("ktransformers").on_host())
    assert tiles.peak_flop_per_s["int8"] == 56 * 2.0e9 * 2048
    zen = load_host("Ryzen 9 7950X")  # whose int8 is those vectors
    assert constants_of(zen, engine).peak_flop_per_s == zen.peak_flop_per_s


def test_llama_cpp_multiplies_by_kind_of_block_and_sums_in_half_precision() -> None:
    geforce, metal = load_gpu("rtx-4090"), load_gpu("apple-m2-ultra")
    c = constants_of(geforce, LLAMA_CPP)
    assert c.path(Q4_K)[1] == pytest.approx(LLAMA_CPP.nested_compute * c.path(Q4_0)[1])
    assert c.path(FP16)[1] == c.flop_per_s("fp16_acc16")
    apple = constants_of(metal, LLAMA_CPP)  # unpacks to 16 bit: blocks do not matter
    assert apple.path(Q4_K)[1] == apple.path(Q4_0)[1]


def test_there_are_fewer_than_five_hundred_constants_for_all_cards() -> None:
    counts = count_constants()
    assert counts["of those cards in all"] + counts["of their all-reduces in all"] < 250
    assert counts["of engines in all"] + counts["generic, for every other card"] < 285


def test_all_reduces_of_an_unmeasured_link_are_what_the_rule_makes_of_the_measured_ones() -> None:
    assert derive_links(measured_cards()) == LINKS


def test_generic_constants_are_what_the_rule_makes_of_the_measured_cards() -> None:
    found = derive(measured_cards())
    assert found.compute_fraction == GENERIC.compute_fraction
    assert found.bandwidth_fraction == GENERIC.bandwidth_fraction
    assert found.stream_ratio == GENERIC.stream_ratio
    assert set(found.others) == set(GENERIC.others)
    for name, kinds in found.others.items():
        assert kinds == pytest.approx(GENERIC.others[name]), name


def test_a_hidden_card_adds_nothing_to_what_the_others_say_of_it() -> None:
    without = derive(measured_cards(hidden="b300-sxm"))
    # B200 is the only other card with these tensor cores.
    b200 = load_gpu("b200-sxm").achieved
    assert b200 is not None
    assert without.others["moe_efficiency"][2] == b200.moe_efficiency
    assert len(measured_cards(hidden="b300-sxm")) == 6


def test_attention_with_sinks_is_slower_where_no_flash_attention_adds_them() -> None:
    # vllm_triton_attn on an L40S takes 2.45 times flash attention's time in prefill, 8,192 tokens
    # and more (kernel tables of NVIDIA aiconfigurator, commit 095f58a51).
    def attention_s(model: str, gpu: str, engine: Engine) -> float:
        answer = vperf.estimate(model, gpu, engine=engine, input_len=65_536, output_len=2)
        return sum(op.expected_s for op in answer.prefill.ops if op.kind == "attention")

    flash = replace(VLLM, kernels_on={})
    slower = attention_s(GPT_OSS, "l40s", VLLM) / attention_s(GPT_OSS, "l40s", flash)
    assert slower == pytest.approx(2.45, rel=0.1)
    assert attention_s(GPT_OSS, "h100", VLLM) == attention_s(GPT_OSS, "h100", flash)
    assert attention_s(LLAMA, "l40s", VLLM) == attention_s(LLAMA, "l40s", flash)
