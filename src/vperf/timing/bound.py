"""Rows bound to a card: coefficients over the coordinates of a step, and the loops over them.

What is affine is summed over all rows beforehand: the sides of the limit, latencies, element-wise
kernels. What is left of a step is one smooth maximum a row. `items` reads the same forms row by
row: the table of ops. Not here: the forms (expected.py), several passes (compiled.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from vperf.model.affine import ONE, Affine, Coordinate, add, terms_of
from vperf.model.ops import COLLECTIVES, Row, Step, outputs, sequences, tokens
from vperf.timing import collectives
from vperf.timing.expected import Form, pn
from vperf.timing.kinds import form_of
from vperf.timing.limit import StepLimit, bandwidth_over
from vperf.timing.mixed import ALL, Group, all_tokens, merging_of
from vperf.timing.step import Card

_COMMON = (Coordinate(tokens), Coordinate(sequences), Coordinate(outputs))
"""Coordinates 1, 2 and 3 of every step."""

_Terms = tuple[tuple[int, float], ...]
"""Coefficients of numbered coordinates."""


class BoundRows:
    """Rows on a card, for one outcome of their tests."""

    __slots__ = (
        "_base",
        "_card",
        "_compute",
        "_even",
        "_exchanges",
        "_items",
        "_l2",
        "_launches",
        "_link",
        "_memory_bandwidth",
        "_pairs",
        "_rows",
        "_slow",
        "_streamed",
        "_triples",
        "_values",
    )  # fmt: skip

    def __init__(self, rows: Sequence[Row], card: Card) -> None:
        gpu = card.gpu
        self._rows, self._card = rows, card
        self._items: tuple[tuple[_Item, ...], _Values] | None = None
        self._l2, self._memory_bandwidth = gpu.l2_bytes, gpu.memory_bandwidth
        self._launches = sum(row.count * row.launches for row in rows)
        lines = _Lines()
        sums: list[dict[Coordinate, float]] = [{}, {}, {}, {}, {}]
        compute, streamed, even, link, base = sums  # even: beyond what is read at least
        pairs, triples = [], []
        slow: list[tuple[int, Form[Affine], tuple[_Line, ...]]] = []
        exchanges: list[tuple[int, tuple[_Line, ...]]] = []
        for row in rows:
            count, form = row.count, form_of(row, card.constants, card.engine)
            own_compute = card.limits.compute_s(row)
            add(compute, own_compute, count)
            least = row.least_streamed_bytes
            add(streamed, least, count)
            if row.least_bytes is not None:
                add(even, row.weight_bytes - row.least_bytes, count)
            parts = (form.x, form.y, form.z)
            if row.kind in COLLECTIVES:
                floor = collectives.limit_s(row, gpu)
                add(link, floor, count)
                if form.other is not None or not _below(floor, form.base):
                    other = form.base if form.other is None else form.other
                    own = form.base, other, floor
                    exchanges.append((count, tuple(map(lines.line, own))))
                    continue
            elif not all(
                any(_below(floor, part) for part in parts)
                or any(_below(floor, form.base + part) for part in parts)
                for floor in (own_compute, least / gpu.memory_bandwidth)
            ):  # its limit may be the longer one: it is looked at every time
                looked_at = (form.base, *parts, own_compute, least)
                slow.append((count, form, tuple(map(lines.line, looked_at))))
                continue
            add(base, form.base, count)
            x, y, z = (lines.line(count * part) for part in parts)
            if z != _NOTHING:
                triples.append((*x, *y, form.p, 1 / form.p, *z, form.r, 1 / form.r))
            elif y != _NOTHING:
                pairs.append((*x, *y, form.p, 1 / form.p))
            else:
                add(base, form.x, count)
        self._pairs, self._triples = tuple(pairs), tuple(triples)
        self._slow, self._exchanges = tuple(slow), tuple(exchanges)
        self._compute, self._streamed, self._even, self._link, self._base = map(lines.of, sums)
        self._values = _Values(lines)

    def at(self, step: Step) -> list[float]:
        """The coordinates of one step."""
        return self._values.of_step(step)

    def of_groups(self, groups: Sequence[Group]) -> list[float]:
        """The coordinates of groups of steps."""
        return self._values.of_groups(groups)

    def sides(self, values: Sequence[float]) -> tuple[float, float, float]:
        """(compute, memory, link) seconds of the limit."""
        streamed = _dot(self._streamed, values)
        memory = max(0.0, streamed - self._l2) / self._memory_bandwidth
        return _dot(self._compute, values), memory, _dot(self._link, values)

    def times(  # noqa: PLR0912  (one function, for a call is a third of a row's time)
        self, values: list[float]
    ) -> PassTimes:
        """All of a pass."""
        compute = streamed = even = link = kernels = 0.0
        for at, factor in self._compute:
            compute += factor * values[at]
        for at, factor in self._streamed:
            streamed += factor * values[at]
        for at, factor in self._even:
            even += factor * values[at]
        for at, factor in self._link:
            link += factor * values[at]
        for at, factor in self._base:
            kernels += factor * values[at]
        memory = (streamed - self._l2) / self._memory_bandwidth if streamed > self._l2 else 0.0
        for x0, x1, i, y0, y1, j, p, root in self._pairs:
            x, y = x0 + x1 * values[i], y0 + y1 * values[j]
            if x < y:
                x, y = y, x
            kernels += x * (1.0 + (y / x) ** p) ** root if y > 0.0 else x
        for x0, x1, i, y0, y1, j, p, root, z0, z1, k, r, other_root in self._triples:
            x, y = x0 + x1 * values[i], y0 + y1 * values[j]
            if x < y:
                x, y = y, x
            if y > 0.0:
                x *= (1.0 + (y / x) ** p) ** root
            y = z0 + z1 * values[k]
            if x < y:
                x, y = y, x
            kernels += x * (1.0 + (y / x) ** r) ** other_root if y > 0.0 else x
        if self._slow:
            rate = bandwidth_over(self._card.gpu, streamed)
            for count, form, own in self._slow:
                base, x, y, z, floor, read = [c0 + c1 * values[at] for c0, c1, at in own]
                time = base + pn(pn(x, y, form.p), z, form.r)
                kernels += count * max(time, floor, read / rate)
        for count, own in self._exchanges:
            one, two, floor = [c0 + c1 * values[at] for c0, c1, at in own]
            kernels += count * max(min(one, two), floor)
        limit = max(compute, memory, link)
        even_memory = (streamed + even - self._l2) / self._memory_bandwidth if even else 0.0
        return limit, kernels, self._launches, max(limit, even_memory)

    def items(self, step: Step) -> tuple[StepLimit, list[ItemTimes]]:
        """The limit of one step, and its rows one by one."""
        if self._items is None:
            lines = _Lines()
            made = tuple([_item(row, self._card, lines) for row in self._rows])
            self._items = made, _Values(lines)
        items, values_of = self._items
        values = values_of.of_step(step)
        numbers = [[c0 + c1 * values[at] for c0, c1, at in own] for _, _, _, own in items]
        counted = [(item[0].count, of) for item, of in zip(items, numbers, strict=True)]
        compute = sum([count * of[5] for count, of in counted])
        link = sum([count * of[6] for count, of in counted])
        streamed = sum([count * of[7] for count, of in counted])
        even = sum([count * of[8] for count, of in counted])
        rate = bandwidth_over(self._card.gpu, streamed)
        found = []
        for (row, form, shape, _), of in zip(items, numbers, strict=True):
            base, x, y, z, other, compute_s, link_s, least, read, flops, elements = of
            expected_s = min(base + pn(pn(x, y, form.p), z, form.r), other)
            floor_s = max(compute_s, least / rate, link_s)
            sizes = [
                size if isinstance(size, int) else round(size[0] + size[1] * values[size[2]])
                for size in shape
            ]
            found.append(
                ItemTimes(
                    row, sizes, flops, elements, read, compute_s, least / rate, link_s,
                    max(expected_s, floor_s),
                )
            )  # fmt: skip
        return StepLimit(
            compute, streamed / rate, link, rate, (), even / bandwidth_over(self._card.gpu, even)
        ), found


PassTimes = tuple[float, float, float, float]
"""Of a pass: its limit, the expected time of its kernels, how many there are, its ceiling."""


class ItemTimes(NamedTuple):
    """One run of a row in a step: what it does, and its seconds."""

    row: Row
    shape: list[int]
    flops: float
    elements: float
    """Activations in and out."""
    streamed_bytes: float
    compute_s: float
    memory_s: float
    link_s: float
    expected_s: float
    place: str = ""
    """Of several places, where it runs."""
    pipe: str | None = None
    """The compute pipe of that place; None: the card's own."""


