"""genai-perf (profile_export_genai_perf.json) and aiperf (profile_export_aiperf.json).

aiperf kept genai-perf's metrics; what differs is how "input_config" holds the command line. Keys
as in triton-inference-server/perf_analyzer genai-perf/genai_perf/export_data/json_exporter.py at
commit 09628cd (2024) and config/input/config_perf_analyzer.py at 00d6a46 (2025), and
ai-dynamo/aiperf src/aiperf/common/models/export_models.py at commit 26240f9 and
src/aiperf/config/phases.py at 0205ea1 (read November 2026). Their inter-token latency is
(latency - TTFT) / (output tokens - 1) of each request: TPOT. Not here: their CSV.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record, shown
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
    tpot = _time(record, "inter_token_latency")
    phase = _profiling(config)
    yield Result(
        tool=_tool(record, config),
        label=record.where,
        setup=Setup(
            model=_name(config),
            gpu=gpu,
            gpus=gpus,
            input_len=record.known("input_sequence_length.avg"),
            output_len=record.known("output_sequence_length.avg"),
            max_concurrency=_first(config, _CONCURRENCY)
            or phase.known("concurrency")
            or phase.known("users"),
            request_rate=_first(config, _RATE) or phase.known("rate"),
            requests=int(requests) if requests else None,
        ),
        ttft_s=_time(record, "time_to_first_token"),
        tpot_s=tpot,
        output_tokens_per_s=record.metric("output_token_throughput.avg"),
        latency_s=_time(record, "request_latency"),
        requests_per_s=record.metric("request_throughput.avg"),
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


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("request_throughput", "request_latency", "input_config"), read=_read),
)
