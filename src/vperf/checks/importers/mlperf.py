"""MLPerf Inference: mlperf_log_summary.txt of a language model.

Lines as mlcommons/inference loadgen/results.cc prints them (commit 05a9cec, read
December 2026): nanoseconds, and tokens per second over the run; of a single stream, those of one
request at a time. Neither lengths, model nor card are in the file. Not here: its detailed log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.result import Result, Setup

_TOOL = "MLPerf summary"
_NS = 1e-9
_KEYS = {
    "sut name": "sut", "scenario": "scenario", "mode": "mode", "result is": "result",
    "tokens per second": "tokens_per_s", "completed tokens per second": "tokens_per_s",
    "tokens per second (inferred)": "tokens_per_s",
    "completed tokens per second (inferred)": "tokens_per_s",
    "samples per second": "samples_per_s", "completed samples per second": "samples_per_s",
    "mean first token latency (ns)": "mean_ttft", "mean time to output token (ns)": "mean_tpot",
    "mean latency (ns)": "mean_latency", "target_qps": "target_qps",
    "tps w/o loadgen overhead": "tokens_per_s", "qps w/o loadgen overhead": "samples_per_s",
}  # fmt: skip
_PERCENTILE = re.compile(
    r"(\d+)\.00 percentile (first token latency|time to output token|latency) \(ns\)"
)
_NAMES = {"first token latency": "ttft", "time to output token": "tpot", "latency": "latency"}


def _read(record: Record) -> Iterator[Result]:
    tokens, samples = record.known("tokens_per_s"), record.known("samples_per_s")
    if tokens is None:
        raise record.error(
            "Tokens per second", "is missing: the run is not of a language model that generates"
        )
    scenario = record.text("scenario") or ""
    warnings = []
    if (record.text("result") or "VALID").upper() != "VALID":
        warnings.append("the run is INVALID by MLPerf's own rules: it was too short or too slow")
    offline, alone = scenario.lower() == "offline", scenario.lower() == "singlestream"
    yield Result(
        tool=_TOOL,
        label=" ".join(filter(None, [scenario, record.where])),
        setup=Setup(
            output_len=tokens / samples if samples else None,
            batch_size=1 if alone else None,
            request_rate=None if offline or alone else record.known("target_qps") or samples,
        ),
        ttft_s=None if offline else record.known("mean_ttft", _NS),
        tpot_s=record.known("mean_tpot", _NS),
        output_tokens_per_s=tokens,
        latency_s=None if offline else record.known("mean_latency", _NS),
        requests_per_s=samples,
        percentiles=tuple(
            (name, value)
            for name in record.values
            if name.startswith("p") and name.endswith("_s") and name[1].isdigit()
            and (value := record.known(name, _NS)) is not None
        ),
        notes=(
            "the summary names neither model, card nor lengths",
            *(("all samples are handed over at once",) if offline else ()),
        ),
        warnings=tuple(warnings),
    )  # fmt: skip


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(r"MLPerf Results Summary", document.plain))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, object] = {}
        for line in block.splitlines():
            name, colon, text = line.partition(":")
            name = name.strip().lower()
            if not colon:
                continue
            if key := _KEYS.get(name):
                values.setdefault(key, number_or_text(text.strip()))
            elif match := _PERCENTILE.fullmatch(name):
                values[f"p{match[1]}_{_NAMES[match[2]]}_s"] = number_or_text(text.strip())
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


FORMATS: tuple[Format, ...] = (
    TextFormat(
        _TOOL,
        "MLPerf Results Summary",
        lines=(r"MLPerf Results Summary",),
        records=_printed,
        read=_read,
    ),
)
