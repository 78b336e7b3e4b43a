"""A Document as HTML, for notebooks: the words and numbers of the screen, every text escaped.

Not here: plots in files (chart_file.py), and what is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import assert_never

from vperf.report.columns import is_number
from vperf.report.commands import folded
from vperf.report.document import (
    Block,
    Bullets,
    Cell,
    Document,
    Facts,
    Headline,
    Plot,
    Prose,
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
from vperf.report.format import clean

_TONES: dict[Tone, str] = {
    "good": "color:green", "bad": "color:red;font-weight:bold", "warn": "color:darkorange",
    "aside": "opacity:.65", "strong": "font-weight:bold", "pass": "color:green;font-weight:bold",
    "fail": "color:red;font-weight:bold",
}  # fmt: skip
_WIDTH = 80


def render(document: Document, *, full: bool = False) -> str:
    """One block of HTML; the short form, as a notebook shows many."""
    inner = "".join(part for block in shown(document, full=full) for part in _parts(block))
    return f"<div>{inner}</div>"


def _parts(block: Block) -> Iterator[str]:
    match block:
        case Headline():
            yield f"<p><b>{_text(block.text)}</b></p>"
        case Prose():
            yield f"<p{_style(block.tone)}>{_text(block.text)}</p>"
        case Table():
            yield from _title(block.title)
            yield from _table(block)
        case Facts():
            yield from _title(block.title)
            rows = (f"<tr>{_cell('th', n)}<td>{_text(t)}</td></tr>" for n, t in block.rows)
            yield f"<table>{''.join(rows)}</table>"
        case Bullets():
            yield from _title(block.title)
            mark = "" if block.mark == "-" else f"{escape(block.mark)} "
            items = (f"<li>{mark}{_text(item)}</li>" for item in block.items)
            yield f"<ul{_style(block.tone)}>{''.join(items)}</ul>"
        case Shell():
            yield from _title(block.title)
            lines = (line for words in block.commands for line in folded(words, _WIDTH))
            yield f"<pre>{escape(chr(10).join(map(clean, lines)))}</pre>"
        case Sum():
            sums = (
                f"<tr>{_cell('th', row[0])}{_cell('td', row[1])}{_cell('td', f'= {row[2]}')}</tr>"
                for row in block.rows
            )
            yield f"<table>{''.join(sums)}</table>"
        case Plot():
            return
        case _:
            assert_never(block)


def _title(title: str) -> Iterator[str]:
    if title:
        yield f"<p><b>{escape(clean(title))}</b></p>"


def _table(block: Table) -> Iterator[str]:
    columns = [(n, c) for n, c in enumerate(block.columns) if c.kind != "bar"]
    head = "".join(_cell("th", column.heading) for _, column in columns)
    yield f"<table><thead><tr>{head}</tr></thead><tbody>"
    for row in block.rows:
        cells = "".join(
            _cell("td", row.cells[n], "text-align:right" if is_number(column) else "")
            for n, column in columns
        )
        yield f"<tr{_style(row.tone)}>{cells}</tr>"
    yield "</tbody></table>"


def _cell(tag: str, cell: Cell, style: str = "") -> str:
    tone = _TONES.get(cell.tone, "") if isinstance(cell, Span) else ""
    said = ";".join(each for each in (style, tone) if each)
    attribute = f' style="{said}"' if said else ""
    return f"<{tag}{attribute}>{escape(clean(words_of(cell)))}</{tag}>"


def _text(text: Text) -> str:
    return "".join(
        f"<span{_style(each.tone)}>{escape(clean(each.text))}</span>"
        if each.tone in _TONES
        else escape(clean(each.text))
        for each in pieces(text)
        if isinstance(each, Span)
    )


def _style(tone: Tone) -> str:
    return f' style="{_TONES[tone]}"' if tone in _TONES else ""
