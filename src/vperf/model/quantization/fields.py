"""What the quantization dialects read beyond plain values: name lists, group sizes, refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vperf.errors import UnsupportedModelError
from vperf.model.checkpoint import Config
from vperf.model.quantization.names import BadPatternError, Names

MAX_GROUP = 1 << 20
_SHOWN = 100


def unsupported(config: Config, field: str, what: str) -> UnsupportedModelError:
    """The refusal of a scheme that was read but is not understood."""
    shown = what if len(what) <= _SHOWN else f"{what[: _SHOWN - 3]}..."
    return UnsupportedModelError(
        f"{shown} is not supported",
        source=config.source,
        field=f"{config.path}.{field}" if config.path else field,
    )


def strings(config: Config, *fields: str) -> list[str]:
    """The names in several lists, joined; a bare string is a list of one."""
    found: list[str] = []
    for field in fields:
        value = config.raw(field)
        listed = (value,) if isinstance(value, str) else config.strings(field) or ()
        if not all(listed):
            raise config.error("holds an empty name", field)
        found.extend(listed)
    return found


def names(config: Config, *fields: str) -> Names:
    """The Names that several lists hold together."""
    return named(config, fields[0], strings(config, *fields))


def named(config: Config, field: str, entries: list[str]) -> Names:
    """Names, with a bad regex reported under `field`."""
    try:
        return Names(entries)
    except BadPatternError as error:
        raise config.error(str(error), field) from error


def group_size(config: Config, field: str = "group_size", *, default: int | None = None) -> int:
    """Elements that share a scale; -1 in the file, 0 here: the whole input axis."""
    value = config.raw(field)
    if value is None and default is not None:
        return default
    if isinstance(value, int | float) and not isinstance(value, bool) and value == -1:
        return 0
    return config.integer(field, maximum=MAX_GROUP)


def objects(config: Config, field: str) -> Iterator[tuple[str, Config]]:
    """The objects of an object of objects, by name."""
    parent = config.child(field)
    if parent is None:
        return
    for name in sorted(parent.keys(), key=str):
        value = parent.raw(name)
        if not isinstance(value, Mapping):
            raise parent.error("must be an object", name)
        yield name, Config(value, config.source, f"{parent.path}.{name}")
