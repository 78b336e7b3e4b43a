"""`vllm bench serve`: its JSON (--save-result, --append-result) and the summary it prints.

Keys and lines as in vllm-project/vllm vllm/benchmarks/serve.py at commit 009e6d4 (2026) and
benchmarks/benchmark_serving.py of 2024, which has the same keys without "failed". Free keys of
--metadata are read where they are named as vLLM's options (tensor_parallel_size, gpu, ...). Not
here: the offline benchmarks (vllm_offline.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vperf.evidence.importers.recognise import JsonFormat
from vperf.evidence.importers.record import Record
from vperf.evidence.importers.serving import BACKENDS, served
from vperf.evidence.result import Result, Setup

TOOL = "vllm bench serve"


def _read(record: Record) -> Iterator[Result]:
    backend = record.text("backend") or record.text("endpoint_type") or ""
    setup = Setup(
        model=record.text("model_id"),
        engine=BACKENDS.get(backend, "vllm"),
        acceptance_length=record.metric("spec_decode_acceptance_length"),
        tp=_whole(record, "tensor_parallel_size", "tp", "tp_size"),
        pp=_whole(record, "pipeline_parallel_size", "pp", "pp_size"),
        dp=_whole(record, "data_parallel_size", "dp", "dp_size"),
        gpus=_whole(record, "gpus", "num_gpus", "gpu_count"),
        gpu=_word(record, "gpu", "gpu_name", "gpu_type"),
        quantization=_word(record, "quantization"),
        kv_cache_dtype=_word(record, "kv_cache_dtype"),
        engine_version=_word(record, "vllm_version", "engine_version", "version"),
    )
    result = served(record, TOOL, setup, latency="e2el")
    if backend not in BACKENDS:
        said = f"the backend {backend}" if backend else "no backend"
        note = f"the file names {said}, not the server: taken for vLLM"
        result = replace(result, notes=(*result.notes, note))
    yield result


def _word(record: Record, *keys: str) -> str | None:
    return next((text for key in keys if (text := record.text(key))), None)


def _whole(record: Record, *keys: str) -> int | None:
    """--metadata KEY=VALUE is saved as text."""
    for key in keys:
        text = record.get(key)
        if isinstance(text, str) and re.fullmatch(r"[1-9]\d{0,5}", text.strip()):
            return int(text)
        if text is not None:
            return record.count(key)
    return None


FORMATS = (
    JsonFormat(
        TOOL,
        keys=("completed", "total_input_tokens", "request_throughput", "model_id"),
        without=("total_input_sequences", "mean_e2e_latency_ms"),
        read=_read,
    ),
)
