"""What a TOML file of facts may hold, as tables of keys: for its schema, its reader, its writer.

Not here: the keys themselves (gpu_keys.py, engine_keys.py) and the checks (schema.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vperf.units import (
    parse_bandwidth,
    parse_bytes,
    parse_frequency,
    parse_power,
    parse_rate,
    parse_seconds,
)


class Unit(NamedTuple):
    """A quantity written with its unit."""

    parse: Callable[[str], float]
    name: str
    scale: float

    def write(self, value: float, digits: int = 6) -> str:
        """The text that `parse` reads."""
        return f"{value / self.scale:.{digits}g} {self.name}"


BYTES = Unit(parse_bytes, "MiB", 2.0**20)
BANDWIDTH = Unit(parse_bandwidth, "GB/s", 1e9)
RATE = Unit(parse_rate, "TFLOPS", 1e12)
CLOCK = Unit(parse_frequency, "MHz", 1e6)
SECONDS = Unit(parse_seconds, "us", 1e-6)
POWER = Unit(parse_power, "W", 1.0)
AMOUNT = "amount"
"""A number from 0 on; float and int are above it."""
STEPS = "steps"
"""A whole number from 0 on, of steps that are remembered."""


SHARE = "share"
"""A number above 0 and at most 1."""
WORDS = "words"
"""Of a command: texts, and tables of a word and of when it is said."""


class Each(NamedTuple):
    """A table whose keys are names: those listed, counts, or any."""

    kind: Any
    names: tuple[str, ...] | type[int] | None = None


class Rows(NamedTuple):
    """An array of tables."""

    keys: Mapping[str, Any]


class Key(NamedTuple):
    """One key: the field it becomes, its kind, and whether it must be there.

    A kind is a `Unit`, `Each`, `Rows`, one of the words above, a table of keys, or a plain type. Of
    field "" nothing becomes; "*" gives the fields of the table it holds.
    """

    field: str
    kind: Any
    required: bool = False
    needed_by: str = ""
    """The vendor whose cards must have it."""


Keys = Mapping[str, Key]


def read(kind: Any, value: Any) -> Any:
    """What a value of a checked file means, in SI units."""
    if isinstance(kind, Unit):
        return kind.parse(value)
    if isinstance(kind, Each):
        return {name: read(kind.kind, each) for name, each in value.items()}
    if isinstance(kind, Rows):
        return tuple(read(kind.keys, each) for each in value)
    if isinstance(kind, Mapping):
        found: dict[str, Any] = {}
        for name, key in kind.items():
            if key.field and name in value:
                there = read(key.kind, value[name])
                found.update(there if key.field == "*" else {key.field: there})
        return found
    if kind is datetime.date:
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def written(keys: Keys, fields: Mapping[str, Any], digits: int = 4) -> dict[str, Any]:
    """The table that `read` makes these fields of, without what is None, no quantity or empty."""
    table: dict[str, Any] = {}
    for name, key in keys.items():
        value = fields.get(key.field)
        if value or (value is not None and isinstance(key.kind, type)):
            table[name] = _written(key.kind, value, digits)
    return table


def _written(kind: Any, value: Any, digits: int) -> Any:
    if isinstance(kind, Unit):
        return kind.write(value, digits)
    if isinstance(kind, Each):
        return {str(name): _written(kind.kind, each, digits) for name, each in value.items()}
    if isinstance(kind, Mapping):
        return written(kind, value, digits)
    return float(f"{value:.{digits}g}") if kind is float else value
