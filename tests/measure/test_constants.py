"""Constants from times: what a form was given comes back out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measure.fake import TRUE, FakeBackend
from vperf.hardware.gpu import Achieved
from vperf.measure.constants import (
    CPU_SIZES,
    GPU_SIZES,
    Reading,
    form_seconds,
    probes,
    read,
    solve,
)
from vperf.measure.rates import matmul_rate, square, weight_stream
from vperf.sources.gpus import load_gpu


def solved(true: Achieved, gpu: str = "h100-sxm-80gb") -> tuple[dict[str, float], list[str]]:
    """What is found on a card with these constants, and what is said."""
    backend = FakeBackend(true, gpu)
    said: list[str] = []
    readings = []
    for pipe in ("bf16", "fp8"):
        rate = matmul_rate(backend, pipe, (8192,), 1.0, said.append)
        if rate is not None:
            readings.append(Reading(f"flop_per_s.{pipe}", square(pipe, 8192), rate.sustained_s))
    stream = weight_stream(backend, 2.0**30, said.append)
    assert stream is not None
    assert stream.op is not None
    readings.append(Reading("memory_bandwidth", stream.op, stream.timing.median_s))
    for probe in probes(GPU_SIZES, ("bf16", "fp8")):
        reading = read(backend, probe, said.append)
        if reading is not None:
            readings.append(reading)
    card = replace(load_gpu(gpu), achieved=None)
    return dict(solve(card, readings, said.append)), said


CARDS = st.builds(
    lambda rate, **constants: replace(
        TRUE, flop_per_s={"bf16": rate, "fp8": 1.7 * rate}, **constants
    ),
    rate=st.floats(100e12, 900e12),
    memory_bandwidth=st.floats(0.5e12, 3.3e12),
    stream_bandwidth=st.floats(0.5e12, 3.3e12),
    gemm_latency_s=st.floats(1e-6, 9e-6),
    prefill_efficiency=st.floats(0.5, 1.3),
    prefill_block_s=st.floats(1e-6, 6e-6),
    prefill_latency_s=st.floats(5e-6, 20e-6),
    decode_latency_s=st.floats(5e-6, 20e-6),
    decode_block_s=st.floats(1e-6, 8e-6),
    moe_efficiency=st.floats(0.2, 0.9),
)


@settings(max_examples=5, deadline=None)
@given(CARDS)
def test_measuring_a_card_recovers_its_constants(true: Achieved) -> None:
    found, said = solved(true)
    assert said == []
    for name, value in found.items():
        field, _, pipe = name.partition(".")
        wanted = true.flop_per_s[pipe] if pipe else getattr(true, field)
        assert value == pytest.approx(wanted, rel=0.03), name


def test_the_prediction_of_a_measured_card_is_the_measurement() -> None:
    found, _ = solved(TRUE, "rtx-5090")
    gpu = load_gpu("rtx-5090")
    here = Achieved(
        flop_per_s={k.partition(".")[2]: v for k, v in found.items() if "." in k},
        **{k: v for k, v in found.items() if "." not in k},  # type: ignore[arg-type]
    )
    for probe in probes(GPU_SIZES, ("bf16", "fp8")):
        measured = form_seconds(gpu, TRUE, probe.op, quantizes=probe.quantize)
        again = form_seconds(gpu, here, probe.op, quantizes=probe.quantize)
        assert again == pytest.approx(measured, rel=1e-3), probe.words


def test_a_latency_that_there_is_no_time_for_is_zero_and_said() -> None:
    said: list[str] = []
    probe = probes(GPU_SIZES, ("bf16",))[0]
    gpu = load_gpu("h100")
    found = solve(gpu, [Reading(probe.constant, probe.op, 1e-9)], said.append)
    assert found == {"gemm_latency_s": 0.0}
    assert said == ["gemm_latency_s: the time measured leaves none for it: 0"]


def test_a_share_that_cannot_be_is_left_out_and_said() -> None:
    said: list[str] = []
    probe = next(p for p in probes(GPU_SIZES, ("bf16",)) if p.constant == "moe_efficiency")
    found = solve(load_gpu("h100"), [Reading(probe.constant, probe.op, 1e-9)], said.append)
    assert found == {}
    assert said == ["moe_efficiency: no value of it gives the time measured: left out"]


def test_the_time_of_every_probe_depends_on_its_constant() -> None:
    gpu = load_gpu("h100")
    for sizes in (GPU_SIZES, CPU_SIZES):
        for probe in probes(sizes, ("bf16", "fp8")):
            twice = {probe.constant: 2 * getattr(TRUE, probe.constant)}
            changed = replace(TRUE, **twice)
            times = [
                form_seconds(gpu, true, probe.op, quantizes=probe.quantize)
                for true in (TRUE, changed)
            ]
            assert abs(times[1] / times[0] - 1) > 0.02, probe.words


def test_without_an_8_bit_pipe_no_quantize_kernel_is_timed() -> None:
    names = {probe.constant for probe in probes(GPU_SIZES, ("bf16", "fp16"))}
    assert "quantize_latency_s" not in names
    assert "gemm_latency_s" in names


def test_the_shortest_prompt_is_still_prefill() -> None:
    ops = {probe.constant: probe.op for probe in probes(GPU_SIZES, ())}
    assert not ops["prefill_latency_s"].decode
    assert ops["decode_latency_s"].decode
