"""Compiled: the rows of a model bound to a card, and the time of any step of them.

A row's form (expected.py) and its sides of the limit (limit.py) are affine in a step, so they are
made once: rates, bandwidths and latencies become coefficients of the step's coordinates. A step
then is arithmetic over these: what is affine is summed over all rows beforehand, and what is left
is one smooth maximum a row. `itemise` reads the same rows one by one: the table of ops.

A step is as long as its kernels in a row plus the host's time; its limit overlaps everything. Of
several passes (passes.py) the host takes its time once. Not here: the rows (model/rows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from vperf.model.affine import LONGEST, ONE, Affine, Coordinate, terms_of
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES, OF_ALL_TOKENS, Op, Row, Step
from vperf.model.rows import Placed, together
from vperf.timing import collectives
from vperf.timing.expected import pn
from vperf.timing.kinds import KINDS, form_of, op_expected_s
from vperf.timing.limit import bandwidth_over, bound_of
from vperf.timing.passes import Pass, decode_passes, prefill_passes
from vperf.timing.step import Bound, Card, OpTime, PhaseTimes


class Seconds(NamedTuple):
    """How long steps take."""

    limit: float
    expected: float
    ceiling: float
    """The limit, were tokens routed to all experts alike; the limit itself without any."""


Group = Sequence[Step]
"""Steps of sequences that run as one: coordinates add up."""

_HOP_S, _HOP_SHARE, _BUBBLE = 20e-6, 0.8, 0.08
"""From a stage of a pipeline to the next: start, share of the link. And what each stage beyond the
first adds to a token's time."""

_ALL = -1
"""The group of a coordinate of all sequences of a mixed step."""


