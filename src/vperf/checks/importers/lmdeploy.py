"""LMDeploy: what profile_throughput.py and profile_restful_api.py printed until 2025.

Lines as logs in the issues and pull requests of InternLM/lmdeploy have them (#137, #946, #2142;
read December 2026). Since then they print what SGLang's benchmark does (serving.py). Not here: its
CSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "LMDeploy"
_FIRST = r"concurrency: \d+[ \t]*\n[ \t]*elapsed_time: [\d.]+ ?s"
_N = r"([\d.]+)"
_LINES = {
    "users": r"concurrency: (\d+)",
    "duration": rf"elapsed_time: {_N} ?s",
    "ttft": rf"first[ _]token latency(?:\(s\))?\(min, max, ave\): [\d.]+s?, [\d.]+s?, {_N}",
    "input": r"number of prompt tokens: (\d+)",
    "output": r"number of completion tokens: (\d+)",
    "rate": rf"token throughput \(completion token\): {_N} token/s",
    "requests_rate": rf"RPS \(request per second\): {_N} req/s",
}


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(_FIRST, document.plain))
    for index, (before, block) in enumerate(found, 1):
        values = {
            name: number_or_none(match[1])
            for name, pattern in _LINES.items()
            if (match := re.search(pattern, block))
        }
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _read(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    rate, duration = record.known("requests_rate"), record.known("duration")
    requests = round(rate * duration) if rate and duration else None
    read, written = record.known("input"), record.known("output")
    cards = cards_in(record.around)
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                gpu=cards[0] if len(set(cards)) == 1 else None,
                input_len=read / requests if read and requests else None,
                output_len=written / requests if written and requests else None,
                max_concurrency=record.known("users"),
                requests=requests or None,
                duration_s=duration,
            ),
            setup_of(options_in(record.around), notes),
        ),
        ttft_s=record.known("ttft"),
        output_tokens_per_s=record.known("rate"),
        requests_per_s=rate,
        notes=tuple(notes),
    )


FORMATS: tuple[Format, ...] = (
    TextFormat(_TOOL, "elapsed_time:", lines=(_FIRST,), records=_printed, read=_read),
)
