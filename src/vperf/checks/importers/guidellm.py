"""guidellm's benchmarks.json: a result for every benchmark (rate) of a run.

Keys as in vllm-project/guidellm src/guidellm/benchmark/schemas/generative/metrics.py at commit
06cef29, schemas/base.py at 14ffe9c and scheduler/strategies.py at 03820eb (read November 2026),
and neuralmagic/guidellm src/guidellm/benchmark/benchmark.py at 00a210d (2025), which has "args"
and "run_stats" where the newer has "config" and "scheduler_metrics". Its inter-token latency
leaves the first token out and is TPOT; its time per output token counts it. Not here: its YAML
and CSV.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup

_TOOL = "guidellm"
_MS = 1e-3
_LOADS = ("synchronous", "concurrent", "throughput", "constant", "poisson")
_NOTE = "TPOT is guidellm's inter-token latency, which leaves the first token out"


def _read(record: Record) -> Iterator[Result]:
    empty: list[str] = []
    results = []
    for benchmark in record.sections("benchmarks"):
        if benchmark.section("metrics") is None:
            raise benchmark.error("metrics", "is missing or null")
        result = _benchmark(benchmark, record.text("args.model"))
        if result.setup.requests == 0:
            empty.append(result.label)
        else:
            results.append(result)
    if empty and not results:
        raise record.error("benchmarks", "completed no request")
    if empty:
        note = f"left out, as no request completed: {', '.join(empty)}"
        results[0] = replace(results[0], notes=(*results[0].notes, note))
    yield from results


def _benchmark(record: Record, model: str | None) -> Result:
    strategy = record.section("config.strategy") or record.section("args.strategy")
    setup, label = _load(strategy or Record(record.source, {}, record.where))
    requests = record.count("metrics.request_totals.successful")
    if requests is None:
        requests = record.count("run_stats.total_successful")
    tpot = _mean(record, "inter_token_latency_ms", _MS)
    notes = [_NOTE] if tpot is not None else []
    if setup.max_concurrency is None and setup.request_rate is None:
        notes.append(f"{label}: the file says neither concurrency nor request rate")
    failed = record.number("metrics.request_totals.errored") or 0
    if failed:
        notes.append(f"{failed:,.0f} requests failed; figures are of the others")
    return Result(
        tool=_TOOL,
        label=label,
        setup=replace(
            setup,
            model=model
            or record.text("config.backend.model")
            or record.text("worker.backend_model"),
            input_len=_mean(record, "prompt_token_count"),
            output_len=_mean(record, "output_token_count"),
            requests=requests,
        ),
        ttft_s=_mean(record, "time_to_first_token_ms", _MS),
        tpot_s=tpot,
        output_tokens_per_s=_mean(record, "output_tokens_per_second"),
        latency_s=_mean(record, "request_latency"),
        requests_per_s=_mean(record, "requests_per_second"),
        percentiles=tuple(_percentiles(record)),
        notes=tuple(notes),
    )


def _load(strategy: Record) -> tuple[Setup, str]:
    """How requests came, and the words for it."""
    kind = strategy.text("type_") or ""
    if kind not in _LOADS:
        kind = "unknown load"
    users = strategy.degree("streams") if kind == "concurrent" else None
    rate = strategy.known("rate") if kind in {"constant", "poisson"} else None
    if kind == "synchronous":
        users = 1
    elif kind == "throughput":
        users = strategy.degree("max_concurrency")
    words = f" {users}" if kind == "concurrent" else f" {rate:g} req/s" if rate else ""
    return Setup(max_concurrency=users, request_rate=rate), f"{kind}{words}"


def _mean(record: Record, metric: str, scale: float = 1.0) -> float | None:
    return record.known(f"metrics.{metric}.successful.mean", scale)


def _percentiles(record: Record) -> Iterator[tuple[str, float]]:
    for name, metric, scale in (
        ("ttft", "time_to_first_token_ms", _MS),
        ("tpot", "inter_token_latency_ms", _MS),
        ("latency", "request_latency", 1.0),
    ):
        for percentile in ("p50", "p90", "p95", "p99"):
            key = f"metrics.{metric}.successful.percentiles.{percentile}"
            value = record.known(key, scale)
            if value is not None:
                yield f"{percentile}_{name}_s", value


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL, keys=("benchmarks",), without=("machine_info", "commit_info", "context"), read=_read
    ),
)
