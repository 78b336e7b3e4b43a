"""A chart as a file: svg, png or html, drawn by matplotlib (the extra `vperf[plot]`).

Names stand at the ends of their lines rather than in a legend; a limit is dashed and thin,
expected solid with its range, measured points are markers. Twelve names are told apart by six
colour-blind-safe hues in two weights of marker, and by the name beside the line.

theme "auto" follows the reader: svg and html hold both colour sets and obey prefers-color-scheme;
a png cannot, and is light. Not here: what a chart holds (chart.py).
"""

# matplotlib is imported when a file is written: no other command pays for it.
# ruff: noqa: PLC0415

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

from vperf.errors import InputError, VperfError, install
from vperf.files import write_bytes_atomically
from vperf.report.chart import Chart, Point, Series, share_of, spread, tick_text, ticks
from vperf.report.chart_terminal import render_terminal
from vperf.report.format import clean
from vperf.values import dataclass
from vperf.version import __version__

Theme = Literal["light", "dark", "auto"]
SUFFIXES = (".svg", ".png", ".html")

_INCHES = (10.0, 6.0)
_DPI = 150
_FONT = 10.0
_KEY_COLUMNS = 4
_LINE = 1.6
"""Line height over font size."""
_KEY_LINE = 0.87
"""The same of the key, to that."""
_WIDTH = 0.6
"""Mean character width over font size."""
_NEAR = 0.02
"""Share of the plot's width within which points are one place."""
_MARKED = range(4, 17)
"""Lines of so many points carry markers; fewer are corners, more would hide the line."""
_BANDS = 6
"""Of more names than this no range is drawn: they would cover each other."""
_LEADER = 0.3
"""Inches between the plot and the names beside it."""


@dataclass(frozen=True, slots=True)
class _Palette:
    """Colours of one theme. No colour occurs twice: the svg of "auto" replaces them by value."""

    paper: str
    ink: str
    faint: str
    hues: tuple[str, ...]


