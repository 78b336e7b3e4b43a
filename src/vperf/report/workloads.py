"""What is said of workloads: the list, and one with its lengths and their source.

Not here: reading the files (sources/workloads.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from vperf.report.document import Block, Column, Facts, Headline, Prose, Row, Span, Table
from vperf.report.format import clean, percent, plural, whole
from vperf.report.forms import Report
from vperf.serving.lengths import Lengths


def report(workloads: Sequence[Lengths]) -> Report:
    """A list of workloads in every form."""
    return Report(
        lambda: listed(workloads),
        lambda: {"schema": "vperf/workloads/1", "workloads": [asdict(each) for each in workloads]},
        lambda: map(_flat, workloads),
    )


def report_of(workload: Lengths) -> Report:
    """One workload in every form; its CSV is a row a kind of request."""
    return Report(
        lambda: card(workload),
        lambda: {"schema": "vperf/workload/1", **asdict(workload)},
        lambda: ({"name": workload.name, **asdict(each)} for each in workload.requests),
    )


def _flat(workload: Lengths) -> dict[str, Any]:
    found = asdict(workload)
    return {**found, "requests": len(workload.requests)}


def listed(workloads: Sequence[Lengths]) -> Iterator[Block]:
    """The screen of `vperf workloads`."""
    yield Headline(
        (Span(plural(len(workloads), "workload"), "strong"), "; vperf workloads NAME shows one.")
    )
    columns = (
        Column("name"),
        Column("tokens in", "count"),
        Column("out", "count"),
        Column("lengths"),
        Column("cached", "share", 1),
    )
    rows = tuple(
        Row(
            (
                clean(each.name), whole(each.input_tokens), whole(each.output_tokens),
                "spread" if len(each.requests) > 1 else "one", percent(each.prefix_hit),
            )
        )
        for each in workloads
    )  # fmt: skip
    yield Table(columns, rows, tight=True)
    text = "means; cached: share of a prompt in the prefix cache, under a served load"
    yield Prose(text, "aside", tight=True)


def card(workload: Lengths) -> Iterator[Block]:
    """The screen of one workload."""
    tokens = f"{plural(workload.input_tokens, 'token')} in, {workload.output_tokens:,} out"
    average = " on average" if len(workload.requests) > 1 else ""
    yield Headline((Span(clean(workload.name), "strong"), f": {tokens}{average}."))
    yield Facts(
        (
            ("cached", f"{percent(workload.prefix_hit)} of each prompt, under a served load"),
            ("source", clean(workload.source)),
        )
    )
    if len(workload.requests) > 1:
        columns = (Column("tokens in", "count"), Column("out", "count"), Column("share", "share"))
        rows = tuple(
            Row((whole(each.input_tokens), whole(each.output_tokens), percent(each.share, 1)))
            for each in workload.requests
        )
        yield Table(columns, rows, "Requests that stand for all", when="full")
        yield Prose("its kinds of requests: -v", "aside", "short")
