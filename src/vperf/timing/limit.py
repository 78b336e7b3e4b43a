"""The speed of light: what no correct measurement beats.

    t >= max( sum over pipes of FLOPs / dense peak at the highest clock the card can run,
              max(0, weight + KV bytes - L2 bytes) / datasheet bandwidth,
              bytes that must cross the link to other GPUs / its bandwidth )

per step; activations free, no latency, no efficiency (docs/method.md).
Not here: what engines reach (expected.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from vperf.formats import INT8_PATH, Format, Path
from vperf.hardware.gpu import Gpu
from vperf.model.affine import Affine, Q
from vperf.model.ops import COLLECTIVES, Op, Work
from vperf.timing import collectives
from vperf.values import dataclass

# A format may be multiplied in more than one accumulate mode. llama.cpp runs fp16 with fp16
# accumulation, SM120 runs block-scaled fp8 at twice the plain rate: the limit takes the fastest.
_MODES: dict[str, tuple[str, ...]] = {
    "fp16": ("fp16", "fp16_acc16"),
    "fp8": ("fp8", "mxfp8"),
    "fp32": ("fp32",),
}

_PLAIN = {mode: pipe for pipe, modes in _MODES.items() for mode in modes}


def plain(pipe: str) -> str:
    """The pipe that a faster mode is a mode of; engines are expected at the rate of that one."""
    return _PLAIN.get(pipe, pipe)


def peak(gpu: Gpu, path: Path) -> float:
    """FLOP/s that the card cannot exceed on this path: dense, at its highest clock."""
    return _fastest_mode(gpu, path)[0]


def _fastest_mode(gpu: Gpu, path: Path) -> tuple[float, str]:
    """That rate and the accumulate mode that has it; of equals, the plain one."""
    modes = _MODES.get(path.pipe, (path.pipe,))
    mode = max(modes, key=lambda name: gpu.peak_flop_per_s.get(name, 0.0))
    return gpu.peak_flop_per_s.get(mode, 0.0) * gpu.boost, mode


class Limits:
    """The limits of one card; remembers the peak of each number format."""

    __slots__ = ("_peaks", "gpu")

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self._peaks: dict[Format, tuple[float, str]] = {}

    def compute_s(self, work: Work[Q]) -> Q | float:
        """FLOPs / peak of one run of the op, those that nothing can leave out."""
        if not isinstance(work.flops, Affine) and not work.flops:
            return 0.0
        found = self._peaks.get(work.format) or self._peak(work.format)
        return work.bounding_flops / found[0]

    def pipe(self, work: Work[Q]) -> str:
        """The pipe of that peak; "" for an op without FLOPs."""
        works = isinstance(work.flops, Affine) or bool(work.flops)
        return self._peak(work.format)[1] if works else ""

    def _peak(self, fmt: Format) -> tuple[float, str]:
        if fmt not in self._peaks:
            self._peaks[fmt] = self._fastest(fmt)
        return self._peaks[fmt]

    def _fastest(self, fmt: Format) -> tuple[float, str]:
        path = fmt.path(self.gpu.peak_flop_per_s)
        paths = fmt.paths if fmt.any_path else (path,)
        if self.gpu.is_host and fmt.bits < 16:  # CPU kernels quantize activations to 8 bits
            return max(_fastest_mode(self.gpu, each) for each in (INT8_PATH, *paths))
        if fmt.bits < 16 and path.activation_bits == 16:
            # Unpacked weights may as well be fp16: AWQ kernels on an RTX 4090 pass its bf16 rate.
            paths = tuple(p for p in fmt.paths if p.activation_bits == 16)
        return max((_fastest_mode(self.gpu, path) for path in paths), key=lambda found: found[0])

    def of_step(self, work: Iterable[tuple[int, Op]]) -> StepLimit:
        """The bound of a step that runs each op so many times."""
        compute: list[float] = []
        total, streamed, even, linked = 0.0, 0.0, 0.0, 0.0
        for count, op in work:
            if op.kind in COLLECTIVES:
                linked += count * collectives.limit_s(op, self.gpu)
            seconds = self.compute_s(op)
            compute.append(seconds)
            total += count * seconds
            streamed += count * op.least_streamed_bytes
            even += count * op.streamed_bytes
        bandwidth = bandwidth_over(self.gpu, streamed)
        return StepLimit(
            total, streamed / bandwidth, linked, bandwidth, tuple(compute),
            even / bandwidth_over(self.gpu, even),
        )  # fmt: skip


def bandwidth_over(gpu: Gpu, streamed: float) -> float:
    """Datasheet bytes/s over the share of `streamed` bytes that the L2 cannot hold from the step
    before."""
    hits = min(1.0, gpu.l2_bytes / streamed) if streamed else 0.0
    return gpu.memory_bandwidth / (1.0 - hits) if hits < 1.0 else math.inf


@dataclass(frozen=True, slots=True)
class StepLimit:
    """The bound of a whole step, with its sides: they overlap, so the largest holds."""

    compute_s: float
    memory_s: float
    link_s: float
    """Of all collectives."""
    bandwidth: float
    """bandwidth_over: the step's L2 allowance, shared out over its ops by bytes."""
    op_compute_s: tuple[float, ...]
    """Of one run of each op, in order."""
    even_memory_s: float
    """memory_s, were tokens routed to all experts alike."""

    @property
    def seconds(self) -> float:
        """No step is faster."""
        return max(self.compute_s, self.memory_s, self.link_s)

    @property
    def ceiling_s(self) -> float:
        """No step with even routing is faster; nor than the limit, where one group of experts has
        to read more than an even share."""
        return max(self.seconds, self.even_memory_s)


def bound_of(
    compute_s: float, memory_s: float, link_s: float
) -> Literal["compute", "memory", "link"]:
    """The side that is largest."""
    if link_s > max(compute_s, memory_s):
        return "link"
    return "compute" if compute_s > memory_s else "memory"
