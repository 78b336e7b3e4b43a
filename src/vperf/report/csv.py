"""An estimate as CSV: one row an op of both phases, SI base units, floats unrounded.

Each phase ends with its overhead, so that its `expected_s` adds up to the step. The figures of the
whole answer are not here: they are one JSON object (json.py).
"""

from __future__ import annotations

import csv
from dataclasses import astuple
from io import StringIO

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


def render(answer: Estimate) -> str:
    """The op rows of prefill, then those of one decode step."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
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
            writer.writerow((name, *astuple(op)))
    return out.getvalue()
