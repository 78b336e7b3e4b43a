"""Answers in notebooks: a pandas DataFrame where pandas is installed, a small HTML table.

Not here: what the columns are (answer.py, explore/), and every other output (report/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import import_module
from typing import Any

from vperf.errors import VperfError


def frame(rows: Iterable[Mapping[str, Any]]) -> Any:
    """Rows as a pandas.DataFrame. Raises VperfError without pandas."""
    try:
        pandas = import_module("pandas")  # optional, and slow to import
    except ImportError:
        raise VperfError(
            "to_frame() needs pandas, which is not installed",
            hint="pip install pandas; or take to_dict()",
        ) from None
    return pandas.DataFrame(list(rows))


def html_table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()
) -> str:
    """A table as HTML; every text is escaped."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head = line(headings, "th")
    body = "".join(line(row, "td") for row in rows)
    below = "".join(f"<p><small>{escape(note)}</small></p>" for note in notes)
    return (
        f"<table><caption><b>{escape(caption)}</b></caption>"
        f"<thead>{head}</thead><tbody>{body}</tbody></table>{below}"
    )
