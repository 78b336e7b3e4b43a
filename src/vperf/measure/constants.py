"""The small constants, by inverting the forms of timing/expected.py: no equation is said twice.

Each constant has one reading that depends on it most (the table of docs/measure.md). In turn, each
is set so that the form gives the time that was measured, the others held; a few rounds of that
agree with all readings at once, where they can. Not here: running anything but these few ops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal

from vperf.formats import BF16, FP8, INT8
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import MEASURED_SECONDS, Achieved, Gpu
from vperf.measure.backend import Backend, CannotRunError, OutOfMemoryError
from vperf.model.ops import Linear, Op, Step, Work, attention, distinct_experts, matmul
from vperf.sources.engines import load_engine
from vperf.timing.constants import constants_of
from vperf.timing.kinds import op_expected_s
from vperf.values import dataclass

Group = Literal["latency", "attention", "moe"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the ops are: a GPU's, or small enough for a CPU."""

    gemm: int = 4096
    heads: int = 32
    kv_heads: int = 8
    head_dim: int = 128
    prompt_long: int = 16384
    prompt_short: int = 1024
    prompt_floor: int = 32
    """The shortest that is still the prefill kernel (ops.DECODE_KERNEL_MAX_NEW)."""
    decode_keys: int = 128
    stream_batch: int = 64
    stream_keys: int = 8192
    blocks_batch: int = 1024
    blocks_keys: int = 16
    experts: int = 64
    active: int = 8
    expert_hidden: int = 2048
    expert_width: int = 1024
    moe_tokens: int = 8192


