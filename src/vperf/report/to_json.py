"""Values as JSON: the contract of --json. NaN and infinity are bugs.

Escapes every character that is not ASCII, so no string of a config reaches a terminal raw.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Mappings, tuples and sets as objects and lists, at any depth."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        value = sorted(value)
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def dump(value: Mapping[str, Any]) -> str:
    """Any of vperf's JSON answers: indented, keys in their documented order."""
    return json.dumps(value, allow_nan=False, indent=2, ensure_ascii=True) + "\n"


def parts(data: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Iterator[str]:
    """The object; of pairs, each is written as it comes, and an iterator's items a line each."""
    if isinstance(data, Mapping):
        yield dump(data)
        return
    before = "{"
    for key, value in data:
        yield f"{before}{json.dumps(key)}: "
        if isinstance(value, Iterator):
            yield "["
            for number, item in enumerate(value):
                yield f"{',' if number else ''}\n{json.dumps(item, allow_nan=False)}"
            yield "\n]"
        else:
            yield json.dumps(value, allow_nan=False)
        before = ", "
    yield "}\n"


def lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """JSON lines."""
    for record in records:
        yield json.dumps(record, allow_nan=False) + "\n"
