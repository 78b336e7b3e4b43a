"""Rows as CSV, SI base units, floats unrounded; of an estimate one row an op of both phases.

Each phase ends with its overhead, so that its `expected_s` adds up to the step. The figures of the
whole answer are not here: they are one JSON object (json.py).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple
from io import StringIO
from typing import Any

from vperf.answer import Estimate
from vperf.timing.step import OpTime

COLUMNS = (
    "phase",
    "name",
    "kind",
    "count",
    "shape",
    "flops",
    "bytes",
    "compute_s",
    "memory_s",
    "limit_s",
    "expected_s",
    "bound",
    "share",
    "pipe",
)


def lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Flat rows of the same keys, line by line; the first line comes with the head."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head: list[str] | None = None
    for row in rows:
        if head is None:
            head = list(row)
            writer.writerow(head)
        writer.writerow([_cell(row[name]) for name in head])
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def render(answer: Estimate) -> str:
    """The op rows of prefill, then those of one decode step."""
    return "".join(lines(_op_rows(answer)))


def _op_rows(answer: Estimate) -> Iterator[dict[str, Any]]:
    for name, phase in (("prefill", answer.prefill), ("decode", answer.decode)):
        share = phase.overhead_s / phase.expected_s if phase.expected_s > 0 else 0.0
        rest = OpTime(
            name="overhead",
            kind="overhead",
            count=1,
            shape="",
            flops=0.0,
            bytes=0.0,
            compute_s=0.0,
            memory_s=0.0,
            limit_s=0.0,
            expected_s=phase.overhead_s,
            bound="latency",
            share=share,
        )
        for op in (*phase.ops, rest):
            yield dict(zip(COLUMNS, (name, *astuple(op)), strict=True))
