"""The constants behind `expected`, of a card and an engine: measured if anybody did, else generic.

A peak (datasheet) and the fraction of it that is achieved meet here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vperf.formats import Format, Path
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Achieved, Gpu

# Fractions of the datasheet peak that large matmuls sustain, and of the bandwidth that a weight
# stream reaches: means over A100, H100, H200, B200, B300, L40S and RTX PRO 6000, fitted to the
# kernel tables of NVIDIA aiconfigurator (commit 095f58a51; see docs/method.md).
_COMPUTE_FRACTION = {"fp8": 0.67, "fp8_block": 0.65, "int8": 0.69, "fp4": 0.53}
_COMPUTE_FRACTION_16 = 0.76
_BANDWIDTH_FRACTION = {"HBM": 0.81, "GDDR": 0.92, "": 0.82}
# GDDR, behind few channels, streams closer to its peak: RTX PRO 6000 .93 (L40S .81, with ECC), and
# GeForce in llama-bench .92; unified memory ("") in llama-bench, DGX Spark and Strix Halo .82,
# Apple below.
_BANDWIDTH_FRACTION_APPLE = 0.80
_STREAM_OVER_MATMUL = {"HBM": 1.09, "": 1.0}
"""Stream of kernels that keep every SM reading, over that of one matmul's weights."""

_US = 1e-6
# The same source. The latencies differ more between families than the fractions do.
_GENERIC = {
    "gemm_latency_s": 3.4 * _US,
    "quantize_latency_s": 3.6 * _US,
    "quantize4_latency_s": 4.5 * _US,
    "prefill_efficiency": 1.05,
    "prefill_tile_keys": 400.0,
    "prefill_latency_s": 12 * _US,
    "decode_latency_s": 11 * _US,
    "decode_block_s": 2.8 * _US,
    "moe_latency_s": 40 * _US,
    "moe_efficiency": 0.54,
    "moe_block_efficiency": 0.30,
    "moe_unpack_efficiency": 0.25,
    "mla_efficiency": 0.9,
}

Origin = Literal["measured", "generic"]


@dataclass(frozen=True, slots=True)
class Constants:
    """Every constant of the forms in expected.py, for one card and engine. SI units."""

    gpu: Gpu
    achieved: Mapping[str, float]
    """FLOP/s by pipe, as measured; pipes not in it get a fraction of their peak."""
    fraction_16: float
    compute_share: Mapping[str, float]
    bandwidth: float
    """At which one matmul reads its weights."""
    stream_bandwidth: float
    """At which decode attention reads its cache, and grouped experts their weights."""
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
    prefill_tile_keys: float
    prefill_latency_s: float
    decode_latency_s: float
    decode_block_s: float
    moe_latency_s: float
    moe_efficiency: float
    moe_block_efficiency: float
    moe_unpack_efficiency: float
    mla_efficiency: float
    origin: Origin
    """measured: the 16-bit matmul rate and the memory stream of this very card are."""
    guessed: tuple[str, ...]
    """Names of the constants that are generic."""
    paths: dict[Format, tuple[Path, float]]
    """Path and rate of the formats met so far: ops ask for the same few again and again."""

    def path(self, fmt: Format) -> tuple[Path, float]:
        """How the card multiplies a format, and its sustained large-matmul rate at that."""
        found = self.paths.get(fmt)
        if found is None:
            path = fmt.path(self.gpu.peak_flop_per_s)
            found = self.paths[fmt] = (path, self.flop_per_s(path.pipe, fmt.name))
        return found

    def flop_per_s(self, pipe: str, format_name: str = "") -> float:
        """The sustained large-matmul rate of a pipe; fp8 with block scales has its own."""
        kind = "fp8_block" if pipe == "fp8" and format_name == "fp8_block" else pipe
        measured = self.achieved.get(kind) or self.achieved.get(pipe)
        fraction = _COMPUTE_FRACTION.get(kind, self.fraction_16)
        rate = measured or self.gpu.peak_flop_per_s[pipe] * fraction
        return rate * self.compute_share.get(pipe, 1.0)


def constants_of(gpu: Gpu, engine: Engine) -> Constants:
    """Measured constants of the card with the generic ones for what nobody measured."""
    measured = gpu.achieved or Achieved()
    values: dict[str, float] = {}
    guessed: list[str] = []
    for name, generic in _GENERIC.items():
        value = getattr(measured, name)
        values[name] = generic if value is None else value
        if value is None:
            guessed.append(name)
    rate_16 = measured.flop_per_s.get("bf16") or measured.flop_per_s.get("fp16")
    peak_16 = gpu.peak_flop_per_s.get("bf16") or gpu.peak_flop_per_s.get("fp16")
    known = rate_16 is not None and measured.memory_bandwidth is not None
    bandwidth = measured.memory_bandwidth or gpu.memory_bandwidth * _stream_fraction(gpu)
    stream = measured.stream_bandwidth or min(
        gpu.memory_bandwidth, bandwidth * _by_memory(gpu, _STREAM_OVER_MATMUL)
    )
    clock_rate = gpu.sm_count * gpu.rated_clock_hz
    return Constants(
        gpu=gpu,
        achieved=measured.flop_per_s,
        fraction_16=rate_16 / peak_16 if rate_16 and peak_16 else _COMPUTE_FRACTION_16,
        compute_share=engine.compute_share,
        bandwidth=bandwidth,
        stream_bandwidth=stream,
        cache8_bandwidth=measured.cache8_bandwidth or stream,
        wide_bandwidth=bandwidth * engine.wide_stream,
        narrow_bandwidth=bandwidth * engine.narrow_stream,
        nested_bandwidth=bandwidth * engine.nested_stream,
        exponentials_per_s=clock_rate * gpu.exp_per_clock,
        origin="measured" if known else "generic",
        guessed=tuple(guessed),
        paths={},
        **values,
    )


def _stream_fraction(gpu: Gpu) -> float:
    """Share of the datasheet bandwidth, by kind of memory."""
    if gpu.vendor == "Apple":
        return _BANDWIDTH_FRACTION_APPLE
    return _by_memory(gpu, _BANDWIDTH_FRACTION)


def _by_memory(gpu: Gpu, shares: Mapping[str, float]) -> float:
    kind = gpu.memory_type.upper()
    return next(share for start, share in shares.items() if kind.startswith(start))
