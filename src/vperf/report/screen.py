"""A Document for a person, laid out by rich: on a terminal, and the same in a pipe without escapes.

16 ANSI colours, so that the user's theme decides, never bright black, and never colour alone.
Data is never markup: all of it passes `clean` and becomes a rich Text. Tables of many rows are
written piece by piece, at the widths that their first rows have.

The only importer of rich. Not here: which columns have room (columns.py), what is said (the report
files), whether a stream has colours (cli/output.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from io import StringIO
from itertools import chain, islice
from typing import Literal, NamedTuple, assert_never

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text as RichText

from vperf.report.columns import Fitted, fitted, is_number
from vperf.report.commands import folded
from vperf.report.document import (
    Bar,
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Facts,
    Headline,
    Kind,
    Plot,
    Prose,
    Range,
    Row,
    Shell,
    Span,
    Sum,
    Table,
    Text,
    Tone,
    pieces,
    shown,
    words_of,
)
from vperf.report.format import ASCII, clean

_LONG = 200
"""Rows from which a table is written in pieces: rich lays out no row before it has all of them."""
_PIECE = 50
_MAX_PROSE = 100
_PLOT = 80
"""Columns that a plot needs."""
_LINE_BAR = 20

_TONES: dict[Tone, str] = {
    "": "", "good": "bold green", "bad": "bold red", "warn": "yellow", "aside": "dim",
    "strong": "bold", "command": "green", "pass": "bold reverse green",
    "fail": "bold reverse red", "compute": "magenta", "memory": "cyan", "link": "blue",
}  # fmt: skip
_WORDS: dict[Kind, dict[str, str]] = {
    "bound": {"compute": "magenta", "memory": "cyan", "link": "blue"},
    "verdict": {
        "good": "green", "better": "green", "slow": "bold yellow", "impossible": "bold red",
    },
    "basis": {"generic": "yellow"},
}  # fmt: skip
"""Words of a kind, looked up whole."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STACK, _STACK_ASCII = ("█▓▒░", "·"), ("#=+:", ".")
"""What tells the parts of a bar apart, colour or not, and what is free."""
_AXIS, _AXIS_ASCII = ("─", "━", "●"), ("-", "=", "o")
_PLAIN_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)

_GLUE = "\ue000"
"""Takes the place of a space that no line breaks at; `clean` lets none of data through."""
_NUMBER_AND_UNIT = re.compile(
    r"(?<=\d) (?=(?:[kMGTP]?i?B|[mnµu]?s|tok/s|output tok/s|[kMGT]B/s|TFLOPS|%)(?!\w))"
)
_END = re.compile(r"(?: |\x1b\[[\d;]*m)+$")


class Look(NamedTuple):
    """What the reader's side can show."""

    width: int = 80
    full: bool = True
    """All blocks; else the short form."""
    styles: Literal["none", "plain", "color"] = "none"
    """plain: bold and dim, without a colour."""
    ascii: bool = False


def render(document: Document, look: Look) -> str:
    """The whole screen as one string."""
    return "".join(parts(document, look))


def parts(document: Document, look: Look) -> Iterator[str]:
    """The screen in parts that end in a line's end, each as soon as it is known."""
    return _Writer(look).parts(document)


