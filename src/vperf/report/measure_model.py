"""What is said of a model whose ops were measured, beside limit and expected.

Not here: measuring (measure/step.py), a card (measure_card.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vperf.hardware.gpu import Gpu
from vperf.measure.step import LayerMeasurement, OpMeasurement, StepMeasurement
from vperf.report.document import (
    Block,
    Bullets,
    Column,
    Headline,
    Prose,
    Row,
    Span,
    Table,
    Text,
)
from vperf.report.format import clean, percent, plural, seconds
from vperf.report.forms import Report
from vperf.report.measure_card import SCHEMA
from vperf.report.names import short_model
from vperf.report.notes import note_blocks
from vperf.values import dataclass
from vperf.version import __version__


@dataclass(frozen=True, slots=True)
class ModelRun:
    """What `vperf measure --model` measured, and on what."""

    model: str
    gpu: Gpu
    engine: str
    device: str
    batch_size: int
    phases: tuple[StepMeasurement, ...]
    layer: LayerMeasurement | None
    notes: tuple[str, ...]


def model_report(run: ModelRun) -> Report:
    """What was measured of a model's ops, in every form."""
    return Report(
        lambda: _model(run),
        lambda: model_to_dict(run),
        lambda: (
            {"phase": phase.name, **_op_to_dict(op)} for phase in run.phases for op in phase.ops
        ),
    )


def _model(run: ModelRun) -> Iterator[Block]:
    yield Headline(_model_headline(run))
    yield Prose(
        f"Each op alone on {clean(run.device)}, random data, cold memory; "
        f"batch {run.batch_size:,}; expected as {clean(run.engine)} on {clean(run.gpu.id)}.",
        "aside",
        tight=True,
    )
    for phase in run.phases:
        yield _phase(phase)
    if run.layer:
        yield from _layer(run.layer)
    yield Bullets(_not_measured(run.phases), "Not measured")
    yield Bullets(tuple(map(clean, run.notes)), "Notes", when="full")
    yield from note_blocks(run.gpu.assumptions)


def _model_headline(run: ModelRun) -> Text:
    name = f"{short_model(run.model)} on {clean(run.gpu.id)}"
    parts = [
        f"{phase.name} ops {seconds(phase.measured_s)} measured, "
        f"{seconds(phase.expected_s)} expected"
        for phase in run.phases
        if phase.measured
    ]
    if not parts and run.layer:
        parts = [f"one layer {seconds(run.layer.measured_s)} measured"]
    return (Span(name, "strong"), f": {'; '.join(parts) or 'no op could be measured'}.")


_PHASE_COLUMNS = (
    Column("op"),
    Column("measured", "time", strong=True),
    Column("limit", "time"),
    Column("expected", "time"),
    Column("of limit", "share"),
    Column("of expected", "share"),
    Column("shape", rank=4),
)


def _phase(phase: StepMeasurement) -> Table:
    cached = phase.context_tokens
    where = f" with {plural(cached, 'token')} in the cache" if cached else ""
    share = "" if phase.covered > 0.9995 else f" ({percent(phase.covered, 1)})"
    total = Row(
        (
            f"measured{share}", seconds(phase.measured_s), seconds(phase.limit_s),
            seconds(phase.expected_s), _ratio(phase.limit_s, phase.measured_s),
            _ratio(phase.expected_s, phase.measured_s), "",
        ),
        "strong",
    )  # fmt: skip
    title = f"{phase.name.capitalize()}{where}, op by op"
    return Table(_PHASE_COLUMNS, (*map(_op_row, phase.ops), total), title)


def _op_row(op: OpMeasurement) -> Row:
    row, taken = op.estimate, op.measured_s
    name = clean(row.name) if row.count == 1 else f"{row.count:,} x {clean(row.name)}"
    return Row(
        (
            name,
            "-" if taken is None else seconds(taken),
            seconds(row.limit_s),
            seconds(row.expected_s),
            "-" if taken is None else _ratio(row.limit_s, taken),
            "-" if taken is None else _ratio(row.expected_s, taken),
            clean(row.shape),
        )
    )


def _ratio(other: float, measured: float) -> str:
    return percent(other / measured) if measured > 0 else "-"


def _layer(layer: LayerMeasurement) -> Iterator[Block]:
    how = "one CUDA graph" if layer.graph else "run eagerly: no graphs here"
    yield Prose(
        f"One whole layer ({layer.layers} of {layer.of} are such), {how}, decode with "
        f"{plural(layer.context_tokens, 'token')} in the cache: {seconds(layer.measured_s)} "
        f"measured, {seconds(layer.expected_s)} expected of its ops "
        f"({_ratio(layer.expected_s, layer.measured_s)})."
    )
    yield Bullets(tuple(f"not in it: {clean(line)}" for line in layer.left_out), tight=True)


def _not_measured(phases: Sequence[StepMeasurement]) -> tuple[str, ...]:
    """Each reason once, with the ops it holds for."""
    reasons: dict[str, dict[str, None]] = {}
    for phase in phases:
        for op in phase.ops:
            if op.measured_s is None:
                reasons.setdefault(op.why, {})[f"{op.estimate.name} ({phase.name})"] = None
    return tuple(f"{', '.join(map(clean, names))}: {clean(why)}" for why, names in reasons.items())


def model_to_dict(run: ModelRun) -> dict[str, Any]:
    """The JSON answer: SI base units; times of all runs of an op together."""
    return {
        "schema": SCHEMA,
        "vperf_version": __version__,
        "model": run.model,
        "gpu": run.gpu.id,
        "device": run.device,
        "engine": run.engine,
        "batch_size": run.batch_size,
        "phases": [
            {
                "name": phase.name,
                "context_tokens": phase.context_tokens,
                "measured_s": phase.measured_s,
                "limit_s": phase.limit_s,
                "expected_s": phase.expected_s,
                "covered": phase.covered,
                "ops": [_op_to_dict(op) for op in phase.ops],
            }
            for phase in run.phases
        ],
        "layer": asdict(run.layer) if run.layer else None,
        "notes": list(run.notes),
        "assumptions": list(run.gpu.assumptions),
    }


def _op_to_dict(op: OpMeasurement) -> Mapping[str, Any]:
    row = op.estimate
    return {
        "name": row.name,
        "kind": row.kind,
        "count": row.count,
        "shape": row.shape,
        "measured_s": op.measured_s,
        "limit_s": row.limit_s,
        "expected_s": row.expected_s,
        "not_measured": op.why or None,
    }
