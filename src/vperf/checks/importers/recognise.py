"""Which tool's format a document is, from what is in it and never from the file's name.

A format says by which keys (JSON, CSV) or lines (text) it is known. Of a record exactly one must
agree; a text may hold what several tools printed, each of which reads its own lines. What cannot
be read beside what can is left out and said. Not here: the formats themselves (one file a tool).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

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
    fallback: bool = False
    """Whether it is for what no other format is found in."""

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
    fallback: bool = False

    def position(self, text: str) -> int | None:
        """Where its first line is; None where the text is not of this format."""
        if self.word not in text or any(_search(line, text) for line in self.without):
            return None
        found = [_search(line, text) for line in self.lines]
        return min(match.start() for match in found if match) if all(found) else None


Format = JsonFormat | TextFormat
_NEAR = 0.5
"""Share of a format's keys from which it is worth naming."""
_CLOSE, _WHOLE = 0.75, 12
"""Share of a format's keys, in a record of so many, from which it is no script's own."""
_UNKNOWN = "is no benchmark result that vperf knows"


@dataclass(frozen=True, slots=True)
class Reading:
    """The results of a document, and why parts of it have none."""

    results: tuple[Result, ...]
    left_out: tuple[InputError, ...]


def read_document(document: Document, formats: Sequence[Format]) -> Reading:
    """What a document holds. Raises InputError where no format agrees, or nothing could be read.

    Where no tool's format is found, the text is looked at with its columns as cells, and then for
    what people's own tables and scripts have.
    """
    tools = [form for form in formats if not form.fallback]
    others = [form for form in formats if form.fallback]
    results: list[Result] = []
    left_out = [*document.left_out]
    unknown: list[tuple[Record, _UnknownRecordError]] = []
    for record in document.records:
        try:
            form = _json_format(record, tools)
        except _UnknownRecordError as error:
            unknown.append((record, error))
            continue
        _read(form, record, results, left_out)
    texts = _text_formats(document, tools) if not document.records or document.text.strip() else []
    for text in texts:
        for each in text.records(document):
            _read(text, each, results, left_out)
    if results:
        if document.records and not texts:
            left_out += [error for _, error in unknown]
        return Reading(tuple(results), tuple(left_out))
    if not left_out and (own := _own(document, unknown, tools, others)):
        return Reading(own, ())
    errors = (*left_out, *(error for _, error in unknown))
    raise next(iter(errors), document.broken or _unknown_text(document, formats))


def _own(
    document: Document,
    unknown: Iterable[tuple[Record, _UnknownRecordError]],
    tools: Sequence[Format],
    others: Sequence[Format],
) -> tuple[Result, ...]:
    """What people's own tables, summaries and scripts have; empty where there is nothing."""
    results: list[Result] = []
    refused: list[InputError] = []
    for record, error in unknown:
        for form in others:
            if isinstance(form, JsonFormat) and not error.near:
                _read(form, record, results, refused)
    columns = document.in_columns()
    for each, forms in ((columns, tools), (document, others), (columns, others)):
        if each is None or not each.text.strip():
            continue
        for form in _text_formats(each, forms):
            if results and form.fallback:
                break
            for found in form.records(each):
                _read(form, found, results, refused)
        if results:
            break
    return tuple(results)


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
    """No format has the record's keys; `near`: it is a tool's but for one, or vperf's own."""

    near = False


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
        error = _UnknownRecordError(
            f"is an answer of vperf ({schema}), not a result of a benchmark",
            source=record.source, field=record.where,
            hint=f"give what the benchmark wrote; {flag('baseline')} takes an earlier check",
        )  # fmt: skip
        error.near = True
        return error
    shares = [(_share(f, record), f) for f in formats if isinstance(f, JsonFormat)]
    least = min((len(f.missing(record)) for share, f in shares if share >= _NEAR), default=0)
    nearest = [
        f"{f.tool} but for {', '.join(f.missing(record))}"
        for share, f in shares
        if share >= _NEAR and len(f.missing(record)) == least > 0
    ]
    message = f"{_UNKNOWN}; it looks like {' or '.join(nearest)}" if nearest else _UNKNOWN
    error = _UnknownRecordError(
        message, source=record.source, field=record.where, hint=_known(formats)
    )
    error.near = len(record.values) >= _WHOLE and max(share for share, _ in shares) >= _CLOSE
    return error


class UnknownTextError(InputError):
    """Text in which no format has anything."""


def _unknown_text(document: Document, formats: Sequence[Format]) -> InputError:
    return UnknownTextError(_UNKNOWN, source=document.source, hint=_known(formats))


def _known(formats: Iterable[Format]) -> str:
    tools = ", ".join(sorted({form.tool for form in formats if not form.fallback}))
    return (
        f"vperf reads what these wrote or printed: {tools};"
        " tables, summaries and JSON of your own, by their labels;"
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
    return re.search(rf"^[ \t]{{0,200}}(?:{line})", text, re.MULTILINE)


CONTEXT = 20_000
"""Characters before a block that are looked at, of the file's head and of what is just above."""


def matches(pattern: str | re.Pattern[str], text: str) -> Iterator[tuple[str, re.Match[str], str]]:
    """(what is above it, the match, its place among several) of each match in the text.

    Above it are the head of the text and what stands since the match before.
    """
    found = list(re.finditer(pattern, text, re.MULTILINE if isinstance(pattern, str) else 0))
    head, before = text[: found[0].start()][-CONTEXT:] if found else "", 0
    for number, match in enumerate(found, 1):
        above = head if number == 1 else head + text[before : match.start()][-CONTEXT:]
        before = match.start()
        yield above, match, f"run {number}" if len(found) > 1 else ""


def blocks(pattern: str, text: str) -> Iterator[tuple[str, str]]:
    """(what is above it, the block) of each block that begins at a line of `pattern`.

    A block ends where the next begins. Above it are the lines before the first, and the end of the
    block before it, where the next command may stand.
    """
    starts = [match.start() for match in re.finditer(rf"^[ \t]*(?:{pattern})", text, re.MULTILINE)]
    head, before = text[: starts[0]][-CONTEXT:] if starts else "", ""
    for start, end in pairwise([*starts, len(text)]):
        yield head + before[-CONTEXT:], text[start:end]
        before = text[start:end]
