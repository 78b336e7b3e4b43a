"""The one fitter: which columns of a table have room, and how wide each is.

Numbers are never cut and never wrapped. Where a table is too wide, columns of the highest rank go,
bars before others of their rank; then columns of words are narrowed and their cells fold; where
even that is too wide, the rows are written as "name: value" lines.
Not here: drawing (screen.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vperf.report.document import WORDS, Column

GAP = 2
NARROW = 60
"""Below so many columns no table is drawn."""
_LEAST_WORDS = 12
_EXTRA = 5
"""The rank of bars, and of figures that can be had from others."""
_LONGEST_BAR = 40
_BAR = 10
"""Cells of a bar where there is just room for one."""


class Fitted(NamedTuple):
    """The columns that are shown, by number, with their widths."""

    kept: tuple[int, ...]
    widths: tuple[int, ...]
    dropped: tuple[str, ...]
    """Headings of those that went; extras, whose figures others say, are not named."""
    lines: bool
    """No table at all: "name: value" lines."""


def fitted(columns: Sequence[Column], needed: Sequence[int], width: int) -> Fitted:
    """`needed`: cells that heading and values of each column take, of bars the least."""
    kept = [n for n, column in enumerate(columns) if column.kind != "bar" or needed[n]]
    widths = {n: max(needed[n], columns[n].width) for n in kept}
    for n in kept:
        if columns[n].kind == "bar":
            widths[n] = max(_BAR, columns[n].width)

    def over() -> int:
        return sum(widths[n] for n in kept) + GAP * (len(kept) - 1) - width

    gone: set[int] = set()
    while over() > 0 and any(columns[n].rank for n in kept):
        last = max(kept, key=lambda n: (columns[n].rank, columns[n].kind == "bar", n))
        kept.remove(last)
        gone.add(last)
    words = [n for n in kept if columns[n].kind == "text" and widths[n] > _LEAST_WORDS]
    while over() > 0 and words:
        widest = max(words, key=widths.__getitem__)
        if widths[widest] <= _LEAST_WORDS:
            break
        widths[widest] -= 1
    bars = [n for n in kept if columns[n].kind == "bar"]
    for n in bars:
        widths[n] = min(_LONGEST_BAR, widths[n] + max(0, -over()) // len(bars))
    dropped = (columns[n].heading for n in sorted(gone) if columns[n].rank < _EXTRA)
    return Fitted(
        tuple(kept),
        tuple(widths[n] for n in kept),
        tuple(name for name in dropped if name),
        lines=width < NARROW or over() > 0,
    )


def is_number(column: Column) -> bool:
    """Whether its cells stand at the right and stay whole."""
    return column.kind not in WORDS
