"""genai-perf (profile_export_genai_perf.json) and aiperf (profile_export_aiperf.json).

aiperf kept genai-perf's metrics; what differs is how "input_config" holds the command line. Keys
as in triton-inference-server/perf_analyzer genai-perf/genai_perf/export_data/json_exporter.py at
commit 09628cd (2024) and config/input/config_perf_analyzer.py at 00d6a46 (2025), and
ai-dynamo/aiperf src/aiperf/common/models/export_models.py at commit 26240f9 and
src/aiperf/config/phases.py at 0205ea1 (read November 2026). Their inter-token latency is
(latency - TTFT) / (output tokens - 1) of each request: TPOT. The tables that both print and their
CSV hold the same metrics by titles, whose lines the tables break.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, shown
from vperf.checks.importers.surroundings import filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "genai-perf or aiperf"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}

_MODEL = ("model", "model_names", "endpoint.model_names", "models.items", "formatted_model_name")
_CONCURRENCY = ("concurrency", "loadgen.concurrency", "perf_analyzer.stimulus.concurrency")
_RATE = ("request_rate", "loadgen.request_rate", "perf_analyzer.stimulus.request_rate")


def _read(record: Record) -> Iterator[Result]:
    config = record.section("input_config") or Record(record.source, {}, record.where)
    notes = []
    if record.get("was_cancelled") is True:
        notes.append("the run was cancelled; figures are of what it had measured")
    failed = record.number("error_request_count.avg")
    if failed:
        notes.append(f"{failed:,.0f} requests failed; figures are of the others")
    gpu, gpus = _gpus(record, notes)
    requests = record.known("request_count.avg")
    rate, latency = record.metric("request_throughput.avg"), _time(record, "request_latency")
    users = _first(config, _CONCURRENCY)
    tpot = _time(record, "inter_token_latency")
    phase = _profiling(config)
    options = options_in(record.around)
    around = setup_of(options, notes)
    if not requests and not config.values.keys() - {"model"} and rate and latency:
        users = max(1.0, float(round(rate * latency)))
        notes.append(f"{users:.0f} in flight, as rate x latency says")
    yield Result(
        tool=_tool(record, config),
        label=record.where,
        setup=filled(
            Setup(
                model=_name(config),
                gpu=gpu,
                gpus=gpus,
                input_len=record.known("input_sequence_length.avg"),
                output_len=record.known("output_sequence_length.avg"),
                max_concurrency=users or phase.known("concurrency") or phase.known("users"),
                request_rate=_first(config, _RATE) or phase.known("rate"),
                requests=int(requests) if requests else None,
                duration_s=_time(record, "benchmark_duration") if requests else None,
                burstiness=_first(config, ("burstiness", "loadgen.arrival_smoothness")),
            ),
            around,
        ),
        ttft_s=_time(record, "time_to_first_token"),
        tpot_s=tpot,
        output_tokens_per_s=record.metric("output_token_throughput.avg"),
        latency_s=latency,
        requests_per_s=rate,
        percentiles=tuple(_percentiles(record)),
        notes=tuple(notes),
    )


def _tool(record: Record, config: Record) -> str:
    own = any(isinstance(config.get(key), dict | list) for key in ("loadgen", "models", "phases"))
    return "aiperf" if own or record.get("aiperf_version") is not None else "genai-perf"


def _time(record: Record, metric: str, statistic: str = "avg") -> float | None:
    unit = record.text(f"{metric}.unit") or "ms"
    if unit not in _SECONDS:
        raise record.error(f"{metric}.unit", f"{shown(unit)} is not a unit of time")
    return record.known(f"{metric}.{statistic}", _SECONDS[unit])


def _percentiles(record: Record) -> Iterator[tuple[str, float]]:
    for name, metric in (
        ("ttft", "time_to_first_token"),
        ("tpot", "inter_token_latency"),
        ("latency", "request_latency"),
    ):
        for percentile in ("p50", "p90", "p95", "p99"):
            value = _time(record, metric, percentile)
            if value is not None:
                yield f"{percentile}_{name}_s", value


def _first(config: Record, keys: tuple[str, ...]) -> float | None:
    """The first of the keys that holds one number above zero; a list of one counts."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, list):
            if len(value) != 1:
                continue
            value = value[0]
        if value is not None:
            name = key.rpartition(".")[2]
            return Record(config.source, {name: value}, config.where).known(name)
    return None


