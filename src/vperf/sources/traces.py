"""Traces of real requests: CSV or JSON lines -> `Trace`.

One request a line, with when it came and the tokens of its prompt and its answer, under the names
of any of these; a row whose answer is empty failed, and is left out and counted.

    JSON lines    timestamp (s), input_len, output_len (or the names of benchmark tools), perhaps
                  hash_ids, the hashes of its prompt's blocks, each of all before it too
    Mooncake      timestamp (ms), input_length, output_length, hash_ids of 512 tokens
    Azure         TIMESTAMP (a date), ContextTokens, GeneratedTokens
    BurstGPT      Timestamp (s), Request tokens, Response tokens

A file is read line by line. Not here: lengths without times (workloads.py), serving the requests
(serving/scheduler.py).
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from vperf.errors import MAX_COUNT, InputError
from vperf.files import open_stream, parse_json
from vperf.serving.arrivals import Traffic, cached_prefixes
from vperf.values import dataclass

_MAX_REQUESTS = 5_000_000
_MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests as they came, from the first one's time on."""

    name: str
    traffic: Traffic
    columns: str
    """Whose column names the file has."""
    times: str
    """What its times are taken as."""
    failed: int
    """Rows without an answer, left out."""
    prefix_hit: float | None
    """Share of prompt tokens that an earlier prompt began with; None: the file has no hashes."""


def _seconds(value: Any) -> float:
    return float(value)


def _milliseconds(value: Any) -> float:
    return float(value) / 1e3


def _date(value: Any) -> float:
    date = datetime.fromisoformat(value)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _tokens(value: Any) -> int:
    """A whole number, of a cell's text too. Raises ValueError."""
    count = int(value)
    if isinstance(value, bool) or count < 0 or (isinstance(value, float) and count != value):
        raise ValueError(value)
    return count


@dataclass(frozen=True, slots=True)
class _Columns:
    name: str
    time: str
    input: str
    output: str
    seconds: Callable[[Any], float]
    times: str = "seconds"
    block_tokens: int = 512


_KNOWN = (
    _Columns("Azure", "TIMESTAMP", "ContextTokens", "GeneratedTokens", _date, "dates"),
    _Columns("BurstGPT", "Timestamp", "Request tokens", "Response tokens", _seconds),
    _Columns(
        "Mooncake", "timestamp", "input_length", "output_length", _milliseconds, "milliseconds"
    ),
    *(
        _Columns("vperf", time, inputs, outputs, _seconds)
        for time in ("timestamp", "arrival_time", "timestamp_s")
        for inputs, outputs in (
            ("input_len", "output_len"),
            ("prompt_len", "output_len"),
            ("prompt_tokens", "completion_tokens"),
            ("input_tokens", "output_tokens"),
        )
    ),
)
_HASHES = "hash_ids"


def read_trace(path: str | Path) -> Trace:
    """A file of requests. Raises InputError."""
    file = Path(path).expanduser()
    with open_stream(file) as raw, TextIOWrapper(raw, "utf-8-sig", newline="") as stream:
        try:
            return _read(stream, file)
        except UnicodeDecodeError:
            raise InputError("is not UTF-8 text", source=str(file)) from None


def _read(stream: TextIO, file: Path) -> Trace:
    source = str(file)
    rows = (
        _csv_rows(stream, source) if file.suffix.lower() == ".csv" else _json_rows(stream, source)
    )
    first = next(rows, None)
    if first is None:
        raise InputError("holds no request", source=source)
    columns = _columns(first[1], source)
    times, inputs, outputs = array("d"), array("q"), array("q")
    hashes: list[tuple[int, ...]] = []
    failed = 0
    for number, row in _chained(first, rows):
        try:
            seconds = columns.seconds(row[columns.time])
            tokens_in, tokens_out = _tokens(row[columns.input]), _tokens(row[columns.output])
            prefix = tuple(row.get(_HASHES) or ())
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(
                f"is no request of {columns.time}, {columns.input} and {columns.output}",
                source=source, field=f"line {number}",
            ) from None  # fmt: skip
        if tokens_in < 1 or tokens_out < 1:
            failed += 1
            continue
        if max(tokens_in, tokens_out) > MAX_COUNT or not abs(seconds) < 1e11:
            raise InputError("is out of range", source=source, field=f"line {number}")
        if len(times) >= _MAX_REQUESTS:
            raise InputError(f"holds more than {_MAX_REQUESTS:,} requests", source=source)
        times.append(seconds)
        inputs.append(tokens_in)
        outputs.append(tokens_out)
        if prefix or hashes:
            hashes += [()] * (len(times) - 1 - len(hashes))
            hashes.append(prefix)
    if not times:
        raise InputError("holds no request with an answer", source=source)
    return _trace(file, columns, times, inputs, outputs, hashes, failed)


def _trace(  # noqa: PLR0917  (the columns of a file)
    file: Path,
    columns: _Columns,
    times: array[float],
    inputs: array[int],
    outputs: array[int],
    hashes: list[tuple[int, ...]],
    failed: int,
) -> Trace:
    order = sorted(range(len(times)), key=times.__getitem__)
    start = times[order[0]]
    inputs = array("q", [inputs[i] for i in order])
    cached, hit = None, None
    if hashes:
        ordered = (hashes[i] for i in order)
        try:
            cached = cached_prefixes(ordered, inputs, columns.block_tokens)
        except TypeError:
            raise InputError("must be numbers or texts", source=str(file), field=_HASHES) from None
        hit = sum(cached) / sum(inputs)
    traffic = Traffic(
        inputs,
        array("q", [outputs[i] for i in order]),
        array("d", [times[i] - start for i in order]),
        cached_tokens=cached,
    )
    return Trace(file.stem, traffic, columns.name, columns.times, failed, hit)


_Row = tuple[int, Mapping[str, Any]]


def _chained(first: _Row, rest: Iterator[_Row]) -> Iterator[_Row]:
    yield first
    yield from rest


def _columns(row: Mapping[str, Any], source: str) -> _Columns:
    for each in _KNOWN:
        if each.time in row and each.input in row and each.output in row:
            return each
    raise InputError(
        f"has no columns that are known: {', '.join(map(str, list(row)[:8])) or 'none'}",
        source=source,
        hint="needed are timestamp (s), input_len and output_len; those of Azure's, Mooncake's "
        "and BurstGPT's traces are understood too",
    )


def _csv_rows(stream: TextIO, source: str) -> Iterator[_Row]:
    reader = csv.DictReader(stream, skipinitialspace=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"not valid CSV: {error}", source=source) from None


def _json_rows(stream: TextIO, source: str) -> Iterator[_Row]:
    number = 0
    while line := stream.readline(_MAX_LINE):
        number += 1
        if not line.strip():
            continue
        row = parse_json(line, source, f"line {number}", "one request a line; a table ends in .csv")
        if not isinstance(row, dict):
            raise InputError("must be an object", source=source, field=f"line {number}")
        yield number, row
