"""One object of a foreign result file, read field by field with the file and the field in errors.

Plain reading instead of a schema: these files have dozens of keys that nobody here needs, and a
wrong one among the needed should be named as its tool spells it. A key that is absent or null is
None; one that is there and cannot be a measurement is an error. Not here: whole files
(document.py), and what the fields mean (one file a tool).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from vperf.errors import InputError
from vperf.values import dataclass

_LEAST, _MOST, _MAX_COUNTED = 1e-12, 1e18, 1e15
"""What no measurement leaves, so that arithmetic with them cannot overflow."""


@dataclass(frozen=True, slots=True)
class Record:
    """`values` from `source`; `where` says which part of it ("line 3"), empty for the whole."""

    source: str
    values: Mapping[str, Any]
    where: str = ""
    around: str = ""
    """What the file holds before it: the lines of the backend, the command, the server's log."""

    def error(self, key: str, message: str, *, hint: str = "") -> InputError:
        """An error about a field."""
        field = " ".join(part for part in (self.where, key) if part)
        return InputError(message, source=self.source, field=field, hint=hint)

    def get(self, key: str) -> Any:
        """The value of "key", "outer.inner" or "list.0.inner"; None where there is none."""
        if key in self.values:
            return self.values[key]
        value: Any = self.values
        for part in key.split("."):
            if isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
                continue
            if not isinstance(value, Mapping):
                return None
            value = value.get(part)
        return value

    def number(self, key: str) -> float | None:
        """A finite number, zero or more."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"{shown(value)} is not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not 0 <= number <= _MOST:
            raise self.error(key, f"{shown(value)} is not a measurement")
        return number

    def metric(self, key: str, scale: float = 1.0) -> float | None:
        """A measured figure above zero, times `scale`."""
        number = self.number(key)
        if number is not None and number * scale < _LEAST:
            raise self.error(key, "is zero, so nothing was measured")
        return None if number is None else number * scale

    def known(self, key: str, scale: float = 1.0) -> float | None:
        """A metric; None where the tool writes 0, -1 or NaN for what it could not measure."""
        value = self.get(key)
        unmeasured = isinstance(value, int | float) and (
            value in {0, -1} or (isinstance(value, float) and math.isnan(value))
        )
        return None if unmeasured else self.metric(key, scale)

    def need(self, key: str, scale: float = 1.0) -> float:
        """A metric that the format always has."""
        value = self.metric(key, scale)
        if value is None:
            raise self.error(key, "is missing or null")
        return value

    def degree(self, key: str) -> int | None:
        """How many GPUs share something: a whole number above zero; None for 0 and -1."""
        value = self.get(key)
        unset = isinstance(value, int | float) and value in {0, -1}
        return None if unset else self.count(key)

    def count(self, key: str) -> int | None:
        """A whole number, zero or more."""
        number = self.number(key)
        if number is not None and not (number.is_integer() and number <= _MAX_COUNTED):
            raise self.error(key, f"{shown(self.get(key))} is not a whole number")
        return None if number is None else int(number)

    def text(self, key: str) -> str | None:
        """A text that is not blank."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(key, f"{shown(value)} is not a text")
        return value.strip() or None

    def numbers(self, key: str) -> list[float]:
        """A list of measured figures; empty where there is none."""
        values = self.get(key)
        if values is None:
            return []
        if not isinstance(values, list):
            raise self.error(key, f"{shown(values)} is not a list")
        items = Record(self.source, {str(index): item for index, item in enumerate(values, 1)})
        found = (
            replace(items, where=f"{self.where} {key}".strip()).metric(i) for i in items.values
        )
        return [number for number in found if number is not None]

    def section(self, key: str) -> Record | None:
        """An object inside this one."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.error(key, f"{shown(value)} is not an object")
        return Record(self.source, value, " ".join(p for p in (self.where, key) if p))

    def sections(self, key: str) -> Iterator[Record]:
        """The objects of a list inside this one, counted from 1."""
        value = self.get(key)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.error(key, f"{shown(value)} is not a list")
        for index, item in enumerate(value, 1):
            name = f"{key}[{index}]"
            if not isinstance(item, Mapping):
                raise self.error(name, f"{shown(item)} is not an object")
            yield Record(self.source, item, " ".join(p for p in (self.where, name) if p))


def shown(value: object) -> str:
    """A value of the file for an error, cut: it may be a list of a million numbers."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > 10**60:
        return "a number of more than 60 digits"
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # as the file has it
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")


def number_or_none(text: str) -> float | None:
    """A number as printed, with commas between thousands or before decimals; None: it is none."""
    if "," in text:
        decimal = _DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text)
        text = text.replace(".", "").replace(",", ".") if decimal else text.replace(",", "")
    try:
        return float(text)
    except ValueError:
        return None


def number_or_text(text: str) -> float | str:
    """The same; what is no number is kept, so that the reader of the record can refuse it."""
    number = number_or_none(text)
    return text[:40] if number is None else number
