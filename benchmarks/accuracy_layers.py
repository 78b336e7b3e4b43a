"""Whole layers put together from measured kernels: four matmuls and their attention.

The sum of what was measured against the sum of what is expected of the same kernels. The tables
hold a sample of shapes, so each kernel of a layer is the nearest measured one on the same card and
engine (matmuls whose weights the L2 cannot hold, at the same rows): a layer of that size, not
exactly that model's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scoring import Point

_MODELS = {  # hidden, MLP width, heads, KV heads, head_dim
    "Llama-3.1-8B": (4096, 14336, 32, 8, 128),
    "Qwen3-32B": (5120, 25600, 64, 8, 128),
    "Llama-3.1-70B": (8192, 28672, 64, 8, 128),
}
_FARTHEST = math.log(4.0)
"""A kernel whose dimensions are off by more than this in all is no part of a layer."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What kind of step a layer is put together for."""

    name: str
    matmul: str
    attention: str
    steps: tuple[tuple[int, int], ...]
    """(sequences, tokens): cached ones of decode, new ones of prefill."""


_DECODE = tuple((batch, context) for batch in (8, 32, 64) for context in (2048, 8192, 32768))
_PREFILL = ((1, 3072), (1, 4096), (2, 4096), (1, 8192), (4, 4096), (1, 16384))
KINDS = (
    _Kind("bf16 decode", "bfloat16", "attention_decode", _DECODE),
    _Kind("bf16 prefill", "bfloat16", "attention_prefill", _PREFILL),
    _Kind("fp8 prefill", "fp8", "attention_prefill", _PREFILL),
)


def layers(points: Iterable[Point]) -> list[Point]:
    """One point for each card, engine, kind of step, model and step that can be put together."""
    tables: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        kind, groups = point.groups["kind"], point.groups
        own = groups["kernel"] == "own" and groups["reach"] != "window"
        if groups["cold"] != "cold" or not own:
            continue
        key = (kind, groups["gpu"], groups["engine"], groups["dtype"])
        tables.setdefault(key, []).append(point)
    found: list[Point] = []
    for _, gpu, engine, _ in sorted({key for key in tables if key[0] == "gemm"}):
        for each in KINDS:
            matmuls = tables.get(("gemm", gpu, engine, each.matmul), [])
            attention = tables.get((each.attention, gpu, engine, "bf16/bf16"), [])
            for model, shape in _MODELS.items():
                groups = {"layer": each.name, "gpu": gpu, "engine": engine, "model": model}
                for step in each.steps:
                    parts = _layer(matmuls, attention, each, shape, step)
                    if parts:
                        found.append(_sum(parts, groups))
    unique = {(*sorted(p.groups.items()), p.what): p for p in found}
    return list(unique.values())


def _layer(
    matmuls: Sequence[Point],
    attention: Sequence[Point],
    kind: _Kind,
    shape: tuple[int, int, int, int, int],
    step: tuple[int, int],
) -> list[Point]:
    hidden, width, heads, kv_heads, dim = shape
    batch, tokens = step
    rows = batch if kind.attention == "attention_decode" else batch * tokens
    wanted = [
        {"m": rows, "n": n, "k": k}
        for n, k in (
            ((heads + 2 * kv_heads) * dim, hidden),
            (hidden, heads * dim),
            (2 * width, hidden),
            (hidden, width),
        )
    ]
    parts = [_nearest(matmuls, each) for each in wanted]
    parts.append(_nearest(attention, {
        "batch_size": batch, "num_heads": heads, "num_key_value_heads": kv_heads,
        "head_dim": dim, "length": tokens,
    }))  # fmt: skip
    return [part for part in parts if part] if all(parts) else []


def _nearest(points: Sequence[Point], wanted: Mapping[str, int]) -> Point | None:
    def distance(point: Point) -> float:
        return sum(abs(math.log(float(point.groups[key]) / v)) for key, v in wanted.items())

    best = min(points, key=distance, default=None)
    return best if best is not None and distance(best) <= _FARTHEST else None


def _sum(parts: Sequence[Point], groups: Mapping[str, str]) -> Point:
    def total(name: str) -> float:
        return sum(float(getattr(part, name)) for part in parts)

    return Point(
        groups, total("measured_s"), total("expected_s"), total("limit_s"), total("low_s"),
        total("high_s"), what=" + ".join(part.what for part in parts),
    )  # fmt: skip
