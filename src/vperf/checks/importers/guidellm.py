"""guidellm's benchmarks.json and .yaml: a result for every benchmark (rate) of a run.

Keys as in vllm-project/guidellm src/guidellm/benchmark/schemas/generative/metrics.py at commit
06cef29, schemas/base.py at 14ffe9c and scheduler/strategies.py at 03820eb (read November 2026),
and neuralmagic/guidellm src/guidellm/benchmark/benchmark.py at 00a210d (2025), which has "args"
and "run_stats" where the newer has "config" and "scheduler_metrics". Its inter-token latency
leaves the first token out and is TPOT; its time per output token counts it. The tables that 0.2 and
0.3 print are read, those of src/guidellm/benchmark/outputs/console.py since, whose heads have three
lines and whose rates are of all requests, and the CSV of outputs/csv.py (commit 00f110c, read
December 2026). Its YAML is its JSON (document.py).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import CONTEXT, Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.importers.surroundings import options_in
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
        numbers = [number_or_text(cell) for cell in cells[1:]]
        values: dict[str, object] = {"run": cells[0], "model": model[1] if model else None}
        # Per second, concurrency, out tok/s, total tok/s, latency (s) and TTFT, ITL, TPOT (ms):
        # means, each latency with its median and p99 (p95).
        values |= dict(zip(_STATISTICS, numbers, strict=False))
        if len(made) > 10:
            values |= {
                "requests": number_or_text(made[4]), "errors": number_or_text(made[6]),
                "input_len": number_or_text(made[7]), "output_len": number_or_text(made[10]),
                "duration": number_or_text(made[3]),
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


# Tables and CSV whose heads have three lines ---------------------------------------------------

_TITLE = r"[^\n|]{0,4}?Request Latency Statistics"
_ANY_TITLE = re.compile(r"[^|]{0,4}?([A-Z][A-Za-z ]+(?:Statistics|Info))(?: \([A-Za-z ]+\))?")
_KINDS = {"synchronous", "throughput", "concurrent", "constant", "poisson"}


def _tables(document: Document) -> Iterator[Record]:
    """The rows of all tables of a run side by side: each table has one for each benchmark."""
    text = document.plain
    around = text[: text.find("Statistics")][-CONTEXT:]
    rows: list[dict[str, object]] = []
    title, heads, number = "", list[list[str]](), 0
    for line in text.splitlines():
        if match := _ANY_TITLE.fullmatch(line.strip()):
            if match[1] == "Run Summary Info" and rows:
                yield from _joined(document, rows, around)
                rows = []
            title, heads, number = match[1], [], 0
            continue
        cells = _cells(line)
        if not title or not cells or set(line.strip()) <= set("|=-+ "):
            continue
        if cells[0] not in _KINDS:
            if cells[0] == "Benchmark":
                heads, number = [], 0
            heads.append(cells)
            continue
        if not heads or any(len(head) != len(cells) for head in heads):
            continue
        names = [" ".join(filter(None, parts)) for parts in zip(*heads, strict=True)]
        while len(rows) <= number:
            rows.append({"kind": cells[0]})
        for name, cell in zip(names, cells, strict=True):
            rows[number].setdefault(f"{title}: {name}", number_or_text(cell))
        number += 1
    yield from _joined(document, rows, around)


def _cells(line: str) -> list[str]:
    """The cells of a line; a head that spans several columns, "Name   ||", stands in each."""
    text = line.strip()
    if not text.startswith("|"):
        return []
    found: list[str] = []
    for cell in text.removeprefix("|").removesuffix("|").split("|"):
        found.append(cell.strip() if cell or not found else found[-1])
    return found


def _joined(document: Document, rows: list[dict[str, object]], around: str) -> Iterator[Record]:
    options = options_in(around)
    for index, row in enumerate(rows, 1):
        where = f"benchmark {index}" if len(rows) > 1 else ""
        values = {**row, "model": options.get("model")}
        yield Record(document.source, values, where, around)


_LATENCY, _TOKENS = "Request Latency Statistics: ", "Request Token Statistics: "
_RATES = "Server Throughput Statistics: "


def _table_row(record: Record) -> Iterator[Result]:
    def first(*names: str) -> float | None:
        for name in names:
            if isinstance(record.get(name), float):
                return record.known(name)
        return None

    def ms(name: str, rank: str) -> float | None:
        value = first(f"{_LATENCY}{name} ms {rank}")
        return None if value is None else value * _MS

    kind = record.text("kind") or ""
    flight = first(f"{_RATES}Requests Concurrency Mean", f"{_RATES}Requests Concurrency Mdn")
    rate = first(f"{_RATES}Requests Per Sec Mean", f"{_RATES}Requests Per Sec Mdn")
    paced = kind in {"constant", "poisson"}
    itl, duration = ms("ITL", "Mdn"), first("Run Summary Info: Timings Dur Sec")
    users = max(1.0, round(flight)) if flight is not None else None
    yield Result(
        tool=_TOOL,
        label=f"{kind} {rate:g} req/s" if paced and rate else f"{kind} {flight or 1:g}",
        setup=Setup(
            model=record.text("model"),
            input_len=first(f"{_TOKENS}Input Tok Per Req Mdn"),
            output_len=first(f"{_TOKENS}Output Tok Per Req Mdn"),
            max_concurrency=1 if kind == "synchronous" else None if paced else users,
            request_rate=rate if paced else None,
            mean_concurrency=flight,
            requests=round(rate * duration) or None if rate and duration else None,
            duration_s=duration,
        ),
        ttft_s=ms("TTFT", "Mdn"),
        tpot_s=itl,
        output_tokens_per_s=first(f"{_RATES}Output Tokens Per Sec Mean"),
        latency_s=first(f"{_LATENCY}Request Latency Sec Mdn"),
        requests_per_s=rate,
        percentiles=tuple(
            (f"p95_{of}_s", value)
            for of, name in (("ttft", "TTFT"), ("tpot", "ITL"))
            if (value := ms(name, "p95")) is not None
        ),
        notes=((_NOTE,) if itl else ()) + ("times are medians",),
    )


def _sheet(document: Document) -> Iterator[Record]:
    """A CSV whose first three lines name group, metric and statistic of a column."""
    rows = list(csv.reader(io.StringIO(document.plain.strip())))
    heads, body = rows[:3], rows[3:]
    for index, row in enumerate(body, 1):
        values: dict[str, object] = {}
        for group, name, unit, cell in zip(*heads, row, strict=False):
            values.setdefault(" ".join(filter(None, (group, name, unit))), number_or_text(cell))
            if name == "Backend" and (match := re.search(r'"model": "([^"]+)"', cell)):
                values["model"] = match[1]
            if name == "Strategy":
                values["kind"] = cell
        yield Record(document.source, values, f"benchmark {index}" if len(body) > 1 else "")


def _sheet_row(record: Record) -> Iterator[Result]:
    def mean(group: str, unit: str, scale: float = 1.0) -> float | None:
        name = f"{group} Successful {unit} Mean"
        return record.known(name, scale) if isinstance(record.get(name), float) else None

    kind = record.text("kind") or ""
    requests = record.get("Request Counts Successful")
    rate, flight = (mean("Server Throughput", unit) for unit in ("Requests/Sec", "Concurrency"))
    paced = kind in {"constant", "poisson"}
    itl = mean("Inter Token Latency", "ms", _MS)
    yield Result(
        tool=_TOOL,
        label=f"{kind} {rate:.3g} req/s" if paced and rate else f"{kind} {flight or 1:.3g}",
        setup=Setup(
            model=record.text("model"),
            input_len=mean("Token Metrics", "Input Tokens"),
            output_len=mean("Token Metrics", "Output Tokens"),
            max_concurrency=1 if kind == "synchronous" else None
            if paced or flight is None else max(1, round(flight)),
            request_rate=rate if paced else None,
            mean_concurrency=flight,
            requests=int(requests) if isinstance(requests, float) and 1 <= requests < 1e12
            else None,
            duration_s=record.known("Timings Duration Sec"),
        ),
        ttft_s=mean("Time to First Token", "ms", _MS),
        tpot_s=itl,
        output_tokens_per_s=mean("Token Throughput", "Output Tokens/Sec"),
        latency_s=mean("Request Latency", "Sec"),
        requests_per_s=rate,
        notes=(_NOTE,) if itl else (),
    )  # fmt: skip


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("benchmarks.0.metrics",),
        without=("machine_info", "commit_info", "context", "latency_mode"),
        read=_read,
    ),
    TextFormat(
        _TOOL, "Request Latency Statistics", lines=(_TITLE,), records=_tables, read=_table_row
    ),
    TextFormat(_TOOL, "Run Info,", lines=(r"Run Info,Run Info,",), records=_sheet, read=_sheet_row),
    TextFormat(
        _TOOL, "Stats", lines=(r"Benchmarks? Stats:?",), records=_printed, read=_printed_row
    ),
)
