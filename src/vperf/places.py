"""What was typed of places -> Places: which cards and which host, and what lies on each.

    -ngl N, -ncmoe N, -ot PATTERN=CPU, -ts 3,1    as llama.cpp has them
    --cpu-offload-gb N                            as vLLM has it
    --gpu A+2xB                                   unlike cards in a layer split
    --host NAME --host-memory TEXT                the machine around the cards

Not here: what a placement is (model/placement.py) and how long it takes (timing/placed.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from vperf.errors import InputError, check_count
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.hardware.host import HostUse
from vperf.model import placement
from vperf.model.divide import MAX_WAYS
from vperf.model.drafter import Drafter
from vperf.model.model import Held, Model
from vperf.model.placement import Override, Placement
from vperf.model.stored import store
from vperf.notes import Note
from vperf.scenario import LAYER_OPTIONS, PLACING, Scenario
from vperf.serving.overhead import overhead
from vperf.sources.gpus import LOCAL
from vperf.sources.hosts import load_host
from vperf.sources.tensor_places import experts_of, parse_overrides, parse_shares
from vperf.spelling import flag
from vperf.timing.placed import Place, Places, link_of
from vperf.timing.step import Card
from vperf.units import format_bytes
from vperf.values import dataclass

_GIB = 2.0**30
_DESKTOP, _SERVER = "desktop-ddr5", "server-ddr5"
"""The hosts taken beside a GeForce or a Radeon, and beside any other card."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model on its places."""

    model: Model
    """With what the fullest card holds."""
    places: Places
    fullest: Card
    notes: tuple[Note, ...]


def resolve_places(
    model: Model, card: Card, scenario: Scenario, host: Gpu | None
) -> Resolved | None:
    """The places of a scenario; None where everything is on its cards as ever. Raises InputError
    for what the engine does not do, and what contradicts itself."""
    gpu, engine = card.gpu, card.engine
    several = len(gpu.cards) > 1
    if scenario.cpu_offload_gb is not None:
        if several or scenario.gives(LAYER_OPTIONS):
            raise InputError(
                "cannot be combined with layers or experts on other places",
                field="cpu-offload-gb",
            )
        return _stored(model, card, scenario.cpu_offload_gb, host)
    if not several and not scenario.gives(LAYER_OPTIONS):
        return None
    use = _use(engine, scenario, several=several)
    if gpu.is_host and scenario.gives(LAYER_OPTIONS):
        raise InputError(f"{gpu.name} has no card to place layers on", field="n-gpu-layers")
    return _placed(model, card, scenario, host, use)


def that_share(card: Card, scenario: Scenario) -> tuple[Card, ...]:
    """Of unlike cards that have an equal share of each layer, each kind; none where they do not.
    Raises InputError."""
    cards, use = card.gpu.cards, card.engine.host
    if len(cards) == 1 or scenario.tp == 1 or scenario.gives(PLACING):
        return ()
    if use is not None and use.offloads != "weights":
        return ()
    if scenario.tp != len(cards) or scenario.pp * scenario.dp * scenario.pcp > 1:
        raise InputError(
            f"{len(cards)} unlike cards share each layer, or each has layers of its own",
            field="tensor-parallel-size", hint=f"{flag('tp')} {len(cards)}, or none",
        )  # fmt: skip
    access = all(each.peer_access for each in cards)
    kinds = {each.id: each for each in cards}
    return tuple(
        Card(
            replace(
                each, link=None, peer_access=access,
                achieved=each.achieved and replace(each.achieved, all_reduce={}),
            ),
            card.engine,
        )
        for each in kinds.values()
    )  # fmt: skip


def _use(engine: Engine, scenario: Scenario, *, several: bool) -> HostUse:
    use = engine.host
    moved = next((name for name in LAYER_OPTIONS if scenario.gives((name,))), "gpu")
    if use is None or use.offloads == "weights":
        instead = f"; it has {flag('cpu_offload_gb')}" if use and not several else ""
        raise InputError(
            f"{engine.name} does not place layers one by one{instead}",
            field=moved.replace("_", "-"), hint=f"{flag('engine')} llama.cpp does",
        )  # fmt: skip
    if scenario.pcp * scenario.dcp > 1:
        raise InputError(
            "a sequence whose tokens are divided is not understood with layers on several places",
            field="prefill-context-parallel-size" if scenario.pcp > 1
            else "decode-context-parallel-size",
        )  # fmt: skip
    if scenario.dp * scenario.ep > 1:
        raise InputError(
            "groups of attention or of experts are not understood with layers on several places",
            field="expert-parallel-size" if scenario.ep > 1 else "data-parallel-size",
        )
    if scenario.tp > 1 and several:
        raise InputError(
            f"{engine.name} gives unlike cards layers of their own",
            field="tensor-parallel-size",
            hint=f"{flag('engine')} vllm gives each an equal share of every layer",
        )
    if scenario.tp > 1 and scenario.pp > 1:
        raise InputError(
            "cards that share each layer are one place: no others can be beside them",
            field="tensor-parallel-size",
            hint=f"{flag('pp')}, or {flag('gpu')} A+B, is a split by layers",
        )  # fmt: skip
    return use


