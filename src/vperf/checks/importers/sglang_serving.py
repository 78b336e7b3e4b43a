"""`sglang.bench_serving`: its JSON lines (--output-file) and the summary it prints.

Keys and lines as in sgl-project/sglang python/sglang/bench_serving.py at commit 0033168 (2025)
and python/sglang/benchmark/serving.py at commit 00f9ec4 (read November 2026), which added
"server_info" with the server's own arguments. Not here: single batches (sglang_batch.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.names import quantization_named
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.importers.serving import SUMMARY, engine_of, served, summaries
from vperf.checks.result import Result, Setup

_TOOL = "sglang.bench_serving"


def _read(record: Record) -> Iterator[Result]:
    setup, notes = _server(record.section("server_info"))
    cached = record.number("cache_report.cache_hit_rate_pct")
    result = served(
        record,
        _TOOL,
        replace(
            setup,
            engine=engine_of(record.text("backend") or ""),
            acceptance_length=record.known("accept_length"),
            prefix_cache_hit=None if cached is None else cached / 100,
        ),
        latency="mean_e2e_latency_ms",
    )
    yield replace(result, notes=(*result.notes, *notes))


def _server(info: Record | None) -> tuple[Setup, list[str]]:
    """What the server said of itself.

    SGLang's tp_size counts all GPUs of an instance; with attention in dp groups, tp x dp of them
    share it in vperf's words.
    """
    if info is None:
        return Setup(), []
    tp, dp, pp = info.degree("tp_size"), info.degree("dp_size"), info.degree("pp_size")
    gpus = tp and tp * (pp or 1) * (dp or 1)
    notes: list[str] = []
    if info.get("enable_dp_attention") is True and tp and dp and dp > 1 and tp % dp == 0:
        gpus, tp = tp * (pp or 1), tp // dp
        notes.append(f"dp attention: {dp} groups, tp {tp} in each")
    cache = info.text("kv_cache_dtype")
    return Setup(
        model=info.text("model_path"),
        gpus=gpus,
        engine_version=info.text("version"),
        tp=tp,
        pp=pp,
        ep=info.degree("ep_size"),
        dp=dp,
        quantization=quantization_named(info.text("quantization"), notes),
        kv_cache_dtype=None if cache == "auto" else cache,
    ), notes


def _read_text(document: Document) -> Iterator[Result]:
    for record in summaries(document):
        yield from _read(record)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("backend", "completed", "total_input_tokens", "request_throughput",
              "mean_e2e_latency_ms"),
        read=_read,
    ),
    TextFormat(_TOOL, lines=(SUMMARY, "Backend:"), read=_read_text),
)  # fmt: skip