_LIGHT = _Palette(
    "#ffffff", "#24292f", "#d0d7de",
    ("#0072b2", "#b84a00", "#00805c", "#a33f7c", "#8a6a00", "#5a5fc7"),
)  # fmt: skip
_DARK = _Palette(
    "#0d1117", "#e6edf3", "#30363d",
    ("#56b4e9", "#ff8c42", "#2fce9b", "#ee8fc4", "#f0c94d", "#a9adff"),
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P")


def check_plot(path: Path, theme: str) -> None:
    """Raise before any work what would keep `write_chart` from its own.

    InputError for a suffix or theme that there is not, VperfError without matplotlib.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path} does not say which kind of plot", hint="end it in .svg, .png or .html"
        )
    if theme not in get_args(Theme):
        raise InputError(f"{theme!r} is not light, dark or auto", source="--theme")
    if find_spec("matplotlib") is None:
        raise VperfError(
            "plots as files are drawn by matplotlib, which is not installed",
            hint=install("matplotlib"),
        )


def write_chart(chart: Chart, path: Path, theme: str = "auto") -> None:
    """Draw `chart` into `path`, whose suffix says how.

    Raises what `check_plot` does, and InputError for a path that cannot be written.
    """
    check_plot(path, theme)
    suffix = path.suffix.lower()
    drawn = _drawn(chart, "png" if suffix == ".png" else "svg", theme)
    if suffix == ".html":
        drawn = _page(chart, drawn.decode(), theme).encode()
    try:
        write_bytes_atomically(path, drawn)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


@dataclass(frozen=True, slots=True, repr=False)
class Drawn:
    """A chart in Python: as text, and in notebooks as a picture where matplotlib is."""

    chart: Chart

    def __repr__(self) -> str:
        return f"<Plot: {clean(self.chart.title)}>"

    def __str__(self) -> str:
        return render_terminal(self.chart).rstrip()

    def _repr_html_(self) -> str:
        if find_spec("matplotlib") is None:
            return f"<pre>{html.escape(str(self))}</pre>"
        return _drawn(self.chart, "svg", "light").decode()


def _drawn(chart: Chart, kind: Literal["svg", "png"], theme: str) -> bytes:
    import matplotlib as mpl

    palette = _DARK if theme == "dark" else _LIGHT
    out = BytesIO()
    settings: Any = {
        "font.size": _FONT, "font.family": "sans-serif", "svg.fonttype": "none",
        "svg.hashsalt": "vperf", "text.parse_math": False, "text.usetex": False,
    }  # fmt: skip
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font lacks is no failure
        figure = _Drawing(chart, palette).figure
        undated = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, dpi=_DPI, facecolor=palette.paper, metadata=undated)
    drawn = out.getvalue()
    if kind == "svg" and theme == "auto":
        return _following(drawn.decode()).encode()
    return drawn


class _Drawing:
    """One figure; `figure` is a matplotlib Figure, made without pyplot and its state."""

    def __init__(self, chart: Chart, palette: _Palette) -> None:
        from matplotlib.figure import Figure

        self.chart, self.palette = chart, palette
        self.lines = tuple(dict.fromkeys(s.name for s in chart.series if _joined(s)))
        bands = {series.name for series in chart.series if series.band}
        self.banded = 0 < len(bands) <= _BANDS
        key_rows = -(-len(chart.key) // _KEY_COLUMNS)
        entries = self._style_entries()
        rows = _KEY_LINE * key_rows + bool(entries)
        width, height = _INCHES[0], _INCHES[1] + self._inches(rows)
        self.figure: Any = Figure(figsize=(width, height))
        ends = [*self.lines, *(mark.label for mark in chart.marks if mark.axis == "y")]
        right = _LEADER + 0.1 + max((self._text_inches(name) for name in ends), default=0.0)
        above = len(self._mark_rows(width - 0.85 - right)[1])
        top = 0.45 + self._inches(above) + (self._inches(1) if chart.setting else 0.0)
        bottom = 0.6 + self._inches(rows)
        self.axes: Any = self.figure.add_axes(
            (0.85 / width, bottom / height, (width - 0.85 - right) / width,
             (height - top - bottom) / height)
        )  # fmt: skip
        self.inches = (width - 0.85 - right, height - top - bottom)
        (self.x_low, self.x_high), (self.y_low, self.y_high) = chart.ranges()
        self._frame(height)
        self._marks()
        for series in chart.series:
            self._series(series)
        self._ends()
        self._point_labels()
        self._legends(entries, key_rows, height)

    @staticmethod
    def _inches(rows: float) -> float:
        return rows * _FONT * _LINE / 72

    @staticmethod
    def _text_inches(text: str) -> float:
        return len(clean(text)) * _FONT * _WIDTH / 72

    def _hue(self, name: str) -> str:
        return self.palette.hues[self.chart.names.index(name) % len(self.palette.hues)]

    def _marker(self, name: str) -> dict[str, Any]:
        """The marker of a name: after six of them, hollow ones."""
        number, hues = self.chart.names.index(name), len(self.palette.hues)
        hollow = number // hues % 2 == 1
        return {
            "marker": _MARKERS[number % len(_MARKERS)],
            "markerfacecolor": self.palette.paper if hollow else self._hue(name),
            "markeredgecolor": self._hue(name),
        }

    def _frame(self, height: float) -> None:
        axes, chart, palette = self.axes, self.chart, self.palette
        axes.set_facecolor(palette.paper)
        axes.set_xscale("log" if chart.x.log else "linear")
        axes.set_yscale("log" if chart.y.log else "linear")
        axes.set_xlim(self.x_low, self.x_high)
        axes.set_ylim(self.y_low, self.y_high)
        for axis, what, low, high, most in (
            (axes.xaxis, chart.x, self.x_low, self.x_high, 10),
            (axes.yaxis, chart.y, self.y_low, self.y_high, 8),
        ):
            values = ticks(low, high, log=what.log, most=most)
            axis.set_ticks(values, labels=[tick_text(value, what) for value in values])
            axis.set_minor_locator(_no_ticks())
            axis.set_label_text(clean(what.title), color=palette.ink)
        axes.tick_params(colors=palette.ink, labelcolor=palette.ink, color=palette.faint)
        axes.grid(visible=True, color=palette.faint, linewidth=0.6)
        axes.set_axisbelow(True)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(palette.ink)
        self.figure.text(
            0.02, 1 - 0.12 / height, clean(chart.title), color=palette.ink,
            fontsize=_FONT * 1.2, fontweight="bold", va="top",
        )  # fmt: skip
        if chart.setting:
            self.figure.text(
                0.02, 1 - (0.14 + self._inches(1.1)) / height,
                f"{clean(chart.setting)} \N{MIDDLE DOT} vperf {__version__}", color=palette.ink,
                fontsize=_FONT * 0.9, va="top",
            )  # fmt: skip

    def _mark_rows(
        self, plot_inches: float
    ) -> tuple[list[tuple[Any, float, int, bool]], list[float]]:
        """(mark, its share of x, its row, whether its label stands to its left), and the rows."""
        (x_low, x_high), _ = self.chart.ranges()
        marks = sorted((m for m in self.chart.marks if m.axis == "x"), key=lambda m: m.value)
        rows: list[float] = []
        placed = []
        for mark in marks:
            share = share_of(mark.value, x_low, x_high, self.chart.x)
            size = self._text_inches(mark.label) / plot_inches
            to_left = share + size > 1.0
            start, end = (share - size, share) if to_left else (share, share + size)
            row = next((n for n, taken in enumerate(rows) if start > taken), len(rows))
            if row == len(rows):
                rows.append(0.0)
            rows[row] = end + 0.02
            placed.append((mark, share, row, to_left))
        return placed, rows

    def _marks(self) -> None:
        axes, ink = self.axes, self.palette.ink
        for mark in self.chart.marks:
            draw = axes.axvline if mark.axis == "x" else axes.axhline
            draw(mark.value, color=ink, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1.5)
        for mark, _, row, to_left in self._mark_rows(self.inches[0])[0]:
            axes.annotate(
                clean(mark.label), (mark.value, 1.0), xycoords=("data", "axes fraction"),
                xytext=(0, 3 + row * _FONT * _LINE), textcoords="offset points", color=ink,
                ha="right" if to_left else "left", fontsize=_FONT * 0.9, annotation_clip=False,
            )  # fmt: skip

    def _series(self, series: Series) -> None:
        points = self.chart.shown(series)
        xs, ys = [p[0] for _, p in points], [p[1] for _, p in points]
        hue, look = self._hue(series.name), self._marker(series.name)
        if series.band and self.banded:
            low, high = zip(*(series.band[number] for number, _ in points), strict=True)
            self.axes.fill_between(xs, low, high, color=hue, alpha=0.13, linewidth=0, zorder=2)
        if not _joined(series):
            if series.style == "limit":
                look["markerfacecolor"] = self.palette.paper
            size = 8 if series.style == "measured" else 6
            if series.style == "measured":
                look |= {"markeredgecolor": self.palette.ink}
            self.axes.plot(
                xs, ys, linestyle="", markersize=size, markeredgewidth=1.0, zorder=5,
                clip_on=False, **look,
            )  # fmt: skip
        elif series.style == "limit":
            self.axes.plot(xs, ys, color=hue, linewidth=1.0, linestyle=(0, (5, 3)), zorder=3)
        else:
            many = len(self.chart.names) > 1 and len(points) in _MARKED
            self.axes.plot(
                xs, ys, color=hue, linewidth=2.0, zorder=4, markersize=4.5, clip_on=False,
                **(look if many else {}),
            )  # fmt: skip

    def _ends(self) -> None:
        """Names right of where their lines end, pushed apart, with a thin leader to the line."""
        wanted: list[tuple[Point, str, str]] = []
        for name in self.lines:
            lines = [s for s in self.chart.series if s.name == name and _joined(s)]
            best = next((s for s in lines if s.style == "expected"), lines[0])
            wanted.append((max(p for _, p in self.chart.shown(best)), name, self._hue(name)))
        wanted += [
            ((self.x_high, mark.value), mark.label, self.palette.ink)
            for mark in self.chart.marks
            if mark.axis == "y"
        ]
        heights = [share_of(y, self.y_low, self.y_high, self.chart.y) for (_, y), *_ in wanted]
        gap = self._inches(0.85) / self.inches[1]
        for height, place, (point, name, hue) in zip(
            heights, spread(heights, gap, 0.0, 1.0), wanted, strict=True
        ):
            short = share_of(point[0], self.x_low, self.x_high, self.chart.x) < 0.995
            moved = abs(place - height) > 0.2 * gap or short
            self.axes.annotate(
                clean(name), point, xytext=(1 + _LEADER / self.inches[0], place),
                textcoords="axes fraction", color=hue, va="center", annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": hue, "linewidth": 0.6, "shrinkA": 0,
                            "shrinkB": 4, "relpos": (0.0, 0.5)} if moved else None,
            )  # fmt: skip

    def _point_labels(self) -> None:
        """Letters right below their points: those of one place as one text, none on another."""
        line = self._inches(0.85) / self.inches[1]
        texts: list[tuple[float, float, float]] = []  # left, right, top
        for series in self.chart.series:
            for at, text in self._places(series) if series.labels else ():
                left = share_of(at[0], self.x_low, self.x_high, self.chart.x)
                top = share_of(at[1], self.y_low, self.y_high, self.chart.y)
                right, down = left + self._text_inches(text) / self.inches[0], 0.0
                while any(
                    left < t[1] and t[0] < right and abs(top - down - t[2]) < 0.9 * line
                    for t in texts
                ):
                    down += line / 4
                texts.append((left, right, top - down))
                self.axes.annotate(
                    text, at, xytext=(6, -2 - down * self.inches[1] * 72),
                    textcoords="offset points", va="top", color=self._hue(series.name),
                    fontweight="bold", zorder=6,
                )  # fmt: skip

    def _places(self, series: Series) -> list[tuple[Point, str]]:
        """The labels of a series with where they stand: right of and below all they name."""
        places: list[tuple[float, float, list[tuple[Point, str]]]] = []
        for number, point in self.chart.shown(series):
            x = share_of(point[0], self.x_low, self.x_high, self.chart.x)
            y = share_of(point[1], self.y_low, self.y_high, self.chart.y)
            near = (p for p in places if abs(p[0] - x) < _NEAR and abs(p[1] - y) < 2 * _NEAR)
            place = next(near, None)
            if place is None:
                places.append(place := (x, y, []))
            place[2].append((point, series.labels[number]))
        return [
            ((max(x for (x, _), _ in named), min(y for (_, y), _ in named)),
             "".join(label for _, label in named))
            for _, _, named in places
        ]  # fmt: skip

    def _style_entries(self) -> list[tuple[Any, str]]:
        """What each stroke means, where there are several."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        ink, paper = self.palette.ink, self.palette.paper
        found: list[tuple[Any, str]] = []
        several = len(self.chart.styles) > 1
        for style in self.chart.styles if several else ():
            of_style = [s for s in self.chart.series if s.style == style]
            line = any(map(_joined, of_style))
            point = any(not _joined(s) for s in of_style)
            look: dict[str, Any] = {"color": ink, "linestyle": "-" if line else ""}
            look["linewidth"] = 1.0 if style == "limit" else 2.0
            if line and style == "limit":
                look["linestyle"] = (0, (5, 3))
            if point:
                look |= {"marker": "o", "markersize": 6, "markeredgecolor": ink}
                look["markerfacecolor"] = paper if style == "limit" else ink
            found.append((Line2D([], [], **look), style))
        if self.banded:
            found.append((Patch(color=ink, alpha=0.13, linewidth=0), "range of most measurements"))
        return found

    def _legends(self, entries: list[tuple[Any, str]], key_rows: int, height: float) -> None:
        from matplotlib.lines import Line2D

        base = 0.06 / height
        common = {"frameon": False, "labelcolor": self.palette.ink, "borderpad": 0,
                  "borderaxespad": 0, "handletextpad": 0.5, "loc": "lower left"}  # fmt: skip
        if self.chart.key:
            handles = [
                Line2D([], [], linestyle="", marker="o", color=self._hue(name))
                for name, _, _ in self.chart.key
            ]
            texts = [f"{label}  {clean(text)}" for _, label, text in self.chart.key]
            self.figure.legend(
                handles, texts, ncols=_KEY_COLUMNS, bbox_to_anchor=(0.02, base),
                labelspacing=0.45, handlelength=1.0, fontsize=_FONT * 0.9, **common,
            )  # fmt: skip
        if entries:
            self.figure.legend(
                [handle for handle, _ in entries], [text for _, text in entries],
                ncols=len(entries),
                bbox_to_anchor=(0.02, base + self._inches(_KEY_LINE * key_rows) / height), **common,
            )  # fmt: skip


def _joined(series: Series) -> bool:
    return series.joined and series.style != "measured"


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _following(svg: str) -> str:
    """A light svg that turns dark where the reader prefers it: each colour replaced by value."""
    style = f"<style>@media (prefers-color-scheme: dark) {{{' '.join(_rules())}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda found: found[1] + style, svg, count=1)


def _rules() -> Iterator[str]:
    pairs = zip(
        (_LIGHT.paper, _LIGHT.ink, _LIGHT.faint, *_LIGHT.hues),
        (_DARK.paper, _DARK.ink, _DARK.faint, *_DARK.hues),
        strict=True,
    )
    for light, dark in pairs:
        for what in ("fill", "stroke"):
            yield f'[style*="{what}: {light}"] {{{what}: {dark} !important}}'


def _page(chart: Chart, svg: str, theme: str) -> str:
    """A page of nothing but the plot, as wide as the window, in the same colours."""
    start = svg.index("<svg")
    paper = _DARK if theme == "dark" else _LIGHT
    dark = f"@media (prefers-color-scheme: dark) {{ body {{ background: {_DARK.paper}; }} }}"
    scheme = "light dark" if theme == "auto" else theme
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="{scheme}">
<title>{html.escape(clean(chart.title))}</title>
<style>
body {{ margin: 1rem auto; max-width: 75rem; background: {paper.paper}; }}
svg {{ width: 100%; height: auto; }}
{dark if theme == "auto" else ""}
</style>
</head>
<body>
{svg[start:]}</body>
</html>
"""