_Line = tuple[float, float, int]
"""constant + factor x values[at]; a negative `at` is a composite, counted from the end."""

_NOTHING: _Line = (0.0, 0.0, 0)
_NEVER: _Line = (math.inf, 0.0, 0)


class _Lines:
    """Affines as lines of one value each: of a coordinate, or of a composite of several."""

    def __init__(self) -> None:
        self.numbers: dict[Coordinate, int] = {ONE: 0}
        for at in _COMMON:
            self.numbers[at] = len(self.numbers)
        self._composites: dict[_Terms, int] = {}

    def of(self, terms: dict[Coordinate, float]) -> _Terms:
        """Terms over numbered coordinates."""
        numbers = self.numbers
        return tuple([(numbers.setdefault(at, len(numbers)), terms[at]) for at in terms])

    def line(self, quantity: Affine | float) -> _Line:
        """The quantity as one line."""
        terms = terms_of(quantity)
        constant = terms.get(ONE, 0.0)
        rest = [one for one in self.of(terms) if one[0]]
        if not rest:
            return constant, 0.0, 0
        first = rest[0][1]
        if len(rest) == 1:
            return constant, first, rest[0][0]
        of_one = tuple((at, value / first) for at, value in rest)
        place = self._composites.setdefault(of_one, len(self._composites))
        return constant, first, -1 - place

    def composites(self) -> tuple[_Terms, ...]:
        """In the order in which they are appended to the values."""
        return tuple(reversed(self._composites))