class Compiled:
    """A model on a card: the times of its steps."""

    __slots__ = ("_draft", "_own", "card", "model")

    def __init__(self, model: Model, card: Card) -> None:
        self.model, self.card = model, card
        self._own = _Table(model, card)
        self._draft: _Table | None = None

    def without_drafts(self) -> Compiled:
        """The same model that decodes plainly."""
        if not self.model.draft_tokens:
            return self
        plain = Compiled(replace(self.model, draft_tokens=0), self.card)
        plain._own = self._own
        return plain

    def decode(self, batch: int, context: int) -> Seconds:
        """(limit, expected) seconds of a decode step, drafts included."""
        if self.model.draft_tokens:
            return self.passes(decode_passes(self.model, batch, context))
        return self.step(Step(batch, 1, context))

    def prefill(self, batch: int, new: int, past: int = 0) -> Seconds:
        """The same of a step that reads `new` tokens of each prompt."""
        if self.model.draft_tokens:
            return self.passes(prefill_passes(self.model, batch, new, past))
        return self.step(Step(batch, new, past))

    def step(self, step: Step) -> Seconds:
        """The same of one pass."""
        limit, kernels, launches, ceiling = self._own.times(step)
        host = self._host_s(launches, kernels, self._sequences(step.batch), self._tokens(step))
        return Seconds(limit, max(limit, host + kernels), ceiling)

    def passes(self, passes: Iterable[Pass]) -> Seconds:
        """The same of several, the first of which says how many sequences there are."""
        limit = kernels = launches = ceiling = tokens = 0.0
        sequences = 0
        for each in passes:
            if not sequences:
                sequences, tokens = each.step.batch, self._tokens(each.step)
            times = self._table(each).times(each.step)
            if each.awaited:
                limit += each.count * times[0]
                ceiling += each.count * times[3]
            kernels += each.count * times[1]
            launches += each.count * times[2]
        host = self._host_s(launches, kernels, self._sequences(sequences), tokens)
        return Seconds(limit, max(limit, host + kernels), ceiling)

    def mixed(
        self, decode: Sequence[Pass], chunk: Sequence[Pass], sequences: float | None = None
    ) -> Seconds:
        """The same of a step that decodes and reads a chunk of a prompt: matmuls and experts run
        once over the rows of both, attention and recurrences once for each.

        Both have as many passes, counted; `sequences`: those of an attention group.
        """
        limit = kernels = launches = ceiling = 0.0
        for first, second in zip(_counted(decode), _counted(chunk), strict=True):
            times = self._table(first).mixed_times((first.step,), (second.step,))
            limit += times[0]
            kernels += times[1]
            launches += times[2]
            ceiling += times[3]
        if sequences is None:
            sequences = self._sequences(decode[0].step.batch + chunk[0].step.batch)
        tokens = self._tokens(decode[0].step) + self._tokens(chunk[0].step)
        host = self._host_s(launches, kernels, sequences, tokens)
        return Seconds(limit, max(limit, host + kernels), ceiling)

    def batch(self, decodes: Group, chunks: Group = ()) -> Seconds:
        """The same of one pass over any sequences, as a scheduler puts them together: unequal
        decodes, unequal chunks of prompts. Steps of either are of one kind (RowTable.key), and of
        one attention group where there are several."""
        table = self._own
        if not chunks or not decodes:
            limit, kernels, launches, ceiling = table.group_times(decodes or chunks)
        else:
            limit, kernels, launches, ceiling = table.mixed_times(decodes, chunks, local=True)
        sequences = sum(step.batch for step in (*decodes, *chunks))
        tokens = sum(step.tokens for step in (*decodes, *chunks))
        host = self._host_s(launches, kernels, sequences, tokens)
        return Seconds(limit, max(limit, host + kernels), ceiling)

    def bubble(self, batch: float) -> float:
        """How much longer tokens take for stages that wait for each other (docs/method.md): as many
        as have sequences of their own."""
        busy = min(float(self.model.parallel.pipeline), batch)
        return 1.0 + _BUBBLE * max(0.0, busy - 1.0)

    def _host_s(self, launches: float, kernels: float, sequences: float, tokens: float) -> float:
        """Time of a step that no kernel takes: the host's, in every stage of a pipeline, and what
        `tokens` of the step take from one to the next."""
        engine, stages = self.card.engine, self.model.parallel.pipeline
        host = engine.overhead_s(launches, kernels, sequences)
        if stages == 1:
            return host
        gpu = self.card.gpu
        far = self.model.parallel.gpus > gpu.node_size
        link = _HOP_SHARE * (gpu.node_bytes_per_s if far else collectives.link_bytes_per_s(gpu))
        hop = _HOP_S + 2.0 * tokens * self.model.hidden / link
        return host + (stages - 1) * engine.host_s_per_step + stages * hop

    def _tokens(self, step: Step) -> float:
        return self.model.parallel.local(step).tokens

    def sides(self, passes: Iterable[Pass]) -> tuple[float, float, float]:
        """(compute, memory, link) seconds of a limit: they overlap, the largest bounds."""
        sums = (0.0, 0.0, 0.0)
        for each in passes:
            sides = self._table(each).sides(each.step)
            one, two, three = (each.count * side for side in sides)
            sums = sums[0] + one, sums[1] + two, sums[2] + three
        return sums

    def kernels_s(self, passes: Iterable[Pass]) -> float:
        """Expected seconds of the kernels alone."""
        return sum(each.count * self._table(each).times(each.step)[1] for each in passes)

    def only(self, wanted: Callable[[Row], bool]) -> Compiled:
        """Those rows alone that are `wanted`: for `kernels_s` of a part of a step."""
        part = Compiled(self.model, self.card)
        part._own = _Table(self.model, self.card, wanted)
        if self.model.draft_tokens and self.model.draft is not None:
            part._draft = _Table(self.model.draft, self.card, wanted)
        return part

    def ops(self, one: Pass) -> tuple[Op, ...]:
        """The work of one pass, op by op."""
        return self._table(one).model.ops(one.step)

    def itemise(self, passes: Sequence[Pass]) -> PhaseTimes:
        """Every op of a step with its FLOPs, bytes, limit and expected time."""
        card = self.card
        timed: list[tuple[Op, str, float, float, float]] = []
        limit_s = ceiling_s = compute_s = memory_s = link_s = 0.0
        for each in passes:
            ops = self.ops(each)
            limit = card.limits.of_step((op.count, op) for op in ops)
            bounding = each.count * each.awaited
            limit_s += bounding * limit.seconds
            ceiling_s += bounding * limit.ceiling_s
            compute_s += bounding * limit.compute_s
            memory_s += bounding * limit.memory_s
            link_s += bounding * limit.link_s
            for op, compute in zip(ops, limit.op_compute_s, strict=True):
                runs = op if each.count == 1 else replace(op, count=each.count * op.count)
                once = op_seconds(op, compute, limit.bandwidth, card)
                memory = op.least_streamed_bytes / limit.bandwidth
                timed.append((runs, each.prefix, compute, memory, runs.count * once))
        kernels = sum(times[-1] for times in timed)
        launches = sum(op.count * op.launches for op, *_ in timed)
        first = passes[0].step
        host = self._host_s(launches, kernels, self._sequences(first.batch), self._tokens(first))
        total = max(limit_s, host + kernels)
        return PhaseTimes(
            context_tokens=first.past,
            limit_s=limit_s,
            ceiling_s=ceiling_s,
            expected_s=total,
            overhead_s=host,
            flops=sum(op.count * op.flops for op, *_ in timed),
            bytes=sum(op.count * op.streamed_bytes for op, *_ in timed),
            bound=bound_of(compute_s, memory_s, link_s),
            ops=tuple([_row(*times, total, card) for times in timed]),
        )

    def _table(self, one: Pass) -> _Table:
        if one.role == "":
            return self._own
        if self._draft is None:
            draft = self.model.draft
            assert draft is not None
            self._draft = _Table(draft, self.card)
        return self._draft

    def _sequences(self, batch: int) -> float:
        """Those of an attention group: each has a scheduler of its own, which serves all stages of a
        pipeline for every token."""
        return batch / self.model.parallel.data


