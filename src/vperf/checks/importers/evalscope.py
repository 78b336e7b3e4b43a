"""evalscope perf: benchmark_summary.json, and the table it prints.

Keys as in modelscope/evalscope evalscope/perf/utils/perf_constants.py (read December 2026) and, of
2024 and 2025, as its issues have them (#103, #243, #490, #778, #1076); the unit of each time is in
its name, but for the lines of 2024, in seconds. Until March 2025 its time per output token was
1 / throughput (#320), and is left out. The model is in the lines above the table, as "model": ...
of its arguments. Not here: its sqlite files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "evalscope perf"
_NEWER = {
    "Test Duration (s)": "Time taken for tests (s)", "Concurrency": "Number of concurrency",
    "Request Rate (req/s)": "Request rate (req/s)", "Success Requests": "Succeed requests",
    "Failed Requests": "Failed requests", "Req Throughput (req/s)": "Request throughput (req/s)",
    "Avg Latency (s)": "Average latency (s)",
    "Avg Input Tokens": "Average input tokens per request",
    "Avg Output Tokens": "Average output tokens per request",
    "Output Throughput (tok/s)": "Output token throughput (tok/s)",
    "Avg TTFT (ms)": "Average time to first token (ms)",
    "Avg TPOT (ms)": "Average time per output token (ms)",
    "Avg Decoded Tok/Iter": "Average decoded tokens per iter",
    "Time taken for tests": "Time taken for tests (s)", "Average latency": "Average latency (s)",
    "Average time to first token": "Average time to first token (s)",
    "Average QPS": "Request throughput (req/s)",
    "Throughput(average output tokens per second)": "Output token throughput (tok/s)",
    "Throughput(average tokens/s)": "Output token throughput (tok/s)",
    "Average time per output token": "old TPOT",
}  # fmt: skip
"""Names of other years -> those of 2025."""
_LINE = re.compile(r"([A-Z][\w ()/.-]+?):[ \t]+(\S+)(?: seconds)?[ \t]*$")
_ROW = re.compile(r"\|[ \t]*([A-Za-z][^|]*?)[ \t]*[|][ \t]*([^|]*?)[ \t]*[|]?[ \t]*$")
_UNITS = {"(s)": 1.0, "(ms)": 1e-3}


def _read(said: Record) -> Iterator[Result]:
    record = replace(said, values={_NEWER.get(key, key): each for key, each in said.values.items()})
    requests = _count(record, "Succeed requests", "Success requests")
    if requests == 0:
        raise record.error("Succeed requests", "is 0: every request failed")
    failed = _count(record, "Failed requests") or 0
    rate = _first(record, "Request rate (req/s)")
    notes: list[str] = []
    around = setup_of(options_in(record.around), notes)
    cards = cards_in(record.around)
    tpot = _time(record, "Average time per output token")
    output = _first(record, "Output token throughput (tok/s)")
    users = _count(record, "Number of concurrency")
    inverse = "old TPOT" in record.values or bool(
        tpot and output and users and users > 1 and abs(tpot * output - 1) < _INVERSE
    )
    if inverse:
        notes.append("its time per output token is 1 / throughput, as evalscope had it: left out")
    accepted = _first(record, "Average decoded tokens per iter")
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                gpu=cards[0] if len(set(cards)) == 1 else None,
                input_len=_first(record, "Average input tokens per request"),
                output_len=_first(record, "Average output tokens per request"),
                max_concurrency=users if users else None,
                request_rate=rate,
                acceptance_length=accepted if accepted and accepted > 1.05 else None,
                requests=requests,
                duration_s=_first(record, "Time taken for tests (s)"),
            ),
            around,
        ),
        ttft_s=_time(record, "Average time to first token"),
        tpot_s=None if inverse else tpot,
        output_tokens_per_s=output,
        latency_s=_time(record, "Average latency"),
        requests_per_s=_first(record, "Request throughput (req/s)"),
        notes=tuple(notes),
        warnings=(f"{failed} requests failed",) if failed else (),
    )


_INVERSE = 0.02


def _first(record: Record, *names: str) -> float | None:
    for name in names:
        if isinstance(record.get(name), int | float):
            return record.known(name)
    return None


def _count(record: Record, *names: str) -> int | None:
    value = next((record.get(name) for name in names if record.get(name) is not None), None)
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e12 else None


def _time(record: Record, name: str) -> float | None:
    for unit, scale in _UNITS.items():
        if isinstance(record.get(f"{name} {unit}"), int | float):
            return record.known(f"{name} {unit}", scale)
    return None


_FIRST = r"[| \t]*(?:Time taken for tests|Test Duration \(s\))"
_COUNTS = ("Total Requests", "Success Requests", "Failed Requests")


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(_FIRST, document.plain))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, object] = {}
        for line in block.splitlines():
            match = _ROW.match(line.strip()) or _LINE.match(line.strip())
            if match and match[1].startswith("Total / Success / Failed"):
                counts = [number_or_none(each) for each in match[2].split("/")]
                values.update(zip(_COUNTS, counts, strict=False))
            elif match:
                values.setdefault(match[1], number_or_none(match[2]))
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("Time taken for tests (s)", "Total requests", "Average input tokens per request"),
        read=_read,
    ),
    JsonFormat(_TOOL, keys=("Test Duration (s)", "Concurrency", "Avg Input Tokens"), read=_read),
    TextFormat(
        _TOOL,
        "Test",
        lines=(r"[| \t]*Test Duration \(s\)[ \t]*\|",),
        records=_printed,
        read=_read,
    ),
    TextFormat(
        _TOOL,
        "Time taken for tests",
        lines=(r"[| \t]*Time taken for tests", r"[| \t]*(?:Succeed|Number of concurrency)"),
        records=_printed,
        read=_read,
    ),
)