class _Values:
    """The values of numbered coordinates, and of composites behind them."""

    __slots__ = ("_composites", "_of_groups", "_others")

    def __init__(self, lines: _Lines) -> None:
        coordinates = tuple(lines.numbers)[1:]
        called = [
            (at.value if at.views else at.function, () if at.views else at.of) for at in coordinates
        ]
        self._others = tuple(called[len(_COMMON) :])
        self._of_groups = tuple(
            (*call, at.group, merging_of(at)) for call, at in zip(called, coordinates, strict=True)
        )
        self._composites = lines.composites()

    def of_step(self, step: Step) -> list[float]:
        """Of one step."""
        batch, new, _, out = step
        values = [1.0, batch * new, batch, batch * out]
        for function, of in self._others:
            values.append(function(step, *of))
        for terms in self._composites:
            total = 0.0
            for at, factor in terms:
                total += factor * values[at]
            values.append(total)
        return values

    def of_groups(self, groups: Sequence[Group]) -> list[float]:
        """Of groups of steps."""
        if all(len(group) == 1 for group in groups):
            ones = [step for (step,) in groups]
            if len(ones) > 1:
                ones.append(all_tokens(ones))  # at ALL
            values = [1.0, *[call(ones[at], *of) for call, of, at, _ in self._of_groups]]
        else:
            values = [1.0]
            every = [step for group in groups for step in group]
            for function, of, group, merge in self._of_groups:
                steps = every if group == ALL else groups[group]
                values.append(merge(steps, function, of))
        for terms in self._composites:
            values.append(_dot(terms, values))
        return values


_Item = tuple[Row, Form[Affine], tuple[int | _Line, ...], tuple[_Line, ...]]


def _item(row: Row, card: Card, lines: _Lines) -> _Item:
    """A row, its form, its shape, and the lines that `BoundRows.items` reads."""
    form = form_of(row, card.constants, card.engine)
    link: Affine | float = 0.0
    if row.kind in COLLECTIVES:
        link = collectives.limit_s(row, card.gpu)
    other = lines.line(form.other) if form.other is not None else _NEVER
    first = [lines.line(part) for part in (form.base, form.x, form.y, form.z)]
    rest = (
        card.limits.compute_s(row), link, row.least_streamed_bytes, row.streamed_bytes, row.flops,
        row.input_elements + row.output_elements,
    )  # fmt: skip
    shape = tuple(size if isinstance(size, int) else lines.line(size) for size in row.shape)
    return row, form, shape, (*first, other, *map(lines.line, rest))


def _below(floor: Affine | float, time: Affine | float) -> bool:
    """Whether the one is never above the other; coordinates are never negative."""
    floors, terms = terms_of(floor), terms_of(time)
    for at, value in floors.items():
        if terms.get(at, 0.0) < value * (1 - 1e-12):
            return False
    return all(at in floors or value >= 0.0 for at, value in terms.items())


def _dot(terms: _Terms, values: Sequence[float]) -> float:
    return sum([factor * values[at] for at, factor in terms])
