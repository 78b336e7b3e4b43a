"""What the serving benchmarks that descend from vLLM's benchmark_serving.py share.

vLLM and SGLang name most fields the same; where they differ, a keyword says so. Not here: how
either is recognised, and its own fields (vllm_serve.py, sglang_serving.py).
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from vperf.evidence.importers.record import Record
from vperf.evidence.result import Result, Setup

_MS = 1e-3
_PERCENTILE = re.compile(r"(?:median|p\d+(?:\.\d+)?|max)_(?:ttft|tpot|itl|e2el|e2e_latency)_ms")

BACKENDS = {
    "vllm": "vllm", "vllm-chat": "vllm", "sglang": "sglang", "sglang-oai": "sglang",
    "sglang-oai-chat": "sglang", "sglang-native": "sglang", "sglang-embedding": "sglang",
    "tensorrt-llm": "trtllm", "trt": "trtllm", "llama.cpp": "llama.cpp",
}  # fmt: skip
"""--backend of either tool -> vperf's engine."""


def request_rate(record: Record, key: str = "request_rate") -> float | None:
    """Requests per second offered; None for "inf", however it is written."""
    value = record.get(key)
    if value in {"inf", "Infinity"} or (isinstance(value, float) and math.isinf(value)):
        return None
    return record.metric(key)


def served(record: Record, tool: str, setup: Setup, *, latency: str) -> Result:
    """One run of a server under load; `latency` is the key's name for a whole request's time.

    Lengths are the totals over the requests that completed. Raises InputError for a run in which
    none did.
    """
    completed = record.count("completed")
    if not completed:
        raise record.error(
            "completed", "is 0: every request failed" if completed == 0 else "is missing or null",
            hint="look into the server's log; a failed run has no figures to check",
        )  # fmt: skip
    notes: list[str] = []
    asked = record.count("num_prompts")
    failed = record.count("failed") or max(0, (asked or completed) - completed)
    if failed:
        notes.append(f"{failed} of {failed + completed} requests failed; figures are of the others")
    rate = request_rate(record)
    users = record.count("max_concurrency") or None
    batch = None
    if rate is None and users is None:
        batch = completed
        if completed > 1:
            notes.append(f"no rate and no concurrency limit: all {completed} requests at once")
    output = record.number("total_output_tokens")
    setup = replace(
        setup,
        input_len=_mean(record.metric("total_input_tokens"), completed),
        output_len=_mean(output, completed) or None,
        batch_size=batch,
        max_concurrency=users,
        request_rate=rate,
        requests=completed,
    )
    several = output is None or output > completed
    tpot, tpot_note = _tpot(record) if several else (None, "")
    notes += filter(None, [tpot_note])
    if not several:
        notes.append("one output token a request: a prefill benchmark, without TPOT")
    return Result(
        tool=tool,
        label="",
        setup=setup,
        ttft_s=_shown(record, "mean_ttft_ms") or _shown(record, "median_ttft_ms"),
        tpot_s=tpot,
        output_tokens_per_s=record.metric("output_throughput"),
        latency_s=_shown(record, f"mean_{latency}_ms"),
        requests_per_s=record.metric("request_throughput"),
        percentiles=_percentiles(record),
        notes=tuple(notes),
    )


def _tpot(record: Record) -> tuple[float | None, str]:
    """Mean TPOT; where a tool has the gaps between chunks alone, those, and a note."""
    for key, note in (
        ("mean_tpot_ms", ""),
        ("median_tpot_ms", "TPOT is the median, the mean is not in the file"),
        ("mean_itl_ms", "TPOT is not in the file: mean ITL stands for it"),
    ):
        value = _shown(record, key)
        if value is not None:
            return value, note
    return None, ""


def _shown(record: Record, key: str) -> float | None:
    """Seconds. Non-streaming backends leave a zero where nothing was seen: an error too."""
    return record.metric(key, _MS)


def _percentiles(record: Record) -> tuple[tuple[str, float], ...]:
    found = []
    for key in record.values:
        if _PERCENTILE.fullmatch(key):
            value = record.number(key)
            if value:
                found.append((f"{key.removesuffix('_ms')}_s", value * _MS))
    return tuple(found)


def _mean(total: float | None, count: int) -> float | None:
    return None if total is None else total / count