def _counted(passes: Iterable[Pass]) -> list[Pass]:
    return [each for each in passes for _ in range(each.count)]


class _Table:
    """The rows of one model, bound to a card in each of their cases."""

    __slots__ = ("_bound", "_local", "_mixed", "_rows", "_wanted", "card", "model")

    def __init__(
        self, model: Model, card: Card, wanted: Callable[[Row], bool] | None = None
    ) -> None:
        self.model, self.card, self._wanted = model, card, wanted
        self._rows = model.rows
        self._local = model.parallel.data * model.parallel.pipeline
        self._bound: dict[tuple[bool, ...], _Bound] = {}
        self._mixed: dict[tuple[tuple[bool, ...], ...], _Bound] = {}

    def times(self, step: Step) -> _Times:
        """Of one pass."""
        if self._local > 1:
            step = self.model.parallel.local(step)
        bound = self._bound_of(step)
        return bound.times(bound.values_of(step))

    def sides(self, step: Step) -> tuple[float, float, float]:
        """The sides of its limit."""
        step = self.model.parallel.local(step)
        bound = self._bound_of(step)
        return bound.sides(bound.values_of(step))

    def group_times(self, group: Group) -> _Times:
        """Of steps that run as one."""
        bound = self._bound_of(group[0])
        return bound.times(bound.values((group,)))

    def mixed_times(self, decodes: Group, chunks: Group, *, local: bool = False) -> _Times:
        """Of two kinds of steps that run as one."""
        groups: tuple[Group, Group] = (decodes, chunks)
        if self._local > 1 and not local:
            own = self.model.parallel.local
            groups = [own(step) for step in decodes], [own(step) for step in chunks]
        rows = [self._rows.of(group[0]) for group in groups]
        key = tuple(self._rows.key(group[0]) for group in groups)
        bound = self._mixed.get(key)
        if bound is None:
            bound = self._mixed[key] = _Bound(_joined(*rows), self.card)
        return bound.times(bound.values(groups))

    def _bound_of(self, step: Step) -> _Bound:
        bound = self._bound.get(self._rows.key(step))
        if bound is None:
            rows = together(self._rows.of(step))
            if self._wanted is not None:
                rows = tuple(row for row in rows if self._wanted(row))
            bound = self._bound[self._rows.key(step)] = _Bound(rows, self.card)
        return bound


_Times = tuple[float, float, float, float]
"""Of a pass: its limit, the expected time of its kernels, how many there are, its ceiling."""

_Terms = tuple[tuple[int, float], ...]
"""Coefficients of numbered coordinates."""


