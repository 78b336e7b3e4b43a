"""The ops of one step of a model, run on this machine, beside their limit and expected times.

The ops are those of the estimate; each is timed alone, from cold memory, on random data.
Not here: how an op is run (torch_kernels.py), a served model (engines).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vperf.measure.backend import Backend, CannotRunError, OutOfMemoryError
from vperf.measure.card import Progress
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Op, Step
from vperf.timing.compiled import Compiled, ops_seconds
from vperf.timing.passes import Pass
from vperf.timing.step import Card, OpTime
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class OpMeasurement:
    """One row of the step: all its runs together, as in an estimate."""

    estimate: OpTime
    measured_s: float | None
    why: str = ""
    """Why it was not measured."""


@dataclass(frozen=True, slots=True)
class StepMeasurement:
    """One phase. Sums are over the ops that were measured."""

    name: str
    context_tokens: int
    ops: tuple[OpMeasurement, ...]

    @property
    def measured(self) -> tuple[OpMeasurement, ...]:
        """The rows with a time."""
        return tuple(op for op in self.ops if op.measured_s is not None)

    @property
    def measured_s(self) -> float:
        """Of the ops that were measured, in a row."""
        return sum(op.measured_s or 0.0 for op in self.ops)

    @property
    def limit_s(self) -> float:
        """Of the same ops."""
        return sum(op.estimate.limit_s for op in self.measured)

    @property
    def expected_s(self) -> float:
        """Of the same ops."""
        return sum(op.estimate.expected_s for op in self.measured)

    @property
    def covered(self) -> float:
        """Their share of the expected time of all ops, 0 to 1."""
        every = sum(op.estimate.expected_s for op in self.ops)
        return self.expected_s / every if every else 0.0


@dataclass(frozen=True, slots=True)
class LayerMeasurement:
    """One layer with random weights, all its kernels in a row."""

    layers: int
    """Of this kind in the model."""
    of: int
    """Layers in all."""
    context_tokens: int
    measured_s: float
    expected_s: float
    graph: bool
    left_out: tuple[str, ...]
    """Ops that could not be run: in neither figure."""


def measure_step(
    backend: Backend,
    model: Model,
    step: Step,
    card: Card,
    name: str,
    *,
    progress: Progress = lambda done, total, label: None,
) -> StepMeasurement:
    """Time every op of the step; those that cannot run carry the reason."""
    ops = model.ops(step)
    rows = []
    for number, (op, estimate) in enumerate(
        zip(ops, Compiled(model, card).itemise((Pass(step),)).ops, strict=True)
    ):
        progress(number, len(ops), f"{name}: {op.name}")
        try:
            timing = backend.time([replace(op, count=1)])
            rows.append(OpMeasurement(estimate, op.count * timing.median_s))
        except (CannotRunError, OutOfMemoryError) as error:
            rows.append(OpMeasurement(estimate, None, error.message))
    progress(len(ops), len(ops), "")
    return StepMeasurement(name, step.past, tuple(rows))


def measure_layer(
    backend: Backend, model: Model, step: Step, card: Card, say: Callable[[str], None]
) -> LayerMeasurement | None:
    """Decode through the most frequent layer of the model; None (and said) if nothing of it runs.

    Element-wise kernels are the layer's share of the model's.
    """
    count, kind = max(model.kinds, key=lambda pair: pair[0])
    layers = sum(n for n, _ in model.kinds)
    left_out: list[str] = []
    ops = []
    for op in _layer_ops(model, kind, step, layers):
        try:
            backend.time([op])
            ops.append(op)
        except (CannotRunError, OutOfMemoryError) as error:
            left_out.append(f"{op.name}: {error.message}")
    try:
        measured = backend.time(ops).median_s if ops else 0.0
    except (CannotRunError, OutOfMemoryError) as error:
        say(f"the layer as a whole could not be run: {error.message}")
        return None
    if not measured:
        say("no op of the layer could be run")
        return None
    expected = ops_seconds(ops, card)
    return LayerMeasurement(
        count, layers, step.past, measured, expected, backend.device.graphs, tuple(left_out)
    )


def _layer_ops(model: Model, kind: LayerKind, step: Step, layers: int) -> Sequence[Op]:
    ops = [op for block in kind.blocks for op in block.ops(step, model.cache)]
    shared = next(op for op in model.ops(step) if op.kind == "elementwise")
    small = replace(
        shared,
        weight_bytes=shared.weight_bytes / layers,
        input_elements=shared.input_elements / layers,
        launches=round(shared.launches / layers),
    )
    return [*ops, small]
