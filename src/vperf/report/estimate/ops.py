"""The ops of a step: a table for each phase, and rows for CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from vperf.answer import Estimate
from vperf.report.document import Bar, Column, Row, Span, Table
from vperf.report.estimate.speed_table import share_of_limit
from vperf.report.format import clean, number, percent, plural, seconds, size, work
from vperf.timing.step import OpTime, PhaseTimes

OP_COLUMNS = (
    Column("op"),
    Column("compute", "time"),
    Column("memory", "time"),
    Column("expected", "time", strong=True),
    Column("bound", "bound"),
    Column("share", "share"),
    Column("limit", "time", rank=2),
    Column("of limit", "share", rank=2),
    Column("shape", rank=3),
    Column("FLOPs", "count", rank=4),
    Column("bytes", "memory", rank=4),
    Column("FLOP/byte", "count", rank=4),
    Column("", "bar", rank=5),
)


def op_table(name: str, phase: PhaseTimes) -> Table:
    """A row an op with both its times, then the host's, then the step; link time under memory."""
    return Table(OP_COLUMNS, tuple(_op_rows(phase)), op_title(name, phase))


def op_title(name: str, phase: PhaseTimes) -> str:
    """ "Decode with 1,088 tokens in the cache, op by op"."""
    cached = f" with {plural(phase.context_tokens, 'token')} in the cache"
    return f"{name}{cached if phase.context_tokens else ''}, op by op"


def _op_rows(phase: PhaseTimes) -> Iterator[Row]:
    for op in phase.ops:
        bound = op.bound
        link = bound == "link"
        second = op.limit_s if link else op.memory_s
        tone = "link" if link else "memory" if bound == "memory" else ""
        yield Row(
            (
                clean(op.name) if op.count == 1 else f"{op.count:,} x {clean(op.name)}",
                Span(seconds(op.compute_s), "compute" if bound == "compute" else ""),
                Span(seconds(second), tone),  # type: ignore[arg-type]
                seconds(op.expected_s),
                bound,
                percent(op.share, 1),
                seconds(op.limit_s),
                share_of_limit(op.limit_s / op.expected_s) if op.expected_s > 0 else "-",
                clean(op.shape),
                work(op.flops),
                size(op.bytes),
                _intensity(op.flops, op.bytes),
                Bar(((op.share, bound),)),
            )
        )
    host = phase.overhead_s / phase.expected_s if phase.expected_s > 0 else 0.0
    yield Row(
        ("overhead", "-", "-", seconds(phase.overhead_s), "host", percent(host, 1), "-", "-",
         "host time per step", "-", "-", "-", Bar(((host, ""),)))
    )  # fmt: skip
    flops, moved = sum(op.flops for op in phase.ops), sum(op.bytes for op in phase.ops)
    yield Row(
        (
            "total",
            seconds(sum(op.compute_s for op in phase.ops)),
            seconds(sum(op.memory_s for op in phase.ops)),
            seconds(phase.expected_s),
            phase.bound,
            percent(1.0, 1),
            seconds(phase.limit_s),
            share_of_limit(phase.limit_s / phase.expected_s) if phase.expected_s > 0 else "-",
            "",
            work(flops),
            size(moved),
            _intensity(flops, moved),
            "",
        ),
        "strong",
    )


def _intensity(flops: float, moved: float) -> str:
    return number(flops / moved) if flops > 0 and moved > 0 else "-"


def op_lines(answer: Estimate) -> Iterator[dict[str, Any]]:
    """The ops of both phases for CSV; each phase ends with its overhead, so that it adds up."""
    names = [field.name for field in fields(OpTime)]
    for name, phase in (("prefill", answer.prefill), ("decode", answer.decode)):
        for op in phase.ops:
            yield {"phase": name, **op.to_dict()}
        share = phase.overhead_s / phase.expected_s if phase.expected_s > 0 else 0.0
        rest = {
            **dict.fromkeys(names, 0.0), "name": "overhead", "kind": "overhead", "count": 1,
            "shape": "", "expected_s": phase.overhead_s, "bound": "host", "share": share,
            "pipe": "", "of_limit": 0.0,
        }  # fmt: skip
        yield {"phase": name, **rest}
