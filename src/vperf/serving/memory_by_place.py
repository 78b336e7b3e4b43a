"""Memory of every place of a deployment: its cards, and the host beside them.

Not here: what takes the memory of one card (memory.py) and what lies where (model/placement.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vperf.model.placement import undivided
from vperf.serving.memory import Memory, PlaceMemory, Pool, memory_use, plan_memory, pools
from vperf.timing.compiled import Compiled


def plan_places(
    compiled: Compiled, of_card: tuple[Pool, ...], batch: int, input_tokens: int, output_tokens: int
) -> Memory:
    """Memory of `batch` sequences of input + output tokens each: of the card that is full first,
    and with several places of each."""
    gpu = compiled.fullest.gpu
    memory = plan_memory(compiled.model, gpu, of_card, batch, input_tokens, output_tokens)
    if compiled.places is None:
        return memory
    places = tuple(_each(compiled, memory, batch, input_tokens + output_tokens))
    return replace(memory, places=places, fits=all(place.fits for place in places))


def _each(compiled: Compiled, memory: Memory, batch: int, tokens: int) -> Iterator[PlaceMemory]:
    found, model = compiled.places, compiled.model
    assert found is not None
    if found.placement is None:
        assert found.stored is not None
        assert found.host is not None
        name = found.places[0].name
        cards = model.parallel.gpus
        yield _place(name, memory.weight_bytes, memory.kv_cache_bytes, memory.other_bytes,
                     memory.capacity_bytes)  # fmt: skip
        yield _place(found.host.id, cards * found.stored.held_bytes, 0.0, 0.0,
                     found.host.memory_bytes)  # fmt: skip
        return
    for at, (place, share) in enumerate(zip(found.places, found.placement.shares, strict=True)):
        own, card = replace(model, held=share.held), place.card
        if at:  # what drafts is on the first card
            own = replace(own, drafter=None)
        if place.host:
            own = undivided(own)
        cache = batch * own.rank_cache_bytes(tokens)
        other = 0.0
        if not place.host:
            each = plan_memory(own, card.gpu, pools(own, card.gpu, card.engine), batch, tokens, 0)
            other = each.other_bytes
        yield _place(place.name, share.held.weight_bytes, cache, other, card.gpu.memory_bytes)


def _place(name: str, weights: float, cache: float, other: float, capacity: float) -> PlaceMemory:
    total = weights + cache + other
    return PlaceMemory(name, weights, cache, other, total, capacity, total <= capacity)


def taken_of(
    compiled: Compiled, of_card: tuple[Pool, ...], batch: int, input_tokens: int, output_tokens: int
) -> tuple[float, float]:
    """(bytes taken, bytes there) of the place that is fullest."""
    if compiled.places is None:
        use = memory_use(compiled.model, of_card, batch, input_tokens, output_tokens)
        return use.total_bytes, compiled.fullest.gpu.memory_bytes
    places = plan_places(compiled, of_card, batch, input_tokens, output_tokens).places
    worst = max(places, key=lambda place: place.total_bytes - place.capacity_bytes)
    return worst.total_bytes, worst.capacity_bytes
