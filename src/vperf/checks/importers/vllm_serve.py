"""`vllm bench serve`: its JSON (--save-result, --append-result) and the summary it prints.

Keys and lines as in vllm-project/vllm vllm/benchmarks/serve.py at commit 009e6d4 (read November
2026), and in benchmarks/benchmark_serving.py before it, which has no "failed" and no end-to-end
latency. Free keys of --metadata are read where they are named as vLLM's options
(tensor_parallel_size, gpu, ...), and so are the parameters that `vllm bench sweep serve` writes
into the results of its summary.json and summary.csv (vllm/benchmarks/sweep/serve.py at commit
0031557, read December 2026). Not here: the offline benchmarks (vllm_offline.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record, shown
from vperf.checks.importers.serving import SUMMARY, engine_of, served, summaries
from vperf.checks.importers.surroundings import options_in, setup_of
from vperf.checks.result import Result, Setup
from vperf.errors import InputError
from vperf.sources.weight_names import quantization_named

_TOOL = "vllm bench serve"


def _read(record: Record) -> Iterator[Result]:
    if "total_input_sequences" in record.values:
        raise record.error("total_input_sequences", "is of a pooling benchmark: nothing is decoded")
    backend = record.text("backend") or record.text("endpoint_type") or ""
    notes: list[str] = []
    served_as = record.text("model_id")
    tokenizer = record.text("tokenizer_id")
    if served_as and "/" not in served_as and tokenizer and "/" in tokenizer:
        # --served-model-name is any word; the tokenizer is of a repository.
        notes.append(f"the model is called {served_as[:100]}; its tokenizer names it")
        served_as = tokenizer
    engine = engine_of(backend) or setup_of(options_in(record.around), []).engine or "vllm"
    setup = Setup(
        model=served_as or tokenizer,
        engine=engine,
        tp=_whole(record, "tensor_parallel_size", "tp", "tp_size"),
        pp=_whole(record, "pipeline_parallel_size", "pp", "pp_size"),
        dp=_whole(record, "data_parallel_size", "dp", "dp_size"),
        pcp=_whole(record, "prefill_context_parallel_size", "pcp"),
        dcp=_whole(record, "decode_context_parallel_size", "dcp"),
        gpus=_whole(record, "gpus", "num_gpus", "gpu_count"),
        gpu=_word(record, "gpu", "gpu_name", "gpu_type"),
        quantization=quantization_named(_word(record, "quantization"), notes),
        kv_cache_dtype=_word(record, "kv_cache_dtype"),
        engine_version=_word(record, "vllm_version", "engine_version", "version"),
        acceptance_length=record.known("spec_decode_acceptance_length"),
        max_batch=_whole(record, "max_num_seqs"),
        max_batched_tokens=_whole(record, "max_num_batched_tokens"),
    )
    if engine_of(backend) is None and engine == "vllm":
        said = f"the backend {shown(backend)}" if backend else "no backend"
        notes.append(f"the result names {said} and no server: taken for vLLM")
    drafts, drafted = (
        record.known("spec_decode_num_drafts"), record.known("spec_decode_draft_tokens")
    )  # fmt: skip
    if drafts and drafted and drafted >= drafts:
        setup = replace(setup, draft_tokens=round(drafted / drafts))
    result = served(record, _TOOL, setup, latency="mean_e2el_ms")
    yield replace(result, notes=(*result.notes, *notes))


def _printed(document: Document) -> Iterator[Record | InputError]:
    return summaries(document, backend=False)


def _word(record: Record, *keys: str) -> str | None:
    return next((text for key in keys if (text := record.text(key))), None)


def _whole(record: Record, *keys: str) -> int | None:
    """--metadata KEY=VALUE is saved as text."""
    for key in keys:
        value = record.get(key)
        if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,5}", value.strip()):
            return int(value)
        if value is not None:
            return record.degree(key)
    return None


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("model_id", "completed", "total_input_tokens", "request_throughput"),
        without=("mean_e2e_latency_ms",),
        read=_read,
    ),
    TextFormat(_TOOL, "Serving Benchmark Result", lines=(SUMMARY,), records=_printed, read=_read),
)
