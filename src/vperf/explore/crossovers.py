"""Where the answer turns: found by bisection on the estimator itself, not on the points of a sweep.

    batch       from which decode is bound by compute, in limit and as expected; from which a
                quantization, or drafting, stops helping
    context     where the KV cache read in a step is as many bytes as the weights
    acceptance  from which drafting pays
    users       that the KV cache has room for
    rate        of requests beyond which queues grow
    tp          what 2, 4 and 8 GPUs give over one, prefill and decode apart

Not here: which axis a sweep has (sweep.py) and how a figure comes about (speeds.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from vperf import api
from vperf.errors import InputError
from vperf.explore.settings import AS_STORED, CONTEXT, Resolver, scenario_at
from vperf.hardware.gpu import Gpu
from vperf.scenario import Scenario
from vperf.serving.memory import memory_use
from vperf.timing.compiled import Compiled
from vperf.timing.passes import decode_passes
from vperf.timing.step import Card
from vperf.units import format_requests

MOST_BATCH = 1 << 17
MOST_CONTEXT = 1 << 27
_FASTER = 1e9
"""Of a card that never waits for one of its sides."""
_HELP = 0.05
"""A quantization that speeds up decode by less than that does not help."""
_IMPOSSIBLE_RATE = 1e9


@dataclass(frozen=True, slots=True)
class Crossover:
    """One turn of one axis."""

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


def crossovers(
    axis: str, options: Mapping[str, Any], chosen: Mapping[str, Any], resolver: Resolver
) -> Iterator[Crossover]:
    """The turns of one axis, all other options being fixed. Raises VperfError as a scenario does.

    `options` hold one value each, of the axis any one of its values.
    """
    found = _OF_AXIS.get(axis)
    if found is None:
        return
    for name, at, text in found(options, resolver):
        yield Crossover(axis, name, at, text, chosen)


_Turn = tuple[str, float | None, str]


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


def _of_batch(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    scenario = scenario_at({**options, "batch_size": 1})
    if scenario.served:
        return
    at = resolver.deployment(scenario)
    context = api.lengths_of(scenario).decode_context + scenario.image_tokens

    def limit_computes(batch: int) -> bool:
        compute, memory, link = at.compiled.sides(decode_passes(at.model, batch, context))
        return compute > max(memory, link)

    no_memory, no_compute = (Compiled(at.model, card) for card in _without(at.card))

    def expected_computes(batch: int) -> bool:
        return no_memory.decode(batch, context)[1] > no_compute.decode(batch, context)[1]

    for name, holds in (("limit", limit_computes), ("expected", expected_computes)):
        batch = first_that_holds(holds, MOST_BATCH)
        yield f"compute-bound, {name}", batch, _bound_text(name, batch, scenario, at, context)
    yield from _no_help(options, resolver)


def _bound_text(
    name: str, batch: int | None, scenario: Scenario, at: api.Deployment, context: int
) -> str:
    sure = f"decode, {name}"
    if batch is None:
        return f"{sure}: memory-bound at every batch, the KV cache of {context:,} tokens being read"
    why = "" if name == "limit" else ", where more FLOP/s would help more than more bandwidth"
    return f"{sure}: compute-bound from batch {batch:,} on{why}{_room(scenario, at, batch)}"


def _room(scenario: Scenario, at: api.Deployment, batch: int) -> str:
    """A remark where so many sequences do not fit."""
    lengths = api.lengths_of(scenario)
    card = at.card
    prompt = lengths.input_tokens + scenario.image_tokens
    use = memory_use(at.model, card.gpu, card.engine, batch, prompt, lengths.output_tokens)
    return "" if use.total_bytes <= card.gpu.memory_bytes else " (more than fits)"


def _without(card: Card) -> tuple[Card, Card]:
    """The card if its memory took no time, and if its arithmetic took none."""
    gpu = card.gpu
    return (
        Card(_scaled(gpu, bandwidth=_FASTER, flops=1.0), card.engine),
        Card(_scaled(gpu, bandwidth=1.0, flops=_FASTER), card.engine),
    )


def _scaled(gpu: Gpu, *, bandwidth: float, flops: float) -> Gpu:
    gpu = gpu.with_bandwidth(gpu.memory_bandwidth * bandwidth)
    achieved = gpu.achieved
    if achieved is not None:
        rates = {pipe: rate * flops for pipe, rate in achieved.flop_per_s.items()}
        achieved = replace(achieved, flop_per_s=rates)
    return replace(
        gpu,
        peak_flop_per_s={pipe: rate * flops for pipe, rate in gpu.peak_flop_per_s.items()},
        achieved=achieved,
    )


def _no_help(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    """The batch from which what the options ask for beyond the plain model stops helping."""
    quantization = options.get("quantization", AS_STORED)
    if quantization != AS_STORED:
        yield _stops(options, {**options, "quantization": AS_STORED}, resolver, quantization)
    if options.get("speculative") is not None:
        plain = {n: v for n, v in options.items() if n not in _DRAFTING}
        yield _stops(options, plain, resolver, "drafting")


_DRAFTING = ("speculative", "draft_tokens", "acceptance")


def _stops(
    options: Mapping[str, Any], plain: Mapping[str, Any], resolver: Resolver, what: str
) -> _Turn:
    """Where `options` decode no faster, as expected, than `plain` ones."""
    once, base = scenario_at({**options, "batch_size": 1}), scenario_at({**plain, "batch_size": 1})
    stored = resolver.deployment(base).model.quantization
    against = "without" if what == "drafting" else f"{stored} as stored"

    least = 1.0 if what == "drafting" else 1 + _HELP

    def slower(batch: int) -> bool:
        ours = resolver.figures(replace(once, batch_size=batch)).expected.tpot_s
        return ours * least >= resolver.figures(replace(base, batch_size=batch)).expected.tpot_s

    if what != "drafting" and resolver.deployment(once).model.quantization == stored:
        return f"{what} stops helping", None, f"{what} is what the checkpoint holds"
    batch = first_that_holds(slower, MOST_BATCH)
    name = f"{what} stops helping"
    if batch is None:
        return name, None, f"{what} decodes faster than {against} at every batch, expected"
    little = "no faster" if what == "drafting" else f"less than {_HELP:.0%} faster"
    if batch == 1:
        return name, 1, f"{what} decodes {little} than {against} even at batch 1, expected"
    room = _room(once, resolver.deployment(once), batch)
    text = f"{what} decodes {little} than {against} from batch {batch:,} on, expected{room}"
    return name, batch, text


def _of_context(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    options = {n: v for n, v in options.items() if n not in ("input_len", "output_len", CONTEXT)}
    scenario = scenario_at(options)
    at = resolver.deployment(scenario)
    if scenario.served:
        return
    longest = at.model.max_context_tokens or MOST_CONTEXT

    def cache_outweighs(context: int) -> bool:
        weights = cache = 0.0
        for each in decode_passes(at.model, scenario.batch_size, context):
            for op in at.compiled.ops(each):
                weights += each.count * op.count * op.weight_bytes
                cache += each.count * op.count * op.cache_bytes
        return cache >= weights

    context = first_that_holds(cache_outweighs, longest)
    of = f"at batch {scenario.batch_size:,}"
    if context is None:
        text = f"a step reads more weights than KV cache at every context to {longest:,}, {of}"
    elif context == 1:
        text = f"a step reads more state and KV cache than weights at every context, {of}"
    else:
        text = f"a step reads as many bytes of KV cache as of weights at {context:,} tokens, {of}"
    yield "KV bytes equal weight bytes", context, text


def _of_acceptance(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    del resolver
    answer = api.ask(scenario_at(options)).speculative
    if answer is None:
        return
    even = answer.break_even_acceptance
    what = f"drafting {answer.draft_tokens} a step"
    text = (
        f"{what} never pays" if even is None else f"{what} pays from an acceptance of {even:.2f} on"
    )
    yield "drafting pays", even, f"{text}, expected"


def _of_users(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    serving = resolver.figures(scenario_at(options)).serving
    if serving is not None:
        text = f"the KV cache has room for {serving.slots:,} sequences: users beyond wait"
        yield "users wait for room", serving.slots, text


def _of_rate(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    most = resolver.figures(scenario_at({**options, "request_rate": _IMPOSSIBLE_RATE}))
    rate = most.requests_per_s
    text = f"queues grow without end beyond {format_requests(rate, 3)}, expected"
    yield "saturated", rate, text


def _of_quantization(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    if not scenario_at(options).served:
        yield from _no_help(options, resolver)


def _of_tp(options: Mapping[str, Any], resolver: Resolver) -> Iterator[_Turn]:
    """What more GPUs give, prefill and decode apart; where the model does not divide, it stops."""
    scenario = scenario_at({**options, "tp": 1})
    one = resolver.figures(scenario).expected
    gains = []
    for gpus in (2, 4, 8):
        try:
            several = resolver.figures(replace(scenario, tp=gpus)).expected
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


_OF_AXIS: dict[str, Callable[[Mapping[str, Any], Resolver], Iterator[_Turn]]] = {
    "batch_size": _of_batch,
    CONTEXT: _of_context,
    "input_len": _of_context,
    "acceptance": _of_acceptance,
    "max_concurrency": _of_users,
    "request_rate": _of_rate,
    "quantization": _of_quantization,
    "tp": _of_tp,
}
