"""A graded result for a person at a terminal: the verdict, one table, where the time went, why.

Not here: how the figures come about (checks/), and the sentences (check_words.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from vperf.checks.check import Check
from vperf.checks.grade import Verdict
from vperf.report import check_words as words
from vperf.report.commands import folded
from vperf.report.format import clean
from vperf.report.page import Column, Page
from vperf.report.words import subject, workload

STYLES: dict[Verdict, str] = {
    "impossible": "bold red", "better": "bold", "good": "bold", "slow": "bold yellow",
}  # fmt: skip


def render(check: Check, *, width: int = 80, color: bool = False) -> str:
    """The whole screen as one string; ANSI only where `color` is true."""
    page = Page(width, color)
    for bar in words.missed(check):
        page.prose(words.bar_line(bar), "bold red")
    page.prose(words.headline(check, page.width), STYLES[check.verdict])
    page.prose(words.others(check))
    page.prose(f"{subject(check.estimate)}; {workload(check.estimate)}.")
    page.blank()
    page.table(
        _columns(words.METRIC_HEADINGS), [words.metric_row(metric) for metric in check.metrics]
    )
    passed = " ".join(words.bar_line(bar) for bar in check.bars if bar.passed)
    if check.utilization or passed:
        page.blank()
        page.facts([("MBU, MFU", words.utilization_line(check)), ("Gate", passed)])
    if check.drift:
        page.blank()
        page.line(words.drift_title(check.drift), "bold")
        rows = [words.drift_row(change) for change in check.drift.changes]
        page.table(_columns(words.DRIFT_HEADINGS), rows)
    _waterfalls(page, check)
    _suspects(page, check)
    page.section(
        "Likely reasons, the likeliest first", (clean(each.sentence) for each in check.reasons)
    )
    page.section("Warnings", map(clean, check.warnings), "yellow")
    page.section("Taken for granted", map(clean, (*check.notes, *check.estimate.assumptions)))
    return page.text()


def _columns(headings: Sequence[str], left: Sequence[int] = (0,)) -> list[Column]:
    return [Column(heading, left=number in left) for number, heading in enumerate(headings)]


def _drifts(page: Page, checks: Sequence[tuple[str, Check]]) -> None:
    """The main figure of each that has a baseline, and the one that slowed most."""
    rows = [
        (clean(name), *words.drift_row(change))
        for name, check in checks
        if check.drift
        for change in check.drift.changes
        if change.metric == check.main.name or change is check.drift.worst
    ]
    if rows:
        page.blank()
        page.line("Against the baseline", "bold")
        page.table(_columns(("", *words.DRIFT_HEADINGS), left=(0, 1)), rows, above=True)


def _waterfalls(page: Page, check: Check) -> None:
    falls = check.waterfalls
    if not falls or check.verdict == "impossible":
        return
    headings, rows = words.waterfall_table(falls)
    page.blank()
    page.line(words.WATERFALL, "bold")
    page.table(_columns(headings), rows, total=True)
    page.blank()
    page.prose(words.largest(falls[0]))


def _suspects(page: Page, check: Check) -> None:
    page.prose(words.unexplained(check))
    for title, found in words.suspect_groups(check):
        if not found:
            continue
        page.blank()
        page.line(title, "bold")
        for each in found:
            page.prose(f"- {words.suspect_line(each)}", indent="  ")
            if each.command:
                for line in folded(clean(each.command).split(" ", 1), page.width - 4):
                    page.line(f"    {line}")


def render_all(
    checks: Sequence[tuple[str, Check]],
    *,
    errors: int = 0,
    hint: str = "",
    width: int = 80,
    color: bool = False,
) -> str:
    """Several results by name: how they ended, and a line each; last how to see more.

    `errors`: how many could not be graded, which standard error tells of.
    """
    page = Page(width, color)
    failed = [(name, bar) for name, each in checks for bar in words.missed(each)]
    page.prose(words.summary_line(checks, errors), "bold red" if failed or errors else "bold")
    page.blank()
    rows = [words.result_row(name, check) for name, check in checks]
    page.table(_columns(words.RESULT_HEADINGS, left=(0, 1, 7)), rows, above=True)
    _drifts(page, checks)
    page.section("Failed", (f"{clean(name)}: {words.bar_line(bar)}" for name, bar in failed), "red")
    said = dict.fromkeys(clean(text) for _, each in checks for text in each.warnings)
    page.section("Warnings", said, "yellow")
    if hint:
        page.blank()
        page.prose(hint, "dim")
    return page.text()
