"""A table of one's own, as threads have them: a column each for lengths, load and measured figures.

    | ISL | OSL | Concurrency | TTFT (ms) | TPOT (ms) | Output tok/s |

Columns are known by their words, times by the unit in the head; it is a table of results if it has
a time with a unit or a rate of output, and a length or a load. What the lines above say holds for
all rows.
Not here: the tables of tools, which have readers of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import CONTEXT, Format, TextFormat
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "a table"
_MEAN = "(?:mean |avg |average )?"
_COLUMNS: tuple[tuple[str, str], ...] = (
    (rf"(?:isl|{_MEAN}(?:in|input|prompt)[ _-]?(?:len(?:gth)?|tok(?:en)?s?))", "input_len"),
    (rf"(?:osl|{_MEAN}(?:out|output)[ _-]?(?:len(?:gth)?|tok(?:en)?s?)|max[ _-]tokens)",
     "output_len"),
    (r"(?:(?:max[ _-])?conc(?:urrency|urrent(?: (?:users|requests))?)?|users|clients|ccu?)",
     "max_concurrency"),
    (r"(?:batch(?:[ _-]?size)?|bs)", "batch_size"),
    (r"(?:n(?:um)?[ _.-]?(?:req(?:uests)?|prompts))", "requests"),
    (r"(?:request rate|qps)", "request_rate"),
    (r"model", "model"),
    (r"(?:gpu|hardware|device|card)", "gpu"),
    (rf"{_MEAN}(?:ttft|time to first token)", "ttft_s"),
    (rf"{_MEAN}(?:tpot|itl|time per output token|inter[- ]token latency)", "tpot_s"),
    (rf"{_MEAN}(?:e2el?|end[- ]to[- ]end(?: latency)?|(?:request )?latency)", "latency_s"),
    (r"(?:output(?: token)? (?:tput|throughput|tok/s|tokens/s)|output t(?:ok(?:en)?s?)?/s"
     r"|gen(?:eration)? (?:tput|throughput))", "output_tokens_per_s"),
    (r"(?:decode (?:tput|throughput|speed|tok/s|t/s)|tput decode)", "decode_tokens_per_s"),
    (r"(?:req(?:uest)?s?(?: (?:tput|throughput)|/s)|rps)", "requests_per_s"),
)  # fmt: skip
_KNOWN = tuple((re.compile(pattern, re.IGNORECASE), name) for pattern, name in _COLUMNS)
_HEAD = re.compile(r"^(.*?)[ \t]*[(\[]([^()\[\]]*)[)\]]$")
_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0, "us": 1e-6, "µs": 1e-6}
_RATES = ("output_tokens_per_s", "decode_tokens_per_s", "requests_per_s")
_TIMES = ("ttft_s", "tpot_s", "latency_s")
_LENGTHS_AND_LOADS = ("input_len", "output_len", "max_concurrency", "batch_size", "request_rate")
_FIRST = (
    r"[^\n]*\|[^\n]*(?:TTFT|TPOT|ITL|ttft|tpot|[Oo]utput (?:tok|throughput|token throughput)"
    r"|[Tt]put [Dd]ecode)[^\n]*\|"
)


def _columns(cells: Sequence[str]) -> list[tuple[str, float] | None]:
    """What each column is, and the factor on its numbers."""
    found: list[tuple[str, float] | None] = []
    for cell in cells:
        match = _HEAD.match(cell)
        name, unit = (match[1], match[2].strip().lower()) if match else (cell, "")
        which = next((field for rule, field in _KNOWN if rule.fullmatch(name.strip())), None)
        if which in _TIMES:
            found.append((which, _SECONDS[unit]) if unit in _SECONDS else None)
        else:
            found.append((which, 1.0) if which else None)
    names = [each[0] for each in found if each]
    return found if len(set(names)) == len(names) else []


def _is_head(columns: Sequence[tuple[str, float] | None]) -> bool:
    names = {each[0] for each in columns if each}
    measured = names & {*_TIMES, "output_tokens_per_s", "decode_tokens_per_s"}
    return bool(measured) and bool(names & {*_LENGTHS_AND_LOADS})


def _rows(document: Document) -> Iterator[Record]:
    text, columns, around = document.plain, list[tuple[str, float] | None](), ""
    for number, match in enumerate(re.finditer(r"[^\n]*\n?", text), 1):
        line = match[0].strip()
        if "|" not in line:
            columns = [] if line else columns
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if _is_head(found := _columns(cells)):
            columns, around = found, text[max(0, match.start() - CONTEXT) : match.start()]
            continue
        if len(cells) != len(columns) or set(line) <= set("|:-+= "):
            continue
        values: dict[str, object] = {}
        for column, cell in zip(columns, cells, strict=True):
            if column is None:
                continue
            name, scale = column
            value = cell if name in ("model", "gpu") else _number(cell)
            values[name] = value * scale if isinstance(value, float) else value or None
        if any(isinstance(values.get(name), float) for name in (*_TIMES, *_RATES)):
            yield Record(document.source, values, f"line {number}", around)


def _number(text: str) -> float | None:
    return number_or_none(re.split(r"[±(]", text, maxsplit=1)[0].strip())


def _read(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    cards = cards_in(record.around)
    batch, users, requests = (
        record.degree(name) for name in ("batch_size", "max_concurrency", "requests")
    )
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                model=record.text("model"),
                gpu=record.text("gpu") or (cards[0] if len(set(cards)) == 1 else None),
                input_len=record.known("input_len"),
                output_len=record.known("output_len"),
                batch_size=batch,
                max_concurrency=users,
                request_rate=record.known("request_rate"),
                requests=requests,
            ),
            setup_of(options_in(record.around), notes),
        ),
        ttft_s=record.known("ttft_s"),
        tpot_s=record.known("tpot_s"),
        decode_tokens_per_s=record.known("decode_tokens_per_s") if batch and not users else None,
        output_tokens_per_s=record.known("output_tokens_per_s"),
        latency_s=record.known("latency_s"),
        requests_per_s=record.known("requests_per_s"),
        notes=(*notes, "read by the heads of its columns"),
    )


FORMATS: tuple[Format, ...] = (
    TextFormat(
        _TOOL,
        "|",
        lines=(_FIRST,),
        records=_rows,
        read=_read,
        without=(
            r"[^\n]*ttfr \(ms\)", r"[^\n]{0,4}?Request Latency Statistics", r"Benchmarks? Stats:?",
            r"[^\n]*LLM Metrics", r"[|│][ \t]*Time taken for tests", r"\|[ \t]*test[ \t]*\|",
        ),
    ),
)  # fmt: skip
