"""The rows of a mixed step: sequences of two kinds, decodes and a chunk of a prompt, run as one.

Matmuls and experts run once over the rows of both: their quantities add up, weights are read once.
Attention and recurrences run once for each kind (KINDS). Coordinates carry the number of the group
of sequences that they are of. Not here: how long it takes (compiled.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

from vperf.model.affine import LONGEST, ONE, Affine, Coordinate, terms_of
from vperf.model.ops import COLLECTIVES, OF_ALL_TOKENS, Row, Step
from vperf.model.rows import Placed, together
from vperf.timing.kinds import KINDS

Group = Sequence[Step]
"""Steps of sequences that run as one: coordinates add up."""

ALL = -1
"""The group of a coordinate of all sequences of a mixed step."""


Merging = Callable[[Group, Callable[..., float], tuple[Hashable, ...]], float]


def merging_of(at: Coordinate) -> Merging:
    """How a coordinate of several steps comes of theirs."""
    if at.function in OF_ALL_TOKENS:
        return _of_all_tokens
    return _greatest if at.function in LONGEST else _total


def all_tokens(steps: Group) -> Step:
    """A step with the tokens of all of them."""
    return Step(1, sum([step.tokens for step in steps]), 0)


def _of_all_tokens(steps: Group, function: Callable[..., float], of: tuple[Hashable, ...]) -> float:
    return function(all_tokens(steps), *of)


def _greatest(steps: Group, function: Callable[..., float], of: tuple[Hashable, ...]) -> float:
    return max([function(step, *of) for step in steps])


def _total(steps: Group, function: Callable[..., float], of: tuple[Hashable, ...]) -> float:
    return sum([function(step, *of) for step in steps])


def joined(first: Sequence[Placed], second: Sequence[Placed]) -> tuple[Row, ...]:
    """The rows of a step whose sequences are of two kinds.

    Rows of one block pair up by their place in it, or by name where one kind has rows that the
    other has not (the scores of an indexer).
    """
    blocks: dict[Any, tuple[list[Row], list[Row]]] = {}
    for number, rows in enumerate((first, second)):
        for place, row in rows:
            blocks.setdefault(place, ([], []))[number].append(_of_group(row, number))
    found: list[Placed] = []
    for place, (ones, others) in blocks.items():
        by_place = len(ones) == len(others)
        for at, one in enumerate(ones):
            names = [other.name for other in others]
            if by_place:
                other = others[at]
            elif one.name in names:
                other = others.pop(names.index(one.name))
            else:
                found.append((place, one))
                continue
            if one.kind == other.kind and KINDS[one.kind].merges:
                found.append((place, _merged(one, other)))
            else:
                found += [(place, one), (place, other)]
        if not by_place:
            found += [(place, other) for other in others]
    return together(found)


def _merged(one: Row, other: Row) -> Row:
    shape = one.shape
    if shape and one.kind not in COLLECTIVES:
        shape = (shape[0] + other.shape[0], *shape[1:])
    return replace(
        one,
        flops=_sum(one.flops, other.flops),
        least_flops=None
        if one.least_flops is other.least_flops is None
        else _sum(one.bounding_flops, other.bounding_flops),
        weight_bytes=_sum(one.weight_bytes, other.weight_bytes),
        least_bytes=_sum_if(one.least_bytes, other.least_bytes),
        popular_bytes=_sum_if(one.popular_bytes, other.popular_bytes),
        cache_bytes=_sum(one.cache_bytes, other.cache_bytes),
        input_elements=_sum(one.input_elements, other.input_elements),
        encoded_elements=_sum(one.encoded_elements, other.encoded_elements),
        output_elements=_sum(one.output_elements, other.output_elements),
        shape=shape,
    )


def _sum(one: Affine | float, other: Affine | float) -> Affine:
    """Both, but what all sequences share is there once: weights that are read for all of them."""
    terms = dict(terms_of(one))
    for at, value in terms_of(other).items():
        shared = at is ONE or at.group == ALL
        terms[at] = max(terms.get(at, 0.0), value) if shared else terms.get(at, 0.0) + value
    return Affine(terms)


def _sum_if(one: Affine | float | None, other: Affine | float | None) -> Affine | None:
    return None if one is None or other is None else _sum(one, other)


def _of_group(row: Row, number: int) -> Row:
    """The row over the coordinates of one group of a mixed step."""

    def moved(quantity: Affine | float) -> Affine | float:
        if not isinstance(quantity, Affine):
            return quantity
        merges = KINDS[row.kind].merges
        terms: dict[Coordinate, float] = {}
        for at, value in quantity.terms.items():
            of_all = merges and at.function in OF_ALL_TOKENS
            own = at if at is ONE else at.in_group(ALL if of_all else number)
            terms[own] = value
        return Affine(terms)

    return replace(
        row,
        flops=moved(row.flops),
        least_flops=None if row.least_flops is None else moved(row.least_flops),
        weight_bytes=moved(row.weight_bytes),
        least_bytes=None if row.least_bytes is None else moved(row.least_bytes),
        popular_bytes=None if row.popular_bytes is None else moved(row.popular_bytes),
        cache_bytes=moved(row.cache_bytes),
        input_elements=moved(row.input_elements),
        encoded_elements=moved(row.encoded_elements),
        output_elements=moved(row.output_elements),
        shape=tuple(x if isinstance(x, int) else moved(x) for x in row.shape),
        score_pairs=moved(row.score_pairs),
        queries=moved(row.queries),
        edges=moved(row.edges),
        band=moved(row.band),
        blocks=moved(row.blocks),
    )
