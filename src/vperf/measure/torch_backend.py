"""PyTorch as the backend: an Op becomes the calls an engine would make for it, on random data.

matmul     torch.matmul; torch._scaled_mm for fp8 and nvfp4, torch._int_mm for int8, behind a
           kernel that quantizes the activations (torch.compile where Triton is there)
attention  scaled_dot_product_attention with grouped heads, causal in prefill
moe        torch._grouped_mm where PyTorch has it, one matmul an expert where not
elementwise  as many kernels over as many elements

What has no such kernel raises CannotRunError. Not here: how calls are timed (timers.py).
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
from vperf.model.ops import Op

DEVICES = ("cuda", "mps", "cpu")
_CACHE_ASSUMED = 64 * 2.0**20
"""Last-level cache where the device does not say."""
_FLUSH = 5.0
"""Weights in a rotation, in caches."""
_MAX_COPIES = 128
_SAMPLE_S = 0.05
"""One sample of a sustained rate."""
_POOL = 2**22
"""Random numbers that are drawn once."""
_MEMORY_SHARE = 0.5
"""Of the free memory, what one rotation may take."""
_SIXTEEN_BIT = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
_FP8 = ("fp8", "fp8_tensor")
_INT_MM_ROWS = 32
"""torch._int_mm takes no fewer than 17 rows on CUDA; so many are multiplied instead."""


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
        self._said: dict[str, None] = {}
        self._pools: dict[Any, Any] = {}
        """Random numbers by type."""
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
        return (*self._said, *(f"not captured in a CUDA graph: {why}" for why in eager))

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
        makers = [self._maker(op, quantize) for op in ops]
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
        make = self._maker(op, quantize=False)

        def measured() -> Timing:
            call = make()
            once = self._eager_timer.time([call], _SAMPLE_S).median_s
            queue = max(1, min(10_000, round(_SAMPLE_S / max(once, 1e-7))))
            return self._eager_timer.time([call] * queue, seconds)

        return self._guarded(measured)

    def bench(self, op: Op) -> Timing:
        """One op by triton's do_bench, by events or the clock without it."""
        make = self._maker(op, quantize=False)

        def measured() -> Timing:
            call = make()
            found = do_bench(call, self._seconds) if self._kind == "cuda" else None
            if found is None and self._kind == "cuda":
                self._said["CUDA events instead of triton.testing.do_bench: no Triton here"] = None
            return found or self._eager_timer.time([call], self._seconds)

        return self._guarded(measured)

    def copy(self, size_bytes: float) -> Timing:
        """clone() of so many bytes."""
        if 2 * size_bytes > 0.9 * self._free_bytes():
            raise OutOfMemoryError(f"two times {size_bytes / 1e9:.1f} GB are not free")

        def measured() -> Timing:
            data = self._randn(int(size_bytes / 2))
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
        a = self._randn(4096, 4096)
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

    # Kernels

    def _maker(self, op: Op, quantize: bool) -> Callable[[], Call]:
        """Allocates one set of random operands and gives the call that runs the op on them."""
        makers = {
            "matmul": lambda: self._matmul(op, quantize),
            "attention": lambda: self._attention(op),
            "moe": lambda: self._moe(op),
            "elementwise": lambda: self._elementwise(op),
        }
        if op.kind not in makers:
            raise CannotRunError(_WHY_NOT.get(op.kind, f"PyTorch has no kernel for {op.kind}"))
        return makers[op.kind]()

    def _randn(self, *shape: int, dtype: Any = None) -> Any:
        """Normal random numbers; large tensors repeat them, which is faster to make."""
        torch = self._torch
        wanted = dtype or self._float16
        pool = self._pools.get(wanted)
        if pool is None:
            pool = torch.randn(_POOL, device=self._where, dtype=wanted)
            self._pools[wanted] = pool
        data = torch.empty(shape, device=self._where, dtype=wanted)
        for part in data.view(-1).split(_POOL):
            part.copy_(pool[: len(part)])
        return data

    @cached_property
    def _float16(self) -> Any:
        """bfloat16 where the hardware has it."""
        torch = self._torch
        if self._kind == "cuda" and torch.cuda.get_device_capability(self._where)[0] < 8:
            self._said["no bfloat16 units: float16 instead"] = None
            return torch.float16
        return torch.bfloat16

    def _dtype(self, name: str) -> Any:
        return self._float16 if name == "bf16" else getattr(self._torch, _SIXTEEN_BIT[name])

    def _matmul(self, op: Op, quantize: bool) -> Callable[[], Call]:
        m, k, n = op.shape
        name = op.format.name
        if name in _SIXTEEN_BIT:
            dtype = self._dtype(name)

            def plain() -> Call:
                x, w = self._randn(m, k, dtype=dtype), self._randn(n, k, dtype=dtype)
                return lambda: self._torch.nn.functional.linear(x, w)

            return plain
        if name in _FP8:
            return self._quantized(op, quantize, self._fp8, self._fp8_limit, self._scaled_mm)
        if name == "int8":
            return self._quantized(op, quantize, self._torch.int8, 127.0, self._int_mm)
        if name == "nvfp4" and not quantize:
            return self._nvfp4(op)
        if name == "nvfp4":
            raise CannotRunError("PyTorch has no kernel that quantizes activations to nvfp4")
        raise CannotRunError(f"PyTorch has no matmul kernel for {name} weights")

    @cached_property
    def _fp8(self) -> Any:
        torch = self._torch
        if self.device.kind == "rocm" and self.device.compute_capability.startswith("gfx94"):
            return torch.float8_e4m3fnuz
        return torch.float8_e4m3fn

    @property
    def _fp8_limit(self) -> float:
        return float(self._torch.finfo(self._fp8).max)

    def _quantized(
        self, op: Op, quantize: bool, dtype: Any, limit: float, multiply: Callable[[Any, Any], Any]
    ) -> Callable[[], Call]:
        """An 8-bit matmul, from 16-bit activations where `quantize`."""
        m, k, n = op.shape
        rows = max(m, _INT_MM_ROWS) if dtype == self._torch.int8 and self._kind == "cuda" else m

        def make() -> Call:
            w = _narrowed(self._randn(n, k), dtype, limit).t()
            if not quantize:
                a = _narrowed(self._randn(rows, k), dtype, limit)
                return lambda: multiply(a, w)
            x, narrow = self._randn(rows, k), self._quantizer
            return lambda: multiply(narrow(x, dtype, limit), w)

        return make

    @cached_property
    def _quantizer(self) -> Callable[[Any, Any, float], Any]:
        """Rows scaled to the range of 8 bits: one kernel where torch.compile can make one."""
        torch = self._torch

        def narrow(x: Any, dtype: Any, limit: float) -> Any:
            scale = x.abs().amax(dim=-1, keepdim=True).float() / limit
            return (x.float() / scale).clamp(-limit, limit).to(dtype)

        if self._kind == "cuda":
            try:
                compiled = torch.compile(narrow, dynamic=True)
                compiled(self._randn(8, 256), self._fp8, self._fp8_limit)
                return compiled  # type: ignore[no-any-return]
            except Exception:  # the compiler fails in its own ways; eager kernels always work
                pass
        self._said["activations quantized by several kernels: no torch.compile here"] = None
        return narrow

    def _scaled_mm(self, a: Any, b: Any) -> Any:
        one = self._one
        return self._torch._scaled_mm(
            a, b, scale_a=one, scale_b=one, out_dtype=self._torch.bfloat16,
            use_fast_accum=self.device.kind == "cuda",
        )  # fmt: skip

    @cached_property
    def _one(self) -> Any:
        return self._torch.ones((), device=self._where)

    def _int_mm(self, a: Any, b: Any) -> Any:
        return self._torch._int_mm(a, b)

    def _nvfp4(self, op: Op) -> Callable[[], Call]:
        """Two values a byte, an fp8 scale per 16 in the tiled layout of cuBLAS."""
        torch = self._torch
        m, k, n = op.shape
        packed, scales = getattr(torch, "float4_e2m1fn_x2", None), torch.float8_e4m3fn
        if packed is None:
            raise CannotRunError("this PyTorch has no nvfp4 data type")

        def operand(rows: int) -> tuple[Any, Any]:
            data = torch.randint(0, 256, (rows, k // 2), device=self._where, dtype=torch.uint8)
            tiles = math.ceil(rows / 128) * 128 * math.ceil(k / 64) * 4
            return data.view(packed), torch.ones(tiles, device=self._where).to(scales)

        def make() -> Call:
            (a, scale_a), (b, scale_b) = operand(m), operand(n)
            return lambda: torch._scaled_mm(
                a, b.t(), scale_a=scale_a, scale_b=scale_b, out_dtype=torch.bfloat16
            )

        return make

    def _attention(self, op: Op) -> Callable[[], Call]:
        torch = self._torch
        batch, heads, new, keys, d = op.shape
        kv_heads = round(op.blocks / batch) if op.blocks else heads
        value_d = round(op.output_elements / (batch * new * heads))
        if op.format.bits < 16:
            raise CannotRunError(f"PyTorch's attention reads no {op.format.name} cache")
        if heads % kv_heads:
            raise CannotRunError(f"{heads} heads do not share {kv_heads} KV heads evenly")
        past = keys - new
        causal = batch * heads * (new * past + new * (new + 1) / 2)
        if new > keys or abs(op.score_pairs - causal) > 0.5 * heads:
            raise CannotRunError("PyTorch's attention has no sliding window without a mask")
        if new > 1 and past:
            raise CannotRunError("prefill on cached tokens needs a mask in PyTorch's attention")
        grouped = {"enable_gqa": True} if heads != kv_heads else {}
        attend = torch.nn.functional.scaled_dot_product_attention

        def make() -> Call:
            q = self._randn(batch, heads, new, d)
            k = self._randn(batch, kv_heads, keys, d)
            v = self._randn(batch, kv_heads, keys, value_d)
            return lambda: attend(q, k, v, is_causal=new > 1, **grouped)

        return make

    def _moe(self, op: Op) -> Callable[[], Call]:
        """Rows gathered by expert, the matmuls up and down, the results added up."""
        torch = self._torch
        tokens, active, experts, hidden, width = op.shape
        if op.format.name not in _SIXTEEN_BIT:
            raise CannotRunError(f"PyTorch's grouped matmul takes no {op.format.name} experts")
        passes = tokens * active
        matrices = round(op.flops / (2.0 * passes * hidden * width))
        gated = matrices == 3
        fused = self._grouped
        way = "torch._grouped_mm" if fused else "one matmul an expert (no grouped matmul here)"
        self._said[f"experts: {way}, uniform routing"] = None
        act = torch.nn.functional.silu

        def make() -> Call:
            choice = torch.rand(tokens, experts, device=self._where).topk(active).indices
            flat = choice.flatten()
            rows = flat.argsort() // active
            counts = torch.bincount(flat, minlength=experts)
            ends = counts.cumsum(0).to(torch.int32)
            sizes = counts.tolist()
            x = self._randn(tokens, hidden)
            up = self._randn(experts, hidden, (matrices - 1) * width)
            down = self._randn(experts, width, hidden)
            out = torch.zeros(tokens, hidden, device=self._where, dtype=x.dtype)

            def product(a: Any, b: Any) -> Any:
                if fused:
                    return torch._grouped_mm(a, b, offs=ends)
                parts = a.split(sizes)
                return torch.cat([p @ b[e] for e, p in enumerate(parts) if len(p)])

            def run() -> object:
                y = product(x[rows], up)
                if gated:
                    first, second = y.chunk(2, dim=-1)
                    y = act(first) * second
                else:
                    y = act(y)
                return out.index_add_(0, rows, product(y, down))

            return run

        return make

    @cached_property
    def _grouped(self) -> bool:
        """Whether PyTorch's grouped matmul runs on this device."""
        torch = self._torch
        if self._kind != "cuda" or not hasattr(torch, "_grouped_mm"):
            return False
        ends = torch.tensor([16, 32], device=self._where, dtype=torch.int32)
        try:
            torch._grouped_mm(self._randn(32, 64), self._randn(2, 64, 64), offs=ends)
            torch.cuda.synchronize()
        except (RuntimeError, ValueError):  # TORCH_CHECK raises one, TORCH_CHECK_VALUE the other
            return False
        return True

    def _elementwise(self, op: Op) -> Callable[[], Call]:
        kernels = max(1, round(op.launches))
        # Half of what the op moves is read, half written.
        each = max(1, round(op.input_elements / 2 / kernels))

        def make() -> Call:
            x, y = self._randn(each), self._randn(each)

            def run() -> None:
                for _ in range(kernels):
                    self._torch.mul(x, 0.5, out=y)

            return run

        return make


_WHY_NOT = {
    "mla": "PyTorch has no attention kernel for a latent cache (576-wide heads)",
    "recurrent": "PyTorch has no kernel for linear attention or a state space",
    "allreduce": "an exchange between GPUs: vperf measure times all-reduces by themselves",
    "alltoall": "an exchange between GPUs",
}


def _narrowed(x: Any, dtype: Any, limit: float) -> Any:
    """Random values over the range of an 8-bit type."""
    return (x * (limit / 4)).clamp(-limit, limit).to(dtype)


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
