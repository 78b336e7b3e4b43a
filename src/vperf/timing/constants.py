"""The constants behind `expected` for one card: measured where somebody measured, else generic.

A peak (datasheet) and the fraction of it that is achieved meet here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vperf.hardware.gpu import Achieved, Gpu

# Fractions of the datasheet peak that large matmuls sustain, and the fraction of the bandwidth a
# weight stream reaches: means over A100, H100, H200, B200, B300, L40S and RTX PRO 6000, fitted to
# the kernel tables of NVIDIA aiconfigurator (commit 095f58a51; see docs/method.md). Coefficient of
# variation between families .11 and .07. GDDR, behind few channels, streams closer to its peak:
# L40S .89 (with ECC), RTX PRO 6000 .95.
_COMPUTE_FRACTION = {"fp8": 0.57, "fp8_block": 0.65, "int8": 0.57, "fp4": 0.53}
_COMPUTE_FRACTION_16 = 0.78
_BANDWIDTH_FRACTION = 0.83
_BANDWIDTH_FRACTION_GDDR = 0.92

_US = 1e-6
# The same source. The latencies differ more between families than the fractions do.
_GENERIC = {
    "gemm_latency_s": 4 * _US,
    "quantize_latency_s": 4 * _US,
    "quantize4_latency_s": 7 * _US,
    "prefill_efficiency": 1.0,
    "prefill_tile_keys": 256.0,
    "prefill_latency_s": 11 * _US,
    "decode_latency_s": 10 * _US,
    "decode_block_s": 3 * _US,
    "moe_latency_s": 35 * _US,
    "moe_efficiency": 0.55,
}

Origin = Literal["measured", "generic"]


@dataclass(frozen=True, slots=True)
class Constants:
    """Every constant of the forms in expected.py, for one card. SI units."""

    gpu: Gpu
    achieved: Mapping[str, float]
    """FLOP/s by pipe, as measured; pipes not in it get a fraction of their peak."""
    fraction_16: float
    bandwidth: float
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
    origin: Origin
    """measured: the 16-bit matmul rate and the memory stream of this very card are."""
    guessed: tuple[str, ...]
    """Names of the constants that are generic."""

    def flop_per_s(self, pipe: str, format_name: str = "") -> float:
        """The sustained large-matmul rate of a pipe; fp8 with block scales has its own."""
        kind = "fp8_block" if pipe == "fp8" and format_name == "fp8_block" else pipe
        if kind in self.achieved:
            return self.achieved[kind]
        if pipe in self.achieved:
            return self.achieved[pipe]
        fraction = _COMPUTE_FRACTION.get(kind, self.fraction_16)
        return self.gpu.peak_flop_per_s[pipe] * fraction


def constants_of(gpu: Gpu) -> Constants:
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
    gddr = gpu.memory_type.upper().startswith("GDDR")
    stream = _BANDWIDTH_FRACTION_GDDR if gddr else _BANDWIDTH_FRACTION
    clock_rate = gpu.sm_count * gpu.rated_clock_hz
    return Constants(
        gpu=gpu,
        achieved=measured.flop_per_s,
        fraction_16=rate_16 / peak_16 if rate_16 and peak_16 else _COMPUTE_FRACTION_16,
        bandwidth=measured.memory_bandwidth or gpu.memory_bandwidth * stream,
        exponentials_per_s=clock_rate * gpu.exp_per_clock,
        origin="measured" if known else "generic",
        guessed=tuple(guessed),
        **values,
    )
