"""What an answer rests on, sorted for a screen: guesses that changed it, warnings, the rest.

Not here: the sentences themselves (vperf.notes), and the figures.
"""

from __future__ import annotations

from collections.abc import Iterable

from vperf.report.document import Block, Bullets, Prose, When
from vperf.report.format import plural


def is_guess(note: object) -> bool:
    """Whether a note says of a choice that changed the answer, as one card of several."""
    return bool(getattr(note, "guess", False))


def note_blocks(
    assumptions: Iterable[object],
    warnings: Iterable[object] = (),
    *,
    basis: str = "",
    more: str = "",
    title: str = "Assumptions",
) -> list[Block]:
    """Guesses ("?") and warnings ("!"), then all others: counted in the short form, listed in full.

    `basis` leads the line that counts, `more` is what else -v has.
    """
    assumptions = tuple(assumptions)
    guesses = tuple(str(note) for note in assumptions if is_guess(note))
    rest = tuple(str(note) for note in assumptions if not is_guess(note))
    counted = [basis] if basis else []
    if rest or more:
        parts = [plural(len(rest), "assumption", more="more " if guesses else "")] if rest else []
        counted.append(f"{', '.join([*parts, *([more] if more else [])])}: -v")
    found: list[Block] = [
        Bullets(guesses, mark="?", tone="warn"),
        Bullets(tuple(map(str, warnings)), mark="!", tone="warn", tight=bool(guesses)),
    ]
    when: When = "short"
    if counted:
        found.append(Prose("; ".join(counted), "aside", when))
    return [*found, Bullets(rest, title, when="full")]
