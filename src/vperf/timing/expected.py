"""What a well-tuned engine reaches: one closed form per op kind, from a handful of constants.

The forms and their accuracy on measured kernels: docs/method.md. `pn` is a smooth maximum.
Every form is bounded below by the limit. Not here: the constants (constants.py), queueing.
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.hardware.engine import Engine
from vperf.model.ops import Op, OpKind
from vperf.timing.constants import Constants

_RECURRENT_LATENCY_S = 4e-6
"""Floor of a delta-rule or state-space decode kernel (docs/method.md)."""


def pn(x: float, y: float, p: float) -> float:
    """(x^p + y^p)^(1/p): max(x, y) when they differ much, more than it when they are alike."""
    big, small = (x, y) if x >= y else (y, x)
    if small <= 0.0:
        return big
    return float(big * (1.0 + (small / big) ** p) ** (1.0 / p))


def _activation_bytes(op: Op, bits: int) -> float:
    return op.input_elements * min(bits, 16) / 8 + op.output_elements * 2


def _matmul(op: Op, c: Constants) -> float:
    """t_gemm + pn(FLOPs/F, bytes/B, 2.5), and a quantize kernel before 8- and 4-bit pipes."""
    path = op.format.path(c.gpu.peak_flop_per_s)
    bits = path.activation_bits
    moved = op.streamed_bytes + _activation_bytes(op, bits)
    t = c.gemm_latency_s + pn(
        op.flops / c.flop_per_s(path.pipe, op.format.name), moved / c.bandwidth, 2.5
    )
    if bits < 16:
        latency = c.quantize_latency_s if bits == 8 else c.quantize4_latency_s
        # Reads 16-bit activations, writes 8-bit ones: 3 bytes an element.
        t += latency + 3.0 * op.input_elements / c.bandwidth
    return t


def _attention(op: Op, c: Constants) -> float:
    """Split-KV decode: bandwidth or the latency of its blocks. Prefill: FLOPs plus exponentials."""
    moved = (op.streamed_bytes + _activation_bytes(op, 16)) / c.bandwidth
    if op.decode:
        waves = c.decode_block_s * op.blocks / max(1, c.gpu.sm_count)
        compute = op.flops / c.flop_per_s(_pipe_16(op, c))
        return c.decode_latency_s + pn(pn(moved, waves, 2.0), compute, 2.5)
    pairs = op.score_pairs + op.tile_queries * c.prefill_tile_keys / 2
    per_pair = op.flops / op.score_pairs / c.flop_per_s(_pipe_16(op, c)) + 1 / c.exponentials_per_s
    return c.prefill_latency_s + pairs * per_pair / c.prefill_efficiency + moved


def _mla(op: Op, c: Constants) -> float:
    """Absorbed MLA over the latent cache: all query heads share one key, so FLOPs count."""
    moved = (op.streamed_bytes + _activation_bytes(op, 16)) / c.bandwidth
    return c.decode_latency_s + pn(op.flops / c.flop_per_s(_pipe_16(op, c)), moved, 2.5)


def _moe(op: Op, c: Constants) -> float:
    """t_moe + activations/B + pn(FLOPs/(r_moe F), distinct expert bytes/B, 1.5)."""
    path = op.format.path(c.gpu.peak_flop_per_s)
    rate = c.moe_efficiency * c.flop_per_s(path.pipe, op.format.name)
    moved = _activation_bytes(op, path.activation_bits) / c.bandwidth
    return c.moe_latency_s + moved + pn(op.flops / rate, op.streamed_bytes / c.bandwidth, 1.5)


def _recurrent(op: Op, c: Constants) -> float:
    """A floor plus the state read and written, or the FLOPs of the chunked prefill form."""
    moved = (op.streamed_bytes + _activation_bytes(op, 16)) / c.bandwidth
    return _RECURRENT_LATENCY_S + pn(op.flops / c.flop_per_s(_pipe_16(op, c)), moved, 2.5)


def _pipe_16(op: Op, c: Constants) -> str:
    """Attention kernels compute in 16 bit also over an 8-bit cache (expected, not limit)."""
    return next(p.pipe for p in op.format.paths if p.activation_bits >= 16
                and p.required in c.gpu.peak_flop_per_s)  # fmt: skip


_FORMS: dict[OpKind, Callable[[Op, Constants], float]] = {
    "matmul": _matmul,
    "attention": _attention,
    "mla": _mla,
    "moe": _moe,
    "recurrent": _recurrent,
}


def op_expected_s(op: Op, c: Constants, engine: Engine) -> float:
    """Expected seconds of one run of an op, before the bound by its limit."""
    if op.kind == "elementwise":
        moved = op.streamed_bytes + op.input_elements * 2
        return op.launches * engine.launch_s + moved / c.bandwidth
    return _FORMS[op.kind](op, c)
