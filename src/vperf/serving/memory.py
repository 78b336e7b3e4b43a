"""Does it fit, and how far could it grow: weights, cache, and what the engine needs beside them.

Not here: what would make it fit (explore/fit.py).
"""

from __future__ import annotations

import math

from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.serving.overhead import Overhead, overhead
from vperf.values import dataclass

_LONGEST_SEARCHED = 1 << 27
"""Contexts are searched up to 134 M tokens when a config states no maximum."""


@dataclass(frozen=True, slots=True)
class PlaceMemory:
    """Bytes of one place: a card, or the host."""

    place: str
    weight_bytes: float
    kv_cache_bytes: float
    other_bytes: float
    total_bytes: float
    capacity_bytes: float
    fits: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one GPU."""

    weight_bytes: float
    kv_cache_bytes: float
    """This GPU's part of the whole batch at input + output tokens; recurrent state included."""
    other_bytes: float
    """What the driver, activations, graphs and buffers take, and what the engine leaves free."""
    total_bytes: float
    capacity_bytes: float
    fits: bool
    max_context_tokens: int
    """Longest context at this batch size, up to the model's own maximum, at this share of memory; 0
    if nothing fits."""
    max_batch_size: int
    """Most sequences of input + output tokens, likewise; 0 if not even one fits."""
    utilization: float
    """Share of memory that the engine takes: as given, its default, or more for want of room."""
    pool_bytes: float
    """For cache, on this GPU."""
    pool_tokens: int
    """Of all sequences at input + output tokens each: what engines log as the size of the cache."""
    adapter_bytes: float = 0.0
    """Of the weights, those of LoRA adapters."""
    places: tuple[PlaceMemory, ...] = ()
    """Of several places, each of them; empty where all is on equal cards. The figures above are of
    the one that is full first."""


MAX_UTILIZATION = 0.95
"""Share of memory that engines are given where their default leaves no room for a load."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What one GPU has for cache."""

    free_bytes: float
    """Below 0: not even the weights fit."""
    utilization: float
    """Share of memory that the engine takes for that."""
    overhead: Overhead
    step_tokens: int
    """Of prompts, that one step reads at most."""


def pools(model: Model, gpu: Gpu, engine: Engine) -> tuple[Pool, ...]:
    """The pool at the engine's share and, where nobody gave that, at MAX_UTILIZATION."""
    default = engine.memory_utilization
    shares = (default,) if engine.share_given else (default, max(default, MAX_UTILIZATION))
    found = []
    for share in shares:
        taken = overhead(model, gpu, engine, share)
        free = gpu.memory_bytes - model.rank_weight_bytes - taken.total_bytes
        found.append(Pool(free, share, taken, engine.max_batched_tokens))
    return tuple(found)


def that_holds(found: tuple[Pool, ...], wanted_bytes: float) -> Pool:
    """The first that holds so much cache, or the last."""
    first = found[0]
    return first if first.free_bytes >= wanted_bytes else found[-1]


