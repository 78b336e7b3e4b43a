"""A screen as a value: what is said, in order, and nothing of how it looks.

A report file (compare.py, sweep.py, ...) makes one Document of its answer; a writer (screen.py,
markdown.py, html.py) draws any. A column says what its cells are (`kind`) and how soon it may go
where there is no room (`rank`); a span says what it means (`tone`), never its colour.

    Document = blocks in order; those of a stream are made while the ones before are written
    when     = "always"; "full": with -v, in pipes and files; "short": on a terminal without -v

NamedTuples and not dataclasses: a start makes these classes, at a tenth of the time.
Not here: which columns have room (columns.py), numbers as text (format.py), colours (screen.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from vperf.report.chart import Chart

When = Literal["always", "full", "short"]
Tone = Literal[
    "", "good", "bad", "warn", "aside", "strong", "command", "pass", "fail",
    "compute", "memory", "link",
]  # fmt: skip
"""What a text means. "aside" is said elsewhere too, or of no weight; the last three are bounds."""
Kind = Literal[
    "text", "count", "time", "rate", "share", "memory", "money", "bound", "verdict", "fits",
    "basis", "bar",
]  # fmt: skip
WORDS: frozenset[Kind] = frozenset(("text", "bound", "verdict", "basis", "bar"))
"""Kinds that stand at the left; the others are numbers, at the right and never cut."""
FAILS, HOLDS = "\N{BALLOT X}", "\N{CHECK MARK}"
"""Before what does not fit or fails, and before what holds: colour never says it alone."""


class Span(NamedTuple):
    """Text of one meaning."""

    text: str
    tone: Tone = ""


class Bar(NamedTuple):
    """Parts side by side on an axis from 0 to 1, the first of them from `start` on."""

    parts: tuple[tuple[float, Tone], ...]
    start: float = 0.0
    cells: int = 0
    """Its length in a line of text; 0: its column has the width."""


class Range(NamedTuple):
    """Where a range and its middle stand between 0 and the limit, which is 1."""

    low: float
    middle: float
    high: float


Piece = str | Span | Bar
Text = str | tuple[Piece, ...]
Cell = str | Span | Bar | Range


class Column(NamedTuple):
    """What a column of a table holds."""

    heading: str
    kind: Kind = "text"
    rank: int = 0
    """Where there is no room the highest rank goes first; 0 never goes."""
    strong: bool = False
    """The figure that the table is about, or that its rows are in the order of."""
    width: int = 0
    """At least so many cells, where the rows come later."""


class Row(NamedTuple):
    """Cells in the order of the columns."""

    cells: tuple[Cell, ...]
    tone: Tone = ""
    detail: bool = False
    """Not in the short form."""


class Headline(NamedTuple):
    """Line 1: the answer."""

    text: Text
    when: When = "always"
    tight: bool = False


class Prose(NamedTuple):
    """A paragraph; `tight` blocks have no empty line before them."""

    text: Text
    tone: Tone = ""
    when: When = "always"
    tight: bool = False


class Table(NamedTuple):
    """Rows under columns, read once: they may be an iterator that computes them."""

    columns: tuple[Column, ...]
    rows: Iterable[Row]
    title: str = ""
    when: When = "always"
    tight: bool = False
    short: int = 0
    """Rows that the short form shows of many; 0: all."""


class Facts(NamedTuple):
    """Names and what they are."""

    rows: tuple[tuple[str, Text], ...]
    title: str = ""
    when: When = "always"
    tight: bool = False


class Bullets(NamedTuple):
    """Items one below another, each after the same mark."""

    items: tuple[Text, ...]
    title: str = ""
    mark: str = "-"
    tone: Tone = ""
    when: When = "always"
    tight: bool = False


class Shell(NamedTuple):
    """Commands to copy, each as words that stay whole."""

    title: str
    commands: tuple[tuple[str, ...], ...]
    when: When = "full"
    tight: bool = False


class Sum(NamedTuple):
    """Equations: a name, the left side, the right side."""

    title: str
    rows: tuple[tuple[str, str, str], ...]
    when: When = "always"
    tight: bool = False


class Plot(NamedTuple):
    """A chart, where the writer can draw one."""

    chart: Chart
    key: bool = True
    when: When = "always"
    tight: bool = False


Block = Headline | Prose | Table | Facts | Bullets | Shell | Sum | Plot
Document = Iterable[Block]


def pieces(text: Text) -> Iterator[Span | Bar]:
    """A text as spans and bars."""
    if isinstance(text, str):
        yield Span(text)
    else:
        for each in text:
            yield Span(each) if isinstance(each, str) else each


def plain(text: Text) -> str:
    """The words of a text; its bars say nothing that the words do not."""
    return "".join(each.text for each in pieces(text) if isinstance(each, Span))


def words_of(cell: Cell) -> str:
    """The same of a cell."""
    if isinstance(cell, Span):
        return cell.text
    return cell if isinstance(cell, str) else ""


def shown(document: Document, *, full: bool) -> Iterator[Block]:
    """The blocks of one of the two forms; empty ones are left out."""
    hidden = "short" if full else "full"
    for block in document:
        empty = (
            (isinstance(block, Facts) and not block.rows)
            or (isinstance(block, Bullets) and not block.items)
            or (isinstance(block, Shell) and not block.commands)
        )
        if block.when != hidden and not empty:
            yield block
