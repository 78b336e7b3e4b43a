"""Does it fit, and how far could it grow: weights, cache, and what the engine needs beside them.

Not here: what would make it fit (explore/fit.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model

_LONGEST_SEARCHED = 1 << 27
"""Contexts are searched up to 134 M tokens when a config states no maximum."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one GPU."""

    weight_bytes: float
    kv_cache_bytes: float
    """This GPU's part of the whole batch at input + output tokens; recurrent state included."""
    other_bytes: float
    """Activations, and what the engine leaves free (its --gpu-memory-utilization)."""
    total_bytes: float
    capacity_bytes: float
    fits: bool
    max_context_tokens: int
    """Longest context at this batch size, up to the model's own maximum; 0 if nothing fits."""
    max_batch_size: int
    """Most sequences of input + output tokens; 0 if not even one fits."""


def other_bytes(model: Model, gpu: Gpu, engine: Engine, batch: int, input_tokens: int) -> float:
    """What is neither weights nor cache: the engine's reserve and the largest activations.

    Activations of one step of T tokens: the residual stream twice and the widest pair of layer
    outputs, 16 bit each, and fp32 logits of every sequence, drafts included.
    """
    ways = model.parallel.tensor
    sequences = -(-batch // model.parallel.data)
    tokens = min(engine.max_batched_tokens, sequences * input_tokens)
    rows = sequences * (1 + model.draft_tokens)
    logits = 4.0 * rows * (model.head.out_features if model.head else 0) / ways
    activations = tokens * 2.0 * (2 * model.hidden + model.widest_output / ways) + logits
    return (1.0 - engine.memory_utilization) * gpu.memory_bytes + activations


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


def memory_use(  # noqa: PLR0917  (a deployment, and what it is asked)
    model: Model, gpu: Gpu, engine: Engine, batch: int, input_tokens: int, output_tokens: int
) -> Use:
    """What `batch` sequences of input + output tokens each take."""
    sequences = -(-batch // model.parallel.data)
    return Use(
        model.rank_weight_bytes,
        sequences * model.rank_cache_bytes(input_tokens + output_tokens),
        other_bytes(model, gpu, engine, batch, input_tokens),
    )


def plan_memory(  # noqa: PLR0917  (a deployment, and what it is asked)
    model: Model, gpu: Gpu, engine: Engine, batch: int, input_tokens: int, output_tokens: int
) -> Memory:
    """Memory of `batch` sequences of input + output tokens each."""
    use = memory_use(model, gpu, engine, batch, input_tokens, output_tokens)
    sequences = -(-batch // model.parallel.data)
    per_sequence = use.kv_cache_bytes / sequences
    free = gpu.memory_bytes - use.weight_bytes - use.other_bytes
    return Memory(
        weight_bytes=use.weight_bytes,
        kv_cache_bytes=use.kv_cache_bytes,
        other_bytes=use.other_bytes,
        total_bytes=use.total_bytes,
        capacity_bytes=gpu.memory_bytes,
        fits=use.total_bytes <= gpu.memory_bytes,
        max_context_tokens=_longest_context(model, free / sequences),
        max_batch_size=largest_batch(model, gpu, engine, input_tokens, per_sequence),
    )


def _longest_context(model: Model, bytes_per_sequence: float) -> int:
    """Largest context whose cache fits, up to the model's own maximum."""
    most = model.max_context_tokens or _LONGEST_SEARCHED
    cache = model.rank_cache
    if cache.bytes_at(most) <= bytes_per_sequence:
        return most
    if cache.bytes_at(1) > bytes_per_sequence:
        return 0
    low, high = cache.narrowed(bytes_per_sequence, most)
    while low < high:  # windows make the growth uneven
        middle = (low + high + 1) // 2
        if cache.bytes_at(middle) <= bytes_per_sequence:
            low = middle
        else:
            high = middle - 1
    return low


def largest_batch(
    model: Model,
    gpu: Gpu,
    engine: Engine,
    input_tokens: int,
    per_sequence: float,
    *,
    up_to: int = _LONGEST_SEARCHED,
) -> int:
    """Most sequences of `per_sequence` bytes of cache that fit, `up_to` at most.

    Bytes are a line of the sequences of an attention group up to the tokens that the engine takes
    in a step, and a less steep one from there on.
    """
    groups = model.parallel.data

    def free(sequences: int) -> float:
        other = other_bytes(model, gpu, engine, sequences * groups, input_tokens)
        return gpu.memory_bytes - model.rank_weight_bytes - other - sequences * per_sequence

    if free(1) < 0:
        return 0
    full = -(-engine.max_batched_tokens // input_tokens)
    first = 1 if full <= 1 or free(full) >= 0 else 0
    start = full if first and full > 1 else 1
    slope = free(start) - free(start + 1)
    most = start + int(free(start) / slope) if slope > 0 else up_to
    most = max(1, min(most, up_to))
    while most > 1 and free(most) < 0:  # rounding
        most -= 1
    while most < up_to and free(most + 1) >= 0:
        most += 1
    return min(up_to, most * groups)
