"""Compiled: a model on a card, and the time of any step of it.

A row's form (expected.py) and its sides of the limit (limit.py) are affine in a step, so that they
are made once for each kind of step (bound.py); a step then is arithmetic.

A step is as long as its kernels in a row plus the host's time; its limit overlaps everything. Of
several passes (passes.py) the host takes its time once. Not here: the rows (model/rows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from vperf.model.context import reads_apart
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES, Op, Row, Step
from vperf.timing import collectives
from vperf.timing.bound import BoundRows, ItemTimes, PassTimes
from vperf.timing.kinds import KINDS, op_expected_s
from vperf.timing.limit import StepLimit, bound_of
from vperf.timing.mixed import Group, joined
from vperf.timing.passes import Pass, decode_passes, prefill_passes
from vperf.timing.step import Bound, Card, OpTime, PhaseTimes, PlaceTime

if TYPE_CHECKING:
    from vperf.timing.placed import PlacedTable, Places

    Table: TypeAlias = "_Table | _SharedTable | PlacedTable"


class Seconds(NamedTuple):
    """How long steps take."""

    limit: float
    expected: float
    ceiling: float
    """The limit, were tokens routed to all experts alike; the limit itself without any."""


_HOP_S, _HOP_SHARE, _BUBBLE = 20e-6, 0.8, 0.08
"""From a stage of a pipeline to the next: start, share of the link. And what each stage beyond the
first adds to a token's time."""


