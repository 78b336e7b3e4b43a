"""`sglang.bench_serving`: its JSON lines (--output-file) and the summary it prints.

Keys and lines as in sgl-project/sglang python/sglang/bench_serving.py at commit 0033168 (2025)
and python/sglang/benchmark/serving.py at commit 00f9ec4 (read November 2026), which added
"server_info" with the server's own arguments. Not here: single batches (sglang_batch.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.importers.serving import SUMMARY, engine_of, served, summaries
from vperf.checks.result import Result, Setup
from vperf.errors import InputError
from vperf.sources.weight_names import quantization_named

_TOOL = "sglang.bench_serving"


def _read(record: Record) -> Iterator[Result]:
    setup, notes, warnings = _server(record.section("server_info"))
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
    yield replace(result, notes=(*result.notes, *notes), warnings=(*result.warnings, *warnings))


def _server(info: Record | None) -> tuple[Setup, list[str], list[str]]:
    """What the server said of itself; notes, and what makes one answer doubtful.

    A router in front of prefill and decode servers lists both; the decode servers are graded.

    SGLang's tp_size counts all GPUs of an instance; with attention in dp groups, tp x dp of them
    share it in vperf's words.
    """
    if info is None:
        return Setup(), [], []
    warnings: list[str] = []
    prefill, decode = _first_of(info, "prefill"), _first_of(info, "decode")
    if decode is not None:
        groups = [len(info.get(name) or ()) for name in ("prefill", "decode")]
        warnings.append(
            f"disaggregated: prefill and decode ran on separate groups of cards ({groups[0]} and"
            f" {groups[1]} servers); graded as if the decode servers did both"
        )
        info = decode
    elif prefill is not None:
        info = prefill
    tp, dp, pp = info.degree("tp_size"), info.degree("dp_size"), info.degree("pp_size")
    gpus = tp and tp * (pp or 1) * (dp or 1)
    notes: list[str] = []
    if info.get("enable_dp_attention") is True and tp and dp and dp > 1 and tp % dp == 0:
        gpus, tp = tp * (pp or 1), tp // dp
        notes.append(f"dp attention: {dp} groups, tp {tp} in each")
    pcp = info.degree("attn_cp_size")
    if pcp and tp and tp % pcp == 0:  # of those that share a layer, groups that divide a prompt
        tp //= pcp
    cache = info.text("kv_cache_dtype")
    return (
        Setup(
            model=info.text("model_path"),
            gpus=gpus,
            engine_version=info.text("version"),
            tp=tp,
            pp=pp,
            ep=info.degree("ep_size"),
            dp=dp,
            pcp=pcp,
            dcp=info.degree("dcp_size"),
            quantization=quantization_named(info.text("quantization"), notes),
            kv_cache_dtype=None if cache == "auto" else cache,
            max_batch=info.degree("max_running_requests"),
            max_batched_tokens=info.degree("chunked_prefill_size"),
        ),
        notes,
        warnings,
    )


def _first_of(info: Record, key: str) -> Record | None:
    value = info.get(key)
    return next(info.sections(key), None) if isinstance(value, list) and value else None


def _printed(document: Document) -> Iterator[Record | InputError]:
    return summaries(document, backend=True)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("backend", "completed", "total_input_tokens", "mean_e2e_latency_ms"),
        read=_read,
    ),
    TextFormat(
        _TOOL, "Serving Benchmark Result",
        lines=(SUMMARY, "Backend[: |]"),
        records=_printed,
        read=_read,
    ),
)  # fmt: skip
