"""A result file as text and as the JSON objects, CSV rows or YAML in it, before anybody says whose.

Arrays of objects, JSON lines, files with several objects one after another and objects among the
lines of a log all end as one sequence of records. Not here: which tool wrote them (recognise.py).
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from vperf.checks.importers.cleaned import as_printed
from vperf.checks.importers.record import Record, number_or_none
from vperf.errors import InputError
from vperf.files import STDIN, read_bytes, read_stdin
from vperf.values import dataclass

MAX_RESULT_BYTES = 512 << 20
"""vLLM's --save-detailed writes a latency for every token: 200 MB for 10,000 requests."""
_LAST_COMMA = re.compile(r",(\s*[}\]])")
"""A comma after the last item, as people leave it who cut an object short."""
_MAX_MENDED = 1 << 20
_PARTIAL_WORD = re.compile(r"[\w.+-]{0,20}\Z")
_DECODER = json.JSONDecoder()
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
"""PowerShell's `>` writes UTF-16."""
_JSON_LINE = re.compile(r'^[ \t]*(?=\{[ \t]*(?:["}]|$)|\[[ \t]*(?:[{\]]|$))', re.MULTILINE)
"""Where an object, or an array of objects, may begin below other lines."""
_CSV_HEADER = re.compile(r'[ \t]*"?[\w%/ ().-]+"?(?:,[ \t]*"?[\w%/ ().-]+"?){5,}[ \t]*')
_AROUND = 50_000
"""Characters before a record that may say what it is of."""
_QUOTED = re.compile(r"^[ \t]*(?:>[ \t]?|#{1,6}[ \t]+|[*+-][ \t]+)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """What a source holds; `records` is empty where it has neither JSON nor CSV."""

    source: str
    text: str
    """Without the records, where they stand among other lines."""
    records: tuple[Record, ...] = ()
    broken: InputError | None = None
    """Why it is neither, where it begins like one."""
    left_out: tuple[InputError, ...] = ()
    """Records that could not be read, beside those that could."""

    @property
    def plain(self) -> str:
        """The text as it was printed: without Markdown's quotes, headings, bullets and emphasis."""
        return _plain(self.text)

    def in_columns(self) -> Document | None:
        """The text with a pipe between columns that tabs or spaces part; None without such."""
        if len(self.text) > _MAX_IN_COLUMNS:
            return None
        lines = self.plain.split("\n")
        cells = [_COLUMN.split(line.strip()) for line in lines]
        counts = [0, *(len(each) if len(each) > 1 else 0 for each in cells), 0]
        tabular = [
            counts[n] > 1 and counts[n] in (counts[n - 1], counts[n + 1])
            for n in range(1, len(counts) - 1)
        ]
        if not any(tabular):
            return None
        found = (
            f"| {' | '.join(each)} |" if table else line
            for line, each, table in zip(lines, cells, tabular, strict=True)
        )
        return Document(self.source, "\n".join(found))


_MAX_IN_COLUMNS = 2 << 20
_COLUMN = re.compile(r"[ ]*\t[ \t]*|[ ]{2,}")


@lru_cache(maxsize=2)
def _plain(text: str) -> str:
    return _QUOTED.sub("", text).replace("**", "").replace("`", "")


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
    broken = None
    if _JSON_LINE.match(text.lstrip()):
        if found := _json_document(text, name):
            return found
    elif _YAML.search(text, 0, _YAML_HEAD):
        return Document(name, "", (_yaml_record(text, name),))
    else:
        try:
            if rows := _csv_records(text, name):
                return Document(name, "", tuple(rows))
        except InputError as error:
            broken = error
    inside, rest = _among_lines(as_printed(text), name)
    return Document(name, rest, inside, broken)


def _json_document(text: str, name: str) -> Document | None:
    """What begins as JSON; None where other text follows below it."""
    try:
        records, left_out = _json_records(text, name)
    except _BelowJsonError:
        return None
    except InputError as error:
        mended = _LAST_COMMA.sub(r"\1", text) if len(text) < _MAX_MENDED else text
        if mended != text:
            return parse(mended, name)
        return Document(name, text, broken=error)
    if said := _text_in(records):
        return parse(said, name)
    return Document(name, "", _of_metrics(records) or records, left_out=left_out)


def _of_metrics(records: Sequence[Record]) -> tuple[Record, ...]:
    """What vLLM writes for PyTorch's dashboard beside its own file (*.pytorch.json: a record a
    metric; vllm-project/vllm vllm/benchmarks/lib/utils.py), as the file that it is of."""
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for record in records:
        benchmark, metric = record.get("benchmark"), record.get("metric")
        values = metric.get("benchmark_values") if isinstance(metric, dict) else None
        inside = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
        args = inside.get("args") if isinstance(inside, dict) else None
        numbers = [each for each in values if isinstance(each, float | int)] if values else []
        if not isinstance(metric, dict) or not isinstance(args, dict) or not numbers:
            return ()
        model = record.text("model.name") or ""
        held, _ = found.setdefault(model, ({}, args))
        extra = metric.get("extra_info")
        held |= extra if isinstance(extra, dict) else {}
        name = str(metric.get("name"))
        held["latencies" if name == "latency" else name] = (
            numbers if name == "latency" else sum(numbers) / len(numbers)
        )
    first = records[0]
    return tuple(
        Record(first.source, {"model_id": model, **held}, "", f"Namespace({_arguments(args)})")
        for model, (held, args) in found.items()
    )


def _arguments(args: Mapping[str, Any]) -> str:
    plain = ((name, value) for name, value in args.items() if isinstance(value, str | int | float))
    return ", ".join(f"{name}={value!r}" for name, value in plain)


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
    text = text.replace("\r\n", "\n")
    return text if "\n" in text else text.replace("\r", "\n")  # bars of progress stay one line


_LOGGED = ("log", "message", "msg", "line")
"""What a line of a log is called where each is an object (docker's json-file, jq of others)."""


def _text_in(records: Sequence[Record]) -> str:
    """The text that a log of objects, or a notebook, holds; empty where it is neither."""
    values = records[0].values
    if len(records) == 1 and isinstance(values.get("cells"), list):
        cells = [cell for cell in values["cells"] if isinstance(cell, dict)]
        parts = [
            part
            for cell in cells
            for holder in (cell, *(each for each in cell.get("outputs") or () if _is_dict(each)))
            for part in (holder.get("source"), holder.get("text"))
        ]
        return "\n".join(
            "".join(map(str, p)) if isinstance(p, list) else str(p or "") for p in parts
        )
    for key in _LOGGED:
        lines = [record.values.get(key) for record in records]
        if len(lines) > 1 and all(isinstance(line, str) for line in lines):
            return "\n".join(str(line).rstrip("\n") for line in lines)
    return ""


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


class _BelowJsonError(Exception):
    """Other text stands below a JSON value."""


def _json_records(text: str, name: str) -> tuple[tuple[Record, ...], tuple[InputError, ...]]:
    values, left_out = _json_values(text, name)
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
    return tuple(records), tuple(left_out)


def _json_values(text: str, name: str) -> tuple[list[tuple[Any, int]], list[InputError]]:
    """Every JSON value of the text with the line it begins on; and what is broken beside others.

    Raises InputError where the first value is broken: the text is no JSON, or cut.
    Raises _BelowJsonError where other text follows.
    """
    values: list[tuple[Any, int]] = []
    left_out: list[InputError] = []
    position, line, end = 0, 1, len(text.rstrip())
    while position < end:
        start = position
        while text[position].isspace():
            position += 1
        line += text.count("\n", start, position)
        try:
            value, after = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            broken = _broken(error, text[:end], name, position)
            after = text.find("\n", position)
            if not values:
                raise broken from None
            if text[position] not in "{[":
                raise _BelowJsonError from None
            left_out.append(broken)
            after = end if after < 0 else after
        except (RecursionError, ValueError):  # nested too deep; a number of too many digits
            raise InputError("holds JSON that no benchmark tool writes", source=name) from None
        else:
            values.append((value, line))
        line += text.count("\n", position, after)
        position = after
    return values, left_out


def _broken(error: json.JSONDecodeError, text: str, name: str, start: int) -> InputError:
    """Says whether the value that begins at `start` is cut off or wrong."""
    at_end = error.msg.startswith("Unterminated") or _PARTIAL_WORD.match(text, error.pos)
    if at_end and error.pos > start:
        last = text.count("\n") + 1
        hint = "the benchmark was stopped while it wrote, or the copy is not whole"
        return InputError(f"ends in the middle of JSON at line {last}", source=name, hint=hint)
    return InputError(
        f"is not JSON at line {error.lineno}, column {error.colno}: {error.msg}", source=name
    )


def _among_lines(text: str, name: str) -> tuple[tuple[Record, ...], str]:
    """JSON objects that begin a line of other text, and the text without them."""
    records: list[Record] = []
    rest: list[str] = []
    position, line, counted, around = 0, 1, 0, ""
    for match in _JSON_LINE.finditer(text):
        if match.end() < position:
            continue
        try:
            value, after = _DECODER.raw_decode(text, match.end())
        except (RecursionError, ValueError):
            continue
        items = value if isinstance(value, list) else [value]
        if not items or not all(isinstance(item, dict) for item in items):
            continue
        rest.append(text[position : match.start()])
        around = (around + rest[-1])[-_AROUND:]
        line, counted = line + text.count("\n", counted, match.end()), match.end()
        for index, item in enumerate(items, 1):
            where = f"line {line}" + (f" item {index}" if len(items) > 1 else "")
            records.append(Record(name, item, where, around))
        position = after
    rest.append(text[position:])
    if not records:
        records = [Record(name, each, "", text[:start][-_AROUND:]) for start, each in _inside(text)]
        return tuple(records), text
    if len(records) == 1:
        records = [Record(name, records[0].values, "", records[0].around)]
    return tuple(records), "".join(rest)


_YAML = re.compile(r"^benchmarks:[ \t]*\n-[ \t]", re.MULTILINE)
"""guidellm's report is the only YAML of results that is written."""
_YAML_HEAD = 20_000
_SAMPLES = re.compile(r"^  requests:[ \t]*\n(?:    .*\n?)*", re.MULTILINE)
"""Every request of the run, a hundred times what is read of it."""


def _yaml_record(text: str, name: str) -> Record:
    import yaml  # noqa: PLC0415  (seldom needed)

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load(_SAMPLES.sub("", text), Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = str(error).splitlines()[0][:100]
        raise InputError(f"is not YAML: {said}", source=name) from None
    if not isinstance(value, dict):
        raise InputError(f"holds {type(value).__name__}, not an object", source=name)
    return Record(name, {key: each for key, each in value.items() if isinstance(key, str)})


_INSIDE = re.compile(r"[\s:=>,)][ \t]*(?=\{[ \t]*\")")
_NO_LITERAL = re.compile(r"(?<![\w'\"])(?:nan|-?inf)(?![\w'\"])")
_MAX_INSIDE, _MAX_PYTHON = 100, 200_000


def _inside(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects after words on their line ("result: {...}"), as JSON or as Python prints them."""
    position = 0
    found = _INSIDE.finditer(text) if '{"' in text or '{ "' in text else iter(())
    for match in deque(found, _MAX_INSIDE):  # what a stream of events ends with
        if match.end() < position:
            continue
        try:
            value, position = _DECODER.raw_decode(text, match.end())
        except (RecursionError, ValueError):
            continue
        if isinstance(value, dict) and len(value) > 1:
            yield match.start(), value
    if "{'" not in text or len(text) > _MAX_PYTHON:
        return
    for start, said in islice(_dicts(text), _MAX_INSIDE):
        try:
            value = ast.literal_eval(_NO_LITERAL.sub("None", said))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, dict):
            yield start, {key: each for key, each in value.items() if isinstance(key, str)}


def _dicts(text: str) -> Iterator[tuple[int, str]]:
    """What begins as a dict on a line and ends with it, or with a line that is indented below."""
    position, begun, lines = 0, 0, list[str]()
    for line in text.splitlines(keepends=True):
        if lines and not line.startswith((" ", "\t")):
            lines = []
        if not lines and (at := line.find("{'")) >= 0:
            begun, lines = position + at, [line[at:]]
        elif lines:
            lines.append(line)
        if lines and line.rstrip().endswith("}"):
            yield begun, "".join(lines).strip()
            lines = []
        position += len(line)


def _csv_records(text: str, name: str) -> list[Record]:
    """Rows under a header, numbers as numbers; none where the text is no CSV.

    A tool's header has bare words; in one of words and units, each row must be as long and have a
    number. Excel of some countries parts by semicolons.
    """
    if said := _SEPARATOR.match(text):  # Excel's own first line, of nothing but that
        text = text[said.end() :]
    first, _, below = text.lstrip().partition("\n")
    parted = ";" if first.count(";") > 1 and "," not in first else ","
    bare = re.fullmatch(r'\s*"?\w*"?(\s*[,;]\s*"?[\w.]+"?)+\s*', first)  # pandas numbers its rows
    if not bare and not (_CSV_WORDS.fullmatch(first) and first.count(parted) > 1):
        return []
    if not below.strip() and _CSV_HEADER.fullmatch(first):
        raise InputError(
            "has a header and no rows: the run wrote no result", source=name,
            hint="look at what the benchmark printed: it stopped before its first measurement",
        )  # fmt: skip
    rows = csv.reader(
        io.StringIO(text.strip()), skipinitialspace=True, strict=True, delimiter=parted
    )
    records = []
    try:
        header = next(rows)
        twice = _twice(header)
        read = _cell_of_decimal_commas if parted == ";" and _COMMAS.search(text) else _cell
        for row in filter(None, rows):
            where = f"line {rows.line_num}"
            if len(row) != len(header):
                if not bare:
                    return []
                raise InputError(
                    f"has {len(row)} values under {len(header)} columns",
                    source=name, field=where, hint="the file was cut, or two were joined",
                )  # fmt: skip
            cells = dict(zip(header, map(read, row), strict=True))
            if twice is not None and row[twice[0]] != row[twice[1]]:
                raise InputError("stands twice, with two values", source=name,
                                 field=f"{where}, column {header[twice[0]][:40]}")  # fmt: skip
            if not bare and not any(isinstance(cell, float) for cell in cells.values()):
                return []
            records.append(Record(name, cells, where))
    except csv.Error as error:
        raise InputError(f"is not CSV: {error}", source=name) from None
    return records


_CSV_WORDS = re.compile(r'[ \t]*"?[A-Za-z#][^|:\n]{0,2000}')


_SEPARATOR = re.compile(r"\s*sep=[,;]\n")
_COMMAS = re.compile(r"(?:^|;)[ \"]*-?[\d.]*\d,\d+[ \"]*(?:;|$)", re.MULTILINE)
_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")


def _twice(header: Sequence[str]) -> tuple[int, int] | None:
    """Where a name stands a first and a second time, if one does."""
    first = dict[str, int]()
    for place, name in enumerate(header):
        if name and first.setdefault(name, place) != place:
            return first[name], place
    return None


def _cell(text: str) -> str | float | None:
    number = number_or_none(text.strip())
    return (text or None) if number is None else number


def _cell_of_decimal_commas(text: str) -> str | float | None:
    """Where decimals follow a comma, points part thousands."""
    return _cell(text.replace(".", "") if _POINTS.fullmatch(text.strip()) else text)
