"""One step of a model on a card: op by op, and in total. Prefill and decode alike.

A step is as long as its kernels in a row plus the host's time; its limit overlaps everything. A
step may be several forward passes, none of which starts before the one before it has ended: the
verification of a draft, then the drafts. Not here: the time of one op (limit.py, expected.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES, Op, Step
from vperf.timing import collectives
from vperf.timing.constants import Constants, constants_of
from vperf.timing.expected import op_expected_s
from vperf.timing.limit import Limits, StepLimit, bound_of

Bound = Literal["compute", "memory", "link", "latency"]
"""link: between GPUs, with more than one of them."""


@dataclass(frozen=True, slots=True)
class OpTime:
    """One row of the op table: an op of the step, all its layers together."""

    name: str
    kind: str
    count: int
    """How many times the step runs it."""
    shape: str
    flops: float
    """FLOPs, bytes and times are of all `count` runs together."""
    bytes: float
    """Weights and cache that come from memory, and activations in and out."""
    compute_s: float
    memory_s: float
    limit_s: float
    expected_s: float
    bound: Bound
    """latency: more than half of the expected time is neither FLOPs nor bytes."""
    share: float
    """Of the step's expected time, 0 to 1."""
    pipe: str = ""
    """The compute pipe whose peak `compute_s` is at; "" without FLOPs."""


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Prefill, or one decode step at `context_tokens`."""

    context_tokens: int
    """Tokens in the cache before the step."""
    limit_s: float
    expected_s: float
    overhead_s: float
    """Time of the step that the GPU waits for the host; in expected_s, in no op."""
    flops: float
    bytes: float
    """Weights and KV cache the step must read."""
    bound: Bound
    """What bounds the limit of the phase."""
    ops: tuple[OpTime, ...]


class Card:
    """A card and an engine with everything needed to time a step on them."""

    __slots__ = ("constants", "engine", "gpu", "limits")

    def __init__(self, gpu: Gpu, engine: Engine) -> None:
        self.gpu = gpu
        self.engine = engine
        self.constants: Constants = constants_of(gpu, engine)
        self.limits = Limits(gpu)


@dataclass(frozen=True, slots=True)
class Pass:
    """`count` equal forward passes, one after another."""

    model: Model
    step: Step
    count: int = 1
    name: str = ""
    """What its ops are called in front of their own names; needed where `count` is not 1."""
    awaited: bool = True
    """Whether the step's tokens need it. One behind them is part of `expected` where engines give
    the tokens out after it, and never of the limit."""


def step_seconds(model: Model, step: Step, card: Card) -> tuple[float, float]:
    """(limit, expected) seconds of a step; the fast way to what `time_step` itemises."""
    return passes_seconds((Pass(model, step),), card)


def passes_seconds(passes: Sequence[Pass], card: Card) -> tuple[float, float]:
    """The same of a step of several passes: the host takes its time once."""
    limit = kernels = launches = 0.0
    for each in passes:
        times = _both(each.model.work(each.step), card)
        limit += each.count * times[0] * each.awaited
        kernels += each.count * times[1]
        launches += each.count * times[2]
    host = card.engine.overhead_s(launches, kernels, _sequences(passes[0]))
    return limit, max(limit, host + kernels)


def _sequences(one: Pass) -> float:
    """Those of an attention group: each has a scheduler of its own."""
    return one.step.batch / one.model.parallel.data


def seconds_of(passes: Iterable[list[tuple[int, Op]]], card: Card, sequences: float) -> float:
    """Expected seconds of a step of passes that do this work, one after another.

    `sequences`: those of an attention group.
    """
    limit = kernels = launches = 0.0
    for work in passes:
        times = _both(work, card)
        limit += times[0]
        kernels += times[1]
        launches += times[2]
    return max(limit, card.engine.overhead_s(launches, kernels, sequences) + kernels)


def kernels_of(work: list[tuple[int, Op]], card: Card, wanted: Callable[[Op], bool]) -> float:
    """Expected seconds of those kernels of a pass that are `wanted`."""
    limit = card.limits.of_step(work)
    return sum(
        count * _op_seconds(op, compute, limit, card)
        for (count, op), compute in zip(work, limit.op_compute_s, strict=True)
        if wanted(op)
    )


def _both(work: list[tuple[int, Op]], card: Card) -> tuple[float, float, float]:
    """The limit of one pass, the expected time of its kernels, and how many there are."""
    limit = card.limits.of_step(work)
    kernels = launches = 0.0
    for (count, op), compute in zip(work, limit.op_compute_s, strict=True):
        kernels += count * _op_seconds(op, compute, limit, card)
        launches += count * op.launches
    return limit.seconds, kernels, launches


def _op_seconds(op: Op, compute_s: float, limit: StepLimit, card: Card) -> float:
    """Expected seconds of one run, never below its limit."""
    if op.kind in COLLECTIVES:
        share = card.engine.all_reduce_latency
        return max(collectives.expected_s(op, card.gpu, share), collectives.limit_s(op, card.gpu))
    memory_s = op.streamed_bytes / limit.bandwidth
    return max(op_expected_s(op, card.constants, card.engine), compute_s, memory_s)


def time_step(model: Model, step: Step, card: Card) -> PhaseTimes:
    """Every op of a step with its FLOPs, bytes, limit and expected time."""
    return time_passes((Pass(model, step),), card)


def time_passes(passes: Sequence[Pass], card: Card) -> PhaseTimes:
    """The same of a step of several passes, the first of which says where in the context it is."""
    timed: list[tuple[Op, float, float, float]] = []
    limit_s = compute_s = memory_s = link_s = 0.0
    for each in passes:
        once = each.model.ops(each.step)
        limit = card.limits.of_step((op.count, op) for op in once)
        bounding = each.count * each.awaited
        limit_s += bounding * limit.seconds
        compute_s += bounding * limit.compute_s
        memory_s += bounding * limit.memory_s
        link_s += bounding * limit.link_s
        for op, compute in zip(once, limit.op_compute_s, strict=True):
            runs = each.count * op.count
            named = replace(op, name=f"{each.name}{op.name}", count=runs) if each.name else op
            expected = runs * _op_seconds(op, compute, limit, card)
            timed.append((named, compute, op.streamed_bytes / limit.bandwidth, expected))
    kernels = sum(expected for *_, expected in timed)
    launches = sum(op.count * op.launches for op, *_ in timed)
    host = card.engine.overhead_s(launches, kernels, _sequences(passes[0]))
    total = max(limit_s, host + kernels)
    return PhaseTimes(
        context_tokens=passes[0].step.past,
        limit_s=limit_s,
        expected_s=total,
        overhead_s=host,
        flops=sum(op.count * op.flops for op, *_ in timed),
        bytes=sum(op.count * op.streamed_bytes for op, *_ in timed),
        bound=bound_of(compute_s, memory_s, link_s),
        ops=tuple(
            _row(op, compute, memory, expected_s=expected, total_s=total, card=card)
            for op, compute, memory, expected in timed
        ),
    )


def _row(
    op: Op, compute_s: float, memory_s: float, *, expected_s: float, total_s: float, card: Card
) -> OpTime:
    """A row of all runs of an op; `compute_s` and `memory_s` are of one run."""
    link_s = collectives.limit_s(op, card.gpu) if op.kind in COLLECTIVES else 0.0
    limit_s = op.count * max(compute_s, memory_s, link_s)
    bound: Bound = "compute" if compute_s > memory_s else "memory"
    if link_s:
        bound = "link"
    return OpTime(
        name=op.name,
        kind=op.kind,
        count=op.count,
        shape=_shape(op),
        flops=op.count * op.flops,
        bytes=op.count * (op.streamed_bytes + 2.0 * (op.input_elements + op.output_elements)),
        compute_s=op.count * compute_s,
        memory_s=op.count * memory_s,
        limit_s=limit_s,
        expected_s=expected_s,
        bound="latency" if limit_s < expected_s / 2 else bound,
        share=expected_s / total_s,
        pipe=card.limits.pipe(op),
    )


def _shape(op: Op) -> str:
    if op.kind == "matmul":
        m, k, n = op.shape
        return f"[{m},{k}]x[{k},{n}]"
    if op.kind in ("attention", "mla"):
        batch, heads, new, keys, dim = op.shape
        return f"{batch}x{heads} heads, {new}x{keys} keys, d {dim}"
    if op.kind == "moe":
        tokens, active, experts, hidden, width = op.shape
        return f"{tokens} tokens, {active} of {experts}, {hidden}x{width}"
    if op.kind in COLLECTIVES:
        return f"{op.input_elements:.0f} among {op.shape[0]}"
    return "x".join(map(str, op.shape))
