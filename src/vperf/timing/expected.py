"""What a well-tuned engine reaches: one closed form per op kind, from a handful of constants.

    t = base + pn(pn(x, y, p), z, r)          pn(a, b, p) = (a^p + b^p)^(1/p), a smooth maximum

`base` is latency and what overlaps with nothing, x, y and z are times that overlap. All four are
affine in a step, so that a form binds a Row once and times an Op at once. Symbols, here and below:

    F        sustained FLOP/s of the pipe that multiplies a format       Constants.path, flop_per_s
    B, Bs    bytes/s: one matmul's weights; a cache, grouped experts     bandwidth, stream_bandwidth
    bytes    weights, cache, activations in and out                      streamed_bytes, *_elements
    t_*      seconds of launch, ramp and tail of one kernel              *_latency_s
    tau      seconds of one thread block beyond its work                 *_block_s
    SMs      multiprocessors of the card                                 gpu.sm_count

Every time is bounded below by the limit (compiled.py). The forms and their accuracy on measured
kernels: docs/method.md. Not here: the constants (constants.py), queueing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, NamedTuple

from vperf.hardware.engine import Engine
from vperf.model.affine import Q, ratio, rounded_up
from vperf.model.ops import Work, each_part, few, of_many
from vperf.timing import collectives
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
_ONE_BY_ONE = 8
"""Tokens up to which llama.cpp's vector kernel runs (MMVQ_MAX_BATCH_SIZE)."""
_METAL_TILE = 32
"""Tokens of a tile of kernel_mul_mm (ggml-metal)."""
_GROUPED_TILE = 16
"""Tokens of a tile of llama.cpp's kernels for experts (mul_mat_q takes 8 to 128): pp512 of
models with 10, 32 and 64 tokens an expert."""
_NESTED_BLOCK = 256
"""Elements of a block of llama.cpp's K- and i-quants."""
_TUNED_HEADS = 32, 64, 96, 128, 192, 256
"""Widths of heads that flash attention has kernels for; it fills others up to the next (hdim of
csrc/flash_attn, github.com/Dao-AILab/flash-attention, read 2026-12-01)."""
_WIDER_HEADS = 0.65
"""Rate of prefill attention over wider heads: tiles of 512 exceed the registers of one block."""


_UNPACKED_PER_CLOCK = 28.0
"""int4 weights of experts that an SM of NVIDIA unpacks to 16 bit in a clock (docs/method.md)."""
_UNPACKED_NARROW_PER_CLOCK = 36.0
"""The same of fp4 weights with 8-bit scales: kernels have 24 to 45, gpt-oss on H200 fits 36."""
_KEYS_OF_A_LAYER = 16 * 2**20
"""Bytes of the keys and values of 4,096 tokens of a layer with eight heads of 128 for them."""
_LOOKED_UP_BITS_PER_CLOCK = 9.4
"""Of the indices of codebook quants that a core looks up and multiplies in a rated clock, two or
three a weight: 8.6 to 10.2 for IQ2_XXS, IQ2_XS, IQ3_XXS and IQ3_S on a Ryzen 7950X and an M2 Max
(discussion 164 of ikawrakow/ik_llama.cpp, 2024-12-24; its own kernels have 9 to 14)."""


def pn(x: float, y: float, p: float) -> float:
    """(x^p + y^p)^(1/p): max(x, y) when they differ much, more than it when they are alike."""
    big, small = (x, y) if x >= y else (y, x)
    if small <= 0.0:
        return big
    return float(big * (1.0 + (small / big) ** p) ** (1.0 / p))


class Form(NamedTuple, Generic[Q]):
    """base + pn(pn(x, y, p), z, r) seconds; numbers of an Op, Affines of a Row."""

    base: Q | float
    x: Q | float = 0.0
    y: Q | float = 0.0
    p: float = 2.5
    z: Q | float = 0.0
    r: float = 2.5
    other: Q | float | None = None
    """Of an exchange: a second kernel, which runs instead where it is the faster one."""


def seconds(form: Form[float]) -> float:
    """The time of a form of numbers."""
    time = form.base + pn(pn(form.x, form.y, form.p), form.z, form.r)
    return time if form.other is None else min(time, form.other)


def _activation_bytes(work: Work[Q], bits: int) -> Q | float:
    return work.input_elements * (min(bits, 16) / 8) + work.output_elements * 2


