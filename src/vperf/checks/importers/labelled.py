"""Results of people's own: tables, summaries line by line, and the JSON or CSV of a script.

What a figure is, its label says (labels.py). Read only where no tool's own format is found:

    | ISL | OSL | Concurrency | TTFT (ms) | TPOT (ms) | Output tok/s |      a row a run
    | Metric | TP1 | TP2 |                                                a column a run
    Mean TTFT: 92.5 ms                                                    a line a figure
    {"model": ..., "results": [{"concurrency": 8, "ttft_ms": 92.5}]}      an object a run

A run needs a measured figure with a unit and something that says what it is of. What the lines
above say (commands, cards) holds for all. Not here: formats that a tool writes (one file each).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vperf.checks.card_named import find_card
from vperf.checks.importers.document import Document
from vperf.checks.importers.labels import TEXTS, Label, label_of, thousands, value_of
from vperf.checks.importers.recognise import CONTEXT, Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.serving import engine_of
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup
from vperf.sources.weight_names import quantization_named, weight_name

OWN = ("a table", "a summary", "a script's JSON or CSV")
"""Tools of results that no tool wrote."""
_TABLE, _LINES, _OWN = OWN
_TIMES = {"ttft_s", "tpot_s", "itl_s", "latency_s"}
_RATES = {"output_tokens_per_s", "generation_tokens_per_s", "decode_tokens_per_s",
          "prefill_tokens_per_s", "tokens_per_s", "each_tokens_per_s"}  # fmt: skip
_MEASURED = _TIMES | _RATES
_OF_WHAT = {"input_len", "output_len", "max_concurrency", "batch_size", "request_rate", "model",
            "gpu", "requests", "completed"}  # fmt: skip
_KEPT = {*TEXTS, "gpus", "tp", "input_len", "output_len"}
"""What a run says once and the next one leaves out."""
_COUNTED_CARD = re.compile(
    r"(\d{1,3})[ ]?[x\u00d7*][ ]?(.+)|(.+?)[ ]?[x\u00d7*][ ]?(\d{1,3})", re.IGNORECASE
)

Fields = dict[str, Any]


def _add(fields: Fields, said: str, text: str) -> bool:
    """Puts the figure of a label into `fields`; False where it is none, or there already."""
    number, written = value_of(text)
    thousand, unit = thousands(written)
    label = label_of(said, unit) or label_of(said)
    if label is None or _key(label) in fields or label.statistic == "none":
        return False
    if label.field in TEXTS:
        return _add_words(fields, label.field, text.strip(" *`'\""))
    if number is None and label.field in _MEASURED and text.strip().lower().endswith("inf"):
        number = math.inf
    if number is None:
        return False
    if why := _unmeasured(label, said, number, written):
        shown = said.strip() if label.scale is None else f"{said.strip()} {text.strip()}"
        left = fields.get(_LEFT_OUT)
        fields[_LEFT_OUT] = f"{left}; {why}: {shown[:40]}" if left else f"{why}: {shown[:40]}"
        return False
    assert label.scale is not None
    each = 1024.0 if label.field in {"input_len", "output_len"} else 1000.0
    fields[_key(label)] = number * label.scale * each**thousand
    if label.length is not None:
        place = "input_len" if label.field == "prefill_tokens_per_s" else "output_len"
        fields.setdefault(place, float(label.length))
    return True


_LEFT_OUT = "left out"


def _unmeasured(label: Label, said: str, number: float, unit: str) -> str:
    """Why a figure is none that was measured; empty where it is one. "m": minutes, or milli?"""
    if label.scale is None:
        return "as no unit is said"
    if label.field in _MEASURED and not 0 <= number < math.inf and number != -1:
        return "as that is no measurement"
    if label.field in _TIMES and thousands(unit)[0]:
        return "as its unit is not known"
    alone = label_of(said)
    beside = label_of(label.field.removesuffix("_s"), unit)
    if alone and alone.scale and beside and beside.scale and label.field in _TIMES:
        return "as its two units differ" * (alone.scale != beside.scale)
    return ""


def _add_words(fields: Fields, name: str, value: str) -> bool:
    if name == "gpu" and (match := _COUNTED_CARD.fullmatch(value)):
        fields["gpus"] = float(match[1] or match[4])
        value = match[2] or match[3]
    if name == "lengths":
        if match := _LENGTHS.fullmatch(value):
            fields["input_len"], fields["output_len"] = map(_tokens, match.groups())
        return match is not None
    words = r"[A-Za-z]|^\d{4}$" if name == "gpu" else r"[A-Za-z\d]"
    if _CODE.search(value) or not re.search(words, value):
        return False
    fields[name] = value
    return True


_CODE = re.compile(r"[\"'{}=\[\]]|[,(]$")
_LENGTHS = re.compile(r"(\d[\d.,]*[kK]?) ?(?:/|x|,|-|:|in/) ?(\d[\d.,]*[kK]?)(?: ?out)?")


def _tokens(text: str) -> float:
    """Of "1024", "1k" and "8K"."""
    short = text.lower().removesuffix("k")
    return (number_or_none(short) or 0.0) * (1024.0 if short != text.lower() else 1.0)


def _key(label: Label) -> str:
    if label.statistic == "mean" or label.field not in _TIMES:
        return label.field
    return f"{label.statistic}_{label.field}"


def _is_run(fields: Mapping[str, Any], *, of_what: bool = True) -> bool:
    known = {name for name in fields if name != _LEFT_OUT}
    measured = {name for name in known if name in _RATES or name.split("_", 1)[-1] in _TIMES
                or name in _TIMES}  # fmt: skip
    return bool(measured) and (bool(known & _OF_WHAT) or (not of_what and known != {"latency_s"}))


# A run's fields -> its result -----------------------------------------------------------------


def _read(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    values = record.values
    cards = cards_in(record.around)
    batch, users = record.degree("batch_size"), record.known("max_concurrency")
    requests = _whole(record, "completed") or _whole(record, "requests")
    many = (users or batch or 1) > 1 or ((requests or 1) > 1 and users is None)
    prefill = record.known("prefill_tokens_per_s")
    many = many or record.known("requests_per_s") is not None
    of_what = bool(users or batch or requests)
    output, decode = _speeds(record, notes, many=many, closed=users is not None, of_what=of_what)
    tpot = record.known("tpot_s") or record.known("p50_tpot_s")
    if tpot is None and (tpot := record.known("itl_s") or record.known("p50_itl_s")) is not None:
        notes.append("TPOT is not said: inter-token latency stands for it")
    if tpot is None and (each := record.known("each_tokens_per_s")) is not None:
        tpot = 1 / each
        notes.append("TPOT is from tokens per second of a user")
    if record.text(_LEFT_OUT):
        notes.append(f"left out, {record.text(_LEFT_OUT)}")
    output_len = _length(record, "output_len", "all_output", requests)
    each_s = record.known("requests_per_s")
    if output_len is None and output is not None and each_s is not None:
        output_len = output / each_s
        notes.append(f"{output_len:,.0f} tokens of an answer: output rate over request rate")
    input_len = _length(record, "input_len", "all_input", requests)
    if input_len is None and many and prefill is not None and each_s is not None:
        input_len = prefill / each_s
        notes.append(f"{input_len:,.0f} tokens of a prompt: prompt rate over request rate")
    if output_len is None and not many:
        output_len = _answered(record, decode)
    failed = record.known("failed")
    said, model = record.text("quantization"), record.text("model")
    quantization = quantization_named(said, []) if said else None
    if said and quantization is None:
        quantization = weight_name(f"model-{said}").quantization
    name = record.text("engine")
    yield Result(
        tool=record.text("tool") or _OWN,
        label=record.text("label") or record.where,
        setup=filled(
            Setup(
                model=model,
                gpu=record.text("gpu") or (cards[0] if len(set(cards)) == 1 else None),
                gpus=_whole(record, "gpus"),
                engine=engine_of(name) if name else None,
                quantization=quantization,
                tp=_whole(record, "tp"),
                input_len=input_len,
                output_len=output_len,
                batch_size=batch,
                max_concurrency=users,
                request_rate=record.known("request_rate"),
                requests=requests,
                duration_s=record.known("duration_s") if requests else None,
            ),
            setup_of(options_in(record.around), notes),
        ),
        ttft_s=record.known("ttft_s") or record.known("p50_ttft_s"),
        tpot_s=tpot,
        decode_tokens_per_s=decode,
        output_tokens_per_s=output,
        prefill_tokens_per_s=prefill if not many or batch else None,
        latency_s=record.known("latency_s") or record.known("p50_latency_s"),
        requests_per_s=each_s,
        percentiles=tuple(
            (name, value)
            for name in values
            if re.match(r"p\d|max_(?=\w+_s$)", name) and name.split("_", 1)[1] in _TIMES
            and (value := record.known(name)) is not None
        ),
        notes=(*notes, "read by its labels"),
        warnings=(f"{failed:,.0f} requests failed",) if failed else (),
        # "Tokens per second" may count prompts, too.
        doubtful=tuple(
            name
            for name, value in (("output_tokens_per_s", output), ("decode_tokens_per_s", decode))
            if value is not None and value == record.known("tokens_per_s")
        ),
    )  # fmt: skip


def _speeds(
    record: Record, notes: list[str], *, many: bool, closed: bool, of_what: bool
) -> tuple[float | None, float | None]:
    """(output tokens per second over the run, of decoding alone) by what the labels leave open.

    "Generation speed" of one request is of decoding, of many over the run; "tokens per second" too,
    unless TPOT stands beside it.
    """
    output, decode = record.known("output_tokens_per_s"), record.known("decode_tokens_per_s")
    if output is None and many and closed:
        output, decode = decode, None
    written, spoken = record.known("generation_tokens_per_s"), record.known("tokens_per_s")
    if many:
        output = output or written
    else:
        decode = decode or written
    if spoken is not None and of_what and record.known("tpot_s") is not None:
        output = output or spoken
    elif spoken is not None and output is None and decode is None and many:
        output = spoken
    elif spoken is not None and output is None and decode is None:
        decode = spoken
        notes.append("its tokens per second are taken for the speed of decoding")
    elif output is not None and decode is None and not of_what:
        output, decode = None, output
    return output, decode


def _answered(record: Record, decode: float | None) -> float | None:
    """Tokens of the one answer, where its time and its speed say them."""
    whole, first = record.known("latency_s") or record.known("duration_s"), record.known("ttft_s")
    if whole is None or first is None or decode is None or whole <= first:
        return None
    return max(2.0, float(round((whole - first) * decode + 1)))


def _whole(record: Record, key: str) -> int | None:
    value = record.known(key)
    return round(value) if value is not None and 1 <= value < 1e9 else None


def _length(record: Record, each: str, total: str, requests: int | None) -> float | None:
    value = record.known(each)
    if value is None and (sum_ := record.known(total)) is not None:
        return sum_ / (requests or 1)
    return value


# Tables ---------------------------------------------------------------------------------------


def _tables(document: Document) -> Iterator[Record]:
    text = document.plain
    grid: list[tuple[int, list[str]]] = []
    start = 0
    if ANSWER.search(text):
        return
    for number, match in enumerate(re.finditer(r"[^\n]*\n?", text), 1):
        line = match[0].strip()
        if "|" in line:
            if not set(line) <= set("|:-+= "):
                start = start if grid else match.start()
                grid.append((number, [cell.strip() for cell in line.strip("|").split("|")]))
        elif grid and not (line and set(line) <= set("|:-+= ")):
            yield from _runs(document, grid, text[max(0, start - CONTEXT) : start])
            grid = []


def _runs(
    document: Document, grid: Sequence[tuple[int, list[str]]], around: str
) -> Iterator[Record]:
    """Of one table: a run a row where its head has labels, a run a column where its first has."""
    head = grid[0][1]
    labels = [label_of(cell) or label_of(cell, "ms") or label_of(cell, "tok/s") for cell in head]
    keys = [_key(label) for label in labels if label is not None]
    below = grid[1][1] if len(grid) > 1 else []
    if len(below) == len(head) and not any(map(_measures, head)):
        # A head of two lines.
        joined = [f"{upper} {lower}".strip() for upper, lower in zip(head, below, strict=True)]
        if sum(_measures(said) for said in joined) > 1 and value_of(below[-1])[0] is None:
            yield from _runs(document, [(grid[0][0], joined), *grid[2:]], around)
            return
    by_row = len(set(keys)) == len(keys) and any(
        key in _RATES or key.split("_", 1)[-1] in _TIMES or key in _TIMES for key in keys
    )
    if by_row:
        first = ""
        for number, cells in grid[1:]:
            if len(cells) != len(head):
                continue
            fields: Fields = {}
            first = cells[0] or first
            for said, cell in zip(head, [first, *cells[1:]], strict=True):
                _add(fields, said, cell)
            what = f"line {number}"
            if labels[0] is None and len(keys) > 0:  # the first column says what is compared
                what = first[:40] or what
            if _is_run(fields, of_what=labels[0] is not None):
                yield Record(document.source, {**fields, "tool": _TABLE}, what, around)
        return
    yield from _columns(document, grid, around)


def _measures(said: str) -> bool:
    label = label_of(said)
    return label is not None and label.scale is not None and label.field in {*_TIMES, *_RATES}


def _columns(
    document: Document, grid: Sequence[tuple[int, list[str]]], around: str
) -> Iterator[Record]:
    head = grid[0][1]
    statistics = [label_of(f"ttft {cell}", "ms") for cell in head[1:]]
    if len(head) > 2 and all(each is not None for each in statistics):
        fields: Fields = {}
        for _, cells in grid[1:]:
            for statistic, cell in zip(head[1:], cells[1:], strict=False):
                _add(fields, f"{cells[0]} {statistic}", cell)
        columns = [("", fields)]
    else:
        # A head of words names the runs; where it is a figure itself, there is one run.
        named = label_of(head[0]) is None or len(head) > 2
        columns = [(name, Fields()) for name in head[1:]]
        for _, cells in grid[1 if named and label_of(head[0]) is None else 0 :]:
            for (_, column), cell in zip(columns, cells[1:], strict=False):
                _add(column, cells[0], cell)
    cards = [find_card(name)[0] if re.search(r"\d", name) else None for name, _ in columns]
    for (name, column), card in zip(columns, cards, strict=True):
        if card and all(cards):  # each column is of one
            column.setdefault("gpu", card)
        if users := _USERS.fullmatch(name.strip(" *")):
            column.setdefault("max_concurrency", float(users[1] or users[2]))
        if _is_run(column, of_what=len(column) < 2):
            label = name if len(columns) > 1 else ""
            values = {**column, "tool": _TABLE if len(columns) > 1 else _LINES, "label": label}
            yield Record(document.source, values, "", around)


_USERS = re.compile(
    r"(?:c|conc(?:urrency)?|users|bs)[ ]?[=:]?[ ]?(\d{1,6})|(\d{1,6}) (?:users|concurrent)",
    re.IGNORECASE,
)
"""A column's head that says how many were served."""


