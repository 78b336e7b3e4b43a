"""Decode speed of an estimate against its context."""

from __future__ import annotations

from collections.abc import Iterable

from vperf.answer import DepthPoint, Estimate
from vperf.report.document import FAILS, Column, Row, Span, Table
from vperf.report.format import per_second

SHORT_DEPTHS = (1024, 8192, 32768, 131072, 1048576)
"""Contexts of the short form."""


def depth_line(points: Iterable[DepthPoint]) -> str:
    """ "1k 97   8k 95 tok/s"."""
    cells = [
        f"{_context(p.context_tokens)} {per_second(p.expected_decode_tokens_per_s)}"
        f"{'' if p.fits else FAILS}"
        for p in points
    ]
    return f"{'   '.join(cells)} tok/s"


def _context(tokens: int) -> str:
    """ "1k", "128k", "1M": powers of two."""
    if tokens % 2**20 == 0:
        return f"{tokens // 2**20}M"
    return f"{tokens // 2**10}k" if tokens % 2**10 == 0 else f"{tokens:,}"


def depth_table(answer: Estimate) -> Table:
    """Decode speed against context, contexts side by side."""
    points = answer.depth
    contexts = (
        Column(_context(p.context_tokens), "rate", 0 if p.context_tokens in SHORT_DEPTHS else 2)
        for p in points
    )
    expected = (
        Span(f"{FAILS} {per_second(p.expected_decode_tokens_per_s)}", "bad")
        if not p.fits
        else per_second(p.expected_decode_tokens_per_s)
        for p in points
    )
    return Table(
        (Column("tok/s at"), *contexts),
        (
            Row(("expected", *expected)),
            Row(("limit", *(per_second(p.limit_decode_tokens_per_s) for p in points))),
        ),
        when="full",
    )
