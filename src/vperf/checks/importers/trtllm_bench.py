"""`trtllm-bench throughput | latency`: its --report_json, and the report it prints.

Keys as in NVIDIA/TensorRT-LLM tensorrt_llm/bench/dataclasses/reporting.py at commit 0249976 (read
November 2026); "machine" came later than the others, "streaming_metrics" is there with
--streaming alone. The printed report has the same figures under labels that changed: up to 0.17
"Token Throughput" is of output tokens. Not here: the benchmark that `trtllm-bench` runs against a
server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup
from vperf.sources.weight_names import quantization_named

_TOOL = "trtllm-bench"
_MS = 1e-3


def _read(record: Record) -> Iterator[Result]:
    cache = (record.text("engine.kv_cache_dtype") or "auto").lower()
    tp, pp = record.degree("world_info.tp_size"), record.degree("world_info.pp_size")
    ep = record.degree("world_info.ep_size")
    requests = record.count("request_info.num_requests")
    if requests == 0:
        raise record.error("request_info.num_requests", "is 0: every request failed")
    in_flight = record.known("request_info.avg_num_concurrent_requests")
    cap = record.degree("world_info.max_batch_size")
    notes: list[str] = []
    quantization = record.text("engine.quantization")
    # TensorRT-LLM's FP8 has one scale a tensor.
    quantization = quantization_named(
        "fp8_tensor" if quantization == "FP8" else quantization, notes
    )
    rate, latency = (
        record.known("performance.request_throughput_req_s"),
        record.known("performance.avg_request_latency_ms", _MS),
    )
    if in_flight is None and requests is None and rate and latency:
        in_flight = rate * latency
    if in_flight is not None:
        notes.append("concurrency is the mean number of requests in flight")
    if in_flight is None:
        notes.append("requests are handed over all at once")
    output = record.need("performance.system_output_throughput_tok_s")
    tokens = record.known("performance.total_token_throughput_tok_s")
    if record.section("streaming_metrics") is None:
        notes.append("run without --streaming: no TTFT and no TPOT")
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=Setup(
            model=record.text("engine.model"),
            gpu=record.text("machine.name"),
            gpus=record.degree("world_info.world_size") or (tp and tp * (pp or 1)),
            engine="trtllm",
            engine_version=record.text("engine.version"),
            tp=tp,
            pp=pp,
            ep=ep,
            quantization=quantization,
            kv_cache_dtype=None if cache in {"auto", "none"} else cache,
            input_len=record.known("request_info.avg_input_length")
            or (tokens and output and rate and (tokens - output) / rate),
            output_len=record.known("request_info.avg_output_length")
            or (output and rate and output / rate),
            max_concurrency=in_flight,
            requests=requests,
            batch_size=requests if in_flight is None else None,
            max_batch=cap,
            max_batched_tokens=record.degree("world_info.max_num_tokens"),
            acceptance_length=record.known("decoding_stats.acceptance_length_percentiles.average"),
        ),
        ttft_s=record.known("streaming_metrics.avg_ttft_ms", _MS),
        tpot_s=record.known("streaming_metrics.avg_tpot_ms", _MS),
        output_tokens_per_s=output,
        latency_s=record.metric("performance.avg_request_latency_ms", _MS),
        requests_per_s=record.metric("performance.request_throughput_req_s"),
        percentiles=tuple(_percentiles(record)),
        notes=tuple(notes),
    )


def _percentiles(record: Record) -> Iterator[tuple[str, float]]:
    for name, key in (
        ("ttft", "streaming_metrics.ttft_percentiles"),
        ("tpot", "streaming_metrics.tpot_percentiles"),
        ("latency", "performance.request_latency_percentiles_ms"),
    ):
        for percentile in ("p50", "p90", "p95", "p99"):
            value = record.known(f"{key}.{percentile}", _MS)
            if value is not None:
                yield f"{percentile}_{name}_s", value


_LABELS = {
    "model": "engine.model", "tensorrt-llm version": "engine.version",
    "tensorrt llm version": "engine.version", "dtype": "engine.dtype",
    "kv cache dtype": "engine.kv_cache_dtype", "quantization": "engine.quantization",
    "tp size": "world_info.tp_size", "pp size": "world_info.pp_size",
    "ep size": "world_info.ep_size", "max runtime batch size": "world_info.max_batch_size",
    "max runtime tokens": "world_info.max_num_tokens",
    "number of requests": "request_info.num_requests",
    "number of sequences": "request_info.num_requests",
    "total token throughput (tokens/sec)": "performance.total_token_throughput_tok_s",
    "number of concurrent requests": "request_info.avg_num_concurrent_requests",
    "average input length (tokens)": "request_info.avg_input_length",
    "average output length (tokens)": "request_info.avg_output_length",
    "token throughput (tokens/sec)": "performance.system_output_throughput_tok_s",
    "total output throughput (tokens/sec)": "performance.system_output_throughput_tok_s",
    "request throughput (req/sec)": "performance.request_throughput_req_s",
    "average request latency (ms)": "performance.avg_request_latency_ms",
    "average time-to-first-token [ttft] (ms)": "streaming_metrics.avg_ttft_ms",
    "average time-per-output-token [tpot] (ms)": "streaming_metrics.avg_tpot_ms",
}  # fmt: skip
_TEXTS = {"model", "version", "dtype", "kv_cache_dtype", "quantization"}
_OVERVIEW = r"[=#* \t]*PERFORMANCE OVERVIEW"


def _printed(document: Document) -> Iterator[Record]:
    """One record a report; what stands above PERFORMANCE OVERVIEW is of it, too."""
    text = document.plain
    parts = re.split(rf"^[ \t]*{_OVERVIEW}.*$", text, flags=re.MULTILINE)
    for index in range(1, len(parts)):
        values: dict[str, dict[str, object]] = {"engine": {}, "world_info": {}, "request_info": {}}
        above = parts[index - 1]
        details = re.split(
            r"^[=#* \t]*(?:ENGINE|PYTORCH BACKEND|REQUEST DETAILS)", above, flags=re.MULTILINE
        )
        for line in ("\n".join(details[1:]) + "\n" + parts[index]).splitlines():
            name, colon, said = line.strip().partition(":")
            key = _LABELS.get(name.strip().lower())
            if colon and key and said.strip():
                outer, _, inner = key.partition(".")
                values.setdefault(outer, {}).setdefault(inner, _value(inner, said.strip()))
        where = f"report {index}" if len(parts) > 2 else ""
        yield Record(document.source, values, where, above)


def _value(name: str, text: str) -> object:
    if text == "None":
        return None
    if name in _TEXTS:
        return text
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text[:60]


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("engine", "world_info", "request_info", "performance"), read=_read),
    TextFormat(_TOOL, "PERFORMANCE OVERVIEW", lines=(_OVERVIEW,), records=_printed, read=_read),
)