# Lines ----------------------------------------------------------------------------------------

_LINE = re.compile(
    r"[^\w|#\[({]{0,12}(?:\[[^\]\n]{0,40}\][ \t]*)*([A-Za-z#][^:=|\t\n]{0,79}?)[ \t]*"
    r"(?:\.{2,}:?|[:=]|\t|[ \t]{3,})[ \t]*(\S.*)"
)
_PAIRS = re.compile(r"\s[|;·•]\s|[,;]\s+(?=[A-Za-z][\w ()/.-]{0,60}[:=])")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)[=:](\d[\d.,]*[a-zA-Z/]*)(?=[\s,;]|$)")
_NUMBERED = re.compile(r"([A-Za-z]\w*(?:\(\w+\))?):? (\d[\d.]*)(?=[\s,]|$)")
"""A log's "ttft=120ms tpot=14ms" and "latency(ms) 210.3 tokensPerSec 760.6"."""
_SECTION = re.compile(r"[-+*=#•\s]*([A-Za-z][^:=|\n]{0,60}?)[-+*=#:\s]*$")


def _lines(document: Document) -> Iterator[Record]:
    """A block ends where a figure comes a second time."""
    text = document.plain
    if len(text) > _LONGEST or ANSWER.search(text):
        return
    fields: Fields = {}
    section = ""
    found: list[Fields] = []
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE:
            continue
        pairs = _pairs(line)
        if not pairs:
            section = match[1] if (match := _SECTION.fullmatch(line.strip())) else ""
            continue
        for said, value in pairs:
            label = _whole_label(section, said, value)
            if label and not _add(fields, label, value) and _again(fields, label, value):
                found.append(fields)
                fields = {name: each for name, each in fields.items() if name in _KEPT}
                _restate(fields, label, value)
    found.append(fields)
    least = 1 if sum(map(bool, map(str.strip, text.splitlines()))) <= _SHORT else 2
    runs = [
        each for each in found if _is_run(each, of_what=False) and len(each.keys() - _KEPT) >= least
    ]
    for index, run in enumerate(runs, 1):
        where = f"run {index}" if len(runs) > 1 else ""
        yield Record(document.source, {**run, "tool": _LINES}, where, text[-CONTEXT:])


