"""The speed of light: what no correct measurement beats.

    t >= max( sum over pipes of FLOPs / dense peak at the highest clock the card can run,
              max(0, weight + KV bytes - L2 bytes) / datasheet bandwidth )

per step; activations free, no latency, no efficiency (docs/method.md).
Not here: what engines reach (expected.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vperf.formats import Path
from vperf.hardware.gpu import Gpu
from vperf.model.ops import Op

# A format may be multiplied in more than one accumulate mode. llama.cpp runs fp16 with fp16
# accumulation, SM120 runs block-scaled fp8 at twice the plain rate: the limit takes the fastest.
_MODES: dict[str, tuple[str, ...]] = {
    "fp16": ("fp16", "fp16_acc16"),
    "fp8": ("fp8", "mxfp8"),
    "fp32": ("fp32",),
}


def peak(gpu: Gpu, path: Path) -> float:
    """FLOP/s that the card cannot exceed on this path: dense, at its highest clock."""
    modes = _MODES.get(path.pipe, (path.pipe,))
    return max(gpu.peak_flop_per_s.get(mode, 0.0) for mode in modes) * gpu.boost


def compute_s(op: Op, gpu: Gpu) -> float:
    """FLOPs / peak of one run of the op."""
    if not op.flops:
        return 0.0
    return op.flops / peak(gpu, op.format.path(gpu.peak_flop_per_s))


@dataclass(frozen=True, slots=True)
class StepLimit:
    """The bound of a whole step, with its two sides."""

    compute_s: float
    memory_s: float
    hit_fraction: float
    """Share of the streamed bytes that the L2 may hold from the step before."""

    @property
    def seconds(self) -> float:
        """No step is faster."""
        return max(self.compute_s, self.memory_s)


def step_limit(work: Iterable[tuple[int, Op]], gpu: Gpu) -> StepLimit:
    """The bound of a step that runs each op so many times."""
    compute, streamed = 0.0, 0.0
    for count, op in work:
        compute += count * compute_s(op, gpu)
        streamed += count * op.streamed_bytes
    hits = min(1.0, gpu.l2_bytes / streamed) if streamed else 0.0
    return StepLimit(compute, streamed * (1.0 - hits) / gpu.memory_bandwidth, hits)


def memory_s(op: Op, gpu: Gpu, hit_fraction: float) -> float:
    """Bytes / bandwidth of one run; the step's L2 allowance is shared out by bytes."""
    return op.streamed_bytes * (1.0 - hit_fraction) / gpu.memory_bandwidth
