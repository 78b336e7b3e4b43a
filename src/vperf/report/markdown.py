"""An estimate as GitHub-flavoured Markdown, to paste into an issue or a pull request.

Not here: the sentences (words.py). Data is escaped: a model's name cannot start a link or a table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from vperf.answer import Estimate
from vperf.report import words
from vperf.report.format import clean, per_second, whole
from vperf.timing.step import PhaseTimes

_UNLIMITED = 10_000
_SPECIAL = re.compile(r"([\\`*<>\[\]|~])")
_MENTION = re.compile(r"@(?=\w)")


def escape(text: object) -> str:
    """Text that Markdown and HTML leave alone."""
    return _MENTION.sub("&#64;", _SPECIAL.sub(r"\\\1", clean(text).replace("&", "&amp;")))


def bullets(title: str, items: Iterable[object]) -> str:
    """A heading and one bullet an item; "" without items."""
    lines = [f"- {escape(item)}" for item in items]
    return "\n".join([f"**{title}**", "", *lines]) if lines else ""


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """One bullet "name: value" a row."""
    return "\n".join(f"- {name}: {escape(fact)}" for name, fact in rows)


def commands(title: str, lines: Iterable[str]) -> str:
    """Lines for a shell; "" without any."""
    lines = list(lines)
    return "\n".join([title, "", "```sh", *lines, "```"]) if lines else ""


def document(parts: Iterable[str]) -> str:
    """The parts that there are, one after another."""
    return "\n\n".join(part for part in parts if part) + "\n"


def render(answer: Estimate, *, ops: bool = False) -> str:
    """The screen of `vperf estimate` as Markdown; with `ops`, the op tables too."""
    parts = [
        f"**{escape(words.headline(answer, _UNLIMITED))}**",
        escape(words.second_line(answer)),
        table(
            ("", "limit", "expected", "range", "bound by"),
            words.speed_rows(answer),
            left=(0, 4),
        ),
        facts(words.facts(answer)),
    ]
    if answer.depth:
        parts.append(
            table(
                ("context", "limit tok/s", "expected tok/s", "fits"),
                (
                    (
                        whole(point.context_tokens),
                        per_second(point.limit_decode_tokens_per_s),
                        per_second(point.expected_decode_tokens_per_s),
                        "yes" if point.fits else "no",
                    )
                    for point in answer.depth
                ),
            )
        )
    if ops:
        parts += [_ops("Prefill", answer.prefill), _ops("Decode step", answer.decode)]
    parts += [
        bullets("Warnings", answer.warnings),
        bullets("Assumptions", answer.assumptions),
        bullets("Not modelled", answer.not_modelled),
        commands(words.verify_title(answer), words.verify(answer)),
    ]
    return document(parts)


def _ops(title: str, phase: PhaseTimes) -> str:
    rows = table(words.OP_HEADINGS, words.op_rows(phase), left=(0, 1, 10))
    return f"**{words.op_title(title, phase)}**\n\n{rows}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[int] = ()) -> str:
    """A table whose cells are escaped; columns in `left` are flush left."""
    return "\n".join(table_lines(head, rows, left))


def table_lines(
    head: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[int] = ()
) -> Iterator[str]:
    """The same line by line, each as soon as its row is there."""
    yield _line(map(escape, head))
    yield _line(":--" if number in left else "--:" for number in range(len(head)))
    for row in rows:
        yield _line(map(escape, row))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