GPU_SIZES = Sizes()
CPU_SIZES = Sizes(
    gemm=2048, heads=8, kv_heads=2, prompt_long=2048, prompt_short=256, stream_batch=8,
    stream_keys=2048, blocks_batch=64,
    experts=8, active=2, expert_hidden=512, expert_width=512, moe_tokens=512,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probe:
    """An op to run and the constant its time is read for."""

    constant: str
    """A field of hardware.gpu.Achieved."""
    words: str
    group: Group
    op: Op
    quantize: bool = False
    """Timed with and without quantizing its activations: the difference counts."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A measured time, and what of Achieved it is read for ("flop_per_s.bf16" is a rate)."""

    constant: str
    op: Op
    seconds: float
    difference: bool = False
    """`seconds` is what quantizing adds."""


def pipe_of(constant: str) -> str:
    """The pipe of a rate ("flop_per_s.bf16"); "" of any other constant."""
    return constant.partition(".")[2]


def probes(sizes: Sizes, pipes: Iterable[str]) -> tuple[Probe, ...]:
    """What is run, on a card with these compute pipes."""
    s = sizes

    def linear(fmt: object) -> Op:
        chosen = fmt if fmt in (FP8, INT8) else BF16
        (op,) = matmul("gemm", (Linear("w", s.gemm, s.gemm, chosen),), 8)
        return op

    def attend(batch: int, new: int, past: int) -> Op:
        return attention(
            "attention", Step(batch, new, past), heads=s.heads, kv_heads=s.kv_heads,
            qk_dim=s.head_dim, v_dim=s.head_dim, cache=BF16,
        )  # fmt: skip

    narrow = next((f for pipe, f in (("fp8", FP8), ("int8", INT8)) if pipe in pipes), None)
    found = [
        Probe("gemm_latency_s", f"[8,{s.gemm}]x[{s.gemm},{s.gemm}], weights in turn", "latency",
              linear(BF16))
    ]  # fmt: skip
    if narrow is not None:
        found.append(
            Probe("quantize_latency_s", f"what {narrow.name} activations add to it", "latency",
                  linear(narrow), quantize=True)
        )  # fmt: skip
    found += [
        Probe("prefill_efficiency", f"prefill of {s.prompt_long:,} tokens", "attention",
              attend(1, s.prompt_long, 0)),
        Probe("prefill_block_s", f"prefill of {s.prompt_short:,} tokens", "attention",
              attend(1, s.prompt_short, 0)),
        Probe("prefill_latency_s", f"prefill of {s.prompt_floor} tokens", "attention",
              attend(1, s.prompt_floor, 0)),
        Probe("stream_bandwidth", f"decode, {s.stream_batch} x {s.stream_keys:,} keys", "attention",
              attend(s.stream_batch, 1, s.stream_keys - 1)),
        Probe("decode_latency_s", f"decode, {s.decode_keys} keys", "attention",
              attend(1, 1, s.decode_keys - 1)),
        Probe("decode_block_s", f"decode, {s.blocks_batch:,} x {s.blocks_keys} keys", "attention",
              attend(s.blocks_batch, 1, s.blocks_keys - 1)),
        Probe("moe_latency_s", f"1 token to {s.active} of {s.experts} experts", "moe", _moe(s, 1)),
        Probe("moe_efficiency", f"{s.moe_tokens:,} tokens to {s.active} of {s.experts}", "moe",
              _moe(s, s.moe_tokens)),
    ]  # fmt: skip
    return tuple(found)


def _moe(s: Sizes, tokens: int) -> Op:
    """A gated MoE layer of 16-bit experts, as model/blocks/moe.py counts it."""
    passes = tokens * s.active
    elements = 3 * s.expert_hidden * s.expert_width
    return Work(
        "experts", "moe", 2.0 * passes * elements, BF16,
        weight_bytes=distinct_experts(tokens, s.experts, s.active) * 2.0 * elements,
        input_elements=passes * s.expert_hidden,
        output_elements=passes * s.expert_hidden,
        shape=(tokens, s.active, s.experts, s.expert_hidden, s.expert_width),
    )  # fmt: skip


def read(backend: Backend, probe: Probe, say: Callable[[str], None]) -> Reading | None:
    """Run one probe; None (and said) where it cannot run."""
    try:
        seconds = backend.time([probe.op], quantize=probe.quantize).median_s
        if probe.quantize:
            seconds -= backend.time([probe.op], quantize=False).median_s
    except (CannotRunError, OutOfMemoryError) as error:
        say(f"{probe.constant}: not measured: {error.message}")
        return None
    return Reading(probe.constant, probe.op, seconds, difference=probe.quantize)


# Solving -------------------------------------------------------------------------------------

_ROUNDS = 16
_SETTLED = 1e-4
_HALVINGS = 40
_SPANS = {
    "flop_per_s": (1e7, 1e18),
    "memory_bandwidth": (1e7, 1e15),
    "stream_bandwidth": (1e7, 1e15),
    "prefill_efficiency": (1e-4, 1e3),
    "moe_efficiency": (1e-5, 1e2),
}
_LATENCY = (1e-10, 1.0)


def neutral_engine(*, quantizes: bool) -> Engine:
    """No engine's own kernels or shares: what was run is what the forms describe."""
    return replace(load_engine("ideal"), fused_quantize=not quantizes)


def solve(gpu: Gpu, readings: Iterable[Reading], say: Callable[[str], None]) -> Mapping[str, float]:
    """Each reading's constant so that the forms on `gpu` give the times measured.

    Keys are Reading.constant. A latency that the rest of its form leaves no time for is 0, a rate
    or share that cannot be is left out; both are said.
    """
    readings = tuple(readings)
    achieved = gpu.achieved or Achieved()
    for reading in readings:  # a start: the rate without any of the small constants
        if pipe_of(reading.constant):
            achieved = _with(achieved, reading.constant, reading.op.flops / reading.seconds)
        elif reading.constant == "memory_bandwidth":
            achieved = replace(
                achieved, memory_bandwidth=reading.op.streamed_bytes / reading.seconds
            )
    values: dict[str, float] = {}
    outside: dict[str, bool] = {}
    for _ in range(_ROUNDS):
        before = dict(values)
        for reading in readings:
            value, outside[reading.constant] = _fitted(gpu, achieved, reading)
            achieved = _with(achieved, reading.constant, value)
            values[reading.constant] = value
        if before and all(abs(values[k] / before[k] - 1) < _SETTLED for k in values):
            break
    for constant in [name for name, is_outside in outside.items() if is_outside]:
        if constant in MEASURED_SECONDS:
            values[constant] = 0.0
            say(f"{constant}: the time measured leaves none for it: 0")
        else:
            del values[constant]
            say(f"{constant}: no value of it gives the time measured: left out")
    return values


def form_seconds(gpu: Gpu, achieved: Achieved, op: Op, *, quantizes: bool = False) -> float:
    """What timing/expected.py gives for an op with these constants."""
    engine = neutral_engine(quantizes=quantizes)
    return op_expected_s(op, constants_of(replace(gpu, achieved=achieved), engine), engine)


def _fitted(gpu: Gpu, achieved: Achieved, reading: Reading) -> tuple[float, bool]:
    """The value of one constant, others held, by bisection; whether it lies outside its span."""
    low, high = _SPANS.get(reading.constant.partition(".")[0], _LATENCY)

    def off(value: float) -> float:
        changed = _with(achieved, reading.constant, value)
        t = form_seconds(gpu, changed, reading.op)
        if reading.difference:
            t = form_seconds(gpu, changed, reading.op, quantizes=True) - t
        return t - reading.seconds

    rises = off(high) > off(low)
    # Both ends on one side: the nearer end is the best there is.
    if (off(low) > 0) == (off(high) > 0):
        return (low if abs(off(low)) < abs(off(high)) else high), True
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        if (off(middle) > 0) == rises:
            high = middle
        else:
            low = middle
    return math.sqrt(low * high), False


def _with(achieved: Achieved, constant: str, value: float) -> Achieved:
    if pipe := pipe_of(constant):
        return replace(achieved, flop_per_s={**achieved.flop_per_s, pipe: value})
    return replace(achieved, **{constant: value})  # type: ignore[arg-type]


def achieved_with(achieved: Achieved, values: Mapping[str, float]) -> Achieved:
    """`achieved` with what was solved for."""
    for constant, value in values.items():
        achieved = _with(achieved, constant, value)
    return achieved
