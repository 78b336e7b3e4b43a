"""Weights of a card's own layers that lie in host memory: vLLM's --cpu-offload-gb.

Not here: layers that lie on several places and are computed there (placement.py), and how fast a
link is (timing/placed.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vperf.model.blocks.base import Block
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Row
from vperf.model.placement import Portions, add_portion, portions_of
from vperf.model.rows import Placed
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """Weights of a card's own layers that lie in host memory and are read over the link."""

    shares: dict[int, Portions]
    """By block: (layers, share of their weights that lies there)."""
    held_bytes: float
    """On the host, for each card."""


def store(model: Model, budget: float) -> Stored:
    """The first layers' weights, as many as `budget` bytes of each card: vLLM's modules are taken
    in the order in which they are built, embedding and head never."""
    numbers = {block: number for number, (_, block) in enumerate(model.decoder_blocks)}
    left, taken = budget, 0.0
    found: dict[int, dict[float, int]] = {}
    for number in model.order:
        kind = model.kinds[number][1]
        size = model.rank_layer_bytes(kind)
        share = min(1.0, left / size) if size else 0.0
        if share <= 0.0:
            break
        taken += share * size
        left -= share * size
        for block in _as_held(kind, model):
            add_portion(found, numbers[block], share)
    return Stored(portions_of(found), taken)


def _as_held(kind: LayerKind, model: Model) -> Iterator[Block]:
    ways = model.parallel.tensor
    for block in kind.blocks:
        yield block.copied(ways) if ways > 1 and not block.whole else block


def near_rows(stored: Stored, rows: Iterable[Placed]) -> Iterator[Placed]:
    """All rows, without the weights that are read over the link."""
    for at, row in rows:
        part, number = at if isinstance(at, tuple) else (at, 0)
        portions = () if part != "decoder" or row.adapts else stored.shares.get(number, ())
        left = row.count
        for count, share in portions:
            yield at, _lighter(replace(row, count=count), 1.0 - share)
            left -= count
        if left > 0:
            yield at, replace(row, count=left)


def far_rows(stored: Stored, rows: Iterable[Placed]) -> Iterator[Row]:
    """The rows whose weights are read over the link, with that share of their weights."""
    for at, row in rows:
        part, number = at if isinstance(at, tuple) else (at, 0)
        if part == "decoder" and not row.adapts:
            for count, share in stored.shares.get(number, ()):
                yield replace(_lighter(row, share), count=count)


def _lighter(row: Row, share: float) -> Row:
    least, popular = row.least_bytes, row.popular_bytes
    return replace(
        row,
        weight_bytes=row.weight_bytes * share,
        least_bytes=None if least is None else least * share,
        popular_bytes=None if popular is None else popular * share,
    )
