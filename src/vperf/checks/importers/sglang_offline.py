"""`sglang.bench_offline_throughput`: its JSON lines and the summary it prints.

Keys and lines as in sgl-project/sglang python/sglang/bench_offline_throughput.py (read November
2026). All requests are handed over at once. Not here: the serving benchmark (sglang_serving.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "sglang.bench_offline_throughput"
_TITLE = r"[=#* ]*Offline Throughput Benchmark Result[=#* ]*$"
_KEYS = {
    "successful requests": "successful_requests", "benchmark duration (s)": "total_latency",
    "total input tokens": "total_input_tokens", "total generated tokens": "total_output_tokens",
    "last generation throughput (tok/s)": "last_gen_throughput",
    "request throughput (req/s)": "request_throughput",
    "output token throughput (tok/s)": "output_throughput",
}  # fmt: skip


def _read(record: Record) -> Iterator[Result]:
    requests = record.count("successful_requests")
    if not requests:
        raise record.error("successful_requests", "is 0 or missing: no request ended")
    read, written = record.known("total_input_tokens"), record.known("total_output_tokens")
    if written is None:
        raise record.error("total_output_tokens", "is 0 or missing: nothing was generated")
    notes = ["requests are handed over all at once"]
    around = setup_of(options_in(record.around), notes)
    cards = cards_in(record.around)
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                engine="sglang",
                gpu=cards[0] if len(set(cards)) == 1 else None,
                requests=requests,
                batch_size=requests,
                input_len=read / requests if read else None,
                output_len=written / requests,
                duration_s=record.known("total_latency"),
            ),
            around,
        ),
        output_tokens_per_s=record.known("output_throughput"),
        requests_per_s=record.known("request_throughput"),
        notes=tuple(notes),
    )


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(_TITLE, document.plain))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, object] = {}
        for line in block.splitlines():
            name, colon, text = line.strip().rpartition(":")
            if colon and (key := _KEYS.get(name.strip().lower())):
                values[key] = number_or_text(text.strip())
        where = f"result {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("successful_requests", "total_latency", "total_output_tokens", "output_throughput"),
        read=_read,
    ),
    TextFormat(
        _TOOL, "Offline Throughput Benchmark Result", lines=(_TITLE,), records=_printed, read=_read
    ),
)
