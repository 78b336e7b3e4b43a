"""The card that a driver's or a backend's name means.

Drivers put the chip in brackets after a name that may say nothing ("AMD Radeon Graphics (RADV
GFX1151)"). Not here: the names that cards are sold under (sources/gpus.py).
"""

from __future__ import annotations

import re

from vperf.errors import InputError, UnknownNameError
from vperf.sources.gpus import load_gpu
from vperf.spelling import flag

_BRACKETS = re.compile(r"[ \t]*\(([^()]*)\)[ \t]*$")
_MARKS = re.compile(r"\((?:R|TM|C)\)", re.IGNORECASE)
_DRIVER = re.compile(r"^(?:RADV|AMDVLK|Mesa)[ \t]+|[ \t]*\b(?:VF|MIG.*)$", re.IGNORECASE)


def card_named(said: str) -> str:
    """A name that `load_gpu` takes for it.

    Raises InputError, which says that the name came from the result, where none is.
    """
    found, unknown = find_card(said)
    if found is not None:
        return found
    nearest = f"; did you mean {', '.join(near)}?" if (near := unknown and unknown.nearest) else ""
    raise InputError(
        f"the result's card is {said[:80]!r}, which names none that vperf knows{nearest}",
        hint=f"give {flag('gpu')}: 'vperf gpus' lists them, FILE.toml is your own",
    )


def find_card(said: str) -> tuple[str | None, UnknownNameError | None]:
    """A name that `load_gpu` takes for it, or what it said of the first that it does not."""
    unknown: UnknownNameError | None = None
    for spelling in _spellings(said):
        try:
            load_gpu(spelling)
        except UnknownNameError as error:
            unknown = unknown or error
        else:
            return spelling, None
    return None, unknown


def _spellings(said: str) -> list[str]:
    """The name, its chip where the name is one of many, and the name without its brackets."""
    found = [said]
    bare = _MARKS.sub("", said)
    while match := _BRACKETS.search(bare):
        bare = bare[: match.start()]
        found += [bare, _DRIVER.sub("", match[1])]
    found.append(_DRIVER.sub("", bare))
    return [name for name in dict.fromkeys(map(str.strip, found)) if name]
