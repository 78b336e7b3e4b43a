"""The constants behind `expected`, of a card and an engine: measured on it if anybody did, else on
another card of its die, else generic.

A peak (datasheet) and the fraction of it that is achieved meet here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from operator import attrgetter
from typing import Literal

from vperf.formats import INT8_PATH, Format, Path
from vperf.hardware.engine import SAME_KERNELS, Engine
from vperf.hardware.gpu import MEASURED_SECONDS, Achieved, Gpu, MemoryClass, TensorCores
from vperf.hardware.host import VECTOR_OPERATIONS
from vperf.values import dataclass

_US = 1e-6


_OF_EXPERTS = ("moe_latency_s", "moe_block_latency_s")
"""Latencies of grouped kernels (`Kernels.experts`)."""
_OF_BLOCKS = ("quantize_latency_s", "moe_block_latency_s")
"""Latencies of kernels for weights with block scales (`Kernels.blocks`)."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What the cards of one architecture share and nobody measured on each: in place of what
    `Generic` has for all cards."""

    latency: float = 1.0
    """Of the generic latencies, and of a small kernel's launch."""
    bandwidth_fraction: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    compute_fraction: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generic:
    """What is taken for a card where nobody measured it, from those that were."""

    compute_fraction: Mapping[str, float]
    """Of the peak of a pipe that large matmuls sustain; others as bf16."""
    bandwidth_fraction: Mapping[MemoryClass, float]
    """Of the datasheet bandwidth at which one matmul reads its weights, by kind of memory."""
    stream_ratio: float
    """HBM: stream_bandwidth over memory_bandwidth. Others keep theirs: nearer to the peak."""
    others: Mapping[str, tuple[float, ...]]
    """The rest by name, for each generation of tensor cores."""
    generations: Mapping[str, Generation] = field(default_factory=dict)
    """By the architecture that a GPU file names."""


# What benchmarks/generic_constants.py derives from [achieved] of A100, H100, H200, B200, B300,
# L40S and RTX PRO 6000. Bandwidths of other kinds than HBM are not of those cards: GDDR, unified
# memory and Apple's are from llama-bench on 46 others.
GENERIC = Generic(
    compute_fraction={
        "bf16": 0.79,
        "fp8": 0.68,
        "fp8_block": 0.66,
        "int8": 0.69,
        "fp4": 0.58,
    },
    bandwidth_fraction={
        "HBM": 0.83,
        "GDDR": 0.92,
        "Apple": 0.80,
        "unified": 0.82,
        # What STREAM reads of DDR4 and DDR5 (docs/method.md).
        "DDR": 0.80,
    },
    stream_ratio=1.07,
    others={
        "gemm_latency_s": (2.8 * _US, 3.6 * _US, 3.4 * _US),
        "quantize_latency_s": (2.9 * _US, 3.2 * _US, 3.8 * _US),
        "quantize4_latency_s": (5.5 * _US, 3 * _US, 3 * _US),
        "prefill_efficiency": (0.94, 1.2, 1.3),
        "prefill_block_s": (3.6 * _US, 4.5 * _US, 3.5 * _US),
        "prefill_latency_s": (8.1 * _US, 14 * _US, 13 * _US),
        "decode_latency_s": (9.5 * _US, 13 * _US, 11 * _US),
        "decode_block_s": (2.9 * _US, 3.5 * _US, 1.2 * _US),
        "moe_latency_s": (32 * _US, 41 * _US, 19 * _US),
        "moe_block_latency_s": (25 * _US, 53 * _US, 29 * _US),
        "moe_efficiency": (0.55, 0.44, 0.58),
        "moe_block_efficiency": (0.55, 0.34, 0.18),
        "moe_unpack_efficiency": (0.47, 0.22, 0.22),
        "mla_efficiency": (0.4, 0.95, 0.9),
    },
    generations={
        # llama-bench: P40; R9700 and RX 9070 XT; MI210 (docs/method.md).
        "Pascal": Generation(bandwidth_fraction=0.68),
        "RDNA4": Generation(bandwidth_fraction=0.80),
        "CDNA2": Generation(latency=1.31, bandwidth_fraction=0.65),
        # Large matmuls: gn-kernels, clpeak, mmapeak on RTX 5060, 5080, 5090 and PRO 6000, 2025;
        # fp8 runs at the fraction of 16 bit there.
        "Blackwell SM120": Generation(
            compute_fraction={"fp8": 0.95, "mxfp8": 0.85, "fp4": 0.78},
        ),
        # Its fp4 is three times its fp8, which it cannot feed.
        "Blackwell Ultra SM103": Generation(compute_fraction={"fp4": 0.44}),
        # vLLM and ATOM on MI300X, MI325X and MI355X: 5 constants a generation (docs/method.md).
        "CDNA3": Generation(
            latency=1.31,
            bandwidth_fraction=0.65,
            others={"moe_latency_s": 57 * _US, "moe_block_latency_s": 57 * _US},
        ),
        "CDNA4": Generation(
            latency=1.2,
            bandwidth_fraction=0.71,
            others={"moe_latency_s": 23 * _US, "moe_block_latency_s": 23 * _US},
        ),
    },
)

