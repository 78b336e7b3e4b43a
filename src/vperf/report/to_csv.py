"""Rows as CSV: SI base units, floats unrounded; the first row's keys are the head.

Names come from strangers: their control, bidi and zero-width characters are replaced, and what a
spreadsheet would take for a formula begins with an apostrophe, which it takes for text.
Not here: which rows (the report files); what is no row is in the JSON (to_json.py).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from typing import Any

from vperf.report.format import clean

_FORMULA = ("=", "+", "-", "@")


def lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Flat rows of the same keys, line by line; the first line comes with the head."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head: list[str] | None = None
    for row in rows:
        if head is None:
            head = list(row)
            writer.writerow([_cell(name) for name in head])
        writer.writerow([_cell(row[name]) for name in head])
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return "" if value is None else value
    text = clean(value)
    return f"'{text}" if text != "-" and text.lstrip().startswith(_FORMULA) else text
