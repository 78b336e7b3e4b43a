"""What may be behind a slow result, and what to try: faults by how telling they are.

A *suspect* is a fault whose own prediction comes near to what was measured (faults.py), or one that
a single unknown value would explain, where that value is one that occurs (unknowns.py). A *try* is
a change that vperf predicts to be faster (gains.py). Each has the option of the engine that does
it, from the engine's file. Not here: the parts of the time (waterfall.py) and impossible results
(above_limit.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from vperf.checks.case import Case, Suspect
from vperf.checks.faults import fitting, possible_faults
from vperf.checks.gains import more_at_a_time, possible_gains, tries
from vperf.checks.local_card import runs_fast, seen_on
from vperf.checks.unknowns import telling

_MAX_SHOWN = 3
_MAX_WHAT_IFS = 9
"""Scenarios that are looked at to explain one result."""
_BESIDE = 0.5
"""Share of the most telling one's odds below which others are not worth a line."""
_TELLING = 0.6
"""Odds from which a suspect is more than what is usual."""


def find_suspects(case: Case) -> tuple[Suspect, ...]:
    """Faults that fit what was measured, the most telling first; then what to try, the fastest
    first."""
    if not case.falls:
        return ()
    changes = list(possible_faults(case)) if case.is_slow else []
    found = _once((*fitting(case, changes), *telling(case), *_here(case)))
    if case.local is not None and runs_fast(case.local):
        found = [each for each in found if each.id != "clocks"]
    gains = islice(possible_gains(case), _MAX_WHAT_IFS - len(changes))
    worth = sorted((*tries(case, gains), *more_at_a_time(case)), key=lambda e: -(e.gain or 0.0))
    return (*found[:_MAX_SHOWN], *worth[:_MAX_SHOWN])


def _here(case: Case) -> Iterator[Suspect]:
    """What this machine's own card shows, where it is the one that ran."""
    if case.local is not None and case.is_slow:
        yield from seen_on(case.local, case.gpu, several=case.at.model.parallel.gpus > 1)


def is_telling(suspects: Iterable[Suspect]) -> bool:
    """Whether one of them is more than what is usual."""
    return any(each.odds >= _TELLING for each in suspects)


def _once(found: Iterable[Suspect]) -> list[Suspect]:
    """The most telling of each fault, the most telling first."""
    best: dict[str, Suspect] = {}
    for each in sorted(found, key=lambda each: -each.odds):
        best.setdefault(each.id, each)
    most = max((each.odds for each in best.values()), default=0.0)
    return [each for each in best.values() if each.odds >= _BESIDE * most]
