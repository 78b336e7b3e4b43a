"""The forms behind `expected`, by hand, and the constants they take."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_points import score
from scoring import stats

import vperf
from vperf.formats import (
    BF16,
    FP8,
    FP8_BLOCK,
    INT4,
    MXFP4,
    Q4_0,
    Q4_K,
    Format,
    cache_format_named,
)
from vperf.model.ops import Linear, Op, OpKind, Step, Visibility, Work, attention, matmul, recurrent
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.constants import Constants, constants_of
from vperf.timing.expected import pn, seconds, transfer
from vperf.timing.kinds import KINDS, op_expected_s

H100 = load_gpu("h100-sxm")
VLLM = load_engine("vllm")
C = constants_of(H100, VLLM)

times = st.floats(1e-9, 1e3)


@given(times, times, st.floats(1.1, 10))
def test_pn_is_a_smooth_maximum(x: float, y: float, p: float) -> None:
    smooth = pn(x, y, p)
    assert max(x, y) <= smooth <= (x + y) * (1 + 1e-9)
    assert smooth == pytest.approx((x**p + y**p) ** (1 / p), rel=1e-9)
    assert smooth == pn(y, x, p)


def test_h100_takes_its_measured_constants() -> None:
    assert C.origins.whole == "measured"
    assert C.flop_per_s("bf16") == 790e12
    assert C.flop_per_s("fp8") == 1400e12
    assert C.flop_per_s("fp8", "fp8_block") == 1300e12
    assert C.bandwidth == 2.9e12
    assert C.gemm_latency_s == pytest.approx(3.4e-6)


def test_a_card_nobody_measured_takes_generic_fractions_of_its_peaks() -> None:
    constants = constants_of(replace(H100, achieved=None), VLLM)
    assert constants.origins.whole == "generic"
    assert constants.flop_per_s("bf16") == pytest.approx(0.79 * 989.4e12)
    assert constants.bandwidth == pytest.approx(0.83 * 3350e9)
    assert constants.stream_bandwidth == pytest.approx(1.07 * 0.83 * 3350e9)


def test_a_cold_decode_gemm_is_latency_plus_stream() -> None:
    (op,) = matmul("m", (Linear("w", 4096, 28672),), 1)
    moved = 2 * (4096 * 28672 + 4096 + 28672)
    flops = 2 * 4096 * 28672
    by_hand = 3.4e-6 + ((flops / 790e12) ** 2.5 + (moved / 2.9e12) ** 2.5) ** 0.4
    assert op_expected_s(op, C, VLLM) == pytest.approx(by_hand, rel=1e-9)


def test_an_fp8_gemm_pays_for_quantizing_its_activations() -> None:
    (op,) = matmul("m", (Linear("w", 4096, 4096, FP8),), 512)
    moved = op.weight_bytes + 512 * 4096 * 1 + 512 * 4096 * 2
    gemm = 3.4e-6 + pn(2 * 512 * 4096 * 4096 / 1400e12, moved / 2.9e12, 2.5)
    quantize = 3.3e-6 + (3 / 2.9e12 + 2.4e-12) * 512 * 4096
    assert op_expected_s(op, C, VLLM) == pytest.approx(gemm + quantize, rel=1e-9)
    fused = replace(VLLM, fused_quantize=True)
    assert op_expected_s(op, C, fused) == pytest.approx(gemm, rel=1e-9)


def test_scales_of_blocks_are_computed_by_a_kernel_that_no_engine_fuses() -> None:
    (op,) = matmul("m", (Linear("w", 4096, 4096, FP8_BLOCK),), 512)
    fused = replace(VLLM, fused_quantize=True)
    assert op_expected_s(op, C, fused) == op_expected_s(op, C, VLLM)


def test_an_fp8_weight_on_a_card_without_fp8_quantizes_nothing() -> None:
    ampere = load_gpu("a100-sxm")
    (op,) = matmul("m", (Linear("w", 4096, 4096, FP8),), 512)
    c = constants_of(ampere, VLLM)
    moved = op.weight_bytes + 512 * 4096 * 2 + 512 * 4096 * 2
    by_hand = c.gemm_latency_s + pn(
        2 * 512 * 4096 * 4096 / c.flop_per_s("bf16"), moved / c.bandwidth, 2.5
    )
    assert op_expected_s(op, c, VLLM) == pytest.approx(by_hand, rel=1e-9)


def _attention(step: Step) -> Op:
    return attention("a", step, heads=32, kv_heads=8, qk_dim=128, v_dim=128, cache=BF16)


def _prefill_by_hand(pairs: float, queries: float, moved: float, share: float = 1.0) -> float:
    rate = 4 * 128 / 790e12 + 1 / (132 * 1.83e9 * 16)
    busy = pairs * rate / 1.18 + 4.5e-6 * queries / 128 / 132
    return 14e-6 + pn(busy / share, moved / 3.1e12, 2.5)


def test_prefill_attention_pays_flops_exponentials_edges_tiles_and_a_tail() -> None:
    s = 4096
    op = _attention(Step(1, s, 0))
    pairs = 32 * (s * (s + 1) / 2 + s * 128)  # every tile of 128 queries has one ragged edge
    pairs += 128 * s * 132 / 2  # half of the last tile's time on 132 SMs
    moved = 2 * s * (32 + 8 + 8 + 32) * 128
    by_hand = _prefill_by_hand(pairs, 32 * s, moved)
    assert op_expected_s(op, C, VLLM) == pytest.approx(by_hand, rel=1e-6)
    slower = replace(VLLM, prefill_share=0.8)
    by_hand = _prefill_by_hand(pairs, 32 * s, moved, 0.8)
    assert op_expected_s(op, C, slower) == pytest.approx(by_hand, rel=1e-6)


def test_a_tile_along_a_window_has_two_edges_and_loads_its_keys_for_the_heads_of_one_kv_head() -> (
    None
):
    s, window = 4096, 512
    op = attention("a", Step(1, s, 0), heads=32, kv_heads=8, qk_dim=128, v_dim=128, cache=BF16,
                   visibility=Visibility(window=window))  # fmt: skip
    band = 32 * (s - window)
    pairs = 32 * (window * (window + 1) / 2 + (s - window) * window)
    pairs += 128 * (32 * window + band * (1 + 4 * 8 / 32)) + 128 * window * 132 / 2
    moved = 2 * s * (32 + 8 + 8 + 32) * 128
    by_hand = _prefill_by_hand(pairs, 32 * s, moved)
    assert op_expected_s(op, C, VLLM) == pytest.approx(by_hand, rel=1e-6)


def test_few_tokens_are_multiplied_with_quantized_weights_one_after_another() -> None:
    """llama.cpp's own figures of an 8B model in q4_0 on an RTX 3090 (pull request 15802): tokens/s
    of 2 to 8 tokens at a time, of whose step at one token nothing changes."""
    from vperf import Scenario  # noqa: PLC0415
    from vperf.resolve import deploy  # noqa: PLC0415

    at = deploy(Scenario("meta-llama/Llama-3.1-8B", "rtx-3090", engine="llama.cpp",
                         quantization="q4_0")).compiled  # fmt: skip
    measured = {1: 156.6, 2: 279.9, 4: 470.5, 6: 541.6, 8: 583.8}
    for tokens, rate in measured.items():
        assert tokens / at.decode(tokens, 1).expected == pytest.approx(rate, rel=0.15)
    card = load_gpu("rtx-3090")
    c = constants_of(card, load_engine("llama.cpp"))
    (op,) = matmul("m", (Linear("w", 4096, 4096, Q4_K),), 5)
    form = KINDS["matmul"].form(op, c, load_engine("llama.cpp"))
    rate = 30 * 0.6 * card.sm_count * card.rated_clock_hz
    assert form.z == pytest.approx(4 * 4096 * 4096 / rate)
    (many,) = matmul("m", (Linear("w", 4096, 4096, Q4_K),), 512)
    assert KINDS["matmul"].form(many, c, VLLM).z == pytest.approx(7 * 4096 * 4096 / rate)
    (wide,) = matmul("m", (Linear("w", 4096, 4096, BF16),), 5)
    assert KINDS["matmul"].form(wide, c, VLLM).z == 0.0


def test_prefill_over_heads_of_72_multiplies_as_if_they_were_of_96() -> None:
    def busy(width: int) -> float:
        op = attention("a", Step(1, 65536, 0), heads=16, kv_heads=16, qk_dim=width, v_dim=width,
                       cache=BF16)  # fmt: skip
        return op_expected_s(op, C, VLLM)

    assert busy(72) == pytest.approx(busy(96), rel=1e-3)
    assert busy(64) < busy(72)
    assert busy(80) == pytest.approx(busy(96), rel=1e-3)


def test_prefill_over_heads_of_512_is_as_slow_as_measured() -> None:
    # 12 of 47 rows of NVIDIA aiconfigurator's tables: TensorRT-LLM's kernels, and theirs in
    # SGLang, on B200 and B300. Without a rate of their own they are predicted 30 % too fast.
    rows = score("prefill attention, wide heads")["kernel"]
    assert abs(stats(rows).bias) < 0.07


def test_prefill_over_heads_wider_than_256_runs_at_0_65_of_the_rate() -> None:
    s, width, sms = 8192, 512, 132
    op = attention("a", Step(1, s, 0), heads=8, kv_heads=8, qk_dim=width, v_dim=width, cache=BF16)
    pairs = 8 * (s * (s + 1) / 2 + s * 128) + 128 * s * sms / 2
    rate = (4 * width / 790e12 + 1 / (sms * 1.83e9 * 16)) / 0.65
    busy = pairs * rate / 1.18 + 4.5e-6 * 8 * s / 128 / sms
    by_hand = 14e-6 + pn(busy, 2 * s * 4 * 8 * width / 3.1e12, 2.5)
    assert op_expected_s(op, C, VLLM) == pytest.approx(by_hand, rel=1e-6)


def _delta_rule(batch: int, tokens: int) -> Op:
    step, state = Step(batch, tokens, 0), 16 * 128 * 128 * 4
    return recurrent("r", step, heads=16, key_heads=8, key_dim=128, value_dim=128,
                     state_bytes=state, delta=True, chunk=64)  # fmt: skip


def test_the_chunks_of_one_delta_rule_sequence_wait_for_each_other() -> None:
    one = op_expected_s(_delta_rule(1, 65_536), C, VLLM)
    assert one == pytest.approx(18e-6 + 1024 * 2.3e-6, rel=0.15)
    eight = op_expected_s(_delta_rule(8, 8192), C, VLLM)  # the same work in shorter sequences
    assert eight < 0.6 * one


def test_prefill_attention_over_an_fp8_cache_is_faster_where_the_engine_computes_in_fp8() -> None:
    step = Step(1, 8192, 0)
    op = replace(_attention(step), format=cache_format_named("fp8"))
    fp8 = replace(VLLM, fp8_attention=True)
    assert op_expected_s(op, C, fp8) < 0.9 * op_expected_s(op, C, VLLM)


def test_experts_whose_weights_are_unpacked_compute_slower() -> None:
    def seconds(fmt: Format) -> float:
        shape = (8192, 8, 128, 2048, 768)
        flops = 8192 * 8 * 6.0 * 2048 * 768
        op: Op = Work("experts", "moe", flops, fmt, weight_bytes=1e8, shape=shape)
        return op_expected_s(op, C, VLLM)

    assert seconds(MXFP4) > 1.5 * seconds(BF16)  # Hopper unpacks mxfp4 to 16 bit
    assert seconds(FP8) < seconds(BF16)


def _experts(fmt: Format, c: Constants) -> float:
    """Seconds of 16 tokens to experts whose weights take long to read."""
    elements = 100 * 3 * 2048 * 768
    read, shape = elements * fmt.bytes_per_element, (16, 8, 128, 2048, 768)
    op: Op = Work("experts", "moe", 16 * 8 * 6.0 * 2048 * 768, fmt, weight_bytes=read, shape=shape)
    return op_expected_s(op, c, VLLM)


def test_int4_experts_wait_for_their_weights_to_be_unpacked() -> None:
    b200 = constants_of(load_gpu("b200-sxm"), VLLM)
    unpacking = 100 * 3 * 2048 * 768 / (28 * b200.gpu.sm_count * b200.gpu.rated_clock_hz)
    assert _experts(INT4, b200) > b200.moe_latency_s + unpacking
    other = replace(b200, gpu=replace(b200.gpu, vendor="AMD"))  # where nobody measured it
    assert _experts(INT4, other) < b200.moe_latency_s + unpacking


def test_grouped_kernels_of_an_engine_may_multiply_slower_or_faster_than_others() -> None:
    """Prompts of gpt-oss-20b under llama.cpp on an RTX 3090 (ggml-org/llama.cpp pull 21024, May
    2026) and an R9700 (kyuz0/amd-r9700-ai-toolboxes, February 2026), of Qwen3-30B-A3B under MLX on
    an M4 Max (ml-explore/mlx-lm pull 406, August 2025). With vLLM's kernels they would be off by
    32, 29 and 43 %."""
    for card, engine, model, quantization, tokens, measured in (
        ("rtx-3090", "llama.cpp", "openai/gpt-oss-20b", "mxfp4_moe", 512, 4617),
        ("r9700", "llama.cpp", "openai/gpt-oss-20b", "mxfp4_moe", 512, 4517),
        ("apple-m4-max", "mlx", "Qwen/Qwen3-30B-A3B", "mlx_q4", 2048, 1732),
    ):
        answer = vperf.estimate(model, card, engine=engine, quantization=quantization,
                                input_len=tokens)  # fmt: skip
        assert tokens / answer.expected.ttft_s == pytest.approx(measured, rel=0.12)


def test_experts_with_few_tokens_each_cost_more_in_llama_cpp() -> None:
    """512 tokens give gpt-oss-20b's experts 64 each, 10 to each of the 512 of Qwen3-Coder-Next:
    pp512 of it on Strix Halo is 515 tok/s, without it would be 23 % more. An ubatch is all
    that shares a tile: four of them are no faster a token than one."""

    def rate(tokens: int) -> float:
        answer = vperf.estimate("Qwen/Qwen3-Coder-Next", "strix-halo", engine="llama.cpp",
                                quantization="q4_k_m", input_len=tokens)  # fmt: skip
        return tokens / answer.expected.ttft_s

    assert rate(512) == pytest.approx(515, rel=0.1)
    assert rate(2048) == pytest.approx(rate(512), rel=0.1)


@pytest.mark.parametrize(("card", "measured"), [("rtx-3090", 3217), ("r9700", 2830)])
def test_experts_in_k_quants_are_multiplied_slower_by_llama_cpp(card: str, measured: float) -> None:
    """llama-bench pp512 of Qwen3-Coder-30B-A3B (PMZFX/intel-arc-pro-b70-benchmarks, April 2026;
    kyuz0/amd-r9700-ai-toolboxes, February 2026): as others', they would be 52 and 56 % too fast."""
    answer = vperf.estimate("Qwen/Qwen3-Coder-30B-A3B-Instruct", card, engine="llama.cpp",
                            quantization="q4_k_m", input_len=512)  # fmt: skip
    assert 512 / answer.expected.ttft_s == pytest.approx(measured, rel=0.14)