class _Bound:
    """Rows on a card, for one outcome of their tests. Coordinate 0 is 1."""

    __slots__ = (
        "_base", "_composites", "_compute", "_coordinates", "_even", "_exchanges", "_gpu", "_l2",
        "_launches", "_link", "_memory_bandwidth", "_pairs", "_plain", "_slow", "_streamed",
        "_triples",
    )  # fmt: skip

    def __init__(self, rows: Sequence[Row], card: Card) -> None:
        self._gpu = gpu = card.gpu
        self._l2, self._memory_bandwidth = gpu.l2_bytes, gpu.memory_bandwidth
        self._launches = sum(row.count * row.launches for row in rows)
        lines = _Lines()
        compute, streamed, link, base = Affine(), Affine(), Affine(), Affine()
        even = Affine()  # beyond what is read at least
        pairs, triples, slow, exchanges = [], [], [], []
        for row in rows:
            count = row.count
            own_compute = card.limits.compute_s(row)
            compute += count * own_compute
            streamed += count * row.least_streamed_bytes
            if row.least_bytes is not None:
                even += count * (row.weight_bytes - row.least_bytes)
            form = form_of(row, card.constants, card.engine)
            if row.kind in COLLECTIVES:
                floor = collectives.limit_s(row, gpu)
                link += count * floor
                other = form.base if form.other is None else form.other
                if form.other is None and _below(floor, form.base):
                    base += count * form.base
                    continue
                both = lines.line(form.base), lines.line(other), lines.line(floor)
                exchanges.append((count, both))
                continue
            parts = (form.x, form.y, form.z)
            memory_s = row.least_streamed_bytes / gpu.memory_bandwidth
            if not all(
                any(_below(floor, form.base + part) for part in parts)
                for floor in (own_compute, memory_s)
            ):  # its limit may be the longer one: it is looked at every time
                own = lines.line(form.base), *map(lines.line, parts)
                floors = lines.line(own_compute), lines.line(row.least_streamed_bytes)
                slow.append((count, form.p, form.r, own, floors))
                continue
            base += count * form.base
            x, y, z = (lines.line(count * part) for part in parts)
            if z != _NOTHING:
                triples.append((*x, *y, form.p, 1 / form.p, *z, form.r, 1 / form.r))
            elif y != _NOTHING:
                pairs.append((*x, *y, form.p, 1 / form.p))
            else:
                base += count * form.x
        self._pairs, self._triples = tuple(pairs), tuple(triples)
        self._slow, self._exchanges = tuple(slow), tuple(exchanges)
        self._compute, self._streamed, self._even, self._link, self._base = map(
            lines.terms, (compute, streamed, even, link, base)
        )
        self._coordinates = tuple(lines.numbers)[1:]
        self._plain = tuple(
            (at.function, at.of) for at in self._coordinates if not at.views and not at.group
        )
        if len(self._plain) != len(self._coordinates):
            self._plain = ()
        self._composites = lines.composites()

    def values_of(self, step: Step) -> list[float]:
        """The coordinates of one step."""
        if self._plain:
            values = [1.0]
            values += [function(step, *of) for function, of in self._plain]
            return values
        return [1.0, *[at.value(step) for at in self._coordinates]]

    def values(self, groups: Sequence[Group]) -> list[float]:
        """The coordinates of groups of steps."""
        return [1.0, *[_value(at, groups) for at in self._coordinates]]

    def sides(self, values: Sequence[float]) -> tuple[float, float, float]:
        """(compute, memory, link) seconds of the limit."""
        streamed = _dot(self._streamed, values)
        memory = max(0.0, streamed - self._l2) / self._memory_bandwidth
        return _dot(self._compute, values), memory, _dot(self._link, values)

    def times(  # noqa: PLR0912  (one function, for a call is a third of a row's time)
        self, values: list[float]
    ) -> _Times:
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
        for terms in self._composites:
            total = 0.0
            for at, factor in terms:
                total += factor * values[at]
            values.append(total)
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
            rate = bandwidth_over(self._gpu, streamed)
            for count, p, r, own, floors in self._slow:
                base, x, y, z = (c0 + c1 * values[at] for c0, c1, at in own)
                floor, bytes_ = (c0 + c1 * values[at] for c0, c1, at in floors)
                kernels += count * max(base + pn(pn(x, y, p), z, r), floor, bytes_ / rate)
        for count, both in self._exchanges:
            one, two, floor = (c0 + c1 * values[at] for c0, c1, at in both)
            kernels += count * max(min(one, two), floor)
        limit = max(compute, memory, link)
        even_memory = (streamed + even - self._l2) / self._memory_bandwidth if even else 0.0
        return limit, kernels, self._launches, max(limit, even_memory)


_Line = tuple[float, float, int]
"""constant + factor x values[at]; a negative `at` is a composite, counted from the end."""

_NOTHING: _Line = (0.0, 0.0, 0)


class _Lines:
    """Affines as lines of one value each: of a coordinate, or of a composite of several."""

    def __init__(self) -> None:
        self.numbers: dict[Coordinate, int] = {ONE: 0}
        self._composites: dict[_Terms, int] = {}

    def terms(self, quantity: Affine | float) -> _Terms:
        """The quantity over numbered coordinates."""
        numbers = self.numbers
        return tuple(
            (numbers.setdefault(at, len(numbers)), value)
            for at, value in terms_of(quantity).items()
        )

    def line(self, quantity: Affine | float) -> _Line:
        """The quantity as one line."""
        terms = self.terms(quantity)
        constant = sum(value for at, value in terms if at == 0)
        rest = [(at, value) for at, value in terms if at]
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


