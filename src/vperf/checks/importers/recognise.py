"""Which tool's format a document is, from what is in it and never from the file's name.

A format says by which keys (JSON, CSV) or lines (text) it is known; exactly one must agree. Not
here: the formats themselves (one file a tool).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vperf.checks.importers.document import Document
from vperf.checks.importers.record import Record
from vperf.checks.result import Result
from vperf.errors import InputError


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """Objects (or CSV rows) that have all of `keys` and none of `without`; "a.b" is b in a."""

    tool: str
    keys: tuple[str, ...]
    read: Callable[[Record], Iterable[Result]]
    without: tuple[str, ...] = ()

    def missing(self, record: Record) -> tuple[str, ...]:
        """The keys that a record lacks to be of this format."""
        return tuple(key for key in self.keys if not _has(record, key))

    def matches(self, record: Record) -> bool:
        """Whether the record is of this format."""
        return not self.missing(record) and not any(_has(record, key) for key in self.without)


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Text in which each of `lines` (regular expressions) is found at the start of a line."""

    tool: str
    lines: tuple[str, ...]
    read: Callable[[Document], Iterable[Result]]
    without: tuple[str, ...] = ()

    def matches(self, text: str) -> bool:
        """Whether the text is of this format."""
        return all(_found(line, text) for line in self.lines) and not any(
            _found(line, text) for line in self.without
        )


Format = JsonFormat | TextFormat
_NEAR = 0.5
"""Share of a format's keys from which it is worth naming."""
_UNKNOWN = "is no benchmark result that vperf knows"
F = TypeVar("F", JsonFormat, TextFormat)


def read_document(document: Document, formats: Sequence[Format]) -> Iterator[Result]:
    """The results of a document. Raises InputError where no format, or more than one, agrees."""
    for record in document.records:
        yield from _reader(record, formats).read(record)
    if not document.records:
        texts = [f for f in formats if isinstance(f, TextFormat) and f.matches(document.text)]
        if not texts:
            raise document.broken or _unknown_text(document, formats)
        yield from _only(texts, document.source).read(document)


def _reader(record: Record, formats: Sequence[Format]) -> JsonFormat:
    matching = [f for f in formats if isinstance(f, JsonFormat) and f.matches(record)]
    if not matching:
        raise _unknown(record, formats)
    return _only(matching, record.source, record.where)


def _only(matching: Sequence[F], source: str, where: str = "") -> F:
    if len(matching) > 1:
        tools = " and ".join(sorted(f.tool for f in matching))
        raise InputError(f"has the keys of {tools}", source=source, field=where)
    return matching[0]


def _unknown(record: Record, formats: Sequence[Format]) -> InputError:
    """Says what the nearest formats have and the record has not."""
    schema = record.get("schema")
    if isinstance(schema, str) and schema.startswith("vperf/"):
        return record.error(
            "", f"is an answer of vperf ({schema}), not a result of a benchmark",
            hint="give what the benchmark wrote; --baseline takes an earlier check",
        )  # fmt: skip
    shares = [(_share(f, record), f) for f in formats if isinstance(f, JsonFormat)]
    least = min((len(f.missing(record)) for share, f in shares if share >= _NEAR), default=0)
    nearest = [
        f"{f.tool} but for {', '.join(f.missing(record))}"
        for share, f in shares
        if share >= _NEAR and len(f.missing(record)) == least > 0
    ]
    message = f"{_UNKNOWN}; it looks like {' or '.join(nearest)}" if nearest else _UNKNOWN
    return record.error("", message, hint=_known(formats))


def _unknown_text(document: Document, formats: Sequence[Format]) -> InputError:
    json = re.search(r'^[ \t]*[\[{][ \t]*(?:$|["{])', document.text, re.MULTILINE)
    if json is not None:
        line = document.text.count("\n", 0, json.end()) + 1
        hint = f"JSON seems to begin near line {line}: give the file without what is before it"
    else:
        hint = _known(formats)
    return InputError(_UNKNOWN, source=document.source, hint=hint)


def _known(formats: Iterable[Format]) -> str:
    return (
        f"vperf reads JSON, CSV or printed text of {', '.join(sorted({f.tool for f in formats}))}"
    )


def _share(form: JsonFormat, record: Record) -> float:
    return 1 - len(form.missing(record)) / len(form.keys)


def _has(record: Record, key: str) -> bool:
    """Whether the key is there, null or not."""
    outer, _, inner = key.rpartition(".")
    holder = record.get(outer) if outer else record.values
    return isinstance(holder, dict) and inner in holder


def _found(line: str, text: str) -> bool:
    return re.search(rf"^[ \t]*(?:{line})", text, re.MULTILINE) is not None