def test_block_scaled_experts_run_more_kernels() -> None:
    b200 = constants_of(load_gpu("b200-sxm"), VLLM)
    for c in (b200, C):
        more = c.moe_block_latency_s - c.moe_latency_s
        assert _experts(FP8_BLOCK, c) - _experts(FP8, c) > more > 8e-6


def test_k_quants_stream_slower_than_plain_blocks_in_llama_cpp() -> None:
    llama = load_engine("llama.cpp")
    c = constants_of(H100, llama)

    def rate(fmt: Format) -> float:
        (op,) = matmul("m", (Linear("w", 8192, 28672, fmt),), 1)
        return op.weight_bytes / op_expected_s(op, c, llama)

    assert rate(Q4_K) == pytest.approx(0.93 * rate(Q4_0), rel=0.02)


def test_long_decode_attention_streams_the_cache() -> None:
    op = _attention(Step(8, 1, 32_768))
    cache = 8 * 32_768 * 2 * 8 * 128 * 2
    seconds = op_expected_s(op, C, VLLM)
    assert cache / 3.1e12 < seconds < 1.1 * cache / 3.1e12 + 13e-6


def test_without_flash_attention_each_query_head_reads_the_keys_of_its_group_from_memory() -> None:
    """llama-bench of an 8B model in q4_k_m without it (XiongjieDai, May 2024): from mean contexts
    of 256 to 4,096 tokens a step became 2.77 ms longer on an RTX 3090, 1.38 on an RTX 4090, whose
    L2 holds the keys of a layer, and 9.27 on an M1 Max."""
    engine = replace(load_engine("llama.cpp@b3000"), flash_attention=False)
    for card, heads, measured in (("rtx-3090", 4, 2.77e-3), ("rtx-4090", 1, 1.38e-3),
                                  ("apple-m1-max", 4, 9.27e-3)):  # fmt: skip
        c = constants_of(load_gpu(card), engine)
        longer, plain = (
            [op_expected_s(_attention(Step(1, 1, past)), c, each) for past in (100_000, 200_000)]
            for each in (engine, replace(engine, flash_attention=True))
        )
        step = longer[1] - longer[0]
        assert step == pytest.approx(heads * (plain[1] - plain[0]), rel=0.01)
        assert step * 32 * 3840 / 100_000 < measured


