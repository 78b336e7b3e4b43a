"""Crossovers: where what bounds or helps changes. Found by bisection on the estimator itself, not
on the points of a sweep.

    batch       from which decode is bound by compute, in limit and as expected; from which a
                quantization, or drafting, stops helping
    context     where the KV cache read in a step is as many bytes as the weights
    acceptance  from which drafting pays
    users       that the KV cache has room for
    rate        of requests beyond which queues grow
    tp          what 2, 4 and 8 GPUs give over one, prefill and decode apart

Not here: which axis a sweep has (sweep.py) and how a figure comes about (speeds/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from vperf.deployment import Deployment
from vperf.errors import InputError
from vperf.estimate import estimate
from vperf.explore.grid import CONTEXT, scenario_at
from vperf.hardware.gpu import Achieved, Gpu
from vperf.resolve import Resolver
from vperf.resolve.model import AS_STORED
from vperf.scenario import OF_DRAFTS
from vperf.serving.memory import memory_use
from vperf.speeds import speeds
from vperf.timing.compiled import Compiled
from vperf.timing.passes import decode_passes
from vperf.timing.step import Card
from vperf.units import format_requests
from vperf.values import dataclass

MAX_BATCH = 1 << 17
MAX_CONTEXT = 1 << 27
_UNBOUNDED = 1e9
"""Of a card that never waits for one of its sides."""
_MIN_GAIN = 0.05
"""A quantization that speeds up decode by less than that does not help."""
_IMPOSSIBLE_RATE = 1e9


@dataclass(frozen=True, slots=True)
class Crossover:
    """A value of one axis from which something else holds."""

    axis: str
    name: str
    at: float | None
    """None: nowhere, and `text` says how far was looked."""
    text: str
    chosen: Mapping[str, Any]
    """The values of the other axes that it holds for."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "chosen": dict(self.chosen)}


def find_crossovers(
    axis: str, options: Mapping[str, Any], chosen: Mapping[str, Any], resolver: Resolver
) -> Iterator[Crossover]:
    """The crossovers of one axis, all other options being fixed. Raises VperfError.

    `options` hold one value each, of the axis any one of its values.
    """
    found = _OF_AXIS.get(axis)
    if found is None:
        return
    for name, at, text in found(options, resolver):
        yield Crossover(axis, name, at, text, chosen)


_Found = tuple[str, float | None, str]