# Weights in host memory, read by the card -----------------------------------------------------


def _stored(model: Model, card: Card, gib: float, host: Gpu | None) -> Resolved | None:
    use = card.engine.host
    if not 0 <= gib < math.inf:
        raise InputError(f"must be from 0 on, not {gib:g}", field="cpu-offload-gb")
    if use is None or use.offloads != "weights":
        raise InputError(
            f"{card.engine.name} has no such option", field="cpu-offload-gb",
            hint=f"its own are {flag('n_gpu_layers')} and {flag('n_cpu_moe')}" if use
            else f"{flag('engine')} vllm has it",
        )  # fmt: skip
    if card.gpu.is_host or card.gpu.memory_class in ("Apple", "unified"):
        raise InputError(f"the memory of {card.gpu.name} is the host's own", field="cpu-offload-gb")
    if model.parallel.pipeline > 1 or model.encoder:
        raise InputError("is not understood with pipeline stages or encoders",
                         field="cpu-offload-gb")  # fmt: skip
    if not gib:
        return None
    stored = store(model, gib * _GIB)
    held = Held(
        model.rank_weight_bytes - stored.held_bytes, tuple(count for count, _ in model.kinds),
        model.rank_adapter_bytes,
    )  # fmt: skip
    near = host or default_host(card.gpu)
    places = Places((Place(card.gpu.id, card),), None, stored, near, use)
    rate = min(link_of(card.gpu, near), near.memory_bandwidth / model.parallel.gpus)
    notes = (
        *_host_notes(near, given=host is not None),
        Note("weights_stored", gib=stored.held_bytes / _GIB, rate=rate / 1e9, each=use.link_share),
    )
    return Resolved(replace(model, held=held), places, card, notes)


# Layers and experts on several places ---------------------------------------------------------


def _placed(
    model: Model, card: Card, scenario: Scenario, host: Gpu | None, use: HostUse
) -> Resolved | None:
    gpu, engine = card.gpu, card.engine
    cards = gpu.cards
    if len(cards) == 1 and scenario.pp > 1:
        check_count("pipeline-parallel-size", scenario.pp, 1, MAX_WAYS)
        cards = (replace(gpu),) * scenario.pp
    layers = model.layer_count
    if not model.order or model.encoder:
        raise InputError("an encoder-decoder cannot lie on several places", field="n-gpu-layers")
    on_cards = placement.gpu_layers(layers, scenario.n_gpu_layers)
    at_host = len(cards)
    weights = _weights(scenario.tensor_split, cards, engine, model)
    homes = placement.split_layers(layers, on_cards, weights, at_host)
    overrides = tuple(_overrides(scenario, layers, at_host))
    if use.offloads == "experts" and on_cards <= layers:
        raise InputError(
            f"{engine.name} leaves experts to the host, no whole layers", field="n-gpu-layers",
            hint=f"{flag('n_cpu_moe')}, or {flag('engine')} llama.cpp",
        )  # fmt: skip
    first = at_host if at_host in homes else 0
    found = placement.place(
        model, homes, at_host + 1, first=first, overrides=overrides, host=at_host
    )
    used = found.shares[at_host].visits > 0
    if len(cards) == 1 and not used:
        return None  # all of it is on the card
    if model.drafter is not None:
        _check_drafter(model, len(cards), homes[-1] == at_host)
        found = _with_drafter(found, model.drafter)
    needs = found.shares[at_host].held.weight_bytes if used else 0.0
    near = host or default_host(gpu, needs) if used else None
    places = [Place(name, Card(each, engine)) for name, each in _named(cards)]
    notes: list[Note] = []
    if near is not None:
        places.append(Place(near.id, Card(near, engine.on_host()), host=True))
        notes += _host_notes(near, given=host is not None)
    else:
        found = Placement(found.shares[:-1], found.crossings)
    fullest = _fullest(model, places, found)
    made = Places(
        tuple(places), found, None, near, use, engine.max_batched_tokens,
        engine.pipelines_prompts and near is None,
    )  # fmt: skip
    notes.append(_said(made, model))
    held = replace(model, held=found.shares[fullest].held)
    return Resolved(held, made, places[fullest].card, tuple(notes))


