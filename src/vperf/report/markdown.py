"""A Document as GitHub-flavoured Markdown, to paste into an issue or a pull request.

Data is escaped: a model's name cannot start a link, a table or a mention. Not here: what is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import assert_never

from vperf.report.columns import is_number
from vperf.report.commands import folded
from vperf.report.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Headline,
    Plot,
    Prose,
    Shell,
    Sum,
    Table,
    plain,
    shown,
    words_of,
)
from vperf.report.format import clean

_WIDTH = 80
"""Of commands, which are the only lines that are folded."""
_SPECIAL = re.compile(r"([\\`*<>\[\]|~])")
_MENTION = re.compile(r"@(?=\w)")


def escape(text: object) -> str:
    """Text that Markdown and HTML leave alone."""
    return _MENTION.sub("&#64;", _SPECIAL.sub(r"\\\1", clean(text).replace("&", "&amp;")))


def render(document: Document, *, full: bool = True) -> str:
    """The whole page."""
    return "".join(parts(document, full=full))


def parts(document: Document, *, full: bool = True) -> Iterator[str]:
    """The page line by line, each as soon as its row is there."""
    before: Block | None = None
    for block in shown(document, full=full):
        goes_on = (
            isinstance(block, Bullets)
            and isinstance(before, Bullets)
            and not block.title
            and (block.tight or not before.title)
        )
        if before is not None and not goes_on and not isinstance(block, Plot):
            yield "\n"
        before = block
        yield from (f"{line}\n" for line in _lines(block))


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Headline():
            yield f"**{escape(plain(block.text).strip())}**"
        case Prose():
            yield escape(plain(block.text))
        case Table():
            yield from _title(block.title)
            yield from _table(block)
        case Facts():
            yield from _title(block.title, table=False)
            for name, text in block.rows:
                words = escape(plain(text).strip())
                if words:
                    yield f"- {escape(name)}: {words}" if name else f"- {words}"
        case Bullets():
            yield from _title(block.title, table=False)
            mark = "" if block.mark == "-" else f"{block.mark} "
            yield from (f"- {mark}{escape(plain(item))}" for item in block.items)
        case Shell():
            yield from _title(block.title, table=False)
            yield "```sh"
            for command in block.commands:
                yield from folded([clean(word) for word in command], _WIDTH)
            yield "```"
        case Sum():
            yield _row((escape(block.title), "", ""))
            yield "| :-- | :-- | --: |"
            yield from (_row(map(escape, row)) for row in block.rows)
        case Plot():
            return  # a file of its own
        case _:
            assert_never(block)


def _title(title: str, *, table: bool = True) -> Iterator[str]:
    """A line of its own; a list or code may follow at once, a table may not."""
    if title:
        yield f"**{escape(title)}**"
        if table:
            yield ""


def _table(block: Table) -> Iterator[str]:
    columns = [(n, c) for n, c in enumerate(block.columns) if c.kind != "bar"]
    yield _row(escape(column.heading) for _, column in columns)
    yield _row("--:" if is_number(column) else ":--" for _, column in columns)
    for row in block.rows:
        yield _row(escape(words_of(row.cells[number])) for number, _ in columns)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
