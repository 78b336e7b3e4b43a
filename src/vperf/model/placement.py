"""Where the layers of a model lie: on which card or host each block, its experts, the head.

Layers are counted as llama.cpp counts them: `-ngl N` takes the last N of layers and output layer,
a split over cards gives each its share of those by place, tensors are named as in a GGUF file. A
placement says of every place which part of the model's rows it runs and which bytes it holds.
Not here: how fast a place is (timing/placed.py) and what was typed (resolve/).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, groupby

from vperf.errors import InputError
from vperf.model.affine import Q
from vperf.model.blocks.base import Block
from vperf.model.divide import SINGLE
from vperf.model.model import Held, Model
from vperf.model.ops import Row, Step, Work
from vperf.model.rows import Placed, row_at
from vperf.values import dataclass

Portions = tuple[tuple[int, float], ...]
"""(layers, which share of the work of each)."""

_MIXERS = frozenset({"attention", "mla", "recurrent"})
_TENSORS = {
    "mixer": ("attn_q", "attn_k", "attn_v", "attn_output"),
    "mlp": ("ffn_gate", "ffn_up", "ffn_down"),
    "router": ("ffn_gate_inp", "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"),
}
"""Tensors of a layer in a GGUF file, by what vperf moves as one."""
_EXPERTS = ("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps")


@dataclass(frozen=True, slots=True)
class Share:
    """What lies on one place, and which part of a step's rows it runs."""

    blocks: dict[int, Portions]
    """By the number of the block (Model.decoder_blocks), routed experts left out."""
    experts: dict[int, Portions]
    """The same of routed experts."""
    head: bool
    small: float
    """Share of the layers whose norms and activations run here."""
    layers: int
    """Whole layers, with their cache."""
    visits: int
    """How often a step comes here."""
    waits: dict[int, int]
    """Blocks whose experts lie elsewhere: layers of each. What else such a block has may run
    beside them."""
    held: Held


@dataclass(frozen=True, slots=True)
class Placement:
    """Every place's share, and how often a token's activations cross between two."""

    shares: tuple[Share, ...]
    crossings: int


@dataclass(frozen=True, slots=True)
class Override:
    """`--override-tensor PATTERN=PLACE`: tensors whose name holds the pattern."""

    pattern: re.Pattern[str]
    place: int


def gpu_layers(layers: int, given: int | None) -> int:
    """How many of the layers and the output layer are on cards; None or less than 0: all."""
    return layers + 1 if given is None or given < 0 else min(given, layers + 1)


def split_layers(layers: int, on_cards: int, weights: Sequence[float], host: int) -> list[int]:
    """The place of each layer and, last, of the output layer.

    The last `on_cards` of them are shared out over cards by `weights`, in order, the others are on
    `host` (load_tensors in src/llama-model.cpp of ggml-org/llama.cpp, read 2026-12-01).
    """
    start = layers + 1 - on_cards
    total = sum(weights)
    ends = [end / total for end in accumulate(weights)]
    found = [host] * start
    for place in range(on_cards):
        found.append(min(bisect_right(ends, place / on_cards), len(weights) - 1))
    return found


def place(
    model: Model,
    layers: Sequence[int],
    places: int,
    *,
    first: int = 0,
    overrides: Sequence[Override] = (),
    host: int | None = None,
) -> Placement:
    """The placement of layers and output layer at these `places`, tensors that match an override
    elsewhere; the embedding is on `first`. Cards that share each layer are one place, which holds
    what one of them does; the `host` holds what lies there whole. Raises InputError for what is not
    understood."""
    if model.encoder:
        raise InputError(
            "the layers of an encoder-decoder cannot lie on several places", field="n-gpu-layers"
        )
    whole = undivided(model)
    numbers = {block: number for number, (_, block) in enumerate(whole.decoder_blocks)}
    held_by = [whole if at == host else model for at in range(places)]
    ways = [each.parallel.tensor for each in held_by]
    blocks: list[dict[int, dict[float, int]]] = [{} for _ in range(places)]
    experts: list[dict[int, dict[float, int]]] = [{} for _ in range(places)]
    waits: list[dict[int, int]] = [{} for _ in range(places)]
    matrices, vectors = [0.0] * places, [0] * places
    complete, cached = [0] * places, [[0] * len(model.kinds) for _ in range(places)]
    visited: list[int] = []
    for layer, number in enumerate(model.order):
        kind, home = model.kinds[number][1], layers[layer]
        complete[home] += 1
        vectors[home] += kind.vectors
        keeps = home
        for block in kind.blocks:
            group = _group(block, model)
            at = _place_of(layer, _TENSORS[group], home, overrides)
            of = numbers[block]
            add_portion(blocks[at], of, 1.0)
            visited.append(at)
            if group == "mixer":
                keeps = at
            own = held_by[at].rank_linears(block)
            matrices[at] += sum(count * w.stored_bytes for n, count, w in own if n == 1)
            if not block.expert_split[0]:
                continue
            for there, share in _expert_parts(layer, block, home, overrides):
                add_portion(experts[there], of, share)
                own = held_by[there].rank_linears(block)
                matrices[there] += share * sum(c * w.stored_bytes for n, c, w in own if n > 1)
                visited.append(there)
                if there != at:
                    waits[at][of] = waits[at].get(of, 0) + 1
        cached[keeps][number] += 1
    head = layers[-1]
    for block in model.outside:
        add_portion(blocks[head], numbers[block], 1.0)
        own = held_by[head].rank_linears(block)
        matrices[head] += sum(count * w.stored_bytes for _, count, w in own)
        vectors[head] += block.vectors
    visited.append(head)
    road = [at for at, _ in groupby(visited)]
    held = [each + model.vector_bytes * own for each, own in zip(matrices, vectors, strict=True)]
    held[head] += model.vector_bytes * model.other_parameters
    held[first] += sum(t.stored_bytes for t in (*model.lookups, model.embedding)) / ways[first]
    held[min(layers)] += 2.0 * model.tower_parameters / ways[min(layers)]
    if model.head and (not model.tied or head != first):
        held[head] += model.head.stored_bytes / ways[head]
    count = max(1, len(model.order))
    found = Placement(
        tuple(
            Share(
                portions_of(blocks[at]),
                portions_of(experts[at]),
                head == at,
                complete[at] / count,
                complete[at],
                road.count(at),
                waits[at],
                Held(held[at], tuple(cached[at])),
            )
            for at in range(places)
        ),
        len(road) - 1,
    )
    return _with_adapters(found, held_by) if model.lora else found