ANSWER = re.compile(
    r"\d% of (?:expected|the limit)\b|\blimit(?: {2,}| \| )expected"
    r"|expected(?: {2,}| \| )(?:range|limit)"
)
"""What vperf prints, of which nothing was measured here."""
_LONGEST = 2 << 20
_SHORT = 15
"""Lines up to which one figure with its label is a summary."""


def _pairs(line: str) -> list[tuple[str, str]]:
    """What a line says, label by label."""
    for pattern, least in ((_ASSIGNED, 2), (_NUMBERED, 4)):
        if len(found := pattern.findall(line)) >= least:
            return found
    parts = (_LINE.fullmatch(part.strip()) for part in _PAIRS.split(line))
    return [(match[1], match[2]) for match in parts if match]


_LONGEST_LINE = 1000
_OPEN = re.compile(
    r"(?:throughput|speed|latency|rate|tokens?(?: ?/ ?| per )s\w*|value)", re.IGNORECASE
)
"""Labels that the heading above them completes."""
_TOPIC = re.compile(
    r"prefill|prompt|decod|generat|token|latency|ttft|request|output|input", re.IGNORECASE
)


def _whole_label(section: str, said: str, value: str) -> str:
    """The label with the heading above it where it says nothing alone; empty where it is none."""
    unit = value_of(value)[1]
    together = f"{section} {said}"
    alone = label_of(said, unit) or label_of(said)
    about = bool(section) and bool(_TOPIC.search(section))
    if about and (alone is None or _OPEN.fullmatch(said.strip())):
        return together if label_of(together, unit) or label_of(together) else ""
    return said if alone else ""


