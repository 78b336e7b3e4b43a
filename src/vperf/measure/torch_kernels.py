"""An Op as the calls an engine would make for it, on random data, by PyTorch's kernels.

matmul     torch.matmul; torch._scaled_mm for fp8 and nvfp4, torch._int_mm for int8, behind a
           kernel that quantizes the activations (torch.compile where Triton is there)
attention  scaled_dot_product_attention with grouped heads, causal in prefill
moe        torch._grouped_mm where PyTorch has it, one matmul an expert where not
elementwise  as many kernels over as many elements

What has no such kernel raises CannotRunError. Not here: how calls are timed (torch_backend.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

from vperf.measure.backend import CannotRunError
from vperf.measure.timers import Call
from vperf.model.ops import Op

_POOL = 2**22
"""Random numbers that are drawn once."""
_SIXTEEN_BIT = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
_FP8 = ("fp8", "fp8_tensor")
_INT_MM_ROWS = 32
"""torch._int_mm takes no fewer than 17 rows on CUDA; so many are multiplied instead."""


class TorchKernels:
    """The kernels of one device. Between calls it holds no buffers but a few random numbers."""

    def __init__(self, torch: Any, where: Any, amd_capability: str | None) -> None:
        """`where`: the torch.device; `amd_capability`: of an AMD card, as gfx942."""
        self._torch, self._where, self._amd = torch, where, amd_capability
        self._kind = str(where.type)
        self.said: dict[str, None] = {}
        """How things were run that could be run otherwise."""
        self._pools: dict[Any, Any] = {}
        """Random numbers by type."""

    def say(self, how: str) -> None:
        """Once, however often it is so."""
        self.said[how] = None

    def maker(self, op: Op, quantize: bool) -> Callable[[], Call]:
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

    def randn(self, *shape: int, dtype: Any = None) -> Any:
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
            self.say("no bfloat16 units: float16 instead")
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
                x, w = self.randn(m, k, dtype=dtype), self.randn(n, k, dtype=dtype)
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
        if (self._amd or "").startswith("gfx94"):
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
            w = _narrowed(self.randn(n, k), dtype, limit).t()
            if not quantize:
                a = _narrowed(self.randn(rows, k), dtype, limit)
                return lambda: multiply(a, w)
            x, narrow = self.randn(rows, k), self._quantizer
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
                compiled(self.randn(8, 256), self._fp8, self._fp8_limit)
                return compiled  # type: ignore[no-any-return]
            except Exception:  # the compiler fails in its own ways; eager kernels always work
                pass
        self.say("activations quantized by several kernels: no torch.compile here")
        return narrow

    def _scaled_mm(self, a: Any, b: Any) -> Any:
        one = self._one
        return self._torch._scaled_mm(
            a, b, scale_a=one, scale_b=one, out_dtype=self._torch.bfloat16,
            use_fast_accum=self._kind == "cuda" and self._amd is None,
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
            q = self.randn(batch, heads, new, d)
            k = self.randn(batch, kv_heads, keys, d)
            v = self.randn(batch, kv_heads, keys, value_d)
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
        self.say(f"experts: {way}, uniform routing")
        act = torch.nn.functional.silu

        def make() -> Call:
            choice = torch.rand(tokens, experts, device=self._where).topk(active).indices
            flat = choice.flatten()
            rows = flat.argsort() // active
            counts = torch.bincount(flat, minlength=experts)
            ends = counts.cumsum(0).to(torch.int32)
            sizes = counts.tolist()
            x = self.randn(tokens, hidden)
            up = self.randn(experts, hidden, (matrices - 1) * width)
            down = self.randn(experts, width, hidden)
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
            torch._grouped_mm(self.randn(32, 64), self.randn(2, 64, 64), offs=ends)
            torch.cuda.synchronize()
        except (RuntimeError, ValueError):  # TORCH_CHECK raises one, TORCH_CHECK_VALUE the other
            return False
        return True

    def _elementwise(self, op: Op) -> Callable[[], Call]:
        kernels = max(1, round(op.launches))
        # Half of what the op moves is read, half written.
        each = max(1, round(op.input_elements / 2 / kernels))

        def make() -> Call:
            x, y = self.randn(each), self.randn(each)

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