_ALL_EXPERTS = Step(1, 1_000_000, 1)
"""Tokens for every expert."""


def _with_adapters(found: Placement, held_by: Sequence[Model]) -> Placement:
    """Adapters lie where what they adapt does."""
    shares = []
    for share, model in zip(found.shares, held_by, strict=True):
        assert model.lora is not None
        rows = rows_of(share, model.rows.of(_ALL_EXPERTS))
        ops = [row_at(row, _ALL_EXPERTS) for _, row in rows if row.adapts]
        own = model.lora.adapters * sum(op.count * op.weight_bytes for op in ops)
        held = share.held
        grown = replace(held, weight_bytes=held.weight_bytes + own, adapter_bytes=own)
        shares.append(replace(share, held=grown))
    return replace(found, shares=tuple(shares))


def undivided(model: Model) -> Model:
    """The model as a host has it, whose CPUs share nothing."""
    return model if model.parallel == SINGLE else replace(model, parallel=SINGLE)


def add_portion(found: dict[int, dict[float, int]], block: int, share: float) -> None:
    """One more layer of a block, with this share of its work."""
    of = found.setdefault(block, {})
    of[share] = of.get(share, 0) + 1


def portions_of(found: dict[int, dict[float, int]]) -> dict[int, Portions]:
    """Of each block, gathered."""
    return {
        block: tuple((count, share) for share, count in of.items()) for block, of in found.items()
    }


def _group(block: Block, model: Model) -> str:
    if block.expert_split[0]:
        return "router"
    kinds = {work.kind for work in block.ops(Step(1, 1, 1), model.cache)}
    return "mixer" if kinds & _MIXERS or block.cache_elements or block.state_bytes else "mlp"


def _place_of(layer: int, tensors: Iterable[str], home: int, overrides: Sequence[Override]) -> int:
    """Where these tensors of a layer are. Raises InputError if they are on several places."""
    found = {name: _overridden(layer, name, home, overrides) for name in tensors}
    if len(set(found.values())) > 1:
        moved = ", ".join(f"blk.{layer}.{name}" for name, at in found.items() if at != home)
        raise InputError(
            f"moves {moved} without the others of {', '.join(found)}: those are moved as one",
            field="override-tensor",
            hint="experts (ffn_.*_exps) may be moved one by one",
        )
    return next(iter(found.values()))


def _overridden(layer: int, tensor: str, home: int, overrides: Sequence[Override]) -> int:
    name = f"blk.{layer}.{tensor}.weight"
    return next((each.place for each in overrides if each.pattern.search(name)), home)


def _expert_parts(
    layer: int, block: Block, home: int, overrides: Sequence[Override]
) -> Iterator[tuple[int, float]]:
    """(place, share) of a layer's routed experts."""
    weights = [(n, w) for n, w in block.linears if n > 1]
    names = _EXPERTS[-len(weights) :] if len(weights) <= len(_EXPERTS) else ()
    if not names:
        names = (_EXPERTS[0],) * len(weights)
    total = sum(n * w.stored_bytes for n, w in weights)
    found: dict[int, float] = {}
    for (n, weight), name in zip(weights, names, strict=True):
        at = _overridden(layer, name, home, overrides)
        found[at] = found.get(at, 0.0) + n * weight.stored_bytes
    for at, stored in found.items():
        yield at, round(stored / total, 6)


# The rows of a place -------------------------------------------------------------------------


def rows_of(share: Share, rows: Iterable[Placed], *, beside: bool = True) -> Iterator[Placed]:
    """The rows that a place runs of those of the whole model; `beside`: with what may run while it
    waits for experts elsewhere."""
    for at, row in rows:
        part, number = at if isinstance(at, tuple) else (at, 0)
        if part == "decoder":
            experts = of_experts(row)
            portions = (share.experts if experts else share.blocks).get(number, ())
            waiting = 0 if beside or experts else share.waits.get(number, 0)
            for count, fraction in portions:
                if count > waiting:
                    yield at, portion(replace(row, count=count - waiting), fraction)
        elif part == "head":
            if share.head:
                yield at, row
        elif share.small:
            yield at, portion(row, share.small)


def of_experts(row: Row) -> bool:
    """Whether it runs where routed experts are."""
    return row.kind == "moe" or row.adapts == "experts"


def portion(work: Work[Q], share: float) -> Work[Q]:
    """This share of a kernel's work."""
    if share == 1.0:
        return work

    def of(quantity: Q | float | None) -> Q | float | None:
        return None if quantity is None else quantity * share

    names = (
        "flops", "least_flops", "weight_bytes", "least_bytes", "popular_bytes", "cache_bytes",
        "input_elements", "output_elements", "score_pairs", "queries", "edges", "band", "blocks",
        "encoded_elements",
    )  # fmt: skip
    small = {"launches": work.launches * share} if work.kind == "elementwise" else {}
    parts = {name: of(getattr(work, name)) for name in names}
    return replace(work, **parts, **small)  # type: ignore[arg-type]