class Compiled:
    """A model on a card: the times of its steps."""

    __slots__ = ("_draft", "_own", "_parts", "card", "fullest", "model", "places", "unlike")

    def __init__(
        self,
        model: Model,
        card: Card,
        places: Places | None = None,
        fullest: Card | None = None,
        unlike: tuple[Card, ...] = (),
    ) -> None:
        """`fullest`: of several cards, the one whose memory is full first; the model says what it
        holds. `unlike`: kinds of card that each have an equal share of every layer."""
        self.model, self.card, self.places, self.unlike = model, card, places, unlike
        self.fullest = fullest or card
        self._own: Table = self._table_of(model)
        self._draft: Table | None = None
        self._parts: dict[Callable[[Row], bool], Compiled] = {}

    def without_drafts(self) -> Compiled:
        """The same model that decodes plainly."""
        drafter = self.model.drafter
        if drafter is None:
            return self
        plain = self._of(replace(self.model, drafter=None))
        if drafter.joins is None:
            plain._own = self._own
        return plain

    def drafting(self, depth: int) -> Compiled:
        """The same model that drafts a chain of so many tokens, its steps already there."""
        drafter = self.model.drafter
        assert drafter is not None
        other = replace(drafter, depth=depth, tokens=depth, branches=1)
        changed = self._of(replace(self.model, drafter=other))
        changed._own, changed._draft = self._own, self._draft
        return changed

    def _of(self, model: Model) -> Compiled:
        return Compiled(model, self.card, self.places, self.fullest, self.unlike)

    def decode(self, batch: int, context: int) -> Seconds:
        """(limit, expected) seconds of a decode step, drafts included."""
        if self.model.drafter is not None:
            return self.passes(decode_passes(self.model, batch, context))
        return self.step(Step(batch, 1, context))

    def prefill(self, batch: int, new: int, past: int = 0) -> Seconds:
        """The same of a step that reads `new` tokens of each prompt."""
        if self.model.drafter is not None:
            return self.passes(prefill_passes(self.model, batch, new, past))
        return self.step(Step(batch, new, past))

    def step(self, step: Step) -> Seconds:
        """The same of one pass."""
        limit, kernels, launches, ceiling = self._own.times(step)
        reads = step.reads_prompts
        sequences, tokens = self._sequences(step.batch), self._tokens(step)
        host = self._host_s(launches, kernels, sequences, tokens, reads_prompts=reads)
        return Seconds(limit, max(limit, host + kernels), ceiling)

    def passes(self, passes: Iterable[Pass]) -> Seconds:
        """The same of several, the first of which says how many sequences there are."""
        limit = kernels = launches = ceiling = tokens = 0.0
        sequences, reads = 0, False
        for each in passes:
            if not sequences:
                sequences, tokens = each.step.batch, self._tokens(each.step)
                reads = each.step.reads_prompts
            times = self._table(each).times(each.step)
            if each.awaited:
                limit += each.count * times[0]
                ceiling += each.count * times[3]
            kernels += each.count * times[1]
            launches += each.count * times[2]
        own = self._sequences(sequences)
        host = self._host_s(launches, kernels, own, tokens, reads_prompts=reads)
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
        reads = chunk[0].step.reads_prompts
        host = self._host_s(launches, kernels, sequences, tokens, reads_prompts=reads)
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
        reads = any(step.reads_prompts for step in chunks)
        host = self._host_s(launches, kernels, sequences, tokens, reads_prompts=reads)
        return Seconds(limit, max(limit, host + kernels), ceiling)

    def bubble(self, batch: float) -> float:
        """How much longer tokens take for stages that wait for each other (docs/method.md): as many
        as have sequences of their own."""
        busy = min(float(self.model.parallel.pipeline), batch)
        return 1.0 + _BUBBLE * max(0.0, busy - 1.0)

    def _host_s(
        self, launches: float, kernels: float, sequences: float, tokens: float, *,
        reads_prompts: bool,
    ) -> float:  # fmt: skip
        """Time of a step that no kernel takes: the host's, in every stage of a pipeline, and what
        `tokens` of the step take from one to the next."""
        engine, stages = self.card.engine, self.model.parallel.pipeline
        reads = reads_prompts and self.model.generates
        host = engine.overhead_s(launches, kernels, sequences, reads_prompts=reads)
        host += engine.drafting_s(self.model.drafted_in_a_row)
        if stages == 1:
            return host
        gpu = self.card.gpu
        far = self.model.parallel.gpus > gpu.node_size
        link = _HOP_SHARE * (gpu.node_bytes_per_s if far else collectives.link_bytes_per_s(gpu))
        hop = _HOP_S + 2.0 * tokens * self.model.hidden / link
        return host + (stages - 1) * engine.host_s_per_step + stages * hop

    def _tokens(self, step: Step) -> float:
        """That one GPU of a pipeline's stage hands to the next."""
        parallel = self.model.parallel
        if parallel.pipeline == 1:
            return 0.0
        own = parallel.local(step).tokens
        return own / parallel.prefill if reads_apart(parallel, step) else own

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
        part = self._parts.get(wanted)
        if part is None:
            part = self._parts[wanted] = self._of(self.model)
            part._own = self._table_of(self.model, wanted)
            if self.model.draft is not None:
                part._draft = self._shared(self.model.draft, wanted)
        return part

    def ops(self, one: Pass) -> tuple[Op, ...]:
        """The work of one pass, op by op."""
        return self._table(one).model.ops(one.step)

    def itemise(self, passes: Sequence[Pass]) -> PhaseTimes:
        """Every op of a step with its FLOPs, bytes, limit and expected time."""
        timed: list[tuple[str, int, ItemTimes]] = []
        limit_s = ceiling_s = compute_s = memory_s = link_s = 0.0
        launches = kernels = flops = streamed = 0.0
        for each in passes:
            limit, items = self._table(each).items(each.step)
            bounding = each.count * each.awaited
            limit_s += bounding * limit.seconds
            ceiling_s += bounding * limit.ceiling_s
            compute_s += bounding * limit.compute_s
            memory_s += bounding * limit.memory_s
            link_s += bounding * limit.link_s
            if each.role and self.places is not None:  # what drafts is on the first card
                items = [item._replace(place=self.places.places[0].name) for item in items]
            for item in items:
                runs = each.count * item.row.count
                kernels += runs * item.expected_s
                launches += runs * item.row.launches
                flops += runs * item.flops
                streamed += runs * item.streamed_bytes
                timed.append((each.prefix, runs, item))
        if not passes:  # of a model that generates no tokens
            return PhaseTimes(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "memory", ())
        first = passes[0].step
        sequences, reads = self._sequences(first.batch), first.reads_prompts
        host = self._host_s(launches, kernels, sequences, self._tokens(first), reads_prompts=reads)
        total = max(limit_s, host + kernels)
        pipe = self.card.limits.pipe
        return PhaseTimes(
            context_tokens=first.past,
            limit_s=limit_s,
            ceiling_s=ceiling_s,
            expected_s=total,
            overhead_s=host,
            flops=flops,
            bytes=streamed,
            bound=bound_of(compute_s, memory_s, link_s),
            ops=(ops := tuple([_row(*times, total, pipe) for times in timed])),
            places=_by_place(ops),
        )

    def _table(self, one: Pass) -> Table:
        if one.role == "":
            return self._own
        if self._draft is None:
            draft = self.model.draft
            assert draft is not None
            self._draft = self._shared(draft)
        return self._draft

    def _table_of(self, model: Model, wanted: Callable[[Row], bool] | None = None) -> Table:
        if self.places is None:
            return self._shared(model, wanted)
        from vperf.timing.placed import PlacedTable  # noqa: PLC0415  (most have one place)

        return PlacedTable(model, self.places, wanted)

    def _shared(self, model: Model, wanted: Callable[[Row], bool] | None = None) -> Table:
        """The rows of cards that share each layer."""
        if not self.unlike:
            return _Table(model, self.card, wanted)
        return _SharedTable([_Table(model, card, wanted) for card in self.unlike])

    def _sequences(self, batch: int) -> float:
        """Those of an attention group: each has a scheduler of its own, which serves all stages of
        a pipeline for every token."""
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
        self._bound: dict[tuple[bool, ...], BoundRows] = {}
        self._mixed: dict[tuple[tuple[bool, ...], ...], BoundRows] = {}

    def times(self, step: Step) -> PassTimes:
        """Of one pass."""
        if self._local > 1:
            step = self.model.parallel.local(step)
        bound = self._bound_of(step)
        return bound.times(bound.at(step))

    def items(self, step: Step) -> tuple[StepLimit, list[ItemTimes]]:
        """Its limit, and its rows one by one."""
        step = self.model.parallel.local(step)
        return self._bound_of(step).items(step)

    def sides(self, step: Step) -> tuple[float, float, float]:
        """The sides of its limit."""
        step = self.model.parallel.local(step)
        bound = self._bound_of(step)
        return bound.sides(bound.at(step))

    def group_times(self, group: Group) -> PassTimes:
        """Of steps that run as one."""
        bound = self._bound_of(group[0])
        return bound.times(bound.of_groups((group,)))

    def mixed_times(self, decodes: Group, chunks: Group, *, local: bool = False) -> PassTimes:
        """Of two kinds of steps that run as one."""
        groups: tuple[Group, Group] = (decodes, chunks)
        if self._local > 1 and not local:
            own = self.model.parallel.local
            groups = [own(step) for step in decodes], [own(step) for step in chunks]
        (first, *_), (second, *_) = groups
        bound = self._mixed.get((self._rows.key(first), self._rows.key(second)))
        if bound is None:
            bound = BoundRows(joined(self._rows.of(first), self._rows.of(second)), self.card)
            self._mixed[self._rows.key(first), self._rows.key(second)] = bound
        return bound.times(bound.of_groups(groups))

    def _bound_of(self, step: Step) -> BoundRows:
        bound = self._bound.get(self._rows.key(step))
        if bound is None:
            rows = self._rows.together(step)
            if self._wanted is not None:
                rows = tuple(row for row in rows if self._wanted(row))
            bound = self._bound[self._rows.key(step)] = BoundRows(rows, self.card)
        return bound


