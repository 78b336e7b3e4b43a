"""`text-generation-benchmark` of TGI: the tables that it prints, a result for each batch size.

Tables as huggingface/text-generation-inference benchmark/src/table.rs makes them (read December
2026): parameters, latencies and throughputs by step, with the step named in its first row alone.
Not here: a running TGI (live/).
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.labels import value_of
from vperf.checks.importers.recognise import CONTEXT, Format, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "text-generation-benchmark"
_HEAD = r"\|[ \t]*Step[ \t]*\|[ \t]*Batch Size[ \t]*\|[ \t]*Average[ \t]*\|"
_MS = 1e-3
_NAMES = {
    ("Prefill", "ms"): "ttft", ("Decode (token)", "ms"): "tpot", ("Decode (total)", "ms"): "total",
    ("Prefill", "tokens/secs"): "prefill", ("Decode", "tokens/secs"): "decode",
}  # fmt: skip
_PARAMETERS = {"Model": "model", "Sequence Length": "input_len", "Decode Length": "output_len"}


def _printed(document: Document) -> Iterator[Record]:
    text = document.plain
    runs: dict[str, dict[str, object]] = {}
    asked: dict[str, object] = {}
    step = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 2 and (key := _PARAMETERS.get(cells[0])):
            asked[key] = cells[1] if key == "model" else value_of(cells[1])[0]
        if len(cells) < 5 or not cells[1].isdigit():
            continue
        step = cells[0] or step
        number, unit = value_of(cells[2])
        if name := _NAMES.get((step, unit)):
            runs.setdefault(cells[1], {})[name] = number
    for batch, values in runs.items():
        more = {**asked, **values, "batch_size": float(batch)}
        yield Record(document.source, more, f"batch {batch}", text[-CONTEXT:])


def _read(record: Record) -> Iterator[Result]:
    notes = ["one batch at a time, prefill and decoding apart"]
    cards = cards_in(record.around)
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                model=record.text("model"),
                gpu=cards[0] if len(set(cards)) == 1 else None,
                batch_size=record.degree("batch_size"),
                input_len=record.known("input_len"),
                output_len=record.known("output_len"),
            ),
            setup_of(options_in(record.around), notes),
        ),
        ttft_s=record.known("ttft", _MS),
        tpot_s=record.known("tpot", _MS),
        decode_tokens_per_s=record.known("decode"),
        prefill_tokens_per_s=record.known("prefill"),
        notes=tuple(notes),
    )


FORMATS: tuple[Format, ...] = (
    TextFormat(_TOOL, "Batch Size", lines=(_HEAD,), records=_printed, read=_read),
)
