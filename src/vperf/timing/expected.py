"""What a well-tuned engine reaches: one closed form per op kind, from a handful of constants.

The forms and their accuracy on measured kernels: docs/method.md. `pn` is a smooth maximum.
Every form is bounded below by the limit. Not here: the constants (constants.py), queueing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from vperf.hardware.engine import Engine
from vperf.model.ops import Op, OpKind
from vperf.timing.constants import Constants

_RECURRENT_LATENCY_S = 4e-6
"""Floor of a delta-rule or state-space decode kernel (docs/method.md)."""
_CHUNKED_LATENCY_S = 18e-6
"""The same in prefill, which runs several kernels in a row."""
_CHUNK, _CHUNK_S = 64, 2.3e-6
"""Tokens of a chunk, and how long it takes where each waits for the state of the one before."""
_TILE = 128
"""Queries, and keys, of one thread block of flash attention in prefill: an edge wastes half."""
_BAND_TILES = 4.0
"""Tiles of keys that one KV head loads again for every tile of queries along a window's band."""
_NESTED_BLOCK = 256
"""Elements of a block of llama.cpp's K- and i-quants."""
_WIDEST_TUNED_HEAD = 256
_WIDER_HEADS = 0.65
"""Rate of prefill attention over wider heads: tiles of 512 exceed the registers of one block."""


_UNPACKED_PER_CLOCK = 28.0
"""int4 weights of experts that an SM of NVIDIA unpacks to 16 bit in a clock (docs/method.md)."""


def pn(x: float, y: float, p: float) -> float:
    """(x^p + y^p)^(1/p): max(x, y) when they differ much, more than it when they are alike."""
    big, small = (x, y) if x >= y else (y, x)
    if small <= 0.0:
        return big
    return float(big * (1.0 + (small / big) ** p) ** (1.0 / p))


def _activation_bytes(op: Op, bits: int) -> float:
    return op.input_elements * min(bits, 16) / 8 + op.output_elements * 2


def _stream_s(op: Op, c: Constants) -> float:
    """Weights at the rate the engine's kernels read their format."""
    if op.format.bits >= 16:
        return op.streamed_bytes / c.wide_bandwidth
    nested = op.format.block_in == _NESTED_BLOCK
    return op.streamed_bytes / (c.nested_bandwidth if nested else c.narrow_bandwidth)


def _matmul(op: Op, c: Constants, engine: Engine) -> float:
    """t_gemm + pn(FLOPs/F, bytes/B, 2.5), and a quantize kernel before 8- and 4-bit pipes."""
    path, rate = c.path(op.format)
    bits = path.activation_bits
    moved = _stream_s(op, c) + _activation_bytes(op, bits) / c.bandwidth
    t = c.gemm_latency_s + pn(op.flops / rate, moved, 2.5)
    if bits < 16 and not engine.fused_quantize:
        latency = c.quantize_latency_s if bits == 8 else c.quantize4_latency_s
        kernels = 1.0 if op.format.block_in else engine.quantize_kernels
        # Reads 16-bit activations, writes 8-bit ones: 3 bytes an element.
        each = 3.0 / c.bandwidth + engine.quantize_s_per_element
        t += kernels * latency + each * op.input_elements
    return t


def _attention(op: Op, c: Constants, engine: Engine) -> float:
    """Split-KV decode: bandwidth or the latency of its blocks. Prefill: FLOPs plus exponentials."""
    if op.decode:
        return _decode_attention(op, c, c.flop_per_s(_pipe_16(op, c)))
    pipe = _pipe_16(op, c)
    if engine.fp8_attention and op.format.bits <= 8:
        pipe = op.format.path(c.gpu.peak_flop_per_s).pipe
    batch, heads, new, keys, width = op.shape
    per_pair = op.flops / op.score_pairs / c.flop_per_s(pipe) + 1 / c.exponentials_per_s
    if width > _WIDEST_TUNED_HEAD:
        per_pair /= _WIDER_HEADS
    sms, queries = max(1, c.gpu.sm_count), batch * heads * new
    # Along a window's band a tile has two edges, and its keys serve the heads of one KV head.
    band = max(0.0, op.tile_queries - queries)
    shared = op.blocks / (batch * heads) if band else 0.0
    edges = op.tile_queries - 2 * band + band * (1 + _BAND_TILES * shared)
    # On average half of the longest tile's time passes with most SMs out of work.
    pairs = op.score_pairs + _TILE * (edges + keys * sms / 2)
    busy = pairs * per_pair / c.prefill_efficiency + c.prefill_block_s * queries / _TILE / sms
    moved = (op.streamed_bytes + _activation_bytes(op, 16)) / c.stream_bandwidth
    if not engine.flash_attention:
        moved += 16.0 * op.score_pairs / c.bandwidth
    return c.prefill_latency_s + pn(busy / engine.prefill_share, moved, 2.5)


