"""Model -> rows: the work of a step before the step is known, divided over the ranks.

A block is called with Symbols in a step's place and gives rows whose quantities are affine in
coordinates of a step. What picks rows instead of scaling them (the decode kernel, MLA's cheaper
form) is a test of the step; rows are made once for each set of outcomes that a step is met with.
Not here: which coordinates and tests there are (ops.py, blocks/), time (timing/).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from vperf.formats import BF16
from vperf.model.affine import Affine, Coordinate, Q, View
from vperf.model.context import of_context, reads_apart
from vperf.model.divide import Parallel, collective, share
from vperf.model.ops import (
    Coordinates,
    Op,
    Row,
    Step,
    Work,
    matmul,
    outputs,
    sequences,
    starts,
    tokens,
)

if TYPE_CHECKING:
    from vperf.model.blocks.base import Block
    from vperf.model.model import Model


class Test(NamedTuple):
    """A test that decides which rows there are, and of which view of the step."""

    test: Callable[..., bool]
    of: tuple[Hashable, ...]
    views: tuple[View, ...]

    def outcome(self, step: Step) -> bool:
        """Of a step."""
        for view, of in self.views:
            step = view(step, *of)
        return self.test(step, *self.of)


class Symbols:
    """Any step that passes the same tests as `sample`; `tests` gathers those it was asked for."""

    __slots__ = ("_sample", "_tests", "_views")

    def __init__(self, sample: Step, tests: dict[Test, None], views: tuple[View, ...] = ()) -> None:
        self._sample, self._tests, self._views = sample, tests, views

    @property
    def batch(self) -> Affine:
        """Sequences."""
        return self.fact(sequences)

    @property
    def tokens(self) -> Affine:
        """New tokens of all sequences."""
        return self.fact(tokens)

    def fact(self, function: Callable[..., float], *of: Hashable) -> Affine:
        """The coordinate that `function` is."""
        return Affine({Coordinate(function, of, self._views): 1.0})

    def case(self, test: Callable[..., bool], *of: Hashable) -> bool:
        """The outcome for the sample, which is kept in mind."""
        self._tests[Test(test, of, self._views)] = None
        return test(self._sample, *of)

    def seen_as(self, view: Callable[..., Step], *of: Hashable) -> Symbols:
        """What `view` makes of the step."""
        views = (*self._views, (view, of))
        return Symbols(view(self._sample, *of), self._tests, views)


Placed = tuple[Hashable, Row]
"""A row, and the block (or the end of the model) that it is of; its count is of all layers."""


class RowTable:
    """The rows of a model, made when a step first needs them."""

    __slots__ = ("_made", "_model", "_plain", "_tests", "_together")

    def __init__(self, model: Model) -> None:
        self._model = model
        self._tests: dict[Test, None] = {}
        self._plain: tuple[tuple[Callable[..., bool], tuple[Hashable, ...]], ...] = ()
        """The tests, if they are of the step itself."""
        self._made: dict[tuple[bool, ...], tuple[Placed, ...]] = {}
        self._together: dict[tuple[bool, ...], tuple[Row, ...]] = {}

    def key(self, step: Step) -> tuple[bool, ...]:
        """Steps of equal keys have equal rows, once each has been asked for."""
        if self._plain:
            return tuple([test(step, *of) for test, of in self._plain])
        return tuple([test.outcome(step) for test in self._tests])

    def together(self, step: Step) -> tuple[Row, ...]:
        """The rows of a step, equal ones of all layers as one with a count."""
        found = self._together.get(self.key(step))
        if found is None:
            rows = together(self.of(step))
            found = self._together[self.key(step)] = rows
        return found

    def of(self, step: Step) -> tuple[Placed, ...]:
        """The rows of a step of one attention group (Parallel.local)."""
        found = self._made.get(self.key(step))
        if found is None:
            tests: dict[Test, None] = {}
            rows = tuple(work_of(self._model, Symbols(step, tests)))
            if tests.keys() - self._tests.keys():
                self._tests.update(tests)
                plain = not any(test.views for test in self._tests)
                self._plain = tuple((t.test, t.of) for t in self._tests) if plain else ()
                self._made.clear()  # their keys say too little
                self._together.clear()
            found = self._made[self.key(step)] = rows
        return found

    def numbers(self, step: Step) -> tuple[Op, ...]:
        """The same rows as numbers, layer kind by layer kind."""
        return tuple(row_at(row, step) for _, row in self.of(step))


def together(rows: Iterable[Placed]) -> tuple[Row, ...]:
    """Equal rows of all layers as one row with a count, in order of first appearance."""
    counts: dict[Row, int] = {}
    for _, row in rows:
        one = row if row.count == 1 else replace(row, count=1)
        counts[one] = counts.get(one, 0) + row.count
    return tuple(replace(row, count=count) for row, count in counts.items())


def row_at(row: Row, step: Step) -> Op:
    """The numbers of a row in a step of one attention group."""
    return op_at(row, lambda at: at.value(step))


def op_at(row: Row, value: Callable[[Coordinate], float]) -> Op:
    """The numbers of a row where each coordinate has the `value`."""

    def number(quantity: Affine | float) -> float:
        return quantity.at(value) if isinstance(quantity, Affine) else quantity

    return Work(
        row.name, row.kind, number(row.flops), row.format, number(row.weight_bytes),
        number(row.cache_bytes), number(row.input_elements), number(row.output_elements),
        tuple([x if isinstance(x, int) else round(number(x)) for x in row.shape]),
        row.count, row.split, row.decode, number(row.score_pairs), number(row.queries),
        number(row.edges), number(row.band), number(row.blocks), row.launches,
        None if row.least_bytes is None else number(row.least_bytes),
        None if row.popular_bytes is None else number(row.popular_bytes), row.modules,
        None if row.least_flops is None else number(row.least_flops), row.of_keys, row.sinks,
        number(row.encoded_elements), row.adapts,
    )  # fmt: skip


def work_of(model: Model, step: Coordinates[Q]) -> Iterator[tuple[Hashable, Work[Q]]]:
    """The work of one GPU in a step of its attention group: numbers of a Step, rows of Symbols."""
    first = bool(model.encoder) and step.case(starts)
    if first:
        for number, (count, block) in enumerate(model.encoder_blocks):
            for work in _shares(model, block, step):
                yield ("encoder", number), replace(work, count=count)
    for number, (count, block) in enumerate(model.decoder_blocks):
        for work in _shares(model, block, step):
            yield ("decoder", number), replace(work, count=count)
    if model.head:
        # Only the last position of each prompt goes through it (vLLM, SGLang, TRT-LLM).
        for work in matmul("lm_head", (model.head,), step.fact(outputs), adapts=False):
            yield "head", share(work, model.parallel, 1)
    yield "small kernels", _elementwise(model, step, first)


def _shares(model: Model, block: Block, step: Coordinates[Q]) -> Iterator[Work[Q]]:
    """One rank's share of a block, and the collectives that join the shares."""
    ops = block.ops(step, model.cache)
    parallel = model.parallel
    if parallel.gpus == 1 or (block.whole and parallel.prefill == 1):
        yield from ops
        yield from _adapted(model, ops, step)
        return
    joins, apart = block.joins_residual, reads_apart(parallel, step)
    tokens = step.tokens / parallel.prefill if apart else step.tokens
    exchanges: list[Work[Q]] = []
    experts = [work for work in ops if work.kind == "moe"]
    if parallel.data > 1 and experts:
        # Experts serve the tokens of all attention groups: dispatched to them and combined.
        stage = block.ops(step.seen_as(_of_all_groups, parallel.data), model.cache)
        ops = tuple(w if w.kind == "moe" else o for o, w in zip(ops, stage, strict=True))
    groups = parallel.data * (parallel.prefill if apart else 1)
    if groups > 1 and experts:
        exchanges = [_dispatched(next(w for w in ops if w.kind == "moe"), parallel, groups)]
        joins = parallel.tensor > 1
    if parallel.tensor > 1 and block.summed_inside:
        inside = tokens * block.summed_inside
        exchanges.append(collective("norm all-reduce", "allreduce", inside, parallel.tensor))
    # Groups that decode the same tokens have experts of their own.
    ranks = parallel.tensor * (parallel.prefill if experts and groups == 1 else 1)
    if ranks > 1 and joins:
        exchanges.append(collective("all-reduce", "allreduce", tokens * model.hidden, ranks))
    if parallel.prefill * parallel.decode > 1:
        ops, exchanged = of_context(model, block, step, ops)
        exchanges += exchanged
    for work in ops:
        yield work if block.whole else share(work, parallel, block.cache_heads)
    yield from _adapted(model, ops, step)
    yield from exchanges


