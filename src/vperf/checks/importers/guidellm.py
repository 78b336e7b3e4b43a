"""guidellm's benchmarks.json: a result for every benchmark (rate) of a run.

Keys as in vllm-project/guidellm src/guidellm/benchmark/schemas/generative/metrics.py at commit
06cef29, schemas/base.py at 14ffe9c and scheduler/strategies.py at 03820eb (read November 2026),
and neuralmagic/guidellm src/guidellm/benchmark/benchmark.py at 00a210d (2025), which has "args"
and "run_stats" where the newer has "config" and "scheduler_metrics". Its inter-token latency
leaves the first token out and is TPOT; its time per output token counts it. The tables that 0.2 and
0.3 print are read, too. Not here: its YAML and CSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup

_TOOL = "guidellm"
_MS = 1e-3
_LOADS = ("synchronous", "concurrent", "throughput", "constant", "poisson")
_REQUESTS = (
    "metrics.request_totals.successful", "run_stats.requests_made.successful",
    "run_stats.total_successful", "scheduler_metrics.requests_made.successful",
)  # fmt: skip
"""Where versions count what completed."""
_STATISTICS = ("rate", "concurrency", "output", "total", "latency", "latency_p50", "latency_p99",
               "ttft", "ttft_p50", "ttft_p99", "itl", "itl_p50", "itl_p99")  # fmt: skip
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
    requests = None
    for key in _REQUESTS:
        requests = record.count(key) if requests is None else requests
    tpot = _mean(record, "inter_token_latency_ms", _MS)
    notes = [_NOTE] if tpot is not None else []
    if setup.max_concurrency is None and setup.request_rate is None:
        notes.append(f"{label}: the file says neither concurrency nor request rate")
    failed = record.number("metrics.request_totals.errored") or record.number(
        "run_stats.requests_made.errored"
    )
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
            mean_concurrency=_mean(record, "request_concurrency"),
            peak_concurrency=record.known("metrics.request_concurrency.successful.max"),
            duration_s=record.known("duration"),
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


# What it prints ------------------------------------------------------------------------------

_STRATEGY = re.compile(r"(synchronous|throughput|concurrent|constant|poisson)(?:@([\d.]+))?")


def _printed(document: Document) -> Iterator[Record]:
    """The rows of "Benchmarks Info" beside those of "Benchmarks Stats", by the name of the run."""
    text = document.plain
    info: dict[str, list[str]] = {}
    stats = False
    before = text[: text.find("Benchmarks Info") if "Benchmarks Info" in text else 0]
    model = re.search(r"backend_model='([^']+)'", re.sub(r"[ \t]*\n[ \t]*", " ", before))
    for number, line in enumerate(text.splitlines(), 1):
        if "Benchmarks Info" in line or "Benchmarks Stats" in line:
            stats = "Stats" in line
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not _STRATEGY.fullmatch(cells[0]):
            continue
        if not stats:
            info[cells[0]] = cells
            continue
        made = info.get(cells[0], [])
        numbers = [_number(cell) for cell in cells[1:]]
        values: dict[str, object] = {"run": cells[0], "model": model[1] if model else None}
        # Per second, concurrency, out tok/s, total tok/s, latency (s) and TTFT, ITL, TPOT (ms):
        # means, each latency with its median and p99 (p95).
        values |= dict(zip(_STATISTICS, numbers, strict=False))
        if len(made) > 10:
            values |= {
                "requests": _number(made[4]), "errors": _number(made[6]),
                "input_len": _number(made[7]), "output_len": _number(made[10]),
                "duration": _number(made[3]),
            }  # fmt: skip
        yield Record(document.source, values, f"line {number}", before)


def _printed_row(record: Record) -> Iterator[Result]:
    match = _STRATEGY.fullmatch(record.text("run") or "")
    assert match is not None
    kind, at = match[1], float(match[2] or 0)
    requests = record.count("requests")
    if requests == 0:
        raise record.error("Comp", "is 0: no request completed")
    itl = record.known("itl", _MS)
    yield Result(
        tool=_TOOL,
        label=record.text("run") or "",
        setup=Setup(
            model=record.text("model"),
            input_len=record.known("input_len"),
            output_len=record.known("output_len"),
            requests=requests,
            max_concurrency=1 if kind == "synchronous" else at if kind == "concurrent" else None,
            request_rate=at if kind in {"constant", "poisson"} and at else None,
            mean_concurrency=record.known("concurrency"),
            duration_s=record.known("duration"),
        ),
        ttft_s=record.known("ttft", _MS),
        tpot_s=itl,
        output_tokens_per_s=record.known("output"),
        latency_s=record.known("latency"),
        requests_per_s=record.known("rate"),
        notes=(_NOTE,) if itl else (),
        warnings=(f"{record.get('errors'):.0f} requests failed",) if record.known("errors") else (),
    )


def _number(text: str) -> float | str:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text[:40]


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("benchmarks.0.metrics",),
        without=("machine_info", "commit_info", "context"),
        read=_read,
    ),
    TextFormat(
        _TOOL, "Stats", lines=(r"Benchmarks? Stats:?",), records=_printed, read=_printed_row
    ),
)