def _profiling(config: Record) -> Record:
    """The phase of aiperf's newer command line that was measured."""
    for phase in config.sections("phases"):
        if "profiling" in (phase.get("kind"), phase.get("name")):
            return phase
    return Record(config.source, {}, config.where)


def _name(config: Record) -> str | None:
    for key in _MODEL:
        value: Any = config.get(key)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, Mapping):
            value = value.get("name")
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def _gpus(record: Record, notes: list[str]) -> tuple[str | None, int | None]:
    """From GPU telemetry, which sees every GPU of its machines."""
    names = []
    endpoints = record.section("telemetry_data.endpoints")
    for gpus in endpoints.values.values() if endpoints else ():
        cards = gpus.get("gpus") if isinstance(gpus, Mapping) else None
        for card in cards.values() if isinstance(cards, Mapping) else ():
            name = card.get("gpu_name") if isinstance(card, Mapping) else None
            if isinstance(name, str):
                names.append(name.strip())
    if not names:
        return None, None
    if len(set(names)) > 1:
        notes.append(f"GPUs of several kinds: {', '.join(sorted(set(names)))}")
        return None, None
    if len(names) > 1:
        notes.append(f"telemetry saw {len(names)} GPUs; how many the server used it does not say")
        return names[0], None
    return names[0], 1


# Printed tables, and CSV ---------------------------------------------------------------------

_TITLE = (
    r"(?:[ \t]*(?:(?:NVIDIA )?(?:GenAI-Perf|AIPerf) \| )?"
    r"(?:LLM|Multi-Modal|Embeddings?|Rankings?) Metrics|Metric,avg,min)"
)
_METRICS = {
    "time to first token": "time_to_first_token", "inter token latency": "inter_token_latency",
    "request latency": "request_latency", "output sequence length": "output_sequence_length",
    "input sequence length": "input_sequence_length",
    "output token throughput": "output_token_throughput",
    "request throughput": "request_throughput", "request count": "request_count",
    "benchmark duration": "benchmark_duration", "num output token": "output_sequence_length",
    "num input token": "input_sequence_length", "output token count": "output_sequence_length",
}  # fmt: skip
_UNIT = re.compile(r"^(.*?)[ \t]*\(([^()]*)\)$")


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(_TITLE, document.plain))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, Any] = {"input_config": _asked(options_in(before))}
        tool = "aiperf" if "AIPerf" in block.splitlines()[0] else None
        if tool:
            values["aiperf_version"] = ""
        columns: list[str] = []
        for cells in _lines(block):
            if cells[0] in ("Metric", "Statistic"):
                columns = [cell.lower() for cell in cells[1:]]
                continue
            name, unit = cells[0], ""
            if match := _UNIT.match(name):
                name, unit = match[1], match[2]
            metric = _METRICS.get(name.strip().lower())
            if metric is None or metric in values:
                continue
            row = dict(zip(columns, map(_figure, cells[1:]), strict=False))
            if "value" in row:
                row["avg"] = row["value"]
            values[metric] = {"unit": unit if unit in _SECONDS else "ms", **row}
            if metric == "benchmark_duration" and unit not in _SECONDS:
                del values[metric]
        where = f"table {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _lines(block: str) -> Iterator[list[str]]:
    """Cells of CSV and of drawn tables, where a name goes on in the next line."""
    held: list[str] = []
    for line in block.splitlines():
        text = line.strip()
        if text.startswith("|"):
            cells = [cell.strip() for cell in text.strip("|").split("|")]
            if held and cells[0] and not any(cells[1:]):
                held[0] = f"{held[0]} {cells[0]}"
                continue
            if held:
                yield held
            held = cells
            continue
        if held:
            yield held
            held = []
        if "," in text and "|" not in text:
            yield next(csv.reader([text]))
        elif match := re.match(r"([A-Z][\w ]+ \([\w ]+\)): ([\d.,]+)$", text):
            yield [match[1], match[2]]
    if held:
        yield held


def _figure(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _asked(options: Mapping[str, str]) -> dict[str, Any]:
    """The command line above a table, as the JSON holds it."""
    found: dict[str, Any] = {}
    if "model" in options:
        found["model"] = options["model"]
    for name, key in (("max_concurrency", "concurrency"), ("request_rate", "request_rate")):
        try:
            found[key] = float(options[name])
        except (KeyError, ValueError):
            continue
    return found


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("request_throughput", "request_latency", "input_config"), read=_read),
    TextFormat(_TOOL, "Metric", lines=(_TITLE,), records=_printed, read=_read),
)
