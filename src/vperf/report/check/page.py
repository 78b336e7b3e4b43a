"""The pages of graded results: of one the verdict, a table, where the time went and why; of several
how they ended and a line each.

Not here: the sentences (sentences.py) and tables (tables.py, waterfall.py, by_load.py) themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vperf.checks.check import Check, summary
from vperf.errors import VperfError
from vperf.report.check import by_load
from vperf.report.check.figures import TITLES, TONES, figure
from vperf.report.check.sentences import (
    Named,
    bar_line,
    command_of,
    error_line,
    first_look,
    headline,
    likely,
    missed,
    others,
    summary_line,
    suspect_line,
    threshold,
    why,
)
from vperf.report.check.tables import (
    DRIFT_COLUMNS,
    METRIC_COLUMNS,
    drift_cells,
    drift_table,
    metric_row,
    percentiles,
    utilization_line,
)
from vperf.report.check.waterfall import chart, waterfalls
from vperf.report.document import (
    FAILS,
    HOLDS,
    Bar,
    Block,
    Bullets,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Span,
    Table,
    Tone,
)
from vperf.report.estimate.facts import basis
from vperf.report.estimate.page import second_line
from vperf.report.format import clean, percent, plural
from vperf.report.forms import Report
from vperf.report.notes import note_blocks

Errors = Sequence[tuple[str, VperfError]]


def report(checks: Named, errors: Errors = (), *, alone: bool = False, hint: str = "") -> Report:
    """Results in every form; one `alone` in full. `hint`: how to see one of several."""
    found = [check for _, check in checks]
    return Report(
        lambda: document(found[0]) if alone else documents(checks, errors, hint=hint),
        lambda: found[0].to_dict() if alone else summary(found, errors),
        lambda: (row for check in found for row in _csv(check)),
        lambda: chart(found[0]) if alone else by_load.chart(found),
    )


def document(check: Check) -> Iterator[Block]:
    """The screen of one result."""
    yield Headline(headline(check))
    yield Prose(second_line(check.estimate), "aside", tight=True)
    for held, mark, tone in ((False, FAILS, "bad"), (True, HOLDS, "good")):
        bars = tuple(threshold(bar) for bar in check.bars if bar.passed is held)
        yield Bullets(bars, mark=f"  {mark}", tone=tone, tight=True)  # type: ignore[arg-type]
    if text := others(check):
        yield Prose(text, tight=True)
    yield Table(METRIC_COLUMNS, tuple(metric_row(check, metric) for metric in check.metrics))
    if check.percentiles:
        yield percentiles(check.percentiles)
    if check.utilization:
        yield Facts((("MBU, MFU", utilization_line(check)),), when="full", tight=True)
    if check.drift:
        yield drift_table(check.drift)
    yield from _why(check)
    yield from note_blocks(
        (*check.notes, *check.warnings, *check.estimate.assumptions),
        basis=basis(check.estimate) if check.estimate.gpu.constants == "measured" else "",
        more=_rest(check),
    )


def _rest(check: Check) -> str:
    """What -v has beside assumptions."""
    tries = sum(each.kind == "try" for each in check.suspects)
    more = [plural(tries, "faster setting")] if tries else []
    more += ["TTFT"] if len(check.waterfalls) > 1 else []
    return ", ".join(more)


def _why(check: Check) -> Iterator[Block]:
    """Why it is above the limit; else where the time went, and what may be behind it."""
    reasons = tuple(clean(each.sentence) for each in check.reasons)
    yield Bullets(reasons, "Likely reasons, the likeliest first")
    if check.verdict == "impossible":
        return
    yield from waterfalls(check.waterfalls)
    suspects = [each for each in check.suspects if each.kind == "suspect"]
    tries = [each for each in check.suspects if each.kind == "try"]
    arrow = "\N{RIGHTWARDS ARROW}"
    likeliest = (*map(likely, suspects[:1]), *map(first_look, check.checklist[:1]))
    yield Bullets(likeliest, mark=arrow, tone="command", when="short", tight=True)
    faults = tuple(f"{suspect_line(each)}{command_of(each)}" for each in suspects)
    yield Bullets(faults, "Suspects, the likeliest first", when="full")
    looks = tuple(f"{look.what}{f' ({look.command})' if look.command else ''}"
                  for look in check.checklist)  # fmt: skip
    yield Bullets(looks, "No fault is telling: look, in this order", when="full", tight=True)
    yield Bullets(
        tuple(f"{suspect_line(each)}{command_of(each)}" for each in tries),
        "To go faster, as vperf predicts", when="full", tight=bool(suspects),
    )  # fmt: skip


# Several results -----------------------------------------------------------------------------


_RESULT_COLUMNS = (
    Column("result"),
    Column("figure", rank=1),
    Column("measured", "time", strong=True),
    Column("expected", "time", 2),
    Column("limit", "time", 3),
    Column("of exp.", "share"),
    Column("of limit", "share", 5),
    Column("verdict", "verdict"),
    Column("of expected", "bar", 5),
)


def documents(checks: Named, errors: Errors = (), *, hint: str = "") -> Iterator[Block]:
    """Several results by name: how they ended, and a line each."""
    failed = [(name, bar) for name, each in checks for bar in missed(each)]
    tone: Tone = "bad" if failed or errors else "good"
    yield Headline((Span(summary_line(checks, len(errors)), tone),))
    yield Bullets(
        tuple(error_line(name, error) for name, error in errors), "Errors", mark=FAILS, tone="bad"
    )
    yield Table(_RESULT_COLUMNS, tuple(_result_row(name, check) for name, check in checks))
    yield from by_load.tables([check for _, check in checks])
    rows = tuple(_drift_rows(checks))
    if rows:
        columns = (Column("result"), Column("figure"), *DRIFT_COLUMNS)
        yield Table(columns, rows, "Against the baseline")
    said = tuple(f"{clean(name)}: {bar_line(bar)}" for name, bar in failed)
    yield Bullets(said, "Failed", mark=FAILS, tone="bad")
    poor = [(n, c) for n, c in checks if missed(c) or c.verdict in ("slow", "impossible")]
    if len(checks) > 1:
        for name, check in poor:
            yield Bullets(tuple(why(check)), clean(name), when="full")
    yield Bullets(tuple(_warnings(checks)), "Warnings", mark="!", tone="warn")
    if hint:
        yield Prose(hint, "aside", "short")


def _warnings(checks: Named) -> Iterator[str]:
    """Each once; of a kind that many results have with other figures, the first with its name."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for name, each in checks:
        for note in each.warnings:
            kinds.setdefault(note.kind, {}).setdefault(clean(note), []).append(name)
    for sentences in kinds.values():
        if len(sentences) <= _FEW:
            yield from sentences
            continue
        first, names = next(iter(sentences.items()))
        others = sum(map(len, sentences.values())) - len(names)
        yield f"{clean(names[0])}: {first}; {plural(others, 'other result')} alike"


