"""What the serving benchmarks that descend from vLLM's benchmark_serving.py share.

vLLM and SGLang name most fields the same, in JSON and in the summary they print. Not here: how
either is recognised, and its own fields (vllm_serve.py, sglang_serving.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup
from vperf.errors import InputError
from vperf.sources.engines import engine_id

_MS = 1e-3
_PERCENTILE = re.compile(r"(median|p\d+(?:\.\d+)?|max)_(ttft|tpot|itl|e2el|e2e_latency)_ms")

SUMMARY = r"=+ Serving Benchmark Result =+"
"""The first line of what both tools print."""

_SUMMARY_KEYS = {
    "Successful requests": "completed", "Failed requests": "failed",
    "Maximum request concurrency": "max_concurrency", "Max request concurrency": "max_concurrency",
    "Request rate configured (RPS)": "request_rate", "Traffic request rate": "request_rate",
    "Total input tokens": "total_input_tokens", "Total generated tokens": "total_output_tokens",
    "Request throughput (req/s)": "request_throughput",
    "Output token throughput (tok/s)": "output_throughput", "Backend": "backend",
    "Accept length": "accept_length", "Acceptance length": "spec_decode_acceptance_length",
    "Peak concurrent requests": "max_concurrent_requests",
}  # fmt: skip
_SUMMARY_STATISTIC = re.compile(
    r"(Mean|Median|P[\d.]+|Max) (TTFT|TPOT|ITL|E2EL|E2E Latency) \(ms\)"
)


def engine_of(backend: str) -> str | None:
    """vperf's engine for a --backend of either tool; None where it names a protocol alone."""
    program = backend.partition("-")[0]  # "sglang-oai-chat", "tensorrt-llm", "vllm-chat"
    return engine_id(backend) or engine_id(program)


def served(record: Record, tool: str, setup: Setup, *, latency: str) -> Result:
    """One run of a server under load; `latency` is the key of the mean time of a whole request.

    Lengths are the totals over the requests that completed. Raises InputError for a run in which
    none did.
    """
    completed = record.count("completed")
    if not completed:
        raise record.error(
            "completed", "is 0: every request failed" if completed == 0 else "is missing or null",
            hint="look into the server's log; a failed run has no figures to check",
        )  # fmt: skip
    output = record.number("total_output_tokens")
    setup, notes = _load(
        record,
        replace(
            setup,
            input_len=_mean(record.metric("total_input_tokens"), completed),
            output_len=_mean(output, completed) or None,
            requests=completed,
        ),
    )
    if output is not None and output <= completed:
        tpot, note = None, "one output token a request: prefill was measured, no TPOT"
    else:
        tpot, note = _tpot(record)
    return Result(
        tool=tool,
        label=record.where,
        setup=setup,
        ttft_s=record.metric("mean_ttft_ms", _MS) or record.metric("median_ttft_ms", _MS),
        tpot_s=tpot,
        output_tokens_per_s=record.metric("output_throughput"),
        latency_s=record.metric(latency, _MS),
        requests_per_s=record.metric("request_throughput"),
        percentiles=_percentiles(record),
        notes=(*notes, *filter(None, [note])),
    )


def _load(record: Record, setup: Setup) -> tuple[Setup, list[str]]:
    """How requests came, and what was taken for granted of it."""
    completed = setup.requests or 0
    notes = []
    failed = record.count("failed") or max(0, (record.count("num_prompts") or 0) - completed)
    if failed:
        notes.append(f"{failed} of {failed + completed} requests failed; figures are of the others")
    rate, users = _request_rate(record), record.degree("max_concurrency")
    if record.get("request_rate") == "trace":
        notes.append("requests came at the times of a trace: the file has no rate")
    elif rate is None and users is None:
        if {"request_rate", "max_concurrency"} & record.values.keys():
            if completed > 1:
                notes.append(f"no rate and no concurrency limit: {completed} requests at once")
            setup = replace(setup, batch_size=completed)
        else:
            notes.append("the text says neither concurrency nor request rate")
    return replace(setup, max_concurrency=users, request_rate=rate), notes


def _request_rate(record: Record) -> float | None:
    """Requests per second offered; None for "inf", however it is written."""
    value = record.get("request_rate")
    if value in ("inf", "Infinity", "trace") or (isinstance(value, float) and math.isinf(value)):
        return None
    return record.metric("request_rate")


def _tpot(record: Record) -> tuple[float | None, str]:
    """Mean TPOT; where a tool has the gaps between chunks alone, those, and a note."""
    for key, note in (
        ("mean_tpot_ms", ""),
        ("median_tpot_ms", "TPOT is the median, the mean is not in the file"),
        ("mean_itl_ms", "TPOT is not in the file: mean ITL stands for it"),
    ):
        value = record.metric(key, _MS)
        if value is not None:
            return value, note
    return None, ""


def _percentiles(record: Record) -> tuple[tuple[str, float], ...]:
    found: dict[str, float] = {}
    for key in record.values:
        if match := _PERCENTILE.fullmatch(key):
            value = record.known(key, _MS)
            rank = "p50" if match[1] == "median" else match[1]
            name = "latency" if match[2].startswith("e2e") else match[2]
            if value is not None:
                found[f"{rank}_{name}_s"] = value
    return tuple(found.items())


def _mean(total: float | None, count: int) -> float | None:
    return None if total is None else total / count


def summaries(document: Document) -> Iterator[Record]:
    """The printed summaries of a text, with the keys that the JSON has.

    Raises InputError for one without its last line: its figures may be cut in the middle.
    """
    blocks = re.split(rf"^[ \t]*{SUMMARY}[ \t]*$", document.text, flags=re.MULTILINE)[1:]
    for index, block in enumerate(blocks, 1):
        where = f"result {index}" if len(blocks) > 1 else ""
        end = re.search(r"^[ \t]*={10,}[ \t]*$", block, re.MULTILINE)
        if end is None:
            raise InputError(
                "the summary is cut: its closing line of = is missing",
                source=document.source, field=where, hint="copy all of it, or give the JSON file",
            )  # fmt: skip
        yield Record(document.source, _summary_values(block[: end.start()]), where)


def _summary_values(block: str) -> Mapping[str, object]:
    values: dict[str, object] = {}
    for line in block.splitlines():
        name, colon, text = line.strip().rpartition(":")
        key = _SUMMARY_KEYS.get(name)
        if match := _SUMMARY_STATISTIC.fullmatch(name):
            key = f"{match[1]}_{match[2].replace(' ', '_')}_ms".lower()
        if colon and key:
            values[key] = _value(text.strip())
    if "max_concurrent_requests" in values:
        # Versions that print it print rate and concurrency where they are set.
        values = {"max_concurrency": None, "request_rate": None, **values}
    return values


def _value(text: str) -> object:
    if text in {"not set", "None"}:
        return None
    try:
        return float(text)
    except ValueError:
        return text
