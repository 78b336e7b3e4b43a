"""guidellm 0.1's report: boxes around a summary with a row for each rate.

As vllm-project/guidellm's pull request 73 and issue 65 have it (2024); the boxes are taken off
before (cleaned.py). Not here: what later versions write (guidellm.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.labels import label_of, value_of
from vperf.checks.importers.recognise import Format, TextFormat, blocks
from vperf.checks.importers.record import Record
from vperf.checks.importers.surroundings import filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "guidellm"
_TITLE = r"Performance Summary by Benchmark"
_ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.MULTILINE)
_RATE = re.compile(r"(?:asynchronous|constant|poisson)@([\d.]+)")
_SAID = (
    ("model", r"Backend\([^)\n]*\bmodel=([^,)\s]+)"), ("input_len", r"prompt_tokens=(\d+)"),
    ("output_len", r"(?:generated|output)_tokens=(\d+)"),
)  # fmt: skip
_UNIT = {"Requests per Second": "req/s", "Output Token Throughput": "tok/s"}


def _printed(document: Document) -> Iterator[Record]:
    for before, block in blocks(_TITLE, document.plain):
        rows = [
            [cell.strip() for cell in row.split("|")]
            for row in _ROW.findall(block)
            if not set(row) <= set("|+- ")
        ]
        said = {
            name: found[-1] for name, pattern in _SAID if (found := re.findall(pattern, before))
        }
        for cells in rows[1:]:  # below its head
            if len(cells) != len(rows[0]):
                break  # the next table
            values: dict[str, object] = {**said}
            for name, cell in zip(rows[0][1:], cells[1:], strict=True):
                number, unit = value_of(cell)
                label = label_of(name, unit or _UNIT.get(name, ""))
                if number is not None and label is not None and label.scale is not None:
                    values[label.field] = number * label.scale
            yield Record(document.source, values, cells[0], before)


def _read(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    offered = _RATE.match(record.where)
    lengths = [float(record.text(name) or 0) or None for name in ("input_len", "output_len")]
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                model=record.text("model"),
                input_len=lengths[0],
                output_len=lengths[1],
                batch_size=1 if record.where == "synchronous" else None,
                request_rate=float(offered[1]) if offered else None,
            ),
            setup_of(options_in(record.around), notes),
        ),
        ttft_s=record.known("ttft_s"),
        tpot_s=record.known("itl_s"),
        output_tokens_per_s=record.known("output_tokens_per_s"),
        latency_s=record.known("latency_s"),
        requests_per_s=record.known("requests_per_s"),
        notes=tuple(notes),
    )


FORMATS: tuple[Format, ...] = (
    TextFormat(_TOOL, "Performance Summary", lines=(_TITLE,), records=_printed, read=_read),
)