Origin = Literal["measured", "same_die", "generic"]
"""On this very card, on another with its die, or on no card like it: the nearest first."""
_ORIGINS: tuple[Origin, ...] = ("measured", "same_die", "generic")


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the constants of a card come from, by what they are of."""

    matmul_rates: Origin
    memory_stream: Origin
    kernel_times: Origin
    """The farthest of what every model's kernels take."""

    @property
    def whole(self) -> Origin:
        """Of the 16-bit matmul rate and the memory stream, which matter most, the farther."""
        return max(self.matmul_rates, self.memory_stream, key=_ORIGINS.index)


_EVERY_MODEL = ("gemm_latency_s", "prefill_efficiency", "decode_latency_s")


@dataclass(frozen=True, slots=True)
class Constants:
    """Every constant of the forms in expected.py, for one card and engine. SI units."""

    gpu: Gpu
    achieved: Mapping[str, float]
    """FLOP/s by pipe, as measured; pipes not in it get a fraction of their peak."""
    compute_fraction: Mapping[str, float]
    fraction_16: float
    compute_share: Mapping[str, float]
    nested_compute: float
    """Share of the rates at which weights in nested blocks are multiplied."""
    nested_few: float
    """The same of their products in kernels for few tokens: vectors, and tokens of one expert."""
    sums_in_half: bool
    """16-bit weights are multiplied with 16-bit sums, where the card has a rate for that."""
    vector_products_per_s: float
    """Of quantized weights with few tokens, where a kernel takes them one by one; 0: none does."""
    bandwidth: float
    """At which one matmul reads its weights."""
    stream_bandwidth: float
    """Of kernels that keep every SM reading: grouped experts, prefill attention."""
    cache_bandwidth: float
    """At which decode attention reads its cache."""
    cache8_bandwidth: float
    """At which decode attention reads an 8-bit cache."""
    wide_bandwidth: float
    """At which 16-bit weights are read; below narrower ones, and those in nested blocks."""
    narrow_bandwidth: float
    nested_bandwidth: float
    exponentials_per_s: float
    gemm_latency_s: float
    quantize_latency_s: float
    quantize4_latency_s: float
    prefill_efficiency: float
    prefill_block_s: float
    prefill_latency_s: float
    decode_latency_s: float
    decode_block_s: float
    moe_latency_s: float
    moe_block_latency_s: float
    moe_efficiency: float
    moe_block_efficiency: float
    moe_unpack_efficiency: float
    mla_efficiency: float
    launch_scale: float
    """Of the engine's launch of a small kernel, on this card."""
    sink_share: float
    """Of the attention rates, where the softmax has sinks."""
    peak_flop_per_s: Mapping[str, float]
    """Of the pipes, as far as the engine's instructions reach."""
    unpacks_once: bool
    """Whether a host looks weights of codebook quants up once a step, not for each token."""
    own_compute: float
    """Share of the matmul rates that the engine's kernels have on this architecture."""
    wide_compute: float
    """The same of 16-bit weights outside of experts, beyond that."""
    origins: Origins
    paths: dict[Format, tuple[Path, float]]
    """Path and rate of the formats met so far: ops ask for the same few again and again."""

    def path(self, fmt: Format) -> tuple[Path, float]:
        """How the card multiplies a format, and its sustained large-matmul rate at that."""
        found = self.paths.get(fmt)
        if found is None:
            path = fmt.path(self.gpu.peak_flop_per_s)
            if self.gpu.is_host and fmt.bits < 16:
                path = INT8_PATH  # whatever the weights, activations in 8 bits (vec_dot_type)
            half = path.pipe == "fp16" and self.sums_in_half
            rate = self.flop_per_s("fp16_acc16" if half else path.pipe, fmt.name)
            if fmt.nested and path.activation_bits < 16:
                rate *= self.nested_compute
            found = self.paths[fmt] = (path, rate)
        return found

    def flop_per_s(self, pipe: str, format_name: str = "") -> float:
        """The sustained large-matmul rate of a pipe; fp8 with block scales has its own."""
        kind = "fp8_block" if pipe == "fp8" and format_name == "fp8_block" else pipe
        measured = self.achieved.get(kind) or self.achieved.get(pipe)
        fraction = self.compute_fraction.get(kind, self.fraction_16)
        rate = measured or self.peak_flop_per_s[pipe] * fraction
        return rate * self.own_compute * self.compute_share.get(pipe, 1.0)


