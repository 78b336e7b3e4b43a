"""What the serving benchmarks that descend from vLLM's benchmark_serving.py share.

vLLM and SGLang name most fields the same, in JSON and in the summary they print. Not here: how
either is recognised, and its own fields (vllm_serve.py, sglang_serving.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import blocks
from vperf.checks.importers.record import Record
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup
from vperf.errors import InputError
from vperf.sources.engines import engine_id

_MS = 1e-3
_PERCENTILE = re.compile(r"(median|p\d+(?:\.\d+)?|max)_(ttft|tpot|itl|e2el|e2e_latency)_ms")

_RULE = r"[=#*\- ]*"
SUMMARY = rf"{_RULE}Serving Benchmark Result{_RULE}$"
"""The first line of what both tools print; people paste it without its rules."""

_SUMMARY_KEYS = {
    "successful requests": "completed", "completed requests": "completed",
    "total output tokens": "total_output_tokens", "failed requests": "failed",
    "maximum request concurrency": "max_concurrency", "max request concurrency": "max_concurrency",
    "max reqeuest concurrency": "max_concurrency",
    "request rate configured (rps)": "request_rate", "traffic request rate": "request_rate",
    "benchmark duration (s)": "duration", "total input tokens": "total_input_tokens",
    "total input text tokens": "total_input_text_tokens",
    "total input vision tokens": "total_input_vision_tokens",
    "total generated tokens": "total_output_tokens",
    "request throughput (req/s)": "request_throughput",
    "output token throughput (tok/s)": "output_throughput", "backend": "backend",
    "accept length": "accept_length", "acceptance length": "spec_decode_acceptance_length",
    "peak concurrent requests": "max_concurrent_requests", "concurrency": "concurrency",
    "total token throughput (tok/s)": "total_token_throughput",
    "total throughput (tok/s)": "total_token_throughput", "max concurrency": "max_concurrency",
    "input request rate (req/s)": "request_rate", "mean accept length": "accept_length",
    "mean output token throughput (tok/s)": "output_throughput",
}  # fmt: skip
_SUMMARY_STATISTIC = re.compile(
    r"(mean|median|p[\d.]+|max) (ttft|tpot|itl|e2el|e2e latency) \(ms\)"
)
_SUMMARY_LINE = re.compile(r"\|?[ \t]*([^|]*?\S)[ \t]*(?::|\||[ \t]{3,})[ \t]*([^|\s]+)[ \t]*\|?$")


@lru_cache(maxsize=64)
def engine_of(backend: str) -> str | None:
    """vperf's engine for a --backend of either tool; None where it names a protocol alone.

    Kept, since a name that is none is looked for in every engine's file.
    """
    program = backend.partition("-")[0]  # "sglang-oai-chat", "tensorrt-llm", "vllm-chat"
    return engine_id(backend) or engine_id(program)


def served(record: Record, tool: str, setup: Setup, *, latency: str) -> Result:
    """One run of a server under load; `latency` is the key of the mean time of a whole request.

    Lengths are the totals over the requests that completed. A rate that was printed as 0.00 is what
    completed over the duration. Raises InputError for a run in which none did.
    """
    completed = record.count("completed")
    if not completed:
        raise record.error(
            "completed", "is 0: every request failed" if completed == 0 else "is missing or null",
            hint="look into the server's log; a failed run has no figures to check",
        )  # fmt: skip
    output = record.number("total_output_tokens")
    duration = record.known("duration")
    notes: list[str] = []
    options = options_in(record.around)
    around = setup_of(options, notes)
    cards = cards_in(record.around)
    if setup.gpu is None and len(set(cards)) == 1:
        around = replace(around, gpu=cards[0])
    setup, load_notes = _load(
        Record(record.source, {**_loads(options), **record.values}, record.where),
        replace(
            filled(setup, around),
            input_len=_mean(record.metric("total_input_tokens"), completed),
            output_len=_mean(output, completed) or None,
            image_len=_mean(record.known("total_input_vision_tokens"), completed),
            requests=completed,
            duration_s=duration,
            peak_concurrency=record.known("max_concurrent_requests"),
            mean_concurrency=record.known("concurrency"),
            burstiness=record.known("burstiness") or around.burstiness,
        ),
    )
    notes += load_notes
    if output is not None and output <= completed:
        tpot, note = None, "one output token a request: prefill was measured, no TPOT"
    else:
        tpot, note = _tpot(record)
    return Result(
        tool=tool,
        label=record.where,
        setup=setup,
        ttft_s=record.known("mean_ttft_ms", _MS) or record.known("median_ttft_ms", _MS),
        tpot_s=tpot,
        output_tokens_per_s=_rate(record, "output_throughput", output, duration),
        latency_s=record.known(latency, _MS),
        requests_per_s=_rate(record, "request_throughput", completed, duration),
        percentiles=_percentiles(record),
        notes=(*notes, *filter(None, [note])),
        warnings=tuple(_contradictions(record, completed, output, duration)),
    )


def _rate(record: Record, key: str, total: float | None, duration: float | None) -> float | None:
    """The rate; from total and duration where printing rounded it to two digits or fewer."""
    said = record.known(key)
    if total and duration and (said is None or said < 1.0):
        exact = total / duration
        if said is None or abs(exact - said) <= 0.006:
            return exact
    return said


def _contradictions(
    record: Record, completed: int, output: float | None, duration: float | None
) -> Iterator[str]:
    if record.get("cut"):
        yield "the summary is cut: its closing line is missing, and the last line is left out"
    said = record.known("output_throughput")
    if said and output and duration and abs(said * duration / output - 1) > _APART:
        yield (
            f"figures disagree: {output:,.0f} tokens in {duration:,.1f} s are"
            f" {output / duration:,.1f} tok/s, not {said:,.1f}"
        )
    mean, median = record.known("mean_ttft_ms"), record.known("median_ttft_ms")
    if mean and median and mean > _SKEWED * median:
        yield (
            f"mean TTFT is {mean / median:.1f} times the median: some requests waited far longer,"
            " as in a first burst, a cold start or while kernels compiled (no warm-up)"
        )


_APART = 0.05
"""Figures that should be one may differ by so much: printed digits, ends of a run."""
_SKEWED = 2.0


def _loads(options: Mapping[str, str]) -> dict[str, object]:
    """How requests came, as the command line above a summary says it."""
    found: dict[str, object] = {}
    for name in ("max_concurrency", "request_rate"):
        if name in options:
            found[name] = _value(options[name])
    if "num_prompts" in options or "request_rate" in options:
        found = {"max_concurrency": None, "request_rate": None, **found}
    return found


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
        value = record.known(key, _MS)
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


def summaries(document: Document, *, backend: bool) -> Iterator[Record | InputError]:
    """The printed summaries with a Backend line, or those without, with the keys of the JSON.

    Of one without its closing rule the last line may be cut, and is left out.
    """
    found = list(blocks(SUMMARY, document.plain))
    for index, (before, block) in enumerate(found, 1):
        where = f"result {index}" if len(found) > 1 else ""
        title, _, body = block.partition("\n")
        end = re.search(r"^[ \t]*={10,}[ \t]*$", body, re.MULTILINE)
        cut = end is None and "==" in title
        if cut:
            body = "\n".join(body.rstrip().splitlines()[:-1])
        values = _summary_values(body[: end.start()] if end else body)
        if backend != ("backend" in values):
            continue
        if cut and not _FIGURES & values.keys():
            if "completed" not in values:  # another tool's, under the same title
                continue
            yield InputError(
                "the summary is cut: its closing line of = is missing",
                source=document.source, field=where, hint="copy all of it, or give the JSON file",
            )  # fmt: skip
            continue
        yield Record(document.source, {**values, "cut": True} if cut else values, where, before)


_FIGURES = {"output_throughput", "mean_ttft_ms", "mean_tpot_ms", "median_ttft_ms",
            "median_tpot_ms", "mean_itl_ms"}  # fmt: skip


def _summary_values(block: str) -> Mapping[str, object]:
    values: dict[str, object] = {}
    columns: list[str] = []
    for line in block.splitlines():
        cells = [cell.strip().lower() for cell in line.strip(" |").split("|")]
        if len(cells) > 2:
            # Modular's MAX prints a table of them.
            columns = cells if cells[0] == "metric" else columns
            for column, cell in zip(columns, cells, strict=False):
                if (rank := _RANKS.get(column, column)) and (key := _statistic(rank, cells[0])):
                    values.setdefault(key, _value(cell))
            continue
        match = _SUMMARY_LINE.match(line.strip())
        if match is None:
            continue
        name = match[1].rstrip(":").strip().lower()
        key = _SUMMARY_KEYS.get(name)
        if key := key or _statistic("", name):
            values.setdefault(key, _value(match[2]))
    if "max_concurrent_requests" in values:
        # Versions that print it print rate and concurrency where they are set.
        values = {"max_concurrency": None, "request_rate": None, **values}
    return values


_RANKS = {"metric": "", "std": ""}


def _statistic(rank: str, name: str) -> str | None:
    """The key of the JSON of "mean", "ttft (ms)" and of "mean ttft (ms)"."""
    match = _SUMMARY_STATISTIC.fullmatch(
        f"{rank} {name}".strip().replace("request latency", "e2el")
    )
    return f"{match[1]}_{match[2].replace(' ', '_')}_ms" if match else None


def _value(text: str) -> object:
    if text.lower() in {"not", "none", "n/a", "nan", "null"}:
        return None
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text
