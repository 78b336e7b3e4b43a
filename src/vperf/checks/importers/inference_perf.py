"""inference-perf (kubernetes-sigs): summary_lifecycle_metrics.json and its stages.

Keys as in kubernetes-sigs/inference-perf inference_perf/reportgen/base.py at commit 2ef9ad9 (2026)
and 603fe14 (2025, with "prompt_len" for "prompt_tokens"; read December 2026). Times are seconds.
"time_per_output_token" leaves the first token out; the "normalized" one counts it. The file names
neither model nor card, nor the load that was asked for except in a stage's "requested_rate". Not
here: llm-d's own report, which wraps it.
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup

_TOOL = "inference-perf"


def _read(record: Record) -> Iterator[Result]:
    requests = record.count("successes.count")
    if requests == 0:
        raise record.error("successes.count", "is 0: every request failed")
    failed = record.count("failures.count") or 0
    warnings = [f"{failed} of {failed + (requests or 0)} requests failed"] if failed else []
    rate = record.known("successes.throughput.requests_per_sec")
    latency = record.known("successes.latency.request_latency.mean")
    tpot = record.known("successes.latency.time_per_output_token.mean")
    notes = []
    if tpot is None:
        tpot = record.known("successes.latency.inter_token_latency.mean")
        notes.append("TPOT is not in the file: mean inter-token latency stands for it")
    users = record.degree("load_summary.concurrency")
    prompt = record.known("successes.prompt_len.mean") or record.known(
        "successes.prompt_tokens.mean"
    )
    cached, read = (record.known(f"successes.prompt_tokens.{name}") for name in ("cached", "total"))
    asked = record.known("load_summary.requested_rate")
    in_flight = rate * latency if rate and latency else None
    if users is None and asked is None:
        notes.append("the load is the request rate that was reached")
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=Setup(
            input_len=prompt,
            output_len=record.known("successes.output_len.mean")
            or record.known("successes.output_tokens.mean"),
            prefix_cache_hit=min(cached / read, 0.999) if cached and read else None,
            max_concurrency=users,
            request_rate=None if users else asked or rate,
            requests=requests,
            mean_concurrency=in_flight,
            duration_s=record.known("benchmark_time_seconds")
            or (requests / rate if requests and rate else None),
        ),
        ttft_s=record.known("successes.latency.time_to_first_token.mean"),
        tpot_s=tpot,
        output_tokens_per_s=record.known("successes.throughput.output_tokens_per_sec"),
        latency_s=latency,
        requests_per_s=rate,
        percentiles=tuple(_percentiles(record)),
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


def _percentiles(record: Record) -> Iterator[tuple[str, float]]:
    for name, metric in (
        ("ttft", "time_to_first_token"),
        ("tpot", "time_per_output_token"),
        ("latency", "request_latency"),
    ):
        for rank, key in (("p50", "median"), ("p90", "p90"), ("p95", "p95"), ("p99", "p99")):
            value = record.known(f"successes.latency.{metric}.{key}")
            if value is not None:
                yield f"{rank}_{name}_s", value


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL, keys=("load_summary", "successes.latency", "successes.throughput"), read=_read
    ),
)
