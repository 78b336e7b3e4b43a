"""Which tool's format a document is, from what is in it and never from the file's name.

A format says by which keys (JSON, CSV) or lines (text) it is known. Of a record exactly one must
agree; a text may hold what several tools printed, each of which reads its own lines. What cannot
be read beside what can is left out and said. Not here: the formats themselves (one file a tool).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from vperf.checks.importers.document import Document
from vperf.checks.importers.record import Record
from vperf.checks.result import Result
from vperf.errors import InputError
from vperf.spelling import flag
from vperf.values import dataclass


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
        return all(_has(record, key) for key in self.keys) and not any(
            _has(record, key) for key in self.without
        )


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Text in which each of `lines` (regular expressions) is found at the start of a line.

    `records` takes what the tool printed apart, one record a run; a run that is cut is an error
    among them.
    """

    tool: str
    word: str
    """What is in one of the lines whatever else is: looked for first, for a text may be large."""
    lines: tuple[str, ...]
    records: Callable[[Document], Iterable[Record | InputError]]
    read: Callable[[Record], Iterable[Result]]
    without: tuple[str, ...] = ()

    def position(self, text: str) -> int | None:
        """Where its first line is; None where the text is not of this format."""
        if self.word not in text or any(_search(line, text) for line in self.without):
            return None
        found = [_search(line, text) for line in self.lines]
        return min(match.start() for match in found if match) if all(found) else None


Format = JsonFormat | TextFormat
_NEAR = 0.5
"""Share of a format's keys from which it is worth naming."""
_UNKNOWN = "is no benchmark result that vperf knows"


@dataclass(frozen=True, slots=True)
class Reading:
    """The results of a document, and why parts of it have none."""

    results: tuple[Result, ...]
    left_out: tuple[InputError, ...]


def read_document(document: Document, formats: Sequence[Format]) -> Reading:
    """What a document holds. Raises InputError where no format agrees, or nothing could be read."""
    results: list[Result] = []
    left_out = [*document.left_out]
    unknown: list[InputError] = []
    for record in document.records:
        try:
            form = _json_format(record, formats)
        except _UnknownRecordError as error:
            unknown.append(error)
            continue
        _read(form, record, results, left_out)
    texts = (
        _text_formats(document, formats) if not document.records or document.text.strip() else []
    )
    for text in texts:
        for each in text.records(document):
            _read(text, each, results, left_out)
    if results:
        if document.records and not texts:
            left_out += unknown
        return Reading(tuple(results), tuple(left_out))
    raise next(iter((*left_out, *unknown)), document.broken or _unknown_text(document, formats))


def _read(
    form: Format, record: Record | InputError, results: list[Result], left_out: list[InputError]
) -> None:
    """The results of one record, or why it has none; never half of them."""
    if isinstance(record, InputError):
        left_out.append(record)
        return
    try:
        results += tuple(form.read(record))
    except InputError as error:
        left_out.append(error)


def _text_formats(document: Document, formats: Sequence[Format]) -> list[TextFormat]:
    """Those whose lines the text holds, in its order."""
    plain = document.plain
    found = [
        (position, form.tool, form)
        for form in formats
        if isinstance(form, TextFormat) and (position := form.position(plain)) is not None
    ]
    return [form for _, _, form in sorted(found, key=lambda each: each[:2])]


class _UnknownRecordError(InputError):
    """No format has the record's keys."""


def _json_format(record: Record, formats: Sequence[Format]) -> JsonFormat:
    matching = [f for f in formats if isinstance(f, JsonFormat) and f.matches(record)]
    if not matching:
        raise _unknown(record, formats)
    if len(matching) > 1:
        tools = " and ".join(sorted(f.tool for f in matching))
        raise record.error("", f"has the keys of {tools}")
    return matching[0]


def _unknown(record: Record, formats: Sequence[Format]) -> _UnknownRecordError:
    """Says what the nearest formats have and the record has not."""
    schema = record.get("schema")
    if isinstance(schema, str) and schema.startswith("vperf/"):
        return _UnknownRecordError(
            f"is an answer of vperf ({schema}), not a result of a benchmark",
            source=record.source, field=record.where,
            hint=f"give what the benchmark wrote; {flag('baseline')} takes an earlier check",
        )  # fmt: skip
    shares = [(_share(f, record), f) for f in formats if isinstance(f, JsonFormat)]
    least = min((len(f.missing(record)) for share, f in shares if share >= _NEAR), default=0)
    nearest = [
        f"{f.tool} but for {', '.join(f.missing(record))}"
        for share, f in shares
        if share >= _NEAR and len(f.missing(record)) == least > 0
    ]
    message = f"{_UNKNOWN}; it looks like {' or '.join(nearest)}" if nearest else _UNKNOWN
    return _UnknownRecordError(
        message, source=record.source, field=record.where, hint=_known(formats)
    )


def _unknown_text(document: Document, formats: Sequence[Format]) -> InputError:
    return InputError(_UNKNOWN, source=document.source, hint=_known(formats))


def _known(formats: Iterable[Format]) -> str:
    return (
        f"vperf reads what these wrote or printed: {', '.join(sorted({f.tool for f in formats}))};"
        " or give the figures: "
        + ", ".join(map(flag, ("decode_tok_s", "tpot", "ttft", "latency", "output_tok_s")))
    )


def _share(form: JsonFormat, record: Record) -> float:
    return 1 - len(form.missing(record)) / len(form.keys)


def _has(record: Record, key: str) -> bool:
    """Whether the key is there, null or not."""
    outer, _, inner = key.rpartition(".")
    holder = record.get(outer) if outer else record.values
    return isinstance(holder, dict) and inner in holder


def _search(line: str, text: str) -> re.Match[str] | None:
    return re.search(rf"^[ \t]*(?:{line})", text, re.MULTILINE)


CONTEXT = 20_000
"""Characters before a block that are looked at, of the file's head and of what is just above."""


def blocks(pattern: str, text: str) -> Iterator[tuple[str, str]]:
    """(what is above it, the block) of each block that begins at a line of `pattern`.

    A block ends where the next begins. Above it are the lines before the first, and the end of the
    block before it, where the next command may stand.
    """
    starts = [match.start() for match in re.finditer(rf"^[ \t]*(?:{pattern})", text, re.MULTILINE)]
    head, before = text[: starts[0]][-CONTEXT:] if starts else "", ""
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield head + before[-CONTEXT:], text[start:end]
        before = text[start:end]
