"""A scenario's numbers are numbers: whole where they count, else finite, and none below its least.

The command line holds its words to that before; what a Python program gives is held here. Not here:
which numbers go together (card.py, engine.py, load.py).
"""

from __future__ import annotations

import math

from vperf.errors import MAX_COUNT, InputError, check_count
from vperf.scenario import OPTIONS, Scenario

_COUNTS = tuple(
    (name, -MAX_COUNT if option.minimum is None else option.minimum)
    for name, option in OPTIONS.items()
    if option.kind is int
)
_OTHERS = tuple(
    name for name, option in OPTIONS.items() if option.kind is float and name != "acceptance"
)
"""But the one that may be a list, which serving/speculative.py reads."""
_ENDLESS = frozenset({"request_rate", "burstiness"})
"""inf: all at once; a constant rate."""


def check_figures(scenario: Scenario) -> None:
    """Raises InputError that names the option."""
    for name, least in _COUNTS:
        value = getattr(scenario, name)
        if value is not None and (type(value) is not int or value < least):
            check_count(_named(name), value, least)
    for name in _OTHERS:
        value = getattr(scenario, name)
        if value is None or (type(value) is float and math.isfinite(value)):
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or math.isnan(value) or (math.isinf(value) and name not in _ENDLESS):
            raise InputError(f"must be a finite number, not {value!r:.80}", field=_named(name))


def _named(name: str) -> str:
    return OPTIONS[name].flags[0].removeprefix("--")
