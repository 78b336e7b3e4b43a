"""A config.json asked by any of a field's names, in any of the places a family keeps it.

Absent and null are the same. Every value is checked for type and range as it is read, and every
error names the file and the field. Class defaults of a family (values transformers fills in when
a config leaves them out) are used only where a family declares them, and are remembered in
`defaults_used`. Not here: what the values mean (blocks/, families/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from vperf.errors import InputError, UnsupportedModelError
from vperf.model.layers import item_of, one_of

MAX_DIMENSION = 2**31
"""No dimension of a real model comes near; absurd values must not become answers."""

MAX_LAYERS = 512


class Config:
    """One JSON object of a config, e.g. the top level or its `text_config`."""

    __slots__ = ("_data", "_defaults", "defaults_used", "has_class", "keys_read", "path", "source")

    def __init__(
        self,
        data: Mapping[str, Any],
        source: str,
        path: str = "",
        defaults: Mapping[str, Any] | None = None,
        has_class: bool = False,
    ) -> None:
        self._data = data
        self._defaults: Mapping[str, Any] = defaults or {}
        self.source = source
        """What errors call the file: "./config.json", "Qwen/Qwen3-4B"."""
        self.path = path
        self.has_class = has_class
        """Whether transformers has a class for it, whose keys are all among the defaults."""
        self.defaults_used: dict[str, Any] = {}
        self.keys_read: set[str] = set()
        """Every field that was asked for: a field that shapes the model must have been."""

    def with_defaults(self, defaults: Mapping[str, Any], *, has_class: bool = False) -> Config:
        """The same object, with a class's defaults behind it."""
        return Config(self._data, self.source, self.path, defaults, has_class)

    def of_layer(self, layer: int) -> Config:
        """As one layer sees it: with what `per_layer_config` changes for that layer.

        {"05": {"head_dim": 512}}: transformers writes down so what a class computes by layer.
        """
        changes = self._data.get("per_layer_config")
        if not changes:
            return self
        if not isinstance(changes, Mapping):
            raise self.error(f"must be an object, not {_shown(changes)}", "per_layer_config")
        self.keys_read.add("per_layer_config")
        number = str(layer)  # numbers with leading zeros, and perhaps too long to be read as one
        entry = next((v for k, v in changes.items() if (str(k).lstrip("0") or "0") == number), None)
        if entry is None:
            return self
        if not isinstance(entry, Mapping):
            raise self.error("must be an object", f"per_layer_config.{layer}")
        return self.overlaid(entry)

    def overlaid(self, changes: Mapping[str, Any]) -> Config:
        """The same object with some values of its own."""
        seen = Config(
            {**self._data, **changes}, self.source, self.path, self._defaults, self.has_class
        )
        seen.keys_read, seen.defaults_used = self.keys_read, self.defaults_used
        return seen

    def error(self, message: str, field: str) -> InputError:
        """An error that names this file and `field`."""
        return InputError(message, source=self.source, field=self._at(field))

    def unsupported(self, message: str, field: str) -> UnsupportedModelError:
        """A refusal that names this file and `field`: it reads well but is not understood."""
        return UnsupportedModelError(message, source=self.source, field=self._at(field))

    def _at(self, field: str) -> str:
        return f"{self.path}.{field}" if self.path else field

    def raw(self, *names: str) -> Any:
        """The first of `names` that is present and not null; a declared default, or None.

        A null that the file itself holds is none, whatever the class's default. Another of the
        names that says something else has not been read.
        """
        for place, name in enumerate(names):
            value = self._data.get(name)
            if value is not None:
                others = names[place + 1 :]
                self.keys_read.update(names[: place + 1])
                self.keys_read.update(each for each in others if self._data.get(each) == value)
                return value
        self.keys_read.update(names)
        for name in names:
            value = self._defaults.get(name)
            if value is not None and name not in self._data:
                self.defaults_used[name] = value
                return value
        return None

    def has(self, *names: str) -> bool:
        """Whether the file itself holds one of `names`, not null."""
        return any(self._data.get(name) is not None for name in names)

    def keys(self) -> frozenset[str]:
        """The keys of the file itself."""
        return frozenset(self._data)

    def declares(self, name: str) -> bool:
        """Whether the family's class has a key of this name, whatever the file says."""
        return name in self._defaults

    def unread(self) -> dict[str, Any]:
        """What the file sets, not null, and nobody asked for, where it is not the default."""
        changes = self._data.get("per_layer_config")
        by_layer = changes.values() if isinstance(changes, Mapping) else ()
        by_layer_keys = {k for entry in by_layer if isinstance(entry, Mapping) for k in entry}
        if by_layer_keys - self.keys_read:
            return {"per_layer_config": changes}
        return {
            key: value
            for key, value in self._data.items()
            if key not in self.keys_read
            and value is not None
            and not (key in self._defaults and self._defaults[key] == value)
        }

    def optional_integer(
        self, *names: str, minimum: int = 1, maximum: int = MAX_DIMENSION
    ) -> int | None:
        """An integer, or None when none of `names` is present."""
        value = self.raw(*names)
        return None if value is None else self._checked(value, names[0], minimum, maximum)

    def integer(self, *names: str, minimum: int = 1, maximum: int = MAX_DIMENSION) -> int:
        """An integer; missing is an error that names the field."""
        value = self.raw(*names)
        if value is None:
            others = f" (nor {', '.join(names[1:])})" if len(names) > 1 else ""
            raise self.error(f"missing; it is needed{others}", names[0])
        return self._checked(value, self._name_of(names), minimum, maximum)

    def _name_of(self, names: Sequence[str]) -> str:
        return next((name for name in names if self._data.get(name) is not None), names[0])

    def _checked(
        self, value: Any, name: str, minimum: int, maximum: int, index: int | None = None
    ) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        well = isinstance(value, int) and not isinstance(value, bool)
        if well and minimum <= value <= maximum:
            return cast("int", value)
        if index is not None:
            name = f"{name}[{index}]"
        if not well:
            raise self.error(f"must be an integer, not {_shown(value)}", name)
        raise self.error(f"must be between {minimum} and {maximum}, not {_shown(value)}", name)

    def number(self, *names: str, default: float | None = None) -> float:
        """A finite number."""
        value = self.raw(*names)
        if value is None:
            if default is None:
                raise self.error("missing; it is needed", names[0])
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"must be a number, not {_shown(value)}", self._name_of(names))
        if not -1e18 < value < 1e18:  # also refuses NaN
            raise self.error("must be a finite number", self._name_of(names))
        return float(value)

    def flag(self, *names: str, default: bool) -> bool:
        """True or false."""
        value = self.raw(*names)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(f"must be true or false, not {_shown(value)}", self._name_of(names))
        return value

    def text(self, *names: str, default: str | None = None) -> str:
        """A string."""
        value = self.raw(*names)
        if value is None:
            if default is None:
                raise self.error("missing; it is needed", names[0])
            return default
        if not isinstance(value, str):
            raise self.error(f"must be a string, not {_shown(value)}", self._name_of(names))
        return value

    def _items(self, names: Sequence[str]) -> list[Any] | None:
        value = self.raw(*names)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise self.error(f"must be a list, not {_shown(value)}", self._name_of(names))
        return list(value)

    def integers(
        self, *names: str, minimum: int = 0, maximum: int = MAX_DIMENSION
    ) -> tuple[int, ...] | None:
        """A list of integers, or None when absent."""
        items = self._items(names)
        if items is None:
            return None
        name = self._name_of(names)
        return tuple(self._checked(item, name, minimum, maximum, i) for i, item in enumerate(items))

    def strings(self, *names: str) -> tuple[str, ...] | None:
        """A list of strings, or None when absent."""
        items = self._items(names)
        if items is None:
            return None
        for i, item in enumerate(items):
            if not isinstance(item, str):
                raise self.error(
                    f"must be a string, not {_shown(item)}", f"{self._name_of(names)}[{i}]"
                )
        return tuple(items)

    def child(self, *names: str) -> Config | None:
        """A nested object, or None when absent."""
        value = self.raw(*names)
        if value is None:
            return None
        name = self._name_of(names)
        if not isinstance(value, Mapping):
            raise self.error(f"must be an object, not {_shown(value)}", name)
        return Config(value, self.source, f"{self.path}.{name}" if self.path else name)

    def _item_at(self, index: int, names: Sequence[str]) -> Any:
        value = self.raw(*names)
        if value is None:
            return None
        name = self._name_of(names)
        if not isinstance(value, list | tuple):
            raise self.error(f"must be a list, not {_shown(value)}", name)
        if index >= len(value):
            raise self.error(f"has {len(value)} entries, fewer than there are layers", name)
        return item_of(value, index)

    def string_at(self, index: int, *names: str) -> str | None:
        """One string of a list, or None when there is no list: what a layer asks of layer_types.

        The other entries are not looked at: every layer asks, and lists may be long.
        """
        item = self._item_at(index, names)
        if item is not None and not isinstance(item, str):
            name = f"{self._name_of(names)}[{index}]"
            raise self.error(f"must be a string, not {_shown(item)}", name)
        return item

    def integer_at(
        self, index: int, *names: str, minimum: int = 0, maximum: int = MAX_DIMENSION
    ) -> int | None:
        """One integer of a list, or None when there is no list."""
        item = self._item_at(index, names)
        if item is None:
            return None
        return self._checked(item, self._name_of(names), minimum, maximum, index)

    def lists(self, item: int, *names: str) -> bool | None:
        """Whether a list of integers holds `item`, or None when there is no list."""
        value = self.raw(*names)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise self.error(f"must be a list, not {_shown(value)}", self._name_of(names))
        return one_of(item, value)

    def layers(self, *names: str) -> int:
        """The number of layers, bounded so that a nonsense file costs no memory."""
        return self.integer(*(names or ("num_hidden_layers", "n_layer", "num_layers", "n_layers",
                                       "num_transformer_layers")), maximum=MAX_LAYERS)  # fmt: skip


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
