"""A backend that takes the time its card's own forms give, from constants that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vperf.hardware.gpu import Achieved, AllReduce, Gpu
from vperf.measure.backend import (
    CannotRunError,
    Device,
    Launch,
    OutOfMemoryError,
    Timing,
)
from vperf.measure.constants import form_seconds
from vperf.measure.state import Watch
from vperf.model.ops import Op
from vperf.sources.gpus import load_gpu
from vperf.sources.local_gpu import LocalCard, Reading

TRUE = Achieved(
    flop_per_s={"bf16": 700e12, "fp16": 690e12, "fp8": 1250e12, "int8": 1300e12},
    memory_bandwidth=2.7e12,
    stream_bandwidth=3.0e12,
    gemm_latency_s=4.1e-6,
    quantize_latency_s=3.9e-6,
    prefill_efficiency=0.93,
    prefill_block_s=3.6e-6,
    prefill_latency_s=11e-6,
    decode_latency_s=9.5e-6,
    decode_block_s=2.9e-6,
    moe_latency_s=37e-6,
    moe_efficiency=0.51,
)


class FakeBackend:
    """An H100 (or another card) whose every time follows from `true`."""

    def __init__(
        self,
        true: Achieved = TRUE,
        gpu: str = "h100-sxm-80gb",
        *,
        device: Device | None = None,
        free_bytes: float = 80e9,
        cannot: Sequence[str] = (),
    ) -> None:
        self.gpu: Gpu = replace(load_gpu(gpu), achieved=true)
        self.true = true
        self._free = free_bytes
        self._cannot = cannot
        self.asked: list[Op] = []
        self.device = device or Device(
            kind="cuda", name=self.gpu.name, count=1, memory_bytes=self.gpu.memory_bytes,
            framework="PyTorch 2.9.1", sm_count=self.gpu.sm_count, l2_bytes=self.gpu.l2_bytes,
            compute_capability="9.0",
        )  # fmt: skip

    def time(self, ops: Sequence[Op], *, quantize: bool = True) -> Timing:
        seconds = 0.0
        for op in ops:
            self.asked.append(op)
            if op.kind in self._cannot or op.format.name in self._cannot:
                raise CannotRunError(f"no kernel for {op.kind}")
            if op.weight_bytes > self._free:
                raise OutOfMemoryError("out of memory")
            seconds += form_seconds(self.gpu, self.true, op, quantizes=quantize)
        return Timing(0.97 * seconds, seconds)

    def bench(self, op: Op) -> Timing:
        seconds = self.time([op], quantize=False).median_s
        return Timing(0.95 * seconds, seconds)

    def sustained(self, op: Op, seconds: float) -> Timing:
        return self.time([op], quantize=False)

    def copy(self, size_bytes: float) -> Timing:
        if size_bytes > self._free:
            raise OutOfMemoryError("out of memory")
        seconds = 2 * size_bytes / (self.true.memory_bandwidth or 1e12)
        return Timing(seconds, seconds)

    def launch(self) -> Launch:
        return Launch(5.2e-6, 2.1e-6)

    def all_reduce(self, ranks: int, sizes_bytes: Sequence[int]) -> tuple[float, ...]:
        line = AllReduce(ranks * 2e-6, 200e9)
        return tuple(line.seconds(size) for size in sizes_bytes)

    def keep_busy(self, seconds: float) -> None:
        pass

    def notes(self) -> tuple[str, ...]:
        return ()


H100 = LocalCard(
    name="NVIDIA H100 80GB HBM3", tool="nvidia-smi", driver="570.124.06",
    memory_bytes=81559 * 2.0**20, memory_clock_hz=2619e6, sm_clock_hz=1980e6, power_cap_w=700.0,
    power_default_w=700.0, pcie_generation=5, pcie_lanes=16,
    now=Reading(temperature_c=38.0, sm_clock_hz=1980e6, memory_clock_hz=2619e6, power_w=72.0,
                utilization=0.0, processes=0, pcie_generation=5, pcie_lanes=16),
)  # fmt: skip


def watching(*cards: LocalCard) -> Watch:
    """A watch on these cards, which never change."""
    return Watch(cards[0].name if cards else "", cards=lambda: cards)
