"""Paragraphs and tables as plain text with a little ANSI: what every screen is made of.

Plain code and not rich, for three reasons: a command starts 25 ms sooner (1.3 instead of 1.6 times
a bare import of typer, pydantic and rich.table), no number is ever cut or wrapped, and data cannot
be taken for markup. Not here: what the screens say.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

MIN_WIDTH = 80
"""Tables never get narrower: a cut number is worse than a line that the terminal wraps."""
_MAX_PROSE = 100
_MIN_FOLD = 12
_GLUE = "\N{NO-BREAK SPACE}"
_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:[kMGTP]?i?B|[mun]?s|tok/s|[kMGT]B/s|TFLOPS|%)(?!\w))")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading ("\\n" stacks), numbers to the right."""

    heading: str
    left: bool = False
    fold: bool = False
    """May be folded to fit the width; all others keep their numbers whole."""


class Page:
    """Collects paragraphs and tables, then gives them as one string."""

    def __init__(self, width: int, color: bool) -> None:
        self.width = max(width, MIN_WIDTH)
        self._lines: list[str] = []
        self._color = color

    def blank(self) -> None:
        """An empty line."""
        self._lines.append("")

    def line(self, text: str, style: str = "") -> None:
        """`text` as it is, on a line of its own."""
        self._lines.append(self._styled(text, style))

    def lines(self, text: str) -> None:
        """Lines that are laid out already, such as a plot."""
        self._lines += text.splitlines()

    def prose(self, text: str, style: str = "", indent: str = "") -> None:
        """`text` wrapped between words, never inside "8.04 GB"; later lines start with `indent`."""
        lines = textwrap.wrap(
            _NUMBER_AND_UNIT.sub(_GLUE, text),
            min(self.width, _MAX_PROSE),
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            self.line(line.replace(_GLUE, " "), style)

    def equations(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Lines "name   left side = right side", aligned."""
        name, left = (max(len(row[side]) for row in rows) for side in (0, 1))
        for row in rows:
            self.line(f"  {row[0]:<{name}}   {row[1]:<{left}} = {row[2]}")

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Lines "name   value", aligned; values wrap under themselves, empty ones are left out."""
        rows = [row for row in rows if row[1]]
        name = max((len(row[0]) for row in rows), default=0)
        for label, value in rows:
            self.prose(f"{label:<{name}}  {value}", indent=" " * (name + 2))

    def section(self, title: str, items: Iterable[str], style: str = "") -> None:
        """A heading and one bullet an item; nothing at all without items."""
        items = tuple(items)
        if not items:
            return
        self.blank()
        self.line(title, f"bold {style}".strip())
        for item in items:
            self.prose(f"- {item}", style, indent="  ")

    def table(
        self,
        columns: Sequence[Column],
        rows: Iterable[Sequence[str]],
        *,
        total: bool = False,
        gap: int = 2,
        above: bool = False,
    ) -> None:
        """A table without borders; with `total`, the last row stands out.

        `above`: where it is too wide, what the first column holds goes on lines of its own.
        """
        body = [[cell.split("\n") for cell in row] for row in rows]
        heads = [column.heading.split("\n") for column in columns]
        widths = [
            max((_cells(line) for cells in (heads, *body) for line in cells[number]), default=0)
            for number in range(len(columns))
        ]
        for number, column in enumerate(columns):
            if column.fold:
                spare = self.width - sum(widths) - gap * (len(widths) - 1)
                widths[number] = max(_MIN_FOLD, widths[number] + min(0, spare))
                for row in body:
                    row[number] = _folded(row[number], widths[number])
        above = above and sum(widths) + gap * (len(widths) - 1) > self.width
        if above:
            widths[0], heads[0] = 0, [""]
        if any(any(lines) for lines in heads):
            self._row(heads, columns, widths, gap, "bold")
        for row in body:
            style = "bold" if total and row is body[-1] else ""
            if above:
                for name in _folded(row[0], self.width):
                    self.line(name, style)
                row[0] = [""]
            self._row(row, columns, widths, gap, style)

    @property
    def filled(self) -> bool:
        """Whether there is a line on it."""
        return bool(self._lines)

    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines) + "\n"

    def _styled(self, text: str, style: str) -> str:
        if not (style and self._color):
            return text
        codes = ";".join(_ANSI[word] for word in style.split())
        return f"\x1b[{codes}m{text}\x1b[0m"

    def _row(
        self,
        row: Sequence[Sequence[str]],
        columns: Sequence[Column],
        widths: Sequence[int],
        gap: int,
        style: str,
    ) -> None:
        for line in range(max(map(len, row))):
            cells = []
            for lines, column, width in zip(row, columns, widths, strict=True):
                text = lines[line] if line < len(lines) else ""
                space = " " * (width - _cells(text))
                cells.append(text + space if column.left else space + text)
            self.line((" " * gap).join(cells).rstrip(), style)


_ANSI = {"bold": "1", "dim": "2", "red": "31", "yellow": "33"}


def _cells(text: str) -> int:
    """Columns that `text` takes on a terminal: East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _folded(lines: Sequence[str], width: int) -> list[str]:
    """Each line broken at `width`, further parts indented as it is."""
    folded: list[str] = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        folded += textwrap.wrap(line, width, subsequent_indent=indent) or [""]
    return folded
