"""An estimate for a person at a terminal: the answer, one small table, memory, depth, ops, caveats.

Fits 80 columns without cutting a number; wider terminals get the op table on single lines.
Not here: the sentences (words.py) and how a line gets its colour (page.py).
"""

from __future__ import annotations

from vperf.answer import Estimate
from vperf.report import words
from vperf.report.format import clean, per_second, whole
from vperf.report.page import Column, Page
from vperf.timing.step import PhaseTimes

_WIDE = 132
"""From here on an op is one line; below, each column stacks two figures."""


def render(answer: Estimate, *, ops: bool = False, width: int = 80, color: bool = False) -> str:
    """The whole screen as one string; ANSI only where `color` is true."""
    page = Page(width, color)
    fits = answer.memory.fits
    page.prose(words.headline(answer, page.width), "bold" if fits else "bold yellow")
    page.prose(words.second_line(answer))
    page.blank()
    page.table(
        [
            Column("", left=True),
            Column("limit"),
            Column("expected"),
            Column("range"),
            Column("bound by", left=True),
        ],
        words.speed_rows(answer),
        gap=3,
    )
    page.blank()
    page.facts(words.facts(answer))
    _depth(page, answer)
    if ops:
        for title, phase in (("Prefill", answer.prefill), ("Decode step", answer.decode)):
            _ops(page, title, phase)
        page.blank()
        page.prose(
            "A step's limit is the larger of all its compute and all its memory time, with the "
            "cache credited once, so the limits of its ops need not add up to it.",
            "dim",
        )
    page.section("Warnings", map(clean, answer.warnings), "yellow")
    page.section("Assumptions", map(clean, answer.assumptions))
    page.section("Not modelled", map(clean, answer.not_modelled))
    commands = words.verify(answer, page.width)
    if commands:
        page.blank()
        page.line(words.verify_title(answer), "bold")
        for command in commands:
            page.line(command)
    return page.text()


def _depth(page: Page, answer: Estimate) -> None:
    """Decode speed against context, contexts side by side, folded where there are many."""
    points = answer.depth
    if not points:
        return
    cells = [
        (
            whole(point.context_tokens),
            per_second(point.limit_decode_tokens_per_s),
            per_second(point.expected_decode_tokens_per_s) + ("" if point.fits else "*"),
        )
        for point in points
    ]
    label = len("tok/s expected") + 2
    while cells:
        room, taken = page.width - label, 0
        for cell in cells:
            room -= max(map(len, cell)) + 2
            if room < -2:
                break
            taken += 1
        now, cells = cells[: max(1, taken)], cells[max(1, taken) :]
        page.blank()
        page.table(
            [Column("context", left=True), *(Column(cell[0]) for cell in now)],
            [
                ("tok/s limit", *(cell[1] for cell in now)),
                ("tok/s expected", *(cell[2] for cell in now)),
            ],
        )
    if not all(point.fits for point in points):
        page.prose("* does not fit at this batch size")


def _ops(page: Page, title: str, phase: PhaseTimes) -> None:
    """The op table of one phase; two figures to a cell where the screen is narrow."""
    page.blank()
    page.line(words.op_title(title, phase), "bold")
    rows = words.op_rows(phase)
    if page.width >= _WIDE:
        left = ("op", "shape", "bound")
        columns = [Column(h, left=h in left, fold=h == "shape") for h in words.OP_HEADINGS]
        page.table(columns, rows, total=True)
        return
    page.table(
        [
            Column("op\n  shape", left=True, fold=True),
            Column("count\n"),
            Column("FLOPs\nbytes"),
            Column("compute\nmemory"),
            Column("limit\nexpected"),
            Column("share\nbound"),
        ],
        [
            (
                f"{row[0]}\n  {row[1]}",
                row[2],
                *(f"{row[upper]}\n{row[upper + 1]}" for upper in (3, 5, 7, 9)),
            )
            for row in rows
        ],
        total=True,
    )