def _below(floor: Affine | float, time: Affine | float) -> bool:
    """Whether the one is never above the other; coordinates are never negative."""
    terms = terms_of(time)
    rest = dict(terms)
    for at, value in terms_of(floor).items():
        rest[at] = rest.get(at, 0.0) - value * (1 - 1e-12)
    return all(value >= 0.0 for value in rest.values())


def _dot(terms: _Terms, values: Sequence[float]) -> float:
    return sum([factor * values[at] for at, factor in terms])


def _value(at: Coordinate, groups: Sequence[Group]) -> float:
    """A coordinate of groups of steps: of the one it is of, or of all sequences."""
    steps = [step for group in groups for step in group] if at.group == _ALL else groups[at.group]
    if at.function in OF_ALL_TOKENS and len(steps) > 1:
        return at.value(Step(1, sum(step.tokens for step in steps), 0))
    if len(steps) == 1:
        return at.value(steps[0])
    each = [at.value(step) for step in steps]
    return max(each) if at.function in LONGEST else sum(each)


def _joined(first: Sequence[Placed], second: Sequence[Placed]) -> tuple[Row, ...]:
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
        weight_bytes=_sum(one.weight_bytes, other.weight_bytes),
        least_bytes=_sum_if(one.least_bytes, other.least_bytes),
        popular_bytes=_sum_if(one.popular_bytes, other.popular_bytes),
        cache_bytes=_sum(one.cache_bytes, other.cache_bytes),
        input_elements=_sum(one.input_elements, other.input_elements),
        output_elements=_sum(one.output_elements, other.output_elements),
        shape=shape,
    )


def _sum(one: Affine | float, other: Affine | float) -> Affine:
    """Both, but what all sequences share is there once: weights that are read for all of them."""
    terms = dict(terms_of(one))
    for at, value in terms_of(other).items():
        shared = at == ONE or at.group == _ALL
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
            own = at if at == ONE else at._replace(group=_ALL if of_all else number)
            terms[own] = value
        return Affine(terms)

    return replace(
        row,
        flops=moved(row.flops),
        weight_bytes=moved(row.weight_bytes),
        least_bytes=None if row.least_bytes is None else moved(row.least_bytes),
        popular_bytes=None if row.popular_bytes is None else moved(row.popular_bytes),
        cache_bytes=moved(row.cache_bytes),
        input_elements=moved(row.input_elements),
        output_elements=moved(row.output_elements),
        shape=tuple(x if isinstance(x, int) else moved(x) for x in row.shape),
        score_pairs=moved(row.score_pairs),
        queries=moved(row.queries),
        edges=moved(row.edges),
        band=moved(row.band),
        blocks=moved(row.blocks),
    )


def op_seconds(op: Op, compute_s: float, bandwidth: float, card: Card) -> float:
    """Expected seconds of one run, never below its limit: its FLOPs' time, or its bytes' at the
    `bandwidth` of its step."""
    if op.kind in COLLECTIVES:
        return collectives.expected_s(op, card.gpu, card.engine.all_reduce_latency)
    memory_s = op.least_streamed_bytes / bandwidth
    return max(op_expected_s(op, card.constants, card.engine), compute_s, memory_s)


def ops_seconds(ops: Sequence[Op], card: Card) -> float:
    """Expected seconds of these ops in a row, without the host."""
    limit = card.limits.of_step((op.count, op) for op in ops)
    return sum(
        op.count * op_seconds(op, compute, limit.bandwidth, card)
        for op, compute in zip(ops, limit.op_compute_s, strict=True)
    )


def _row(  # noqa: PLR0917  (an op and its times)
    op: Op, prefix: str, compute_s: float, memory_s: float, expected_s: float, total_s: float,
    card: Card,
) -> OpTime:  # fmt: skip
    """A row of all runs of an op; `compute_s` and `memory_s` are of one run."""
    link_s = collectives.limit_s(op, card.gpu) if op.kind in COLLECTIVES else 0.0
    limit_s = op.count * max(compute_s, memory_s, link_s)
    bound: Bound = "compute" if compute_s > memory_s else "memory"
    if link_s:
        bound = "link"
    return OpTime(
        name=f"{prefix}{op.name}",
        kind=op.kind,
        count=op.count,
        shape=KINDS[op.kind].words(op),
        flops=op.count * op.flops,
        bytes=op.count * (op.streamed_bytes + 2.0 * (op.input_elements + op.output_elements)),
        compute_s=op.count * compute_s,
        memory_s=op.count * memory_s,
        limit_s=limit_s,
        expected_s=expected_s,
        bound="latency" if limit_s < expected_s / 2 else bound,
        share=expected_s / total_s,
        pipe=card.limits.pipe(op),
    )