def _again(fields: Fields, said: str, text: str) -> bool:
    """Whether a label stands a second time, with another value, after something was measured."""
    fresh: Fields = {}
    if not _add(fresh, said, text) or not _is_run(fields, of_what=False):
        return False
    return any(name in fields and fields[name] != value for name, value in fresh.items())


def _restate(fields: Fields, said: str, text: str) -> None:
    fresh: Fields = {}
    _add(fresh, said, text)
    fields.update(fresh)


# JSON and CSV ---------------------------------------------------------------------------------

_MAX_DEPTH = 4


def _own(record: Record) -> Iterator[Result]:
    """The runs in an object: itself, or those of a list within it, with what stands beside it."""
    for fields in _objects(record.values, {}, 0):
        values = {**fields, "tool": _OWN}
        yield from _read(Record(record.source, values, record.where, record.around))


def _objects(values: Mapping[str, Any], outer: Fields, depth: int) -> Iterator[Fields]:
    fields: Fields = {}
    lists: list[list[Any]] = []
    named = [each for each in values.values() if isinstance(each, Mapping)]
    if len(named) > 1 and all(_is_run(_alone(each), of_what=False) for each in named):
        lists.append(named)
        values = {key: each for key, each in values.items() if not isinstance(each, Mapping)}
    _flat(values, "", fields, lists, 0)
    merged = {**outer, **fields}
    inner = [
        each
        for items in lists
        for item in items
        if depth < _MAX_DEPTH
        for each in _objects(item, {**outer, **_setup_alone(merged)}, depth + 1)
    ]
    if _is_run(fields) or (_is_run(fields, of_what=False) and _is_run(merged)):
        yield merged
    else:
        yield from inner


def _alone(values: Mapping[str, Any]) -> Fields:
    fields: Fields = {}
    _flat(values, "", fields, [], _MAX_DEPTH)
    return fields


def _setup_alone(fields: Fields) -> Fields:
    return {
        name: value for name, value in fields.items() if not _is_run({name: value}, of_what=False)
    }


def _flat(
    values: Mapping[str, Any], path: str, fields: Fields, lists: list[list[Any]], depth: int
) -> None:
    for key, value in values.items():
        if not isinstance(key, str) or len(key) > 80:
            continue
        if isinstance(value, Mapping) and depth < _MAX_DEPTH:
            _flat(value, key, fields, lists, depth + 1)
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            lists.append(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            text = value if isinstance(value, str) else repr(value)
            if len(text) <= 200 and not _add(fields, key, text) and path:
                _add(fields, f"{path} {key}", text)


FORMATS: tuple[Format, ...] = (
    TextFormat(_TABLE, "|", lines=(r"[^\n]*\|",), records=_tables, read=_read, fallback=True),
    TextFormat(_LINES, "", lines=(r"[^\n]*[A-Za-z]",), records=_lines, read=_read, fallback=True),
    JsonFormat(_OWN, keys=(), read=_own, fallback=True),
)
