"""optimum-benchmark's benchmark.json and benchmark_report.json of an inference scenario.

Keys as in huggingface/optimum-benchmark optimum_benchmark/benchmark/report.py and
trackers/latency.py (layout as known, not held against its source): "decode" is the time of all
tokens after the first, and its throughput that of the batch. Not here: its CSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.result import Result, Setup
from vperf.sources.engines import engine_id
from vperf.sources.weight_names import quantization_named

_TOOL = "optimum-benchmark"


def _whole(record: Record) -> Iterator[Result]:
    report = record.section("report")
    if report is None or report.section("decode") is None:
        raise record.error("report.decode", "is missing: nothing was generated")
    backend = record.section("config.backend")
    notes: list[str] = []
    scenario = record.section("config.scenario")
    cards = record.get("config.environment.gpu")
    names = [name for name in cards if isinstance(name, str)] if isinstance(cards, list) else []
    setup = Setup(
        model=backend.text("model") if backend else None,
        engine=engine_id((backend.text("name") if backend else None) or ""),
        gpu=names[0] if len(set(names)) == 1 else None,
        quantization=quantization_named(
            backend.text("quantization_scheme") if backend else None, notes
        ),
        batch_size=scenario.degree("input_shapes.batch_size") if scenario else None,
        input_len=scenario.known("input_shapes.sequence_length") if scenario else None,
        output_len=scenario.known("generate_kwargs.max_new_tokens") if scenario else None,
    )
    yield _result(report, setup, notes)


def _report(record: Record) -> Iterator[Result]:
    yield _result(record, Setup(), ["the report alone: what ran is in benchmark_config.json"])


def _result(report: Record, setup: Setup, notes: list[str]) -> Result:
    decoding = report.known("decode.latency.mean")
    tokens = setup.output_len
    tpot = report.known("per_token.latency.mean")
    if decoding and tokens and tokens > 1:
        tpot = decoding / (tokens - 1)
    return Result(
        tool=_TOOL,
        label=report.where.removesuffix("report").strip(),
        setup=setup,
        ttft_s=report.known("prefill.latency.mean"),
        tpot_s=tpot,
        decode_tokens_per_s=report.known("decode.throughput.value"),
        prefill_tokens_per_s=report.known("prefill.throughput.value"),
        notes=tuple(notes),
    )


_LINES = (r"(?:\+ )?decode:[ \t]*$", r"(?:\+ )?throughput:[ \t]*$")
_ITEM = re.compile(r"(?:\+ )?(\w+):(?:[ \t]+([\d.]+)(?: \(\S+\))?)?[ \t]*$")


def _printed(document: Document) -> Iterator[Record]:
    """The lines of a report: "+ decode:", "+ latency:", "+ mean: 1.54 (s)"."""
    values: dict[str, dict[str, dict[str, float]]] = {}
    path = ["", ""]
    for line in document.plain.splitlines():
        if (match := _ITEM.fullmatch(line.strip())) is None:
            continue
        name, text = match.groups()
        if text is None:
            path = [path[0], name] if name in _MEASURED else [name, ""]
            continue
        key = "value" if name == "throughput" else name
        holder = values.setdefault(path[0], {}).setdefault(path[1], {})
        holder[key] = number_or_none(text) or 0.0
    yield Record(document.source, values)


_MEASURED = {"memory", "latency", "throughput", "energy", "efficiency"}

FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("config.backend", "report.prefill"), read=_whole),
    JsonFormat(
        _TOOL, keys=("prefill.latency", "decode.latency"), without=("config",), read=_report
    ),
    TextFormat(_TOOL, "decode:", lines=_LINES, records=_printed, read=_report),
)