_FEW = 3
"""Warnings of one kind that are listed."""


def _result_row(name: str, check: Check) -> Row:
    """The main figure of one of several results, and its verdict."""
    metric = check.main
    return Row(
        (
            clean(name), TITLES[metric.name], figure(metric.name, metric.measured),
            figure(metric.name, metric.expected), figure(metric.name, metric.limit),
            percent(metric.of_expected), percent(metric.of_limit), check.verdict,
            Bar(((min(1.0, metric.of_expected), TONES[check.verdict]),)),
        )
    )  # fmt: skip


def _drift_rows(checks: Named) -> Iterator[Row]:
    """The main figure of each that has a baseline, and the one that slowed most."""
    for name, check in checks:
        if check.drift:
            for change in check.drift.changes:
                if change.metric == check.main.name or change is check.drift.worst:
                    yield Row((clean(name), TITLES[change.metric], *drift_cells(change)))


def _csv(check: Check) -> Iterator[Mapping[str, Any]]:
    """A row a figure; `before` and `faster` are empty without a baseline."""
    gpu = check.estimate.gpu
    changes = {each.metric: each for each in check.drift.changes} if check.drift else {}
    for metric in check.metrics:
        change = changes.get(metric.name)
        figures = asdict(metric)
        yield {
            "source": check.source, "label": check.result.label, "model": check.estimate.model.id,
            "gpu": gpu.id, "gpus": gpu.count, "metric": figures.pop("name"), **figures,
            "before": change.before if change else None,
            "faster": change.faster if change else None,
        }  # fmt: skip
