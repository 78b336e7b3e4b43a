"""`trtllm-bench throughput | latency --report_json`.

Keys as in NVIDIA/TensorRT-LLM tensorrt_llm/bench/dataclasses/reporting.py at commit 0249976 (read
November 2026); "machine" came later than the others, "streaming_metrics" is there with
--streaming alone. Not here: the benchmark that `trtllm-bench` runs against a server.
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.importers.names import quantization_named
from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup

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
    notes: list[str] = []
    quantization = record.text("engine.quantization")
    # TensorRT-LLM's FP8 has one scale a tensor.
    quantization = quantization_named(
        "fp8_tensor" if quantization == "FP8" else quantization, notes
    )
    if in_flight is not None:
        notes.append("concurrency is the mean number of requests in flight")
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
            input_len=record.known("request_info.avg_input_length"),
            output_len=record.known("request_info.avg_output_length"),
            max_concurrency=in_flight,
            requests=requests,
            acceptance_length=record.known("decoding_stats.acceptance_length_percentiles.average"),
        ),
        ttft_s=record.known("streaming_metrics.avg_ttft_ms", _MS),
        tpot_s=record.known("streaming_metrics.avg_tpot_ms", _MS),
        output_tokens_per_s=record.need("performance.system_output_throughput_tok_s"),
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


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("engine", "world_info", "request_info", "performance"), read=_read),
)
