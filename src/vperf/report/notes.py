"""What an answer rests on, sorted for a screen: guesses that changed it, warnings, the rest.

Not here: the sentences themselves (vperf.notes), and the figures.
"""

from __future__ import annotations

from collections.abc import Iterable

from vperf.notes import Note
from vperf.report.document import Block, Bullets, Prose
from vperf.report.format import plural


def note_blocks(
    notes: Iterable[str], *, basis: str = "", more: str = "", title: str = "Assumptions"
) -> list[Block]:
    """Guesses ("?") and warnings ("!"), then all others: counted in the short form, listed in full.

    `basis` leads the line that counts, `more` is what else -v has. What is not modelled comes last.
    """
    guesses: list[str] = []
    warnings: list[str] = []
    missing: list[str] = []
    rest: list[str] = []
    by_role = {"warning": warnings, "not_modelled": missing, "assumption": rest}
    for note in notes:
        role = note.role if isinstance(note, Note) else "assumption"
        if isinstance(note, Note) and note.guess:
            guesses.append(note)
        else:
            by_role[role].append(note)
    counted = [basis] if basis else []
    if rest or more:
        known = "more " if guesses else ""
        parts = [plural(len(rest), "assumption", more=known)] if rest else []
        counted.append(f"{', '.join([*parts, *([more] if more else [])])}: -v")
    found: list[Block] = [
        Bullets(tuple(guesses), mark="?", tone="warn"),
        Bullets(tuple(warnings), mark="!", tone="warn", tight=bool(guesses)),
    ]
    if counted:
        found.append(Prose("; ".join(counted), "aside", "short", tight=bool(guesses or warnings)))
    return [
        *found,
        Bullets(tuple(rest), title, when="full", tight=bool(guesses or warnings)),
        *(
            (Prose(f"Not modelled: {'; '.join(missing)}", when="full", tight=True),)
            if missing
            else ()
        ),
    ]
