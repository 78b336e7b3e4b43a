"""Slow runs of public threads whose cause was found: is it among the first two that are named?

Figures, setups and causes are those of the threads (benchmarks/data/slow_runs.csv), not predictions
fed back. A run that is not called slow counts as a miss.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

from slow_runs import CAUSES, Run, runs

LEAST = 0.85
"""Share of runs whose cause is among the first two: issue 14 asks for 0.6."""
LEAST_FIRST = 0.65


@cache
def graded() -> tuple[Run, ...]:
    return tuple(runs())


def test_the_cause_is_among_the_first_two_in_most_public_slow_runs() -> None:
    missed = [run.source for run in graded() if not run.hit]
    assert len(missed) <= (1 - LEAST) * len(graded()), missed


def test_the_cause_is_the_first_in_most_public_slow_runs() -> None:
    first = [run for run in graded() if CAUSES[run.cause] & set(run.named[:1])]
    assert len(first) >= LEAST_FIRST * len(graded())


def test_no_kind_of_cause_is_missed_as_a_whole() -> None:
    hits: dict[str, int] = defaultdict(int)
    for run in graded():
        hits[run.cause] += run.hit
    assert not [cause for cause, count in hits.items() if not count and cause != "network"]


def test_what_a_mended_run_reaches_is_never_impossible() -> None:
    mended = [(run.source, run.mended.verdict) for run in graded() if run.mended]
    assert len(mended) > 20
    assert not [source for source, verdict in mended if verdict == "impossible"]