def constants_of(gpu: Gpu, engine: Engine, generic: Generic = GENERIC) -> Constants:
    """Measured constants of the card with the generic ones for what nobody measured."""
    measured, die = gpu.achieved or Achieved(), gpu.of_die or Achieved()
    values: dict[str, float] = {}
    kind = tensor_cores(gpu)
    family = generic.generations.get(gpu.architecture, Generation())
    own = engine.kernels_on.get(gpu.architecture, SAME_KERNELS)
    for name, kinds in generic.others.items():
        value = getattr(measured, name)
        if value is None:
            value = getattr(die, name)
        if value is None:
            value = family.others.get(name)
            if value is None:
                value = kinds[kind] * (family.latency if name in MEASURED_SECONDS else 1.0)
        if name in MEASURED_SECONDS:
            value *= own.latency
            value *= own.experts if name in _OF_EXPERTS else 1.0
            value *= own.blocks if name in _OF_BLOCKS else 1.0
        values[name] = value
    rates = {**die.flop_per_s, **measured.flop_per_s}
    rate_16 = rates.get("bf16") or rates.get("fp16")
    peak_16 = gpu.peak_flop_per_s.get("bf16") or gpu.peak_flop_per_s.get("fp16")
    weights_stream = measured.memory_bandwidth or die.memory_bandwidth
    share = family.bandwidth_fraction or generic.bandwidth_fraction[gpu.memory_class]
    use = engine.cpu if gpu.is_host else None
    if use is not None:
        share *= (1 + use.sockets * (gpu.sockets - 1)) / gpu.sockets
    bandwidth = own.stream * (weights_stream or gpu.memory_bandwidth * share)
    ratio = generic.stream_ratio if gpu.memory_class == "HBM" else 1.0
    if use is not None:
        ratio *= use.experts_stream
    stream = measured.stream_bandwidth or die.stream_bandwidth
    stream = own.stream * stream if stream else min(gpu.memory_bandwidth, bandwidth * ratio)
    clock_rate = gpu.sm_count * gpu.rated_clock_hz
    return Constants(
        gpu=gpu,
        achieved=rates,
        fraction_16=rate_16 / peak_16 if rate_16 and peak_16 else generic.compute_fraction["bf16"],
        compute_fraction={**generic.compute_fraction, **family.compute_fraction},
        launch_scale=family.latency * own.latency,
        sink_share=own.sinks,
        peak_flop_per_s=gpu.peak_flop_per_s if use is None or use.tiles else _vector_peaks(gpu),
        unpacks_once=use is not None and use.unpacks_once,
        own_compute=own.compute * (use.compute if use else 1.0),
        wide_compute=own.wide,
        compute_share=engine.compute_share,
        nested_compute=engine.nested_compute,
        nested_few=engine.nested_few,
        vector_products_per_s=engine.vector_products_per_clock * own.vector * clock_rate,
        sums_in_half=engine.sums_in_half and "fp16_acc16" in gpu.peak_flop_per_s,
        bandwidth=bandwidth,
        stream_bandwidth=stream,
        cache_bandwidth=own.cache * stream,
        cache8_bandwidth=own.cache * (measured.cache8_bandwidth or die.cache8_bandwidth or stream),
        wide_bandwidth=bandwidth * engine.wide_stream,
        narrow_bandwidth=bandwidth * engine.narrow_stream,
        nested_bandwidth=bandwidth * engine.nested_stream,
        exponentials_per_s=clock_rate * gpu.exp_per_clock,
        origins=_origins(measured, die),
        paths={},
        **values,
    )


def _vector_peaks(host: Gpu) -> Mapping[str, float]:
    """Peaks of a CPU's pipes without tiles."""
    most = host.sm_count * host.rated_clock_hz * VECTOR_OPERATIONS
    return {pipe: min(peak, most) for pipe, peak in host.peak_flop_per_s.items()}


def _origins(measured: Achieved, die: Achieved) -> Origins:
    def nearest(known: Callable[[Achieved], object]) -> Origin:
        return "measured" if known(measured) else "same_die" if known(die) else "generic"

    times = [nearest(attrgetter(name)) for name in _EVERY_MODEL]
    return Origins(
        nearest(lambda found: found.flop_per_s.keys() & {"bf16", "fp16"}),
        nearest(lambda found: found.memory_bandwidth),
        max(times, key=_ORIGINS.index),
    )


TENSOR_CORES = ("mma", "wgmma", "tcgen05")
"""Those whose cards were measured; what has none is taken to be like mma."""


def tensor_cores(gpu: Gpu) -> int:
    """The card's place in TENSOR_CORES."""
    return _TENSOR_CORES[gpu.tensor_cores]


_TENSOR_CORES: Mapping[TensorCores, int] = {"none": 0, "mma": 0, "wgmma": 1, "tcgen05": 2}