def first_that_holds(holds: Callable[[int], bool], most: int) -> int | None:
    """The least whole number from 1 to `most` from which on `holds`; None if not even there.

    Doubles until it holds, then halves the gap: right where it does not change back in between.
    """
    low, high = 0, 1
    while not holds(high):
        if high >= most:
            return None
        low, high = high, min(most, high * 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def find_batch_crossover(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Found]:
    """The batch from which decode is bound by compute; from which formats or drafts do not help."""
    at = resolver.deployment(scenario_at({**options, "batch_size": 1}))
    if at.load is not None or not at.model.generates:
        return
    context = at.decode_context

    def limit_computes(batch: int) -> bool:
        compute, memory, link = at.compiled.sides(decode_passes(at.model, batch, context))
        return compute > max(memory, link)

    no_memory, no_compute = (Compiled(at.model, card) for card in _without(at.card))

    def expected_computes(batch: int) -> bool:
        return no_memory.decode(batch, context)[1] > no_compute.decode(batch, context)[1]

    for name, holds in (("limit", limit_computes), ("expected", expected_computes)):
        batch = first_that_holds(holds, MAX_BATCH)
        yield f"compute-bound, {name}", batch, _bound_text(name, batch, at)
    yield from _find_ends_of_help(options, resolver)


def _bound_text(name: str, batch: int | None, at: Deployment) -> str:
    sure = f"decode, {name}"
    if batch is None:
        context = f"the KV cache of {at.decode_context:,} tokens being read"
        return f"{sure}: memory-bound at every batch, {context}"
    why = "" if name == "limit" else ", where more FLOP/s would help more than more bandwidth"
    return f"{sure}: compute-bound from batch {batch:,} on{why}{_fit_remark(at, batch)}"


def _fit_remark(at: Deployment, batch: int) -> str:
    """A remark where so many sequences do not fit."""
    card, output = at.card, at.lengths.output_tokens
    use = memory_use(at.model, at.replica.pools, batch, at.prompt_tokens, output)
    return "" if use.total_bytes <= card.gpu.memory_bytes else " (more than fits)"


def _without(card: Card) -> tuple[Card, Card]:
    """The card if its memory took no time, and if its arithmetic took none."""
    gpu = card.gpu
    return (
        Card(_scaled(gpu, bandwidth=_UNBOUNDED, flops=1.0), card.engine),
        Card(_scaled(gpu, bandwidth=1.0, flops=_UNBOUNDED), card.engine),
    )


def _scaled(gpu: Gpu, *, bandwidth: float, flops: float) -> Gpu:
    gpu = gpu.with_bandwidth(gpu.memory_bandwidth * bandwidth)
    return replace(
        gpu,
        peak_flop_per_s=_times(gpu.peak_flop_per_s, flops),
        achieved=_faster(gpu.achieved, flops),
        of_die=_faster(gpu.of_die, flops),
    )


def _faster(achieved: Achieved | None, flops: float) -> Achieved | None:
    return achieved and replace(achieved, flop_per_s=_times(achieved.flop_per_s, flops))


def _times(rates: Mapping[str, float], factor: float) -> dict[str, float]:
    return {pipe: rate * factor for pipe, rate in rates.items()}


def _find_ends_of_help(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Found]:
    """The batch from which what the options ask for beyond the plain model stops helping."""
    quantization = options.get("quantization", AS_STORED)
    if quantization != AS_STORED:
        yield _find_end_of_help(
            options, {**options, "quantization": AS_STORED}, resolver, quantization
        )
    if options.get("speculative") is not None:
        plain = {n: v for n, v in options.items() if n not in OF_DRAFTS}
        yield _find_end_of_help(options, plain, resolver, "drafting")


def _find_end_of_help(
    options: Mapping[str, Any], plain: Mapping[str, Any], resolver: Resolver, what: str
) -> _Found:
    """Where `options` decode no faster, as expected, than `plain` ones."""
    ours, base = (
        resolver.deployment(scenario_at({**each, "batch_size": 1})) for each in (options, plain)
    )
    stored = base.model.quantization
    against = "without" if what == "drafting" else f"{stored} as stored"

    least = 1.0 if what == "drafting" else 1 + _MIN_GAIN

    def tpot_s(at: Deployment, batch: int) -> float:
        return speeds(replace(at, batch_size=batch)).expected.tpot_s

    def slower(batch: int) -> bool:
        return tpot_s(ours, batch) * least >= tpot_s(base, batch)

    if what != "drafting" and ours.model.quantization == stored:
        return f"{what} stops helping", None, f"{what} is what the checkpoint holds"
    batch = first_that_holds(slower, MAX_BATCH)
    name = f"{what} stops helping"
    if batch is None:
        return name, None, f"{what} decodes faster than {against} at every batch, expected"
    little = "no faster" if what == "drafting" else f"less than {_MIN_GAIN:.0%} faster"
    if batch == 1:
        return name, 1, f"{what} decodes {little} than {against} even at batch 1, expected"
    remark = _fit_remark(ours, batch)
    text = f"{what} decodes {little} than {against} from batch {batch:,} on, expected{remark}"
    return name, batch, text


def _find_context_crossover(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Found]:
    options = {n: v for n, v in options.items() if n not in ("input_len", "output_len", CONTEXT)}
    at = resolver.deployment(scenario_at(options))
    if at.load is not None or not at.model.generates:
        return
    longest = at.model.max_context_tokens or MAX_CONTEXT

    def cache_outweighs(context: int) -> bool:
        weights = cache = 0.0
        for each in decode_passes(at.model, at.batch_size, context):
            for op in at.compiled.ops(each):
                weights += each.count * op.count * op.weight_bytes
                cache += each.count * op.count * op.cache_bytes
        return cache >= weights

    context = first_that_holds(cache_outweighs, longest)
    of = f"at batch {at.batch_size:,}"
    if context is None:
        text = f"a step reads more weights than KV cache at every context to {longest:,}, {of}"
    elif context == 1:
        text = f"a step reads more state and KV cache than weights at every context, {of}"
    else:
        text = f"a step reads as many bytes of KV cache as of weights at {context:,} tokens, {of}"
    yield "KV bytes equal weight bytes", context, text


def _find_acceptance_crossover(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Found]:
    drafting = estimate(resolver.deployment(scenario_at(options))).speculative
    if drafting is None:
        return
    even = drafting.break_even_acceptance
    what = f"drafting {drafting.draft_tokens} a step"
    text = (
        f"{what} never pays" if even is None else f"{what} pays from an acceptance of {even:.2f} on"
    )
    yield "drafting pays", even, f"{text}, expected"


def _find_users_crossover(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Found]:
    at = resolver.deployment(scenario_at(options))
    serving = speeds(at).serving
    if serving is not None and at.model.generates:
        text = f"the KV cache has room for {serving.slots:,} sequences: users beyond wait"
        yield "users wait for room", serving.slots, text


def _find_rate_crossover(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Found]:
    at = resolver.deployment(scenario_at({**options, "request_rate": _IMPOSSIBLE_RATE}))
    rate = speeds(at).requests_per_s
    text = f"queues grow without end beyond {format_requests(rate, 3)}, expected"
    yield "saturated", rate, text


def _find_quantization_crossover(
    options: Mapping[str, Any], resolver: Resolver
) -> Iterator[_Found]:
    if not scenario_at(options).served:
        yield from _find_ends_of_help(options, resolver)


def _compare_tp(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Found]:
    """What more GPUs give, prefill and decode apart; where the model does not divide, it stops."""
    alone = resolver.deployment(scenario_at({**options, "tp": 1}))
    one = speeds(alone).expected
    if not alone.model.generates:
        return
    gains = []
    for gpus in (2, 4, 8):
        try:
            several = speeds(resolver.what_if(alone, tp=gpus)).expected
        except InputError:
            break
        gains.append((gpus, one.ttft_s / several.ttft_s, one.tpot_s / several.tpot_s))
    if gains:
        (_, prefill, decode), *more = gains
        text = f"a second GPU makes prefill {prefill:.2f} x and decode {decode:.2f} x as fast"
        text += "".join(
            f"; {n} GPUs {prefill:.2f} x and {decode:.2f} x" for n, prefill, decode in more
        )
        yield "a second GPU", None, f"{text}, expected"


_OF_AXIS: dict[str, Callable[[Mapping[str, Any], Resolver], Iterator[_Found]]] = {
    "batch_size": find_batch_crossover,
    CONTEXT: _find_context_crossover,
    "input_len": _find_context_crossover,
    "acceptance": _find_acceptance_crossover,
    "max_concurrency": _find_users_crossover,
    "request_rate": _find_rate_crossover,
    "quantization": _find_quantization_crossover,
    "tp": _compare_tp,
}