def _decode_attention(op: Op, c: Constants, flop_per_s: float) -> float:
    """t_ad + pn(pn(bytes/B, tau blocks/SMs, 2), FLOPs/F, 2.5)."""
    bandwidth = c.cache8_bandwidth if op.format.bits <= 8 else c.stream_bandwidth
    moved = op.streamed_bytes / bandwidth + _activation_bytes(op, 16) / c.stream_bandwidth
    waves = c.decode_block_s * op.blocks / max(1, c.gpu.sm_count)
    return c.decode_latency_s + pn(pn(moved, waves, 2.0), op.flops / flop_per_s, 2.5)


def _mla(op: Op, c: Constants, engine: Engine) -> float:
    """Absorbed MLA over the latent cache: all query heads share one key, so FLOPs count."""
    del engine
    return _decode_attention(op, c, c.mla_efficiency * c.flop_per_s(_pipe_16(op, c)))


def _moe(op: Op, c: Constants, engine: Engine) -> float:
    """t_moe + activations/B + pn(FLOPs/(r_moe F), pn(bytes/B, unpacking, 2.5), 1.5)."""
    del engine
    path, rate = c.path(op.format)
    latency = c.moe_latency_s
    streamed = _stream_s(op, c) * c.bandwidth / c.stream_bandwidth
    if path.activation_bits >= 16 > op.format.bits:
        rate *= c.moe_unpack_efficiency
        streamed = pn(streamed, _unpack_s(op, c), 2.5)
    elif op.format.name == "fp8_block":
        rate *= c.moe_block_efficiency
        latency = c.moe_block_latency_s
    else:
        rate *= c.moe_efficiency
    # Tokens are copied to their experts' rows and the results summed: read and written once more.
    tokens, _, _, hidden, _ = op.shape
    moved = _activation_bytes(op, path.activation_bits) + 2.0 * op.output_elements
    moved += 4.0 * tokens * hidden
    return latency + moved / c.stream_bandwidth + pn(op.flops / rate, streamed, 1.5)


def _unpack_s(op: Op, c: Constants) -> float:
    """Time to unpack each expert once: 4-bit weights with 16-bit scales, measured on NVIDIA alone.

    mxfp4 has none: powers of two need no multiply, and served gpt-oss shows none on H200.
    """
    clock_rate = c.gpu.sm_count * c.gpu.rated_clock_hz
    if op.format.bits != 4 or op.format.scale_bits < 16 or c.gpu.vendor != "NVIDIA":
        return 0.0
    return op.weight_bytes / op.format.bytes_per_element / (_UNPACKED_PER_CLOCK * clock_rate)


def _recurrent(op: Op, c: Constants, engine: Engine) -> float:
    """A floor plus the state read and written, or the FLOPs of the chunked prefill form."""
    moved = (op.streamed_bytes + _activation_bytes(op, 16)) / c.stream_bandwidth
    rate = c.flop_per_s(_pipe_16(op, c))
    if op.decode:
        return _RECURRENT_LATENCY_S + pn(op.flops / rate, moved, 2.5)
    busy = op.flops / (rate * engine.recurrent_share)
    waits = _CHUNK_S * math.ceil(op.shape[2] / _CHUNK)
    return _CHUNKED_LATENCY_S + pn(pn(waits, busy, 2.5), moved, 2.5)


def _pipe_16(op: Op, c: Constants) -> str:
    """Attention kernels compute in 16 bit also over an 8-bit cache (expected, not limit)."""
    return next(p.pipe for p in op.format.paths if p.activation_bits >= 16
                and p.required in c.gpu.peak_flop_per_s)  # fmt: skip


_FORMS: dict[OpKind, Callable[[Op, Constants, Engine], float]] = {
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
        return op.launches * engine.launch_s * c.launch_scale + moved / c.bandwidth
    return _FORMS[op.kind](op, c, engine)
