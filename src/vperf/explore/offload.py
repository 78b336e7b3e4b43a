"""What to leave to the host so that a model fits, and how unlike cards share its layers fastest.

Of everything that fits the fastest is proposed: experts before whole layers, as few as possible; of
unlike cards the fastest are filled first. Not here: what a placement takes (places.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from vperf.deployment import Deployment
from vperf.errors import HubError, UnknownNameError, VperfError
from vperf.resolve import Resolver
from vperf.scenario import LAYER_OPTIONS, PLACING_ENGINE, Scenario
from vperf.speeds import speeds

_WHOLE_GIB = 1.0
"""Steps of --cpu-offload-gb."""

Fits = Callable[[dict[str, Any]], bool]
"""Whether the scenario fits with these options changed."""


def offloads(resolver: Resolver, scenario: Scenario, fits: Fits) -> Iterator[dict[str, Any]]:
    """The changes that leave part of the model to the host and make it fit, each the least of its
    kind; the fastest first."""
    found = [change for each in _kinds(resolver, scenario) if (change := _least(each, fits))]
    timed = [
        (rate, change) for change in found if (rate := decode_rate(resolver, scenario, change))
    ]
    timed.sort(key=lambda each: -each[0])
    yield from (change for _, change in timed)


_Kind = tuple[int, Callable[[int], dict[str, Any]]]
"""(most, change for a number): more of it leaves more to the host."""


def _kinds(resolver: Resolver, scenario: Scenario) -> Iterator[_Kind]:
    if scenario.ep > 1 or scenario.dp > 1:
        return
    try:
        at = resolver.deployment(scenario)
    except (UnknownNameError, HubError):
        raise
    except VperfError:
        return
    use = at.card.engine.host
    if at.card.gpu.is_host or at.card.gpu.memory_class in ("Apple", "unified"):
        return
    engine: dict[str, Any] = {}
    if scenario.engine is None and (use is None or use.offloads == "weights"):
        engine = {"engine": PLACING_ENGINE}
    given = any(getattr(scenario, name) for name in LAYER_OPTIONS)
    if scenario.engine is not None and use is not None and use.offloads == "weights":
        if scenario.pp == 1:
            most = int(at.model.weight_bytes / 2**30 / scenario.tp) + 1
            yield most, lambda gib: {"cpu_offload_gb": float(gib)}
        return
    if given or not (engine or use):
        return
    layers = at.model.layer_count
    if at.model.has_experts:
        yield layers, lambda count: {**engine, "n_cpu_moe": count}
        if use is None or use.offloads == "layers":
            whole = {**engine, "cpu_moe": True}
            yield layers, lambda count: {**whole, "n_gpu_layers": layers + 1 - count}
    if use is None or use.offloads == "layers" or engine:
        yield layers + 1, lambda count: {**engine, "n_gpu_layers": layers + 1 - count}


def _least(kind: _Kind, fits: Fits) -> dict[str, Any] | None:
    """The change for the smallest number that fits; None if not even the most does."""
    most, change = kind
    if not fits(change(most)):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(change(middle)) else (middle, high)
    return change(high)


def decode_rate(resolver: Resolver, scenario: Scenario, change: dict[str, Any]) -> float:
    """Expected tokens/s of the scenario with these options changed; 0 where it cannot be."""
    try:
        return speeds(resolver.deployment(replace(scenario, **change))).expected.decode_tokens_per_s
    except (UnknownNameError, HubError):
        raise
    except VperfError:
        return 0.0


def best_split(resolver: Resolver, at: Deployment, fits: Fits) -> dict[str, Any] | None:
    """The --tensor-split of unlike cards with which a token is fastest: the fastest card takes as
    many layers as it holds, the next one of the rest; None if all are alike, or nothing fits."""
    cards = at.card.gpu.cards
    if len({card.id for card in cards}) < 2 or at.scenario.tensor_split is not None:
        return None
    layers = at.model.layer_count + 1
    fastest = sorted(range(len(cards)), key=lambda i: -cards[i].memory_bandwidth)
    shares = [0] * len(cards)
    left = layers
    for place, card in enumerate(fastest):
        others = fastest[place + 1 :]
        if not others:
            shares[card] = left
            break
        low, high = 0, left  # all `left` might fit; 0 always leaves it to the others
        while low < high:
            middle = (low + high + 1) // 2
            shares[card] = middle
            low, high = (middle, high) if _holds(resolver, at, shares, card) else (low, middle - 1)
        shares[card] = low
        left -= low
        if not left:
            break
    change = {"tensor_split": ",".join(map(str, shares))}
    return change if fits(change) else None


def _holds(resolver: Resolver, at: Deployment, shares: list[int], card: int) -> bool:
    """Whether a card holds its share: all that is not yet shared out is with another one."""
    from vperf.serving.memory_by_place import plan_places  # noqa: PLC0415  (of tables alone)

    layers = at.model.layer_count + 1
    rest = layers - sum(shares)
    trial = list(shares)
    other = next(i for i in range(len(shares)) if i != card and not shares[i]) if rest else card
    trial[other] += rest
    split = ",".join(map(str, trial))
    found = resolver.what_if(at, tensor_split=split)
    if found.compiled.places is None:  # all of it is on one card
        prompt, output = found.request_tokens
        return plan_places(
            found.compiled, found.replica.pools, found.batch_size, prompt, output
        ).fits
    prompt, output = found.request_tokens
    places = plan_places(
        found.compiled, found.replica.pools, found.batch_size, prompt, output
    ).places
    return places[card].fits
