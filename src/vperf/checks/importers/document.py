"""A result file as text and as the JSON objects or CSV rows in it, before anybody says whose.

Arrays of objects, JSON lines and files with several objects one after another all end as one
sequence of records. Not here: which tool wrote them (recognise.py).
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vperf.checks.importers.record import Record
from vperf.errors import InputError
from vperf.files import STDIN, read_bytes, read_stdin

MAX_RESULT_BYTES = 512 << 20
"""vLLM's --save-detailed writes a latency for every token: 200 MB for 10,000 requests."""
_PARTIAL_WORD = re.compile(r"[\w.+-]{0,20}\Z")
_DECODER = json.JSONDecoder()
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
"""PowerShell's `>` writes UTF-16."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a source holds; `records` is empty where it is neither JSON nor CSV."""

    source: str
    text: str
    records: tuple[Record, ...] = ()
    broken: InputError | None = None
    """Why it is neither, where it begins like one."""


def load(source: str | Path) -> Document:
    """Reads a path, or standard input for "-". Raises InputError for what is not readable text."""
    if str(source) == "-":
        return parse(_decode(read_stdin(limit=MAX_RESULT_BYTES), STDIN), STDIN)
    return parse(_decode(read_bytes(source, limit=MAX_RESULT_BYTES), str(source)), str(source))


def parse(text: str, name: str) -> Document:
    """The text with the records in it; raises InputError where there is none."""
    if not text.strip():
        raise InputError(
            "is empty", source=name, hint="did the benchmark finish? It writes its file at the end"
        )
    records = _json_records if text.lstrip()[0] in "{[" else _csv_records
    try:
        return Document(name, text, tuple(records(text, name)))
    except InputError as error:
        return Document(name, text, broken=error)


def _decode(data: bytes, name: str) -> str:
    encoding = next((encoding for bom, encoding in _BOMS if data.startswith(bom)), "utf-8")
    hint = "give the JSON, CSV or text that the benchmark tool wrote"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not text in UTF-8 (byte {error.start})", source=name, hint=hint
        ) from None
    if "\0" in text:
        raise InputError("is a binary file", source=name, hint=hint)
    return text.replace("\r\n", "\n")


def _json_records(text: str, name: str) -> list[Record]:
    values = _json_values(text, name)
    records = []
    for value, line in values:
        if isinstance(value, dict):
            records.append(Record(name, value, f"line {line}" if len(values) > 1 else ""))
            continue
        items = value if isinstance(value, list) else [value]
        for index, item in enumerate(items, 1):
            if not isinstance(item, dict):
                raise InputError(f"holds {type(item).__name__}, not an object", source=name)
            records.append(Record(name, item, f"item {index}" if len(items) > 1 else ""))
    if not records:
        raise InputError("holds an empty list", source=name, hint="did the benchmark finish?")
    return records


def _json_values(text: str, name: str) -> list[tuple[Any, int]]:
    """Every JSON value of the text with the line it begins on."""
    values: list[tuple[Any, int]] = []
    position, line, end = 0, 1, len(text.rstrip())
    while position < end:
        start = position
        while text[position].isspace():
            position += 1
        line += text.count("\n", start, position)
        try:
            value, after = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _broken(error, text[:end], name, position, len(values)) from None
        except (RecursionError, ValueError):  # nested too deep; a number of too many digits
            raise InputError("holds JSON that no benchmark tool writes", source=name) from None
        values.append((value, line))
        line += text.count("\n", position, after)
        position = after
    return values


def _broken(
    error: json.JSONDecodeError, text: str, name: str, start: int, whole: int
) -> InputError:
    """Says whether the value that begins at `start` is cut off or wrong."""
    at_end = error.msg.startswith("Unterminated") or _PARTIAL_WORD.match(text, error.pos)
    if at_end and error.pos > start:
        last = text.count("\n") + 1
        hint = "the benchmark was stopped while it wrote, or the copy is not whole"
        if whole:
            hint += f"; the {whole} result{'s' * (whole > 1)} before can be read without that line"
        return InputError(f"ends in the middle of JSON at line {last}", source=name, hint=hint)
    return InputError(
        f"is not JSON at line {error.lineno}, column {error.colno}: {error.msg}", source=name
    )


def _csv_records(text: str, name: str) -> list[Record]:
    """Rows under a header, numbers as numbers; none where the text is no CSV."""
    first = text.lstrip().split("\n", 1)[0]
    if not re.fullmatch(r'\s*"?\w+"?(\s*,\s*"?\w+"?)+\s*', first):
        return []
    rows = csv.reader(io.StringIO(text.strip()), skipinitialspace=True, strict=True)
    records = []
    try:
        header = next(rows)
        for row in filter(None, rows):
            where = f"line {rows.line_num}"
            if len(row) != len(header):
                raise InputError(
                    f"has {len(row)} values under {len(header)} columns",
                    source=name, field=where, hint="the file was cut, or two were joined",
                )  # fmt: skip
            cells = dict(zip(header, map(_cell, row), strict=True))
            records.append(Record(name, cells, where))
    except csv.Error as error:
        raise InputError(f"is not CSV: {error}", source=name) from None
    return records


def _cell(text: str) -> str | float | None:
    try:
        return float(text)
    except ValueError:
        return text or None
