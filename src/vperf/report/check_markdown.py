"""Graded results as GitHub-flavoured Markdown: for a job summary, an issue or a pull request.

Not here: the sentences (check_words.py). Data is escaped, as in markdown.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vperf.checks.check import Check
from vperf.errors import VperfError
from vperf.report import check_words as words
from vperf.report.format import clean
from vperf.report.markdown import escape, table
from vperf.report.words import subject, workload

_LONG = 10_000


def render(
    checks: Sequence[tuple[str, Check]], errors: Sequence[tuple[str, VperfError]] = ()
) -> str:
    """One result in full; of several a line each, and those in full that fail or are not good.

    First the `errors`: what could not be graded, by name.
    """
    lost = _list("Errors", [escape(words.error_line(name, error)) for name, error in errors])
    if len(checks) < 2:
        return _joined([lost, *(part for _, check in checks for part in _full(check))])
    rows = [words.result_row(name, check) for name, check in checks]
    parts = [
        f"**{words.summary_line(checks, len(errors))}**",
        lost,
        table(_flat(words.RESULT_HEADINGS), rows, left=(0, 1, 7)),
    ]
    for name, check in checks:
        if words.missed(check) or check.verdict in ("slow", "impossible"):
            parts += [f"<details><summary>{escape(name)}</summary>", *_full(check), "</details>"]
    return _joined(parts)


def _full(check: Check) -> list[str]:
    said = [words.bar_line(bar) for bar in words.missed(check)]
    said += [words.headline(check, _LONG)]
    passed = [words.bar_line(bar) for bar in check.bars if bar.passed]
    more = [words.others(check), f"{subject(check.estimate)}; {workload(check.estimate)}.", *passed]
    parts = [
        "**" + "<br>".join(escape(line) for line in said) + "**",
        " ".join(escape(line) for line in more if line),
        table(_flat(words.METRIC_HEADINGS), map(words.metric_row, check.metrics), left=(0,)),
    ]
    if check.drift:
        changes = map(words.drift_row, check.drift.changes)
        parts += [
            f"**{escape(words.drift_title(check.drift))}**",
            table(_flat(words.DRIFT_HEADINGS), changes, left=(0,)),
        ]
    if check.utilization:
        parts.append(f"MBU, MFU: {words.utilization_line(check)}")
    if check.waterfalls and check.verdict != "impossible":
        headings, rows = words.waterfall_table(check.waterfalls)
        parts += [
            f"**{words.WATERFALL}**",
            table(headings, rows, left=(0,)),
            escape(words.largest(check.waterfalls[0])),
        ]
    parts.append(words.unexplained(check))
    for title, found in words.suspect_groups(check):
        lines = [
            escape(words.suspect_line(each)) + (f": {_code(each.command)}" if each.command else "")
            for each in found
        ]
        parts.append(_list(title, lines))
    for title, texts in (
        ("Likely reasons, the likeliest first", [each.sentence for each in check.reasons]),
        ("Warnings", check.warnings),
        ("Taken for granted", (*check.notes, *check.estimate.assumptions)),
    ):
        parts.append(_list(title, map(escape, texts)))
    return parts


def _list(title: str, lines: Iterable[str]) -> str:
    items = [f"- {line}" for line in lines]
    return "\n".join([f"**{title}**", "", *items]) if items else ""


def _code(command: str) -> str:
    """A command as it is: no command of ours holds a backtick."""
    return f"`{clean(command).replace('`', chr(39))}`"


def _flat(headings: Sequence[str]) -> list[str]:
    return [heading.replace("\n", " ").strip() for heading in headings]


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
