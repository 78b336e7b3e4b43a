"""The oracle of timing/compiled.py: every op of every step made, divided and timed as an object.

This is how vperf computed a step before its rows were compiled (commit 9e255cb), kept as it was but
for three repairs: a matmul says how it is split; a mixed step reads the recurrent state and the
index keys of both its kinds of sequences, and pairs their ops up block by block; zero experts are
among those that the tokens of a mixed step may pick. It shares the equations of blocks/ with vperf,
which it calls with numbers, and its constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from vperf.formats import BF16
from vperf.hardware.engine import Engine
from vperf.model.blocks.base import Block
from vperf.model.divide import SINGLE, Parallel
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES, Op, OpKind, Step, Work, matmul
from vperf.timing import collectives
from vperf.timing.constants import Constants
from vperf.timing.limit import Limits
from vperf.timing.passes import Pass
from vperf.timing.step import Card

Counted = tuple[int, Op]

# Dividing ------------------------------------------------------------------------------------


def share(op: Op, parallel: Parallel, cache_heads: int) -> Op:
    """The part of an op that one rank runs; `cache_heads`: KV heads its cache can be split into.

    `op` is of a block as all ranks hold it together (Block.copied).
    """
    ways = parallel.tensor
    if op.kind == "moe":
        one = _scaled(op, parallel.stage, parallel.stage, 1)
        # The group of experts that a token needs most of has so many whole ones of it.
        whole = math.ceil(op.shape[1] / parallel.expert)
        least = (op.least_bytes or 0.0) / op.shape[1] * whole / parallel.expert_ways
        popular = None if op.popular_bytes is None else op.popular_bytes / parallel.stage
        return replace(one, least_bytes=least, popular_bytes=popular)
    if ways == 1 or (op.split == "whole" and op.kind in ("elementwise", "matmul")):
        return op
    if op.kind == "matmul":
        return _matmul_share(op, ways)
    if op.kind == "elementwise":  # a convolution
        batch, channels, *rest = op.shape
        op = replace(op, shape=(batch, channels // ways, *rest))
    if op.kind not in ("attention", "mla"):
        return _scaled(op, ways, ways, ways)
    batch, heads, *rest = op.shape
    own = replace(op, shape=(batch, heads // ways, *rest))
    return _scaled(own, ways, ways, min(ways, max(1, cache_heads)))


def _matmul_share(op: Op, ways: int) -> Op:
    m, k, n = op.shape
    rows = op.split == "row"
    return replace(
        op,
        flops=op.flops / ways,
        weight_bytes=op.weight_bytes / ways,
        input_elements=op.input_elements / (ways if rows or op.split == "blocks" else 1),
        output_elements=op.output_elements / (1 if rows else ways),
        shape=(m, -(-k // ways), n) if rows else (m, k, -(-n // ways)),
    )


def _scaled(op: Op, work: int, weight: int, cache: int) -> Op:
    return replace(
        op,
        flops=op.flops / work,
        weight_bytes=op.weight_bytes / weight,
        cache_bytes=op.cache_bytes / cache,
        input_elements=op.input_elements / work,
        output_elements=op.output_elements / work,
        score_pairs=op.score_pairs / work,
        queries=op.queries / work,
        edges=op.edges / work,
        band=op.band / work,
        blocks=op.blocks / cache,
    )


def _exchange(name: str, kind: OpKind, elements: float, ranks: int) -> Op:
    return Work(name, kind, 0.0, BF16, input_elements=elements, shape=(ranks,))


def local_of(model: Model, step: Step) -> Step:
    """What one attention group has of a step, in one pass of the pipeline."""
    return step._replace(batch=-(-step.batch // (model.parallel.data * model.parallel.pipeline)))


def work(model: Model, local: Step) -> list[list[Counted]]:
    """The work of a step on one GPU: (how many times, op), op by op, block by block."""
    found: list[list[Counted]] = []
    starts = bool(model.encoder) and local.past == 0
    for count, block in model.encoder_blocks:
        if starts:
            found.append([(count, op) for op in _block_ops(model, block, local)])
        else:
            found.append([])
    for count, block in model.decoder_blocks:
        found.append([(count, op) for op in _block_ops(model, block, local)])
    if model.head:
        rows: float = local.batch * local.outputs
        head = [(1, share(op, model.parallel, 1)) for op in matmul("lm_head", (model.head,), rows)]
        found.append(head)
    found.append([(1, _elementwise(model, local))])
    return found


def flat(blocks: list[list[Counted]]) -> list[Counted]:
    """Op by op."""
    return [counted for block in blocks for counted in block]


def _block_ops(model: Model, block: Block, local: Step) -> Sequence[Op]:
    ops = block.ops(local, model.cache)
    parallel = model.parallel
    if parallel == SINGLE or block.whole:
        return ops
    joins = block.joins_residual
    exchanges: list[Op] = []
    if parallel.data > 1 and any(op.kind == "moe" for op in ops):
        stage = local._replace(batch=local.batch * parallel.data)
        whole = block.ops(stage, model.cache)
        ops = tuple(w if w.kind == "moe" else o for o, w in zip(ops, whole, strict=True))
        experts = next(op for op in whole if op.kind == "moe")
        copies = min(experts.shape[1], parallel.stage) / experts.shape[1] / parallel.tensor
        rows = experts.input_elements / parallel.data * copies
        exchanges = [_exchange("dispatch + combine", "alltoall", 2 * rows, parallel.stage)]
        joins = parallel.tensor > 1
    if parallel.tensor > 1 and block.summed_inside:
        inside = local.tokens * block.summed_inside
        exchanges.append(_exchange("norm all-reduce", "allreduce", inside, parallel.tensor))
    if parallel.tensor > 1 and joins:
        elements = local.tokens * model.hidden
        exchanges.append(_exchange("all-reduce", "allreduce", elements, parallel.tensor))
    return [*(share(op, parallel, block.cache_heads) for op in ops), *exchanges]


def _elementwise(model: Model, step: Step) -> Op:
    elements, launches, vectors = model.decoder_small_kernels
    moved = step.tokens * elements
    if model.encoder and step.past == 0:
        of_encoder, more, others = model.encoder_small_kernels
        moved = step.tokens * of_encoder + step.batch * elements
        launches, vectors = launches + more, vectors + others
    return Work(
        "norms, rotary, activation", "elementwise", 0.0, BF16,
        weight_bytes=model.vector_bytes * vectors, input_elements=moved, launches=float(launches),
    )  # fmt: skip


# Mixed steps ----------------------------------------------------------------------------------


def mixed_work(model: Model, decode: Step, chunk: Step) -> list[Counted]:
    """The work of one step that decodes and prefills: matmuls run once over both their rows."""
    first, second = local_of(model, decode), local_of(model, chunk)
    # As many experts are read as all tokens touch together.
    of_all = flat(work(model, Step(first.tokens + second.tokens, 1, 1)))
    read = [op for _, op in of_all if op.kind == "moe"]
    found: list[Counted] = []
    for ones, others in zip(work(model, first), work(model, second), strict=True):
        rest = list(others)
        for at, (count, a) in enumerate(ones):
            if len(ones) == len(others):
                pair = others[at]
            else:
                pair = next((b for b in rest if b[1].name == a.name), (0, a))
            if pair in rest:
                rest.remove(pair)
            if not pair[0]:
                found.append((count, a))
            elif a.kind != pair[1].kind or a.kind in ("attention", "mla", "recurrent"):
                found += [(count, a), pair]
            else:
                whole = read.pop(0) if a.kind == "moe" else a
                found.append((count, _joined(a, pair[1], whole)))
        found += rest
    return found


def _joined(a: Op, b: Op, whole: Op) -> Op:
    shape = a.shape
    if shape and a.kind not in COLLECTIVES:
        shape = (shape[0] + b.shape[0], *shape[1:])
    return replace(
        a,
        flops=a.flops + b.flops,
        weight_bytes=max(whole.weight_bytes, b.weight_bytes),
        least_bytes=whole.least_bytes,
        popular_bytes=whole.popular_bytes,
        cache_bytes=a.cache_bytes + b.cache_bytes,
        input_elements=a.input_elements + b.input_elements,
        output_elements=a.output_elements + b.output_elements,
        shape=shape,
    )


# Times ----------------------------------------------------------------------------------------

_RECURRENT_LATENCY_S = 4e-6
_CHUNKED_LATENCY_S = 18e-6
_CHUNK, _CHUNK_S = 64, 2.3e-6
_TILE = 128
_BAND_TILES = 4.0
_NESTED_BLOCK = 256
_WIDEST_TUNED_HEAD = 256
_WIDER_HEADS = 0.65


_UNPACKED_PER_CLOCK = 28.0


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
    tiles = op.edges + op.band
    band = max(0.0, tiles - queries)
    shared = op.blocks / (batch * heads) if band else 0.0
    edges = tiles - 2 * band + band * (1 + _BAND_TILES * shared)
    # On average half of the longest tile's time passes with most SMs out of work.
    pairs = op.score_pairs + _TILE * (edges + keys * sms / 2)
    busy = pairs * per_pair / c.prefill_efficiency + c.prefill_block_s * queries / _TILE / sms
    moved = (op.streamed_bytes + _activation_bytes(op, 16)) / c.stream_bandwidth
    if not engine.flash_attention:
        moved += 16.0 * op.score_pairs / c.bandwidth
    return c.prefill_latency_s + pn(busy / engine.prefill_share, moved, 2.5)


def _decode_attention(op: Op, c: Constants, flop_per_s: float) -> float:
    """t_ad + pn(pn(bytes/B, tau blocks/SMs, 2), FLOPs/F, 2.5)."""
    bandwidth = c.cache8_bandwidth if op.format.bits <= 8 else c.cache_bandwidth
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
    if op.popular_bytes is not None and c.gpu.vendor == "NVIDIA":
        op = replace(op, weight_bytes=op.popular_bytes)
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
    return float(latency + moved / c.stream_bandwidth + pn(op.flops / rate, streamed, 1.5))


def _unpack_s(op: Op, c: Constants) -> float:
    """Time to unpack each expert once: 4-bit weights with 16-bit scales, measured on NVIDIA alone.

    mxfp4 has none: powers of two need no multiply, and served gpt-oss shows none on H200.
    """
    clock_rate = c.gpu.sm_count * c.gpu.rated_clock_hz
    scale = op.format.scale_bits
    if op.format.bits != 4 or scale < 8 or c.gpu.vendor != "NVIDIA":
        return 0.0
    per_clock = _UNPACKED_PER_CLOCK if scale >= 16 else 36.0
    return op.weight_bytes / op.format.bytes_per_element / (per_clock * clock_rate)


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


def _form_seconds(op: Op, c: Constants, engine: Engine) -> float:
    """Expected seconds of one run of an op, before the bound by its limit."""
    if op.kind == "elementwise":
        moved = op.streamed_bytes + op.input_elements * 2
        return op.launches * engine.launch_s * c.launch_scale + moved / c.bandwidth
    return _FORMS[op.kind](op, c, engine)


def _op_seconds(op: Op, compute_s: float, bandwidth: float, card: Card) -> float:
    if op.kind in COLLECTIVES:
        share = card.engine.all_reduce_latency
        return max(collectives.expected_s(op, card.gpu, share), collectives.limit_s(op, card.gpu))
    memory_s = op.least_streamed_bytes / bandwidth
    return max(_form_seconds(op, card.constants, card.engine), compute_s, memory_s)


def _times(ops: list[Counted], card: Card) -> tuple[float, float, float, float]:
    """The limit of one pass, the expected time of its kernels, how many there are, its ceiling."""
    limit = Limits(card.gpu).of_step(ops)
    kernels = launches = 0.0
    for (count, op), compute in zip(ops, limit.op_compute_s, strict=True):
        kernels += count * _op_seconds(op, compute, limit.bandwidth, card)
        launches += count * op.launches
    even = [(count, replace(op, least_bytes=None)) for count, op in ops]
    ceiling = max(limit.seconds, Limits(card.gpu).of_step(even).seconds)
    return limit.seconds, kernels, launches, ceiling


def passes_seconds(model: Model, passes: Sequence[Pass], card: Card) -> tuple[float, float, float]:
    """(limit, expected, ceiling) seconds of several passes: the host takes its time once."""
    limit = kernels = launches = ceiling = 0.0
    for each in passes:
        of = model.draft if each.role == "draft" else model
        assert of is not None
        times = _times(flat(work(of, local_of(of, each.step))), card)
        limit += each.count * times[0] * each.awaited
        ceiling += each.count * times[3] * each.awaited
        kernels += each.count * times[1]
        launches += each.count * times[2]
    sequences = passes[0].step.batch / model.parallel.data
    first = passes[0].step
    reads = model.generates and first.new > first.outputs
    host = card.engine.overhead_s(launches, kernels, sequences, reads_prompts=reads)
    host += card.engine.drafting_s(model.drafted_in_a_row)
    host += _stages_s(model, card, local_of(model, passes[0].step).tokens)
    return limit, max(limit, host + kernels), ceiling


def mixed_seconds(
    model: Model, decode: Sequence[Pass], chunk: Sequence[Pass], card: Card, sequences: float
) -> float:
    """Expected seconds of a step that decodes and reads a chunk of a prompt."""
    limit = kernels = launches = 0.0
    counted = [[each for each in passes for _ in range(each.count)] for passes in (decode, chunk)]
    for first, second in zip(*counted, strict=True):
        of = model.draft if first.role == "draft" else model
        assert of is not None
        times = _times(mixed_work(of, first.step, second.step), card)
        limit += times[0]
        kernels += times[1]
        launches += times[2]
    tokens = sum(local_of(model, each[0].step).tokens for each in (decode, chunk))
    reads = chunk[0].step.new > chunk[0].step.outputs
    host = card.engine.overhead_s(launches, kernels, sequences, reads_prompts=reads)
    host += _stages_s(model, card, tokens)
    host += card.engine.drafting_s(model.drafted_in_a_row)
    return max(limit, host + kernels)


def _stages_s(model: Model, card: Card, tokens: float) -> float:
    """What the stages of a pipeline add to a step: their hosts, and its way through them."""
    stages = model.parallel.pipeline
    if stages == 1:
        return 0.0
    hop = 20e-6 + 2 * tokens * model.hidden / (0.8 * collectives.link_bytes_per_s(card.gpu))
    return (stages - 1) * card.engine.host_s_per_step + stages * hop
