"""PyTorch as the backend: what a device is, and how long ops take on it.

Not here: the calls of an op (torch_kernels.py), how calls are timed (timers.py).
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from vperf.errors import InputError, install
from vperf.measure.all_reduce import all_reduce_seconds
from vperf.measure.backend import (
    CannotRunError,
    Device,
    Kind,
    Launch,
    OutOfMemoryError,
    Timing,
)
from vperf.measure.timers import (
    Call,
    ClockTimer,
    EventTimer,
    GraphTimer,
    Timer,
    do_bench,
)
from vperf.measure.torch_kernels import TorchKernels
from vperf.model.ops import Op

DEVICES = ("cuda", "mps", "cpu")
_CACHE_ASSUMED = 64 * 2.0**20
"""Last-level cache where the device does not say."""
_FLUSH = 5.0
"""Weights in a rotation, in caches."""
_MAX_COPIES = 128
_SAMPLE_S = 0.05
"""One sample of a sustained rate."""
_MEMORY_SHARE = 0.5
"""Of the free memory, what one rotation may take."""


def open_backend(device: str | None, *, seconds: float) -> TorchBackend:
    """The backend on `device` (None: the first GPU that PyTorch can use, else the CPU).

    `seconds`: of measuring a time. Raises InputError without PyTorch, or without that device.
    """
    try:
        with warnings.catch_warnings():  # of what else is not installed, numpy for one
            warnings.simplefilter("ignore")
            import torch  # noqa: PLC0415  (optional, slow to import)
    except ImportError:
        raise InputError(
            "measuring needs PyTorch, which is not installed",
            hint=f"{install('vperf[measure]')}, or PyTorch's own command for your GPU",
        ) from None
    has = {
        "cuda": bool(torch.cuda.is_available()),
        "mps": bool(getattr(torch.backends, "mps", None) and torch.backends.mps.is_available()),
        "cpu": True,
    }
    if device is None:
        device = next(name for name in DEVICES if has[name])
    kind, _, number = device.partition(":")
    if kind not in has or (number and not number.isdigit()):
        raise InputError(f"{device!r} is not one of {', '.join(DEVICES)}", source="--device",
                         hint="cuda:1 is the second card")  # fmt: skip
    if not has[kind]:
        raise InputError(
            f"PyTorch {torch.__version__} finds no {kind} device in this machine",
            source="--device", hint="--device cpu measures the CPU",
        )  # fmt: skip
    index = int(number or 0)
    if kind == "cuda" and index >= torch.cuda.device_count():
        raise InputError(f"there are {torch.cuda.device_count()} cards", source="--device")
    return TorchBackend(torch, kind, index, seconds)


class TorchBackend:
    """One device. Between calls it holds no buffers but a few random numbers."""

    def __init__(self, torch: Any, kind: str, index: int, seconds: float) -> None:
        self._torch = torch
        self._kind = kind
        self._where = torch.device(kind, index) if kind != "cpu" else torch.device("cpu")
        self._seconds = seconds
        if kind == "cuda":
            torch.cuda.set_device(index)
        torch.set_grad_enabled(False)

    # What it is

    @cached_property
    def device(self) -> Device:
        """Facts from the framework."""
        torch = self._torch
        framework = f"PyTorch {torch.__version__}"
        if self._kind == "cpu":
            return Device("cpu", _cpu_name(), 1, _cpu_memory(), framework,
                          sm_count=int(torch.get_num_threads()))  # fmt: skip
        if self._kind == "mps":
            size = float(torch.mps.recommended_max_memory())
            return Device("mps", platform.processor() or "Apple GPU", 1, size, framework)
        facts = torch.cuda.get_device_properties(self._where)
        hip = getattr(torch.version, "hip", None)
        kind: Kind = "rocm" if hip else "cuda"
        clock = getattr(facts, "memory_clock_rate", None)
        bus = getattr(facts, "memory_bus_width", None)
        core = getattr(facts, "clock_rate", None)
        return Device(
            kind=kind,
            name=str(facts.name),
            count=int(torch.cuda.device_count()),
            memory_bytes=float(facts.total_memory),
            framework=framework,
            sm_count=int(facts.multi_processor_count),
            l2_bytes=float(getattr(facts, "L2_cache_size", 0)) or None,
            memory_bandwidth=2e3 * clock * bus / 8 if clock and bus else None,
            max_clock_hz=1e3 * core if core else None,
            compute_capability=str(facts.gcnArchName).partition(":")[0]
            if hip
            else f"{facts.major}.{facts.minor}",
        )

    def notes(self) -> tuple[str, ...]:
        """How things were run that could be run otherwise."""
        timer = self._timer
        eager = sorted(timer.eager) if isinstance(timer, GraphTimer) else []
        return (*self._kernels.said, *(f"not captured in a CUDA graph: {why}" for why in eager))

    @cached_property
    def _kernels(self) -> TorchKernels:
        device = self.device
        amd = device.compute_capability if device.kind == "rocm" else None
        return TorchKernels(self._torch, self._where, amd)

    # Times

    @cached_property
    def _timer(self) -> Timer:
        return GraphTimer(self._torch) if self._kind == "cuda" else self._eager_timer

    @cached_property
    def _eager_timer(self) -> Timer:
        if self._kind == "cuda":
            return EventTimer(self._torch)
        return ClockTimer(self._wait)

    def _wait(self) -> None:
        if self._kind == "cuda":
            self._torch.cuda.synchronize()
        elif self._kind == "mps":
            self._torch.mps.synchronize()

    def time(self, ops: Sequence[Op], *, quantize: bool = True) -> Timing:
        """Seconds of the ops in a row, from cold memory; in a CUDA graph where there are any."""
        makers = [self._kernels.maker(op, quantize) for op in ops]
        need = sum(_bytes_of(op) for op in ops)
        streamed = sum(op.streamed_bytes for op in ops) or need
        free = self._free_bytes()
        if need > 0.9 * free:
            raise OutOfMemoryError(f"needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
        cold = math.ceil(_FLUSH * (self.device.l2_bytes or _CACHE_ASSUMED) / max(streamed, 1.0))
        copies = max(1, min(cold, _MAX_COPIES, int(_MEMORY_SHARE * free / max(need, 1.0))))

        def measured() -> Timing:
            rotation = [_in_a_row([make() for make in makers]) for _ in range(copies)]
            return self._timer.time(rotation, self._seconds)

        return self._guarded(measured)

    def sustained(self, op: Op, seconds: float) -> Timing:
        """One op over and over on the same data, queued so that the device never waits."""
        make = self._kernels.maker(op, quantize=False)

        def measured() -> Timing:
            call = make()
            once = self._eager_timer.time([call], _SAMPLE_S).median_s
            queue = max(1, min(10_000, round(_SAMPLE_S / max(once, 1e-7))))
            return self._eager_timer.time([call] * queue, seconds)

        return self._guarded(measured)

    def bench(self, op: Op) -> Timing:
        """One op by triton's do_bench, by events or the clock without it."""
        make = self._kernels.maker(op, quantize=False)

        def measured() -> Timing:
            call = make()
            found = do_bench(call, self._seconds) if self._kind == "cuda" else None
            if found is None and self._kind == "cuda":
                self._kernels.say("CUDA events instead of triton.testing.do_bench: no Triton here")
            return found or self._eager_timer.time([call], self._seconds)

        return self._guarded(measured)

    def copy(self, size_bytes: float) -> Timing:
        """clone() of so many bytes."""
        if 2 * size_bytes > 0.9 * self._free_bytes():
            raise OutOfMemoryError(f"two times {size_bytes / 1e9:.1f} GB are not free")

        def measured() -> Timing:
            data = self._kernels.randn(int(size_bytes / 2))
            return self._eager_timer.time([data.clone], self._seconds)

        return self._guarded(measured)

    def launch(self) -> Launch:
        """x += 1 on one element."""
        tiny = self._torch.zeros(1, device=self._where)

        def call() -> object:
            return tiny.add_(1.0)

        times = []
        for _ in range(5):
            self._wait()
            start = time.perf_counter()
            for _ in range(1000):
                call()
            self._wait()
            times.append((time.perf_counter() - start) / 1000)
        graph = self._timer.time([call] * 100, 0.05).median_s if self.device.graphs else None
        return Launch(min(times), graph)

    def all_reduce(self, ranks: int, sizes_bytes: Sequence[int]) -> tuple[float, ...]:
        """One process a card."""
        return all_reduce_seconds(ranks, sizes_bytes, self._kind)

    def keep_busy(self, seconds: float) -> None:
        """Queue large matmuls on a GPU; the CPU runs nothing unasked."""
        if self._kind != "cuda":
            return
        with contextlib.suppress(RuntimeError):  # too little memory: the card is idle then
            self._queue_matmuls(seconds)

    def _queue_matmuls(self, seconds: float) -> None:
        torch = self._torch
        a = self._kernels.randn(4096, 4096)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(10):
            a @ a
        end.record()
        end.synchronize()
        each = float(start.elapsed_time(end)) * 1e-4
        for _ in range(min(1000, int(seconds / max(each, 1e-6)))):
            a @ a

    def _guarded(self, work: Callable[[], Timing]) -> Timing:
        """Framework errors as ours; nothing is left running."""
        try:
            return work()
        except (RuntimeError, NotImplementedError, ValueError, AttributeError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0][:160]
            out = type(error).__name__ == "OutOfMemoryError" or "allocate memory" in line
            if out or "out of memory" in line.lower():
                raise OutOfMemoryError(f"{self.device.name} is out of memory") from None
            raise CannotRunError(f"PyTorch: {line}") from None
        finally:
            with contextlib.suppress(RuntimeError):  # a card that failed says so in every call
                self._wait()

    def _free_bytes(self) -> float:
        if self._kind == "cuda":
            self._torch.cuda.empty_cache()  # of buffers that earlier ops gave back
            return float(self._torch.cuda.mem_get_info(self._where)[0])
        return 0.5 * self.device.memory_bytes


def _in_a_row(calls: Sequence[Call]) -> Call:
    if len(calls) == 1:
        return calls[0]

    def run() -> None:
        for call in calls:
            call()

    return run


def _bytes_of(op: Op) -> float:
    """Memory that one set of operands and results takes."""
    weights = op.streamed_bytes
    if op.kind == "moe":  # all experts are there, not only those that are read
        tokens, active, experts, *_ = op.shape
        passes = tokens * active
        weights = experts * op.flops / max(1.0, 2.0 * passes) * op.format.bytes_per_element
    return weights + 4.0 * (op.input_elements + op.output_elements)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "CPU"


def _cpu_memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 8 * 2.0**30