def pool(model: Model, gpu: Gpu, engine: Engine, wanted_bytes: float) -> Pool:
    """The pool that an engine is given for so much cache."""
    return that_holds(pools(model, gpu, engine), wanted_bytes)


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes that a batch takes of one GPU, by what takes them."""

    weight_bytes: float
    kv_cache_bytes: float
    other_bytes: float

    @property
    def total_bytes(self) -> float:
        """All of it."""
        return self.weight_bytes + self.kv_cache_bytes + self.other_bytes


def sequence_bytes(
    model: Model, of_card: tuple[Pool, ...], input_tokens: int, output_tokens: int
) -> float:
    """What a sequence takes of the pool: its cache, and the activations of its prompt where the
    engine sets nothing aside for them."""
    cache = model.rank_cache_bytes(input_tokens + output_tokens)
    return cache + prompt_bytes(of_card, input_tokens)


def prompt_bytes(of_card: tuple[Pool, ...], tokens: float) -> float:
    """The activations of a prompt that an engine sets nothing aside for."""
    return tokens * of_card[0].overhead.prompt_token_bytes


def reading_bytes(model: Model, of_card: tuple[Pool, ...], tokens: float) -> float:
    """What one step with a prompt takes of the pool until it has ended, beyond what sequences
    take."""
    return model.rank_cache.read_bytes(min(of_card[0].step_tokens, tokens))


def memory_use(
    model: Model, of_card: tuple[Pool, ...], batch: int, input_tokens: int, output_tokens: int
) -> Use:
    """What `batch` sequences of input + output tokens each take, of the `pools` of a card."""
    sequences = -(-batch // model.parallel.data)
    cache = sequences * model.rank_cache_bytes(input_tokens + output_tokens)
    wanted = sequences * sequence_bytes(model, of_card, input_tokens, output_tokens)
    wanted += reading_bytes(model, of_card, input_tokens)
    taken = that_holds(of_card, wanted).overhead
    return Use(model.rank_weight_bytes, cache, taken.total_bytes + wanted - cache)


def plan_memory(  # noqa: PLR0917  (a deployment, and what it is asked)
    model: Model, gpu: Gpu, of_card: tuple[Pool, ...], batch: int, input_tokens: int,
    output_tokens: int,
) -> Memory:  # fmt: skip
    """Memory of `batch` sequences of input + output tokens each, of the `pools` of a card."""
    groups = model.parallel.data
    sequences = -(-batch // groups)
    each = sequence_bytes(model, of_card, input_tokens, output_tokens)
    use = memory_use(model, of_card, batch, input_tokens, output_tokens)
    once = reading_bytes(model, of_card, input_tokens)
    found = that_holds(of_card, sequences * each + once)
    held = max(0.0, found.free_bytes) / each * groups if each else math.inf
    return Memory(
        weight_bytes=use.weight_bytes,
        kv_cache_bytes=use.kv_cache_bytes,
        other_bytes=use.other_bytes,
        total_bytes=use.total_bytes,
        capacity_bytes=gpu.memory_bytes,
        fits=sequences * each + once <= found.free_bytes,
        max_context_tokens=_longest_context(model, (found,), sequences),
        max_batch_size=largest_batch((found,), groups, each, _LONGEST_SEARCHED, once),
        utilization=found.utilization,
        pool_bytes=max(0.0, found.free_bytes),
        pool_tokens=int(min(held * (input_tokens + output_tokens), _LONGEST_SEARCHED)),
        adapter_bytes=model.rank_adapter_bytes,
    )


def _whole(held: float, groups: int) -> int:
    """Sequences, as many of each attention group."""
    return groups * int(min(held, _LONGEST_SEARCHED) / groups + 1e-9)


def _longest_context(model: Model, of_card: tuple[Pool, ...], sequences: int) -> int:
    """Largest context of so many that fit as prompts, up to the model's own maximum."""
    free = of_card[0].free_bytes
    most = model.max_context_tokens or _LONGEST_SEARCHED

    def fits(context: int) -> bool:
        once = reading_bytes(model, of_card, context)
        return sequences * sequence_bytes(model, of_card, context, 0) + once <= free

    if fits(most):
        return most
    if not fits(1):
        return 0
    low, high = 1, most
    if not of_card[0].overhead.prompt_token_bytes and not reading_bytes(model, of_card, most):
        low, high = model.rank_cache.narrowed(free / sequences, most)
    while low < high:  # windows make the growth uneven
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def largest_batch(
    found: tuple[Pool, ...], groups: int, per_sequence: float, up_to: int, once: float = 0.0
) -> int:
    """Most sequences of `per_sequence` bytes of cache that fit beside what is taken `once`, `up_to`
    at most."""
    free = that_holds(found, -(-up_to // groups) * per_sequence + once).free_bytes - once
    if free < 0 or per_sequence <= 0:
        return 0 if free < 0 else up_to
    return min(up_to, _whole(free / per_sequence * groups, groups))
