"""The speed of light: what counts, and what is free."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import vperf
from vperf.formats import AWQ, BF16, FP8, FP16, MXFP4, cache_format_named
from vperf.model.ops import Linear, Op, Step, attention, matmul
from vperf.sources.gpus import load_gpu
from vperf.timing.limit import Limits, StepLimit, bound_of, peak

H100 = load_gpu("h100-sxm")


def one(*ops: Op) -> list[tuple[int, Op]]:
    return [(1, op) for op in ops]


def test_a_matmul_is_bounded_by_flops_or_by_weight_bytes_and_never_by_activations() -> None:
    (big,) = matmul("m", (Linear("w", 4096, 4096),), 8192)
    (small,) = matmul("m", (Linear("w", 4096, 65536),), 1)
    limits = Limits(replace(H100, l2_bytes=0.0))
    of_big, of_small = limits.of_step(one(big)), limits.of_step(one(small))
    assert of_big.seconds == 2 * 8192 * 4096 * 4096 / 989.4e12
    assert of_small.seconds == 4096 * 65536 * 2 / 3350e9


def test_the_l2_may_hold_its_size_of_a_step_once() -> None:
    (op,) = matmul("m", (Linear("w", 4096, 65536),), 1)
    limit = Limits(H100).of_step(one(op))
    assert limit.memory_s == pytest.approx((op.weight_bytes - 50 * 2**20) / 3350e9)


def test_a_step_smaller_than_the_l2_has_no_memory_bound() -> None:
    (op,) = matmul("m", (Linear("w", 1024, 1024),), 1)
    assert Limits(H100).of_step(one(op)).memory_s == 0


def test_compute_and_memory_of_different_ops_overlap() -> None:
    (compute,) = matmul("m", (Linear("w", 4096, 4096),), 8192)
    (memory,) = matmul("m", (Linear("w", 4096, 65536),), 1)
    limits = Limits(replace(H100, l2_bytes=0.0))
    both = limits.of_step(one(compute, memory))
    apart = limits.of_step(one(compute)).seconds + limits.of_step(one(memory)).seconds
    assert both.seconds < apart


def test_no_step_is_faster_than_its_messages_cross_the_link() -> None:
    # Llama-3.1-70B over 8 L40S: 160 all-reduces of 4,096 x 8,192 in 16 bit over PCIe 4.0 x16.
    answer = vperf.estimate(
        "meta-llama/Llama-3.1-70B-Instruct", "l40s", tp=8, input_len=4096
    ).to_dict()
    crossing = 160 * 2 * (2 * 4096 * 8192) * 7 / 8 / (load_gpu("l40s").pcie_bytes_per_s or 0.0)
    assert answer["limit"]["ttft_s"] == pytest.approx(crossing, rel=1e-9)
    assert answer["prefill"]["bound"] == "link"


def test_datacenter_cards_are_bounded_by_their_rated_peak() -> None:
    assert peak(H100, BF16.path(H100.peak_flop_per_s)) == 989.4e12
    assert peak(H100, FP8.path(H100.peak_flop_per_s)) == 1978.8e12


def test_a_geforce_card_is_bounded_by_its_highest_clock() -> None:
    # An RTX 5090 measures 254 bf16 TFLOPS against 209.5 rated at 2407 MHz.
    card = load_gpu("rtx-5090")
    bound = peak(card, BF16.path(card.peak_flop_per_s))
    assert bound == pytest.approx(170 * 512 * card.max_clock_hz, rel=0.001)
    assert bound > 254e12


def test_fp16_may_accumulate_in_fp16_and_is_bounded_by_that_rate() -> None:
    card = load_gpu("rtx-4090")
    rates = card.peak_flop_per_s
    assert peak(card, FP16.path(rates)) == pytest.approx(rates["fp16_acc16"] * card.boost)
    assert peak(card, BF16.path(rates)) == pytest.approx(rates["bf16"] * card.boost)


def test_weight_only_int4_is_bounded_by_the_16_bit_peak() -> None:
    assert peak(H100, AWQ.path(H100.peak_flop_per_s)) == 989.4e12


def test_weights_unpacked_to_16_bit_may_run_in_fp16() -> None:
    # AWQ kernels on an RTX 4090 prefill faster than its bf16 peak would let them.
    card = load_gpu("rtx-4090")
    (op,) = matmul("m", (Linear("w", 4096, 4096, AWQ),), 4096)
    rate = op.flops / Limits(card).compute_s(op)
    assert rate == pytest.approx(card.peak_flop_per_s["fp16_acc16"] * card.boost)


def test_mxfp4_on_cdna4_is_bounded_by_its_own_pipe_not_by_that_of_fp8() -> None:
    # 5,775 TFLOPS measured on MI355X (ROCm/aiter#2037), whose fp8 peak is 5,033.
    card = Limits(load_gpu("mi355x"))
    (op,) = matmul("m", (Linear("w", 8192, 8192, MXFP4),), 8192)
    assert card.pipe(op) == "mxfp4"
    assert op.flops / card.compute_s(op) == pytest.approx(10066.3e12)


def test_mxfp4_on_blackwell_is_bounded_by_the_fp8_peak() -> None:
    card = load_gpu("b200")
    assert peak(card, MXFP4.path(card.peak_flop_per_s)) == card.peak_flop_per_s["fp8"]


def test_attention_over_an_fp8_cache_is_given_the_fp8_peak() -> None:
    def seconds(cache: str) -> float:
        op = attention("a", Step(1, 8192, 0), heads=32, kv_heads=8, qk_dim=128, v_dim=128,
                       cache=cache_format_named(cache))  # fmt: skip
        return Limits(H100).compute_s(op)

    assert seconds("bf16") == pytest.approx(2 * seconds("fp8"))


def test_the_pipe_of_a_limit_is_the_one_whose_peak_it_is_at() -> None:
    card = load_gpu("rtx-4090")
    for fmt, pipe in ((BF16, "bf16"), (FP16, "fp16_acc16"), (FP8, "fp8"), (AWQ, "fp16_acc16")):
        (op,) = matmul("m", (Linear("w", 16, 32, fmt),), 8)
        limits = Limits(card)
        assert limits.pipe(op) == pipe
        assert op.flops / limits.compute_s(op) == card.peak_flop_per_s[pipe] * card.boost


def test_a_decode_step_reads_all_but_what_the_l2_may_still_hold() -> None:
    gpu = load_gpu("h100-sxm")
    answer = vperf.estimate("qwen3-4b-instruct-2507", gpu)
    by_hand = (answer.decode.bytes - gpu.l2_bytes) / gpu.memory_bandwidth
    assert answer.decode.limit_s == pytest.approx(by_hand, rel=1e-9)
    assert answer.limit.tpot_s == pytest.approx(by_hand, rel=1e-4)  # a mean of contexts


def test_a_step_has_a_ceiling_above_its_limit_where_routers_have_favourites() -> None:
    sides: dict[str, Any] = {
        "compute_s": 1.0,
        "memory_s": 3.0,
        "link_s": 2.0,
        "bandwidth": 1.0,
        "op_compute_s": (),
    }
    assert StepLimit(**sides, even_memory_s=4.0).seconds == 3.0
    assert StepLimit(**sides, even_memory_s=4.0).ceiling_s == 4.0
    assert StepLimit(**sides, even_memory_s=2.5).ceiling_s == 3.0


@pytest.mark.parametrize(
    ("compute", "memory", "link", "side"),
    [(3.0, 2.0, 1.0, "compute"), (2.0, 3.0, 1.0, "memory"), (2.0, 1.0, 3.0, "link"),
     (2.0, 2.0, 1.0, "memory"), (2.0, 1.0, 2.0, "compute"), (1.0, 2.0, 2.0, "memory")],
)  # fmt: skip
def test_a_step_is_bound_by_its_longest_side_and_of_two_by_what_a_card_alone_has(
    compute: float, memory: float, link: float, side: str
) -> None:
    assert bound_of(compute, memory, link) == side
