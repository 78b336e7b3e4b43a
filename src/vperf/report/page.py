"""Rich, in one place: imported only when a person reads the answer, because it is slow to load.

Data is never parsed for markup, emoji or highlighting: cells are `Text`, paragraphs plain strings.
Not here: what the tables say.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

MIN_WIDTH = 80
"""Tables never get narrower: a cut number is worse than a line that the terminal wraps."""
_MAX_PROSE = 100
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
        self._out = StringIO()
        self._color = color
        self._console: Console | None = None

    def blank(self) -> None:
        """An empty line."""
        self._out.write("\n")

    def line(self, text: str, style: str = "") -> None:
        """`text` as it is, on a line of its own."""
        self._out.write(self._styled(text, style) + "\n")

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
    ) -> None:
        """A table without borders; with `total`, the last row stands out."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(
                Text(column.heading),
                justify="left" if column.left else "right",
                vertical="top",
                no_wrap=not column.fold,
                overflow="fold",
            )
        body = [tuple(row) for row in rows]
        for number, row in enumerate(body):
            last = total and number == len(body) - 1
            table.add_row(*(Text(cell) for cell in row), style="bold" if last else "")
        console = self._rich()
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            self._out.write(line.rstrip() + "\n")

    def text(self) -> str:
        """All of it."""
        return self._out.getvalue()

    def _styled(self, text: str, style: str) -> str:
        if not (style and self._color):
            return text
        codes = ";".join(_ANSI[word] for word in style.split())
        return f"\x1b[{codes}m{text}\x1b[0m"

    def _rich(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(
                file=StringIO(),
                width=self.width,
                color_system="standard" if self._color else None,
                force_terminal=self._color,
                no_color=not self._color,
                highlight=False,
                markup=False,
                emoji=False,
                legacy_windows=False,
                _environ={},
            )
        return self._console


_ANSI = {"bold": "1", "dim": "2", "red": "31", "yellow": "33"}
