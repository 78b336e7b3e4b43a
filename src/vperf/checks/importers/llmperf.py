"""llmperf's *_summary.json, and what it prints.

Keys and lines as in ray-project/llmperf token_benchmark_ray.py and src/llmperf/common_metrics.py
(read December 2026).

Times are seconds. Its inter-token latency is the whole latency over all tokens, the first
included, so that TPOT is what latency and TTFT leave. Not here: individual responses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.surroundings import options_in
from vperf.checks.result import Result, Setup

_TOOL = "llmperf"


def _read(record: Record) -> Iterator[Result]:
    requests = record.count("results_num_completed_requests")
    if requests == 0:
        raise record.error("results_num_completed_requests", "is 0: every request failed")
    errors = record.count("results_number_errors") or 0
    output = record.known("results_number_output_tokens_mean") or record.known("mean_output_tokens")
    ttft = record.known("results_ttft_s_mean")
    latency = record.known("results_end_to_end_latency_s_mean")
    tpot = None
    if ttft and latency and output and output > 1 and latency > ttft:
        tpot = (latency - ttft) / (output - 1)
    per_minute = record.known("results_num_completed_requests_per_min")
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=Setup(
            model=record.text("model"),
            input_len=record.known("results_number_input_tokens_mean")
            or record.known("mean_input_tokens"),
            output_len=output,
            max_concurrency=record.degree("num_concurrent_requests"),
            requests=requests,
        ),
        ttft_s=ttft,
        tpot_s=tpot,
        output_tokens_per_s=record.known("results_mean_output_throughput_token_per_s"),
        latency_s=latency,
        requests_per_s=per_minute / 60 if per_minute else None,
        percentiles=tuple(_percentiles(record)),
        notes=("TPOT is what latency and TTFT leave: llmperf's counts the first token in",),
        warnings=(f"{errors} requests failed",) if errors else (),
    )


def _percentiles(record: Record) -> Iterator[tuple[str, float]]:
    for name, metric in (("ttft", "ttft_s"), ("latency", "end_to_end_latency_s")):
        for rank in ("p50", "p90", "p95", "p99"):
            value = record.known(f"results_{metric}_quantiles_{rank}")
            if value is not None:
                yield f"{rank}_{name}_s", value


_FIRST = r"inter_token_latency_s[ \t]*$"
_SECTIONS = {
    "ttft_s": "ttft_s", "end_to_end_latency_s": "end_to_end_latency_s",
    "number_input_tokens": "number_input_tokens", "number_output_tokens": "number_output_tokens",
}  # fmt: skip
_TOTALS = {
    "overall output throughput": "results_mean_output_throughput_token_per_s",
    "number of completed requests": "results_num_completed_requests",
    "completed requests per minute": "results_num_completed_requests_per_min",
    "number of errored requests": "results_number_errors",
}


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(_FIRST, document.plain))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, object] = {}
        section = ""
        for line in block.splitlines():
            parts = [each.strip() for each in re.split(r"([=:])", line, maxsplit=1)]
            name, mark, text = (*parts, "", "")[:3]
            if not text:
                section = _SECTIONS.get(name, "")
            elif mark == ":" and (key := _TOTALS.get(name.lower())):
                values[key] = number_or_none(text)
            elif section and name == "mean":
                values[f"results_{section}_mean"] = number_or_none(text)
            elif section and re.fullmatch(r"p\d+", name):
                values[f"results_{section}_quantiles_{name}"] = number_or_none(text)
        options = options_in(before)
        if (users := options.get("num_concurrent_requests", "")).isdigit():
            values["num_concurrent_requests"] = float(users)
        values["model"] = options.get("model")
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL,
        keys=("num_concurrent_requests", "results_ttft_s_mean",
              "results_end_to_end_latency_s_mean"),
        read=_read,
    ),
    TextFormat(_TOOL, "inter_token_latency_s", lines=(_FIRST,), records=_printed, read=_read),
)  # fmt: skip