def _check_drafter(model: Model, cards: int, head_on_host: bool) -> None:
    """InputError where what drafts is not on the one card, with all that it needs."""
    drafter = model.drafter
    assert drafter is not None
    if cards > 1 and drafter.model is not None and drafter.method != "draft_model":
        raise InputError(
            f"{drafter.method} drafts with the model's output layer, which is on the last card",
            field="speculative", hint=f"{flag('speculative')} draft_model or ngram",
        )  # fmt: skip
    if head_on_host and drafter.model is not None and drafter.method != "draft_model":
        raise InputError(
            f"{drafter.method} drafts with the model's output layer, which is on the host",
            field="n-gpu-layers",
        )


def _with_drafter(found: Placement, drafter: Drafter) -> Placement:
    """The first card holds what drafts too."""
    first, *others = found.shares
    held = replace(first.held, weight_bytes=first.held.weight_bytes + drafter.rank_weight_bytes)
    return replace(found, shares=(replace(first, held=held), *others))


def _named(cards: Sequence[Gpu]) -> Iterator[tuple[str, Gpu]]:
    ids = [card.id for card in cards]
    for number, card in enumerate(cards):
        same = ids.count(card.id) > 1
        yield f"{card.id} #{ids[:number].count(card.id) + 1}" if same else card.id, card


def _weights(
    text: str | None, cards: Sequence[Gpu], engine: Engine, model: Model
) -> Sequence[float]:
    """Shares of the layers: as given, or by the memory that each card has free."""
    if text is not None:
        return parse_shares(text, len(cards))
    free = [card.memory_bytes - overhead(model, card, engine).total_bytes for card in cards]
    return [max(each, 1.0) for each in free]


def _overrides(scenario: Scenario, layers: int, host: int) -> Iterator[Override]:
    for pattern, card in parse_overrides(scenario.override_tensor, host):
        yield Override(pattern, host if card is None else card)
    count = layers if scenario.cpu_moe else scenario.n_cpu_moe or 0
    if count:
        yield Override(experts_of(range(min(count, layers))), host)


def _fullest(model: Model, places: Sequence[Place], found: Placement) -> int:
    """The card that has the least room left for the cache it is to hold."""

    def room(at: int) -> float:
        gpu, engine = places[at].card.gpu, places[at].card.engine
        own = replace(model, held=found.shares[at].held)
        if at:  # what drafts is on the first card
            own = replace(own, drafter=None)
        free = gpu.memory_bytes - own.rank_weight_bytes - overhead(own, gpu, engine).total_bytes
        return free / max(own.rank_cache_bytes(1024), 1.0) if free > 0 else free

    return min((at for at, place in enumerate(places) if not place.host), key=room)


# The host -------------------------------------------------------------------------------------


def default_host(gpu: Gpu, needs: float = 0.0) -> Gpu:
    """The host taken where nobody names one: a desktop's beside consumer cards, unless what lies
    on it needs more bytes than that has."""
    desktop = load_host(_DESKTOP)
    consumer = gpu.memory_class == "GDDR" and not (gpu.peer_access and gpu.vendor == "NVIDIA")
    return desktop if consumer and needs <= desktop.memory_bytes else load_host(_SERVER)


def host_named(scenario: Scenario, gpu: Gpu) -> Gpu | None:
    """The host that is given, this machine's with its GPU; None: none is."""
    memory = scenario.host_memory
    if scenario.host is not None:
        return load_host(scenario.host, memory)
    if str(scenario.gpu).lower() == LOCAL:
        with suppress(InputError):  # a CPU that is in no catalogue: as anywhere
            return load_host(LOCAL, memory)
    if memory is None:
        return None
    from vperf.sources.hosts import with_memory  # noqa: PLC0415  (seldom asked for)

    return with_memory(default_host(gpu), memory)


def _host_notes(host: Gpu, *, given: bool) -> list[Note]:
    facts: dict[str, Any] = {
        "name": host.name, "memory": host.memory_type, "cores": host.sm_count,
        "rate": host.memory_bandwidth / 1e9, "size": format_bytes(host.memory_bytes),
    }  # fmt: skip
    if given:
        return [*host.assumptions, Note("host", **facts)]
    # What is taken says its size too.
    own = [note for note in host.assumptions if note.kind != "host_memory"]
    return [*own, Note("host_default", **facts)]


def _said(places: Places, model: Model) -> Note:
    assert places.placement is not None
    layers = [
        f"{share.layers} layers{' and the output' if share.head else ''} on {place.name}"
        for place, share in zip(places.places, places.placement.shares, strict=True)
        if share.layers or share.head
    ]
    moved = sum(
        count for share, place in zip(places.placement.shares, places.places, strict=True)
        if place.host for portions in share.experts.values() for count, _ in portions
    )  # fmt: skip
    on_host = sum(s.layers for s, p in zip(places.placement.shares, places.places, strict=True)
                  if p.host)  # fmt: skip
    experts = f"; the experts of {moved} layers on the host" if moved and not on_host else ""
    return Note("placed", layers=", ".join(layers), experts=experts)
