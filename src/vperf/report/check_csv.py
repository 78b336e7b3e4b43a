"""Graded results as CSV: a row a figure, SI base units, floats unrounded.

Not here: waterfalls, suspects and bars, which one JSON object holds.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, fields
from io import StringIO

from vperf.checks.check import Check
from vperf.checks.grade import Metric

COLUMNS = (
    "source", "label", "model", "gpu", "gpus",
    *("metric" if field.name == "name" else field.name for field in fields(Metric)),
    "before", "faster",
)  # fmt: skip


def render(checks: Sequence[Check]) -> str:
    """Every figure of every result; `before` and `faster` are empty without a baseline."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for check in checks:
        model, gpu = check.estimate.model.id, check.estimate.gpu
        changes = {each.metric: each for each in check.drift.changes} if check.drift else {}
        for metric in check.metrics:
            change = changes.get(metric.name)
            writer.writerow(
                (
                    check.source, check.result.label, model, gpu.id, gpu.count, *astuple(metric),
                    *((change.before, change.faster) if change else ("", "")),
                )
            )  # fmt: skip
    return out.getvalue()