class _SharedTable:
    """Unlike cards with equal shares of every layer: each exchange waits for the slower one."""

    __slots__ = ("_each", "model")

    def __init__(self, each: Sequence[_Table]) -> None:
        self._each, self.model = each, each[0].model

    def times(self, step: Step) -> PassTimes:
        """Of one pass."""
        return _slowest(each.times(step) for each in self._each)

    def group_times(self, group: Group) -> PassTimes:
        """Of steps that run as one."""
        return _slowest(each.group_times(group) for each in self._each)

    def mixed_times(self, decodes: Group, chunks: Group, *, local: bool = False) -> PassTimes:
        """Of two kinds of steps that run as one."""
        return _slowest(each.mixed_times(decodes, chunks, local=local) for each in self._each)

    def sides(self, step: Step) -> tuple[float, float, float]:
        """The sides of the limit."""
        compute, memory, link = map(max, zip(*(e.sides(step) for e in self._each), strict=True))
        return compute, memory, link

    def items(self, step: Step) -> tuple[StepLimit, list[ItemTimes]]:
        """The rows of the card that takes the longest."""
        return max(self._each, key=lambda each: each.times(step)[1]).items(step)


def _slowest(times: Iterable[PassTimes]) -> PassTimes:
    limit, kernels, launches, ceiling = map(max, zip(*times, strict=True))
    return limit, kernels, launches, ceiling


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


def _by_place(ops: Sequence[OpTime]) -> tuple[PlaceTime, ...]:
    """What each place takes, in the order of the ops; nothing where there is but one."""
    names = dict.fromkeys(op.place for op in ops)
    if not any(names):
        return ()
    found = []
    for name in names:
        own = [op for op in ops if op.place == name]
        moved, limit_s, expected_s, share = (
            sum(getattr(op, key) for op in own)
            for key in ("bytes", "limit_s", "expected_s", "share")
        )
        found.append(PlaceTime(name, moved, limit_s, expected_s, share))
    return tuple(found)


def _row(
    prefix: str, runs: int, item: ItemTimes, total_s: float, pipe_of: Callable[[Row], str]
) -> OpTime:
    """A row of all runs of an op."""
    row = item.row
    limit_s = runs * max(item.compute_s, item.memory_s, item.link_s)
    expected_s = runs * item.expected_s
    bound: Bound = "compute" if item.compute_s > item.memory_s else "memory"
    if item.link_s:
        bound = "link"
    return OpTime(
        name=f"{prefix}{row.name}",
        kind=row.kind,
        count=runs,
        shape=KINDS[row.kind].words(item.shape, item.elements),
        flops=runs * item.flops,
        bytes=runs * (item.streamed_bytes + 2.0 * item.elements),
        compute_s=runs * item.compute_s,
        memory_s=runs * item.memory_s,
        limit_s=limit_s,
        expected_s=expected_s,
        bound=bound,
        share=expected_s / total_s,
        pipe=pipe_of(row) if item.pipe is None else item.pipe,
        place=item.place,
    )