class _Writer:
    def __init__(self, look: Look) -> None:
        self._look = look
        self._file = StringIO()
        self._console = Console(
            file=self._file,
            width=look.width,
            color_system=None if look.styles == "none" else "standard",
            force_terminal=look.styles != "none",
            no_color=look.styles != "color",
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
            _environ={},
        )
        self._dropped: dict[str, None] = {}

    def parts(self, document: Document) -> Iterator[str]:
        first = True
        for block in shown(document, full=self._look.full):
            if not (first or block.tight):
                yield "\n"
            first = False
            yield from self._block(block)
        if self._dropped:
            names = ", ".join(self._dropped)
            text = f"not shown at {self._look.width} columns: {names} (--csv has all figures)"
            if self._look.full:
                yield "\n"
            yield from self._prose(text, "aside")

    def _block(self, block: Block) -> Iterator[str]:
        match block:
            case Headline():
                yield from self._prose(block.text, "")
            case Prose():
                yield from self._prose(block.text, block.tone)
            case Table():
                yield from self._table(block)
            case Facts():
                yield from self._facts(block)
            case Bullets():
                yield from self._bullets(block)
            case Shell():
                yield from self._shell(block)
            case Sum():
                yield from self._sum(block)
            case Plot():
                yield from self._plot(block)
            case _:
                assert_never(block)

    # Text ------------------------------------------------------------------------------------

    def _words(self, text: str) -> str:
        text = clean(text)
        return text.translate(ASCII) if self._look.ascii else text

    def _text(self, text: Text, tone: Tone = "") -> RichText:
        """With numbers glued to their units."""
        made = RichText(style=_TONES[tone])
        for each in pieces(text):
            if isinstance(each, Bar):
                made.append(self._bar(each, each.cells or _LINE_BAR))
            else:
                words = _NUMBER_AND_UNIT.sub(_GLUE, self._words(each.text))
                made.append(words, _TONES[each.tone])
        return made

    def _drawn(self) -> str:
        """What the console has written since; lines end where their text does."""
        text = self._file.getvalue().replace(_GLUE, " ")
        self._file.seek(0)
        self._file.truncate()
        return "".join(f"{_stripped(line)}\n" for line in text.splitlines())

    def _print(self, what: RichText | RichTable | Panel, width: int | None = None) -> str:
        self._console.print(what, width=width)
        return self._drawn()

    def _prose(self, text: Text, tone: Tone, indent: int = 0) -> Iterator[str]:
        made = self._text(text, tone)
        if indent:
            grid = self._grid(indent)
            grid.add_row(RichText(""), made)
            yield self._print(grid)
        else:
            yield self._print(made, min(self._look.width, _MAX_PROSE))

    def _title(self, title: str, tone: Tone = "strong") -> Iterator[str]:
        if title:
            yield from self._prose(title, tone)

    def _grid(self, first: int, gap: int = 0) -> RichTable:
        """Two columns: a mark or a name, and text that wraps beside it."""
        grid = RichTable.grid(padding=(0, gap, 0, 0), pad_edge=False)
        grid.add_column(width=first, no_wrap=True)
        rest = min(self._look.width, _MAX_PROSE) - first - gap
        grid.add_column(width=max(1, rest - gap * _surplus()), overflow="fold")
        return grid

    # Tables ----------------------------------------------------------------------------------

    def _table(self, block: Table) -> Iterator[str]:
        short = not self._look.full
        rows: Iterator[Row] = (row for row in block.rows if not (short and row.detail))
        yield from self._title(block.title)
        more = 0
        if short and block.short:
            listed = list(rows)
            more, rows = max(0, len(listed) - block.short), iter(listed[: block.short])
        lead = list(islice(rows, _LONG + 1))
        widths = self._needed(block.columns, lead)
        layout = fitted(block.columns, widths, self._look.width)
        self._dropped.update(dict.fromkeys(layout.dropped))
        if layout.lines:
            yield from self._records(block.columns, chain(lead, rows))
        elif len(lead) <= _LONG:
            yield self._drawn_table(block.columns, layout, lead, head=True)
        else:
            yield from self._stream(block.columns, layout, chain(lead, rows))
        if more:
            yield from self._prose(f"{more:,} more: --all", "aside")

    def _needed(self, columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
        """Cells that heading and values of each column take; of a bar without values none."""
        found = []
        for number, column in enumerate(columns):
            if column.kind == "bar":
                drawn = any(isinstance(row.cells[number], Bar | Range) for row in rows)
                found.append(int(drawn))
                continue
            texts = [column.heading, *(words_of(row.cells[number]) for row in rows)]
            found.append(max(RichText(self._words(text)).cell_len for text in texts))
        return found

    def _stream(
        self, columns: Sequence[Column], layout: Fitted, rows: Iterable[Row]
    ) -> Iterator[str]:
        """A piece as soon as it is there; a wider number widens its column from there on."""
        rows, head = iter(rows), True
        while piece := list(islice(rows, _PIECE)):
            needed = self._needed(columns, piece)
            widths = tuple(
                max(width, needed[n]) for n, width in zip(layout.kept, layout.widths, strict=True)
            )
            layout = layout._replace(widths=widths)
            yield self._drawn_table(columns, layout, piece, head=head)
            head = False

    def _drawn_table(
        self, columns: Sequence[Column], layout: Fitted, rows: Iterable[Row], *, head: bool
    ) -> str:
        table = RichTable(
            box=_PLAIN_HEAD if self._look.ascii else box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            show_header=head and any(columns[n].heading for n in layout.kept),
            header_style="bold",
        )
        for number, width in zip(layout.kept, layout.widths, strict=True):
            column = columns[number]
            table.add_column(
                RichText(self._words(column.heading)),
                justify="right" if is_number(column) else "left",
                width=width - _surplus() * (number == layout.kept[-1]),
                no_wrap=is_number(column),
                overflow="fold",
            )
        for row in rows:
            cells = (
                self._cell(row.cells[n], columns[n], width)
                for n, width in zip(layout.kept, layout.widths, strict=True)
            )
            table.add_row(*cells, style=_TONES[row.tone])
        self._console.print(table, crop=False)
        return self._drawn()

    def _cell(self, cell: Cell, column: Column, width: int) -> RichText:
        if isinstance(cell, Bar):
            return self._bar(cell, width)
        if isinstance(cell, Range):
            return self._range(cell, width)
        text, tone = (cell.text, cell.tone) if isinstance(cell, Span) else (cell, "")
        style = _TONES[tone] or _WORDS.get(column.kind, {}).get(text, "")
        if column.strong and not style:
            style = "bold"
        return RichText(self._words(text), style)

    def _records(self, columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[str]:
        """Rows one below another, a line a figure."""
        for number, row in enumerate(rows):
            if number:
                yield "\n"
            for column, cell in zip(columns, row.cells, strict=True):
                words = words_of(cell)
                if not words or column.kind == "bar":
                    continue
                name = f"{column.heading}: " if column.heading else ""
                tone: Tone = "strong" if not name else cell.tone if isinstance(cell, Span) else ""
                yield from self._prose((name, Span(words, tone)), row.tone)

    # Bars ------------------------------------------------------------------------------------

    def _bar(self, bar: Bar, cells: int) -> RichText:
        glyphs, free = _STACK_ASCII if self._look.ascii else _STACK
        if len(bar.parts) == 1:
            return self._simple_bar(bar, cells)
        made, left = RichText(), cells
        waiting = sum(share > 0 for share, _ in bar.parts)
        for (share, tone), glyph in zip(bar.parts, glyphs, strict=False):
            if share <= 0:
                continue
            waiting -= 1  # each of the others has a cell
            count = min(left - waiting, max(1, round(share * cells)))
            made.append(glyph * count, _TONES[tone])
            left -= count
        made.append(free * left, "dim")
        return made

    def _simple_bar(self, bar: Bar, cells: int) -> RichText:
        ((share, tone),) = bar.parts
        before = min(cells, int(max(0.0, bar.start) * cells))
        length = min(max(0.0, share) * cells, cells - before)
        whole = int(length)
        if self._look.ascii:
            text = "#" * max(round(length), int(share > 0 and before < cells))
        else:
            part = int((length - whole) * 8)
            text = "█" * whole + (_EIGHTHS[part] if part else "")
            text = text or ("▏" if share > 0 and before < cells else "")
        return RichText(" " * before).append(text, _TONES[tone])

    def _range(self, span: Range, cells: int) -> RichText:
        line, thick, dot = _AXIS_ASCII if self._look.ascii else _AXIS
        low, middle, high = (
            min(cells - 1, max(0, int(value * cells)))
            for value in (min(span.low, span.high), span.middle, max(span.low, span.high))
        )
        made = RichText()
        for place in range(cells):
            if place == middle:
                made.append(dot, "bold green")
            elif low <= place <= high:
                made.append(thick, "green")
            else:
                made.append(line, "dim")
        return made

    # The rest --------------------------------------------------------------------------------

    def _facts(self, block: Facts) -> Iterator[str]:
        yield from self._title(block.title)
        rows = [row for row in block.rows if row[1]]
        if not rows:
            return
        names = [self._words(name) for name, _ in rows]
        if self._look.width < _MAX_PROSE // 2:
            for name, text in zip(names, (row[1] for row in rows), strict=True):
                label: Text = (Span(f"{name}: "), *pieces(text)) if name else text
                yield from self._prose(label, "")
            return
        grid = self._grid(max(map(len, names)), gap=2)
        for name, (_, text) in zip(names, rows, strict=True):
            grid.add_row(RichText(name, "bold"), self._text(text))
        yield self._print(grid)

    def _bullets(self, block: Bullets) -> Iterator[str]:
        yield from self._title(block.title)
        mark = self._words(block.mark)
        grid = self._grid(len(mark) + 1)
        for item in block.items:
            grid.add_row(RichText(mark, _TONES[block.tone]), self._text(item))
        yield self._print(grid)

    def _shell(self, block: Shell) -> Iterator[str]:
        yield from self._title(block.title)
        for command in block.commands:
            for line in folded([self._words(word) for word in command], self._look.width):
                # Whole, however wide: a cut command cannot be copied.
                self._console.print(RichText(line, "green"), crop=False, soft_wrap=True)
        yield self._drawn()

    def _sum(self, block: Sum) -> Iterator[str]:
        rows = [tuple(self._words(each) for each in row) for row in block.rows]
        name, left = (max(len(row[side]) for row in rows) for side in (0, 1))
        lines = [f"{row[0]:<{name}}  {row[1]:<{left}} = {row[2]}" for row in rows]
        if max(map(len, lines)) + 4 > self._look.width:
            for row in rows:
                yield from self._prose((Span(f"{row[0]}: "), f"{row[1]} = {row[2]}"), "")
            return
        frame = box.ASCII if self._look.ascii else box.ROUNDED
        yield self._print(
            Panel(RichText("\n".join(lines)), frame, title=RichText(self._words(block.title)),
                  title_align="left", expand=False)
        )  # fmt: skip

    def _plot(self, block: Plot) -> Iterator[str]:
        from vperf.report.chart_terminal import render_terminal  # noqa: PLC0415  (few draw)

        look = self._look
        if look.width < _PLOT:
            yield from self._prose(
                f"a plot needs {_PLOT} columns, here are {look.width}: -o FILE.svg", "aside"
            )
            return
        yield render_terminal(
            block.chart, look.width, not look.ascii, look.styles == "color", key=block.key
        )


def _stripped(line: str) -> str:
    """A line without the spaces at its end, styled or not."""
    end = _END.search(line)
    if end is None:
        return line
    return line[: end.start()] + ("\x1b[0m" if "\x1b" in end[0] else "")


@cache
def _surplus() -> int:
    """1 where rich, before version 15, widens a last column by a padding that it does not draw."""
    table = RichTable.grid(padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(width=1)
    console = Console(width=9)
    return console.measure(table).maximum - 1
