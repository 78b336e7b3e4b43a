"""evalscope perf: benchmark_summary.json, and the table it prints.

Keys as in modelscope/evalscope evalscope/perf/utils/benchmark_util.py (Metrics; read November
2026); the unit of each time is in its name. The model is in the lines above the table, as
"model": ... of its arguments. Not here: its sqlite files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "evalscope perf"
_ROW = re.compile(r"\|[ \t]*([A-Za-z][^|]*?)[ \t]*[|][ \t]*([^|]*?)[ \t]*[|]?[ \t]*$")
_UNITS = {"(s)": 1.0, "(ms)": 1e-3}


def _read(record: Record) -> Iterator[Result]:
    requests = _count(record, "Succeed requests", "Success requests")
    if requests == 0:
        raise record.error("Succeed requests", "is 0: every request failed")
    failed = _count(record, "Failed requests") or 0
    rate = _first(record, "Request rate (req/s)")
    notes: list[str] = []
    around = setup_of(options_in(record.around), notes)
    cards = cards_in(record.around)
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                gpu=cards[0] if len(set(cards)) == 1 else None,
                input_len=_first(record, "Average input tokens per request"),
                output_len=_first(record, "Average output tokens per request"),
                max_concurrency=_count(record, "Number of concurrency", "Concurrency"),
                request_rate=rate,
                requests=requests,
                duration_s=_first(record, "Time taken for tests (s)"),
            ),
            around,
        ),
        ttft_s=_time(record, "Average time to first token"),
        tpot_s=_time(record, "Average time per output token"),
        output_tokens_per_s=_first(
            record, "Output token throughput (tok/s)", "Throughput(average tokens/s)"
        ),
        latency_s=_time(record, "Average latency"),
        requests_per_s=_first(record, "Request throughput (req/s)"),
        notes=tuple(notes),
        warnings=(f"{failed} requests failed",) if failed else (),
    )


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


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(r"[|][ \t]*Time taken for tests", document.plain))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, object] = {}
        for line in block.splitlines():
            if match := _ROW.match(line.strip()):
                values.setdefault(match[1], number_or_none(match[2]))
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("Time taken for tests (s)", "Total requests", "Average input tokens per request"),
        read=_read,
    ),
    TextFormat(
        _TOOL,
        "Time taken for tests",
        lines=(r"[|][ \t]*Time taken for tests",),
        records=_printed,
        read=_read,
    ),
)
