"""What a result does not say and has to be given, and where it and what is given differ.

Not here: which options are asked for (workload_of_result.py, scenario_of_result.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vperf.checks.result import IN_WORDS, TYPED, Result
from vperf.errors import InputError
from vperf.notes import Note
from vperf.spelling import as_flag

Notes = list[Note]


class MissingSetupError(InputError):
    """Neither the result nor an option says it."""

    def __init__(self, message: str, what: str, flags: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"give {flags}")
        self.what = what
        self.flags = flags


@contextmanager
def noted(unsaid: list[MissingSetupError]) -> Iterator[None]:
    """Keep what is unsaid for later, so that all of it is asked for at once."""
    try:
        yield
    except MissingSetupError as error:
        unsaid.append(error)


def all_unsaid(result: Result, unsaid: list[MissingSetupError]) -> InputError:
    """One error for all that is unsaid."""
    if len(unsaid) == 1:
        return unsaid[0]
    *first, last = [each.what for each in unsaid]
    whose = "the figures do" if result.tool in BY_HAND else f"the result of {result.tool} does"
    return InputError(
        f"{whose} not say {', '.join(first)} and {last}",
        hint=f"give {', '.join(each.flags for each in unsaid)}",
    )


BY_HAND = (TYPED, IN_WORDS)
"""Tools of results that a person wrote: lengths and users that nobody says are taken as usual."""


def compare(name: str, given: Any, said: Any, warnings: Notes) -> None:
    """Say where the command line and the result differ."""
    if said is None or given is None:
        return
    if isinstance(given, int | float) and isinstance(said, int | float):
        same = math.isclose(given, said, rel_tol=0.005, abs_tol=0.5)
    else:
        same = plain(str(given)) == plain(str(said))
    if not same:
        shown = f"{said:g}" if isinstance(said, float) else said
        warnings.append(Note("option_wins", option=as_flag(name), given=given, said=shown))


def plain(text: str) -> str:
    """Letters and digits alone, as names are compared."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
