"""How long requests are: one length for all, or a distribution with a name and a source.

Not here: reading files (sources/workloads.py) and any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vperf.values import dataclass

_Row = tuple[int, int, float]
_BY_INPUT, _BY_OUTPUT = 8, 4
"""Cells that stand for a distribution."""


@dataclass(frozen=True, slots=True)
class Request:
    """Tokens of one request, and the share of all requests that are like it."""

    input_tokens: int
    output_tokens: int
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """The lengths of a workload's requests."""

    requests: tuple[Request, ...]
    input_tokens: int
    """Mean over requests, rounded."""
    output_tokens: int
    name: str = ""
    source: str = ""
    """Where the lengths are from."""
    prefix_hit: float = 0.0
    """Share of each prompt found in cache, under a served load."""

    @property
    def decode_context(self) -> int:
        """Mean tokens in the cache of a decode step: long outputs are decoded longer."""
        tokens = sum(r.share * r.output_tokens for r in self.requests)
        if not tokens:
            return self.input_tokens
        held = sum(
            r.share * r.output_tokens * (r.input_tokens + (r.output_tokens - 1) / 2)
            for r in self.requests
        )
        return int(held / tokens)


def equal(input_tokens: int, output_tokens: int) -> Lengths:
    """Every request of the same lengths."""
    return Lengths((Request(input_tokens, output_tokens),), input_tokens, output_tokens)


def without_output(lengths: Lengths) -> Lengths:
    """The same prompts, answered without a token."""
    requests = tuple(replace(each, output_tokens=0) for each in lengths.requests)
    return replace(lengths, requests=requests, output_tokens=0)


def distribution(
    pairs: Iterable[_Row], *, name: str, source: str, prefix_hit: float = 0.0
) -> Lengths:
    """(input, output, weight) of requests as the few that stand for them.

    Slices of equal weight by input, each cut again by output; every cell is one request of its
    mean lengths, so that the means are kept.
    """
    rows = sorted(pairs)
    total = sum(weight for *_, weight in rows)
    cells = [
        cell
        for part in _slices(rows, _BY_INPUT)
        for cell in _slices(sorted(part, key=lambda row: row[1]), _BY_OUTPUT)
    ]
    means = _mean(rows, total)
    return Lengths(
        tuple(_mean(cell, total) for cell in cells),
        means.input_tokens,
        means.output_tokens,
        name,
        source,
        prefix_hit,
    )


def _slices(rows: list[_Row], count: int) -> list[list[_Row]]:
    """`rows` in their order, cut where their weight passes an equal share; none is empty."""
    total = sum(weight for *_, weight in rows)
    slices: list[list[_Row]] = [[] for _ in range(count)]
    passed = 0.0
    for row in rows:
        middle = (passed + row[2] / 2) / total
        slices[min(count - 1, int(middle * count))].append(row)
        passed += row[2]
    return [part for part in slices if part]


def _mean(rows: list[_Row], total: float) -> Request:
    weight = sum(w for *_, w in rows)
    inputs = round(sum(i * w for i, _, w in rows) / weight)
    outputs = round(sum(o * w for _, o, w in rows) / weight)
    return Request(max(1, inputs), max(1, outputs), weight / total)
