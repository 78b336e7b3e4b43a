"""Typed reading of a JSON object: every wrong value ends in an InputError naming its field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vperf.errors import InputError, UnsupportedModelError

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object, where it stands in its file, and the file."""

    values: Mapping[str, object]
    path: str
    source: str

    def at(self, key: str) -> str:
        """The full name of a field, as an error prints it."""
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key: str, wanted: str) -> InputError:
        """The error that says what a field should have been and what it is."""
        shown = ascii(self.values.get(key))
        shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
        return InputError(f"{shown} is not {wanted}", source=self.source, field=self.at(key))

    def unsupported(self, key: str, what: str) -> UnsupportedModelError:
        """The refusal of a scheme that was read but is not understood."""
        shown = what if len(what) <= 2 * _SHOWN else what[: 2 * _SHOWN] + "..."
        return UnsupportedModelError(
            f"{shown} is not supported", source=self.source, field=self.at(key)
        )

    def has(self, key: str) -> bool:
        """Whether the field is there with a value."""
        return self.values.get(key) is not None

    def integer(self, key: str, default: int | None = None, *, low: int = 1, high: int) -> int:
        """A whole number in [low, high]; missing or null gives the default."""
        value = self.values.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return value

    def group_size(self, key: str = "group_size", default: int | None = None) -> int:
        """Elements that share a scale; 0 stands for the whole input axis (-1 in the file)."""
        value = self.values.get(key)
        if value == -1 and not isinstance(value, bool):
            return 0
        return self.integer(key, default, high=1 << 20)

    def boolean(self, key: str, default: bool) -> bool:
        """A true or false; missing or null gives the default."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A string; missing or null gives the default."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def child(self, key: str) -> Fields | None:
        """A nested object, or None when missing or null."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(key, "an object")
        return Fields(value, self.at(key), self.source)

    def children(self, key: str) -> Iterator[tuple[str, Fields]]:
        """The objects of an object of objects."""
        parent = self.child(key)
        for name in parent.values if parent else ():
            if parent and (child := parent.child(name)) is not None:
                yield name, child

    def strings(self, *keys: str) -> list[str]:
        """The strings of a list (or the only one, bare), the lists of several keys joined."""
        found: list[str] = []
        for key in keys:
            value = self.values.get(key)
            if value is None:
                continue
            items = [value] if isinstance(value, str) else value
            if not isinstance(items, list | tuple):
                raise self.wrong(key, "a list of names")
            for item in items:
                if not isinstance(item, str) or not item:
                    raise self.wrong(key, "a list of names")
            found.extend(items)
        return found
