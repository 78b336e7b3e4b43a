"""A chart as lines of text: braille or plain ASCII, with or without colour, of any width.

Own code and not plotext, which was tried (5.3.2 and 6.1.0): its log axes are labelled
499999999999999.9, its frame and ANSI codes cannot be had away, its legend covers the data, and
6 shares no function with 5; it would be a dependency of every start for 250 lines.

Lines are told apart without colour: each name has a letter, which stands on its line and before
its name at the line's end. A limit is dotted, expected is solid, measured points are crosses.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from vperf.report.chart import (
    Axis,
    Chart,
    Point,
    Series,
    Style,
    letter,
    share_of,
    spread,
    tick_text,
    ticks,
)
from vperf.report.format import clean
from vperf.values import dataclass

_NARROW, _WIDE = (18, 100), (24, 160)
_NARROWEST, _WIDEST = 80, 160
"""Columns: labels need them; a wider plot only lies flatter."""
_COLORS = (36, 35, 32, 33, 34, 31, 96, 95, 92, 93, 94, 91)
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_LETTER_EVERY = 26
"""Columns between two letters on one line."""
_MANY = 6
"""Of more lines than this, only the expected ones are drawn: limits would fill the plot."""


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """What a plot is drawn with."""

    upright: str
    level: str
    corner: str
    tick_y: str
    tick_x: str
    mark_x: str
    mark_y: str
    band: str
    points: dict[str, str]
    lines: dict[str, str]
    """As the legend shows them."""


_CROSS = "\N{MULTIPLICATION SIGN}"
_UNICODE = _Glyphs(
    *("│", "─", "└", "┤", "┬", "┊", "┈", "░"),
    {"limit": "○", "expected": "●", "measured": _CROSS},
    {"limit": "⠒ ⠒", "expected": "⠒⠒⠒", "measured": _CROSS},
)
_ASCII = _Glyphs(
    *("|", "-", "+", "+", "+", ":", "-", ":"),
    {"limit": ".", "expected": "o", "measured": "x"},
    {"limit": "...", "expected": "***", "measured": "x"},
)


def render_terminal(
    chart: Chart, width: int = 80, unicode: bool = True, color: bool = False, *, key: bool = True
) -> str:
    """The chart in at most `width` columns (80 at least), the last line ended.

    `unicode` False: nothing but ASCII. `key` False leaves out what labels of points stand for.
    """
    text = _Plot(chart, min(max(width, _NARROWEST), _WIDEST), unicode, color).text(key)
    return text if unicode else text.encode("ascii", "replace").decode()


class _Plot:
    """One drawing: a grid of cells with what stands around it."""

    def __init__(self, chart: Chart, width: int, unicode: bool, color: bool) -> None:
        self.chart, self.width, self.color = chart, width, color
        self.unicode = unicode
        self.glyphs = _UNICODE if unicode else _ASCII
        self.rows = _NARROW[0] if width < _NARROW[1] else _WIDE[0]
        (self.x_low, self.x_high), (self.y_low, self.y_high) = chart.ranges()
        self.lines = tuple(dict.fromkeys(s.name for s in chart.series if _joined(s)))
        self.letters = {name: letter(n) for n, name in enumerate(self.lines)}
        if len(self.lines) == 1 or any(series.labels for series in chart.series):
            self.letters = {}
        drawn = {s.style for s in chart.series if _joined(s)}
        self.hidden = {"limit"} if len(self.lines) > _MANY and "expected" in drawn else set()
        self.y_ticks = ticks(self.y_low, self.y_high, log=chart.y.log, most=self.rows // 3)
        texts = [tick_text(value, chart.y) for value in self.y_ticks]
        self.left = max(map(len, texts)) + 1
        ends = [self._named(name) for name in self.lines]
        ends += [clean(mark.label) for mark in chart.marks if mark.axis == "y"]
        # Names that do not fit beside the plot go below it.
        self.beside = len(ends) <= self.rows
        widest = max(map(len, ends), default=0) + 1 if self.beside else 0
        self.right = min(widest, width // 3)
        self.columns = width - self.left - 1 - self.right
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.colors: list[list[int | None]] = [[None] * self.columns for _ in range(self.rows)]
        self.labelled: set[tuple[int, int]] = set()
        self.dots = [[0] * self.columns for _ in range(self.rows)]

    def text(self, key: bool) -> str:
        chart = self.chart
        self._bands()
        self._marks()
        for style in chart.styles:
            for series in chart.series:
                if series.style == style and _joined(series) and style not in self.hidden:
                    self._line(series)
        self._show_dots()
        for number, name in enumerate(self.lines):
            self._line_letters(number, name)
        for series in chart.series:
            if series.labels or not _joined(series):
                self._points(series)
        lines = [clean(chart.title)[: self.width], clean(chart.y.title)]
        lines += self._mark_labels()
        lines += self._body()
        lines += self._x_axis()
        lines += self._legend(key)
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _column(self, x: float, scale: int = 1) -> int:
        """Cell (or dot) of a value of x, from the left."""
        return _cell(x, self.x_low, self.x_high, self.chart.x, self.columns * scale)

    def _row(self, y: float, scale: int = 1) -> int:
        """The same of y, from the top."""
        count = self.rows * scale
        return count - 1 - _cell(y, self.y_low, self.y_high, self.chart.y, count)

    def _height(self, y: float) -> float:
        """Rows from the top, unrounded: lines of one row keep their order."""
        low, high = self.y_low, self.y_high
        return (1.0 - share_of(y, low, high, self.chart.y)) * (self.rows - 1)

    def _tint(self, name: str) -> int:
        return _COLORS[self.chart.names.index(name) % len(_COLORS)]

    def _named(self, name: str) -> str:
        mark = self.letters.get(name)
        return f"{mark} {clean(name)}" if mark else clean(name)

    def _put(self, column: int, row: int, glyph: str, tint: int | None) -> None:
        self.cells[row][column] = glyph
        self.colors[row][column] = tint

    def _bands(self) -> None:
        """The range of the one thing shown; those of several would hide each other."""
        banded = [series for series in self.chart.series if series.band]
        if len({series.name for series in banded}) != 1:
            return
        for series in banded:
            shown = self.chart.shown(series)
            edges = [
                _walk([(self._column(x), self._row(self._held(series.band[n][side])))
                       for n, (x, _) in shown])
                for side in (0, 1)
            ]  # fmt: skip
            low, high = ({column: row for column, row, _ in edge} for edge in edges)
            for column in low.keys() & high.keys():
                for row in range(high[column], low[column] + 1):
                    self._put(column, row, self.glyphs.band, self._tint(series.name))

    def _held(self, y: float) -> float:
        return min(max(y, self.y_low), self.y_high)

    def _marks(self) -> None:
        for mark in self.chart.marks:
            if mark.axis == "x":
                column = self._column(mark.value)
                for row in range(self.rows):
                    self._put(column, row, self.glyphs.mark_x, None)
            else:
                row = self._row(mark.value)
                for column in range(self.columns):
                    self._put(column, row, self.glyphs.mark_y, None)

    def _line(self, series: Series) -> None:
        points = [point for _, point in self.chart.shown(series)]
        tint = self._tint(series.name)
        if self.unicode:
            path = [(self._column(x, 2), self._row(y, 4)) for x, y in points]
            for column, row, step in _walk(path):
                if series.style != "limit" or step % 6 < 2:
                    self.dots[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
                    self.colors[row // 4][column // 2] = tint
            return
        glyph = "." if series.style == "limit" else self.letters.get(series.name, "*")
        for column, row, step in _walk([(self._column(x), self._row(y)) for x, y in points]):
            if series.style != "limit" or step % 2 == 0:
                self._put(column, row, glyph, tint)

    def _show_dots(self) -> None:
        for row, dots in enumerate(self.dots):
            for column, bits in enumerate(dots):
                if bits:
                    self.cells[row][column] = chr(_BRAILLE + bits)

    def _line_letters(self, number: int, name: str) -> None:
        """The letter of a name on its line, at columns where other names have none."""
        if name not in self.letters:
            return
        first = 2 + number * _LETTER_EVERY // len(self.lines)
        path: dict[int, int] = {}
        for column, row, _ in _walk([(self._column(x), self._row(y)) for x, y in self._best(name)]):
            path.setdefault(column, row)
        for column in range(first, self.columns, _LETTER_EVERY):
            if column in path:
                self._put(column, path[column], self.letters[name], self._tint(name))

    def _best(self, name: str) -> list[Point]:
        """The line that carries a name: what is expected, else the limit."""
        lines = [s for s in self.chart.series if s.name == name and _joined(s)]
        series = next((s for s in lines if s.style == "expected"), lines[0])
        return [point for _, point in self.chart.shown(series)]

    def _points(self, series: Series) -> None:
        tint = self._tint(series.name)
        for number, (x, y) in self.chart.shown(series):
            column, row = self._column(x), self._row(y)
            if not series.labels:
                if (column, row) not in self.labelled:
                    self._put(column, row, self.glyphs.points[series.style], tint)
                continue
            if not series.labels[number]:
                continue
            # Points on one cell stand side by side.
            free = (c for c in _around(column, self.columns) if (c, row) not in self.labelled)
            place = next(free, column)
            self.labelled.add((place, row))
            self._put(place, row, series.labels[number][:1], tint)

    def _mark_labels(self) -> list[str]:
        """Labels of vertical marks, each on its mark, on as few rows as do not overlap."""
        rows: list[list[str]] = []
        room = self.columns + self.right
        for mark in sorted((m for m in self.chart.marks if m.axis == "x"), key=lambda m: m.value):
            column, text = self._column(mark.value), clean(mark.label)
            text = f"{self.glyphs.mark_x} {text}"
            start = column
            if start + len(text) > room:
                text = f"{clean(mark.label)} {self.glyphs.mark_x}"
                start = max(0, column - len(text) + 1)
            text = text[: room - start]
            line = next(
                (
                    r
                    for r in rows
                    if not "".join(r[max(0, start - 1) : start + len(text) + 1]).strip()
                ),
                None,
            )
            if line is None:
                line = [" "] * room
                rows.append(line)
            line[start : start + len(text)] = text
        return [" " * (self.left + 1) + "".join(row) for row in rows]

    def _body(self) -> Iterator[str]:
        at = {self._row(value): tick_text(value, self.chart.y) for value in reversed(self.y_ticks)}
        ends = dict(self._ends())
        for row in range(self.rows):
            edge = self.glyphs.tick_y if row in at else self.glyphs.upright
            end, tint = ends.get(row, ("", None))
            end = self._painted(" " + clean(end, self.right - 1), tint) if end else ""
            yield f"{at.get(row, ''):>{self.left}}{edge}{self._painted_row(row)}{end}"

    def _ends(self) -> Iterator[tuple[int, tuple[str, int | None]]]:
        """Names and labels of horizontal marks by the row beside which they stand."""
        if not self.beside:
            return
        wanted: list[tuple[float, str, int | None]] = []
        for name in self.lines:
            _, y = max(self._best(name))
            wanted.append((self._height(y), self._named(name), self._tint(name)))
        wanted += [
            (self._height(mark.value), clean(mark.label), None)
            for mark in self.chart.marks
            if mark.axis == "y"
        ]
        rows = spread([row for row, *_ in wanted], 1.0, 0.0, self.rows - 1.0)
        taken: set[int] = set()
        for place, (_, text, tint) in sorted(zip(rows, wanted, strict=True), key=lambda p: p[0]):
            row = round(place)
            while row in taken and row < self.rows - 1:
                row += 1
            while row in taken:
                row -= 1
            taken.add(row)
            yield row, (text, tint)

    def _x_axis(self) -> Iterator[str]:
        axis = self.chart.x
        values = ticks(self.x_low, self.x_high, log=axis.log, most=max(2, self.columns // 10))
        line, labels = [self.glyphs.level] * self.columns, [" "] * (self.width + 4)
        end = -1
        for value in values:
            column, text = self._column(value), tick_text(value, axis)
            line[column] = self.glyphs.tick_x
            start = max(0, self.left + 1 + column - len(text) // 2)
            if start > end and start + len(text) <= self.width:
                labels[start : start + len(text)] = text
                end = start + len(text)
        yield " " * self.left + self.glyphs.corner + "".join(line)
        yield "".join(labels)
        title = clean(axis.title)
        yield " " * max(0, self.left + 1 + (self.columns - len(title)) // 2) + title

    def _legend(self, key: bool) -> Iterator[str]:
        """Strokes where there are several, names that found no place, what letters stand for."""
        parts = []
        if len(self.chart.styles) > 1:
            for style in self.chart.styles:
                if style in self.hidden:
                    parts.append(f"({style}: not drawn of so many)")
                    continue
                parts.append(f"{', '.join(self._strokes(style))} {style}")
        if not self.beside:
            parts += [self._named(name) for name in self.lines]
        if any(series.band for series in self.chart.series) and len(self.lines) == 1:
            parts.append(f"{self.glyphs.band * 3} range")
        if key:
            parts += [f"{label} {clean(text)}" for _, label, text in self.chart.key]
        if parts:
            yield ""
            glued = "   ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
            for line in textwrap.wrap(glued, self.width, break_on_hyphens=False):
                yield line.replace("\N{NO-BREAK SPACE}", " ")

    def _strokes(self, style: Style) -> Iterator[str]:
        """What the series of a style are drawn with."""
        of_style = [series for series in self.chart.series if series.style == style]
        if any(map(_joined, of_style)):
            yield self.glyphs.lines[style]
        if any(not (_joined(series) or series.labels) for series in of_style):
            yield self.glyphs.points[style]
        if any(series.labels for series in of_style):
            yield "letters"

    def _painted(self, text: str, tint: int | None) -> str:
        return f"\x1b[{tint}m{text}\x1b[0m" if self.color and tint is not None else text

    def _painted_row(self, row: int) -> str:
        """The cells of a row, each run of one colour in one escape."""
        parts: list[tuple[str, int | None]] = []
        for glyph, its_tint in zip(self.cells[row], self.colors[row], strict=True):
            tint = its_tint if glyph != " " else None
            if parts and parts[-1][1] == tint:
                parts[-1] = (parts[-1][0] + glyph, tint)
            else:
                parts.append((glyph, tint))
        return "".join(self._painted(text, tint) for text, tint in parts)


def _joined(series: Series) -> bool:
    return series.joined and series.style != "measured"


def _cell(value: float, low: float, high: float, axis: Axis, count: int) -> int:
    return min(count - 1, max(0, round(share_of(value, low, high, axis) * (count - 1))))


def _walk(points: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Cells of the straight lines through `points`, each with its number along the way."""
    step = 0
    last: tuple[int, int] | None = None
    for column, row in points:
        if last is None:
            yield column, row, step
        else:
            across, down = column - last[0], row - last[1]
            length = max(abs(across), abs(down))
            for i in range(1, length + 1):
                step += 1
                yield last[0] + round(across * i / length), last[1] + round(down * i / length), step
        last = column, row


def _around(column: int, columns: int) -> Iterator[int]:
    """`column`, then those to its right, then those to its left, nearest first."""
    yield from range(column, min(columns, column + 9))
    yield from range(column - 1, max(-1, column - 9), -1)
