"""Points and roofs against figures worked out by hand."""

from __future__ import annotations

import json

import pytest

import vperf
from vperf.explore.roofline import OpPoint, Roofline, roofline_of
from vperf.scenario import Scenario
from vperf.sources.gpus import load_gpu

QWEN = "Qwen/Qwen3-4B-Instruct-2507"
H100 = load_gpu("h100-sxm")


@pytest.fixture(scope="module")
def answer() -> Roofline:
    return roofline_of(Scenario(QWEN, "h100-sxm"))


def op(answer: Roofline, phase: str, name: str) -> OpPoint:
    return next(each for each in answer.ops if (each.phase, each.name) == (phase, name))


def test_one_row_of_a_bf16_matmul_is_about_one_flop_per_byte(answer: Roofline) -> None:
    found = op(answer, "decode", "gate_up_proj")
    k, n = 2560, 2 * 9728
    flops, moved = 2 * k * n, 2 * (k + k * n + n)
    assert found.flop_per_byte == pytest.approx(flops / moved)
    assert found.flop_per_byte == pytest.approx(1.0, rel=1e-3)


def test_a_prefill_matmul_is_m_k_n_over_its_three_matrices(answer: Roofline) -> None:
    found = op(answer, "prefill", "o_proj")
    m, k, n = 1024, 4096, 2560
    assert found.flop_per_byte == pytest.approx(m * k * n / (m * k + k * n + m * n))


def test_decode_attention_of_four_queries_a_key_is_about_four(answer: Roofline) -> None:
    assert op(answer, "decode", "attention").flop_per_byte == pytest.approx(4.0, rel=0.01)


def test_the_ridge_is_peak_over_bandwidth(answer: Roofline) -> None:
    (roof,) = answer.roofs
    assert roof.pipe == "bf16"
    assert roof.limit_flop_per_s == pytest.approx(989.4e12)
    assert roof.ridge_flop_per_byte == pytest.approx(989.4e12 / H100.memory_bandwidth)
    assert roof.expected_flop_per_s < roof.limit_flop_per_s
    assert answer.expected_bytes_per_s < answer.limit_bytes_per_s == H100.memory_bandwidth


def test_attained_is_flops_over_the_times_of_the_estimate(answer: Roofline) -> None:
    estimate = vperf.estimate(QWEN, "h100-sxm")
    for phase in ("prefill", "decode"):
        for timed in getattr(estimate, phase).ops:
            found = op(answer, phase, timed.name)
            if timed.flops:
                assert found.limit_flop_per_s == timed.flops / timed.limit_s
                assert found.expected_flop_per_s == timed.flops / timed.expected_s
            else:
                assert found.flop_per_byte is found.limit_flop_per_s is None


@pytest.mark.parametrize("batch_size", [1, 64, 1024])
@pytest.mark.parametrize("gpu", ["h100-sxm", "rtx-4090"])
@pytest.mark.parametrize("quantization", [None, "fp8", "int4"])
def test_no_op_is_above_the_peak_of_its_pipe_or_above_its_limit(
    gpu: str, quantization: str | None, batch_size: int
) -> None:
    found = roofline_of(Scenario(QWEN, gpu, quantization=quantization, batch_size=batch_size))
    peaks = {roof.pipe: roof.limit_flop_per_s for roof in found.roofs}
    for each in found.ops:
        if each.limit_flop_per_s is not None and each.expected_flop_per_s is not None:
            assert each.expected_flop_per_s <= each.limit_flop_per_s * (1 + 1e-9)
            assert each.limit_flop_per_s <= peaks[each.pipe] * (1 + 1e-9)


def test_each_pipe_in_use_has_a_roof_slowest_first() -> None:
    found = roofline_of(Scenario(QWEN, "h100-sxm", quantization="fp8"))
    assert [roof.pipe for roof in found.roofs] == ["bf16", "fp8"]
    bf16, fp8 = (roof.limit_flop_per_s for roof in found.roofs)
    assert fp8 == pytest.approx(2 * bf16)


def test_a_faster_mode_that_only_the_limit_allows_is_expected_at_the_plain_rate() -> None:
    roofs = roofline_of(Scenario(QWEN, "rtx-4090", quantization="int4")).roofs
    assert [roof.pipe for roof in roofs] == ["bf16", "fp16_acc16"]
    assert roofs[1].limit_flop_per_s > 1.9 * roofs[0].limit_flop_per_s
    assert roofs[1].expected_flop_per_s == pytest.approx(roofs[0].expected_flop_per_s, rel=0.01)


def test_decode_is_left_of_the_ridge_and_moves_right_with_the_batch() -> None:
    intensities = []
    for batch_size in (1, 16, 256):
        _, decode = roofline_of(Scenario(QWEN, "h100-sxm", batch_size=batch_size)).phases
        intensities.append(decode.flop_per_byte)
    assert intensities == sorted(intensities)
    assert intensities[0] == pytest.approx(1.06, rel=0.01)


def test_the_shares_of_a_phase_and_its_overhead_add_up(answer: Roofline) -> None:
    for phase in answer.phases:
        shares = sum(each.share for each in answer.ops if each.phase == phase.phase)
        assert shares + phase.overhead_share == pytest.approx(1.0)


def test_an_exchange_between_gpus_is_under_the_link() -> None:
    found = roofline_of(Scenario(QWEN, "h100-sxm", tp=4))
    exchange = next(each for each in found.ops if each.kind == "allreduce")
    assert exchange.under == "link"
    assert exchange.flop_per_byte is None


def test_to_dict_is_json_with_the_subject_of_the_estimate(answer: Roofline) -> None:
    plain = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert plain["schema"] == "vperf/roofline/1"
    assert plain["model"] == vperf.estimate(QWEN, "h100-sxm").to_dict()["model"]
    assert len(plain["ops"]) == len(answer.ops)


def test_roofs_are_of_the_card_where_the_host_computes_in_a_format_that_the_card_lacks() -> None:
    drawn = vperf.roofline("gpt-oss-120b", "apple-m3-max", cpu_moe=True)
    assert "int8" in {op.pipe for op in drawn.ops}
    assert "int8" not in {roof.pipe for roof in drawn.roofs}
