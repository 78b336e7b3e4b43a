"""The tables of one graded result: its figures, percentiles, and then and now."""

from __future__ import annotations

from collections.abc import Sequence

from vperf.checks.baseline import Change, Drift
from vperf.checks.check import Check
from vperf.checks.grade import Metric
from vperf.report.check.figures import TITLES, TONES, figure, shown, titled
from vperf.report.document import FAILS, Bar, Cell, Column, Row, Span, Table
from vperf.report.format import clean, percent, span

_SHORT_METRICS = ("tpot_s", "ttft_s")
"""Rows of the short form, beside the main figure."""


METRIC_COLUMNS = (
    Column(""),
    Column("measured", "time", strong=True),
    Column("expected", "time"),
    Column("range", "time", 1),
    Column("limit", "time", 2),
    Column("of exp.", "share"),
    Column("verdict", "verdict"),
    Column("of limit", "share", 5),
    Column("of expected", "bar", 5),
)


def metric_row(check: Check, metric: Metric) -> Row:
    """One figure beside limit and expected."""
    low, high = (figure(metric.name, v) for v in (metric.expected_low, metric.expected_high))
    detail = metric.name not in _SHORT_METRICS and metric.name != shown(check).name
    return Row(
        (
            titled(metric.name), figure(metric.name, metric.measured),
            figure(metric.name, metric.expected), span(low, high),
            figure(metric.name, metric.limit), percent(metric.of_expected), metric.verdict,
            percent(metric.of_limit),
            Bar(((min(1.0, metric.of_expected), TONES[metric.verdict]),)),
        ),
        detail=detail and metric.verdict in ("good", check.verdict),
    )  # fmt: skip


def percentiles(metrics: Sequence[Metric]) -> Table:
    """A row a metric, percentiles side by side: measured, and its share of the expected speed."""
    by_place: dict[tuple[str, str], Metric] = {}
    for metric in metrics:
        rank, _, _ = metric.name.partition("_")
        by_place[rank, titled(metric.name).removeprefix(f"{rank} ")] = metric
    ranks = list(dict.fromkeys(rank for rank, _ in by_place))
    names = dict.fromkeys(name for _, name in by_place)

    def cell(metric: Metric | None) -> Cell:
        if metric is None:
            return "-"
        text = f"{figure(metric.name, metric.measured)} {percent(metric.of_expected)}"
        poor = metric.verdict in ("slow", "impossible")
        return Span(f"{FAILS} {text}" if poor else text, TONES[metric.verdict] if poor else "")

    columns = (
        Column(""), *(Column(rank, "time", len(ranks) - n) for n, rank in enumerate(ranks, 1)),
    )  # fmt: skip
    rows = tuple(Row((name, *(cell(by_place.get((r, name))) for r in ranks))) for name in names)
    title = f"Percentiles, and how fast beside a simulated run ({FAILS} slow or impossible)"
    return Table(columns, rows, title, when="full")


def utilization_line(check: Check) -> str:
    """What each phase made of the card."""
    return "; ".join(
        f"{use.phase} {percent(use.mbu, 1)} of the bandwidth, {percent(use.mfu, 1)} of the FLOPs"
        for use in check.utilization
    )


DRIFT_COLUMNS = (
    Column("before", "time"),
    Column("now", "time", strong=True),
    Column("speed", "share"),
    Column("of expected before", "share", 2),
    Column("of expected now", "share", 1),
)


def drift_table(drift: Drift) -> Table:
    """Each figure then and now."""
    rows = tuple(Row((TITLES[c.metric], *drift_cells(c))) for c in drift.changes)
    title = f"Against the baseline ({clean(drift.source)})"
    return Table((Column(""), *DRIFT_COLUMNS), rows, title)


def drift_cells(change: Change) -> tuple[Cell, ...]:
    """One figure then and now."""
    speed = f"{100 * change.faster:+.1f}%"
    return (
        figure(change.metric, change.before),
        figure(change.metric, change.now),
        Span(speed, "warn") if change.faster + change.slack < 0 else speed,
        percent(change.of_expected_before),
        percent(change.of_expected),
    )