def _stream_s(work: Work[Q], c: Constants) -> Q | float:
    """Weights at the rate the engine's kernels read their format."""
    if work.format.bits >= 16:
        return work.streamed_bytes / c.wide_bandwidth
    nested = work.format.block_in == _NESTED_BLOCK
    return work.streamed_bytes / (c.nested_bandwidth if nested else c.narrow_bandwidth)


def matmul(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """One GEMM, and a kernel that quantizes its activations before 8- and 4-bit pipes.

        t = t_gemm + pn(FLOPs / F, bytes / B, 2.5) + kernels t_quant + elements (3 / B + s_quant)

    Where the engine has a kernel that takes few tokens one by one, pn(that, (M - 1) K N / r, 2.5);
    on a host the weights of codebook quants at the rate its cores look them up, likewise.
    s_quant: the engine's seconds an element. Weights at the rate of their format (wide, narrow,
    nested). Valid for M from 1 to 65,536 on NVIDIA; fitted to gemm tables of seven cards.
    """
    path, rate = c.path(work.format)
    bits = path.activation_bits
    if work.format.bits >= 16:
        rate *= c.wide_compute
    base: Q | float = c.gemm_latency_s
    # Block-scaled fp8 has scales of its own for each token and block: no engine fuses that kernel.
    blocks = bits == 8 and work.format.block_in > 0
    if bits < 16 and (blocks or not engine.fused_quantize):
        latency = c.quantize_latency_s if bits == 8 else c.quantize4_latency_s
        kernels = 1.0 if blocks or work.format.block_in else engine.quantize_kernels
        # Reads 16-bit activations, writes 8-bit ones: 3 bytes an element.
        each = 3.0 / c.bandwidth + engine.quantize_s_per_element
        base = work.input_elements * each + (base + kernels * latency)
    moved = _stream_s(work, c) + _activation_bytes(work, bits) / c.bandwidth
    one_by_one = _one_by_one_s(work, c) + _looked_up_s(work, c)
    return Form(base, work.flops / rate, moved, 2.5, one_by_one)


def _looked_up_s(work: Work[Q], c: Constants) -> Q | float:
    """What a host's cores take to look up the weights of a codebook quant: once, or again for every
    token (the vec_dot kernels of ggml-cpu)."""
    if not (c.gpu.is_host and work.format.codebook):
        return 0.0
    weights_per_clock = _LOOKED_UP_BITS_PER_CLOCK / max(2, int(work.format.bits))
    rate = weights_per_clock * c.gpu.sm_count * c.gpu.rated_clock_hz
    if c.unpacks_once:
        return work.weight_bytes / (work.format.bytes_per_element * rate)
    return work.flops / (2.0 * rate)


def _one_by_one_s(work: Work[Q], c: Constants) -> Q | float:
    """What the tokens beyond the first take, up to the eighth, in a kernel that multiplies weights
    with one after another (llama.cpp's mul_mat_vec_q). Then another kernel takes over, which on
    CUDA is no faster at nine tokens than that at eight; Metal's multiplies whole tiles."""
    if not c.vector_products_per_s or work.format.bits >= 16:
        return 0.0
    rate = c.vector_products_per_s * (c.nested_few if work.format.nested else 1.0)
    rows, inputs, outputs = work.shape
    if not isinstance(inputs, int) or not isinstance(outputs, int):
        return 0.0  # outputs grow with the context: no product with weights (DeepSeek-V4's indexer)
    beyond: float = _ONE_BY_ONE
    if c.gpu.vendor == "Apple":
        beyond = 1.0 + 2.0 * _METAL_TILE * rate / c.path(work.format)[1]
    each_s = inputs * outputs / rate
    seconds: Q | float = (few(rows, _ONE_BY_ONE, beyond) - 1.0) * each_s
    return seconds


def attention(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """Flash attention: the split-KV kernel of decode, or the tiled one of prefill.

        t = t_ap + pn(busy / share, bytes / Bs, 2.5)
        busy = pairs (FLOPs a pair / F + 1 / exponentials a second) / eta + tau_p queries / 128 SMs
        pairs = heads x (query, key) pairs + 128 (edges + 4 KV heads a head x band
                + last keys x SMs / 2)

    An edge: a query tile whose last tile of keys is half wasted; band: those along a window, whose
    keys are loaded again by each KV head. On average half of the longest tile's time passes with
    most SMs out of work. Fitted to prefill tables of seven cards, heads of 64 to 256; wider ones
    at 0.65 of the rate, others filled up to the next width that kernels are made for.
    """
    if work.decode:
        return _decode_attention(work, c, c.flop_per_s(_pipe_16(work, c)), _reads(work, c, engine))
    pipe = _pipe_16(work, c)
    if engine.fp8_attention and work.format.bits <= 8:
        pipe = work.format.path(c.gpu.peak_flop_per_s).pipe
    batch, heads, _, keys, width = work.shape
    filled = min((tuned for tuned in _TUNED_HEADS if tuned >= width), default=width) / width
    per_pair = ratio(work.flops, work.score_pairs) * filled / c.flop_per_s(pipe)
    per_pair += 1 / c.exponentials_per_s
    if width > _TUNED_HEADS[-1]:
        per_pair /= _WIDER_HEADS
    if work.sinks:
        per_pair /= c.sink_share
    sms = max(1, c.gpu.sm_count)
    edges = work.edges + work.band * (_BAND_TILES * ratio(work.blocks, batch * heads))
    pairs = work.score_pairs + _TILE * (edges + keys * (sms / 2))
    waits = work.queries * (c.prefill_block_s / _TILE / sms)
    busy = pairs * (per_pair / c.prefill_efficiency) + waits
    moved = (work.streamed_bytes + _activation_bytes(work, 16)) / c.stream_bandwidth
    if not engine.flash_attention:  # scores are written and read again, in fp32, twice
        moved = moved + work.score_pairs * (16.0 / c.bandwidth)
    return Form(c.prefill_latency_s, busy / engine.prefill_share, moved)


def _reads(work: Work[Q], c: Constants, engine: Engine) -> float:
    """How often decode attention reads its cache, in effect.

    Without flash attention every query head reads the keys and values of its group anew, from
    memory unless a large L2 holds those of a layer.
    """
    if engine.flash_attention and engine.grouped_cache == 1.0:
        return 1.0
    group = ratio(work.shape[0] * work.shape[1], work.blocks)
    if engine.flash_attention:
        return 1.0 / engine.grouped_cache if group > 1.0 else 1.0
    held = c.gpu.l2_bytes >= _KEYS_OF_A_LAYER and c.gpu.vendor != "Apple"
    return 1.0 if held else group


def _decode_attention(
    work: Work[Q], c: Constants, flop_per_s: float, reads: float = 1.0
) -> Form[Q]:
    """t = t_ad + pn(pn(bytes / Bs, tau blocks / SMs, 2), FLOPs / F, 2.5)

    blocks: (sequence, KV head) pairs. An 8-bit cache has a Bs of its own. Up to 16 new tokens a
    sequence; fitted to decode tables of seven cards, contexts to 131,072.
    """
    bandwidth = c.cache8_bandwidth if work.format.bits <= 8 else c.cache_bandwidth
    if work.sinks:
        bandwidth *= c.sink_share
    moved = (
        work.streamed_bytes * (reads / bandwidth) + _activation_bytes(work, 16) / c.stream_bandwidth
    )
    waves = work.blocks * (c.decode_block_s / max(1, c.gpu.sm_count))
    return Form(c.decode_latency_s, moved, waves, 2.0, work.flops / flop_per_s)


def mla(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """Absorbed MLA over the latent cache: decode attention at eta_mla F.

    All query heads share one key, so that FLOPs count. Fitted to DeepSeek-V3 on four cards.
    """
    del engine
    return _decode_attention(work, c, c.mla_efficiency * c.flop_per_s(_pipe_16(work, c)))


def experts(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """Grouped matmuls of routed experts.

        t = t_moe + activations / Bs + pn(pn(weights / Bs, unpacking, 2.5), FLOPs / (r_moe F), 1.5)

    Tokens are copied to their experts' rows and the results summed: read and written once more.
    llama.cpp multiplies tiles of tokens, so that in each part of a prompt (n_ubatch) every expert
    has half a tile of FLOPs more; fewer tokens than a tile get smaller ones.
    unpacking: 4-bit weights to 16 bit, 28 a clock and SM. Uniform routing; fitted to moe tables of
    seven cards, three rates r_moe (plain, block-scaled fp8, unpacked).
    """
    path, rate = c.path(work.format)
    latency = c.moe_latency_s
    unpacked: Q | float = 0.0
    if path.activation_bits >= 16 > work.format.bits:
        rate *= c.moe_unpack_efficiency
        unpacked = _unpack_s(_popular(work, c), c)
    elif work.format.name == "fp8_block":
        rate *= c.moe_block_efficiency
        latency = c.moe_block_latency_s
    else:
        rate *= c.moe_efficiency
    rate *= engine.grouped_compute * (c.nested_few if work.format.nested else 1.0)
    unpacked = unpacked + _looked_up_s(_popular(work, c), c)
    streamed = _stream_s(_popular(work, c), c) * (c.bandwidth / c.stream_bandwidth)
    tokens, _, _, hidden, _ = work.shape
    moved = _activation_bytes(work, path.activation_bits) + work.output_elements * 2.0
    moved = moved + tokens * (4.0 * hidden)
    base = moved / c.stream_bandwidth + latency
    flops = work.flops
    if c.vector_products_per_s:
        part = engine.scheduler.max_batched_tokens
        streamed = each_part(streamed, tokens, part)
        weights = of_many(each_part(work.weight_bytes, tokens, part), tokens, _GROUPED_TILE)
        flops = flops + weights * (_GROUPED_TILE / work.format.bytes_per_element)
    return Form(base, streamed, unpacked, 2.5, flops / rate, 1.5)


def _popular(work: Work[Q], c: Constants) -> Work[Q]:
    """The work where a router has favourites: fitted on NVIDIA; on AMD it gains nothing."""
    if work.popular_bytes is None or c.gpu.vendor != "NVIDIA":
        return work
    return replace(work, weight_bytes=work.popular_bytes)


def _unpack_s(work: Work[Q], c: Constants) -> Q | float:
    """Time to unpack each expert once: 4-bit weights with scales, measured on NVIDIA alone."""
    clock_rate = c.gpu.sm_count * c.gpu.rated_clock_hz
    scale = work.format.scale_bits
    if work.format.bits != 4 or scale < 8 or c.gpu.vendor != "NVIDIA":
        return 0.0
    per_clock = _UNPACKED_PER_CLOCK if scale >= 16 else _UNPACKED_NARROW_PER_CLOCK
    return work.weight_bytes / (work.format.bytes_per_element * per_clock * clock_rate)


def recurrence(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """A delta rule or a state space, token by token or in chunks.

        decode    t = 4 us + pn(FLOPs / F, bytes / Bs, 2.5)
        prefill   t = 18 us + pn(pn(2.3 us x chunks of 64, FLOPs / (share F), 2.5), bytes / Bs, 2.5)

    Chunks of one sequence wait for each other. Fitted to Gated DeltaNet on H100, H200 and B200.
    """
    moved = (work.streamed_bytes + _activation_bytes(work, 16)) / c.stream_bandwidth
    rate = c.flop_per_s(_pipe_16(work, c))
    if work.decode:
        return Form(_RECURRENT_LATENCY_S, work.flops / rate, moved)
    busy = work.flops / (rate * engine.recurrent_share)
    return Form(_CHUNKED_LATENCY_S, rounded_up(work.shape[2], _CHUNK) * _CHUNK_S, busy, 2.5, moved)


def small_kernels(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """Norms, residual adds, rotary, activations: t = launches t_launch + bytes / B.

    Engines that fuse no kernels of an encoder move more bytes an element there.
    """
    moved = work.streamed_bytes + work.input_elements * 2
    if engine.encoder_bytes_per_element > 2:
        moved = moved + work.encoded_elements * (engine.encoder_bytes_per_element - 2)
    return Form(moved / c.bandwidth + work.launches * (engine.launch_s * c.launch_scale))


def exchange(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """A collective: the faster of two lines t = alpha_N + bytes / rate_N (collectives.py)."""
    lines = collectives.expected_lines(work, c.gpu, engine.all_reduce_latency)
    return Form(lines[0], other=lines[1])


def transfer(work: Work[Q], c: Constants, engine: Engine) -> Form[Q]:
    """Bytes between host and card, t = bytes / link; with what else they wait for: placed.py."""
    del engine
    return Form(work.input_elements * (2.0 / (c.gpu.pcie_bytes_per_s or collectives.PCIE_UNKNOWN)))


def _pipe_16(work: Work[Q], c: Constants) -> str:
    """Attention kernels compute in 16 bit also over an 8-bit cache (expected, not limit)."""
    return next(p.pipe for p in work.format.paths if p.activation_bits >= 16
                and p.required in c.gpu.peak_flop_per_s)  # fmt: skip