def test_short_decode_attention_of_a_large_batch_waits_for_its_blocks() -> None:
    op = _attention(Step(1024, 1, 16))
    blocks = 3.5e-6 * 1024 * 8 / 132
    seconds = op_expected_s(op, C, VLLM)
    assert blocks < seconds < 1.3 * blocks + 13e-6


@given(st.integers(1, 4096), st.integers(1, 8), st.integers(1, 8))
def test_more_rows_columns_or_depth_never_take_less(rows: int, k: int, n: int) -> None:
    def seconds(m: int, kk: int, nn: int) -> float:
        (op,) = matmul("m", (Linear("w", 128 * kk, 128 * nn),), m)
        return op_expected_s(op, C, VLLM)

    base = seconds(rows, k, n)
    assert base <= seconds(rows + 1, k, n)
    assert base <= seconds(rows, k + 1, n)
    assert base <= seconds(rows, k, n + 1)


def test_kinds_has_a_row_for_every_kind_of_op() -> None:
    assert KINDS.keys() == {*get_args(OpKind)}


def test_a_transfer_is_its_bytes_over_pcie() -> None:
    """Two bytes an element over the 63 GB/s of PCIe 5.0 x16."""
    work: Work[float] = Work("t", "transfer", 0.0, BF16, input_elements=63e9)
    assert H100.pcie_bytes_per_s == pytest.approx(63e9, rel=0.02)
    assert seconds(transfer(work, C, VLLM)) == pytest.approx(2.0, rel=0.02)