def _dispatched(experts: Work[Q], parallel: Parallel, groups: int) -> Work[Q]:
    """A token's row to each rank that has some of its experts, once, and the sum of them back; the
    ranks of a tensor group each send a part of their tokens."""
    active, ranks = experts.shape[1], parallel.stage
    copies = min(1.0, ranks / active) / (groups * parallel.tensor)
    moved = experts.input_elements * (2 * copies)
    return collective("dispatch + combine", "alltoall", moved, ranks)


def _adapted(model: Model, ops: Iterable[Work[Q]], step: Coordinates[Q]) -> Iterable[Work[Q]]:
    if model.lora is None:
        return
    from vperf.model.lora import adapted, adapted_experts  # noqa: PLC0415  (seldom asked for)

    parallel = model.parallel
    yield from adapted(model.lora, ops, step, parallel.tensor)
    everyone = step.seen_as(_of_all_groups, parallel.data) if parallel.data > 1 else step
    for work in ops:
        if work.kind == "moe":
            yield from adapted_experts(
                model.lora, work, everyone, parallel.expert, parallel.expert_ways
            )


def _of_all_groups(step: Step, groups: int) -> Step:
    return step._replace(batch=step.batch * groups)


def _elementwise(model: Model, step: Coordinates[Q], encodes: bool) -> Work[Q]:
    """Norms, residual adds, rotary, activations: their vectors are the last bit of weight."""
    elements, launches, vectors = model.decoder_small_kernels
    both_ways, in_encoder = model.encoded_elements
    if encodes:  # the encoder reads the prompt, the decoder starts
        of_encoder, more, others = model.encoder_small_kernels
        moved = step.tokens * of_encoder + step.batch * elements
        launches, vectors = launches + more, vectors + others
    else:
        moved = step.tokens * elements
    if reads_apart(model.parallel, step):
        moved = moved / model.parallel.prefill
    return Work(
        "norms, rotary, activation",
        "elementwise",
        0.0,
        BF16,
        weight_bytes=model.vector_bytes * vectors,
        input_elements=moved,
        launches=float(launches),
        encoded_elements=step.tokens * (both_ways + (in_encoder if encodes else 0.0)),
    )
