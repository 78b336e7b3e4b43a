"""Lines that vLLM and SGLang log as they serve: rates over an interval, and what was running.

As LoggingStatLogger of vllm-project/vllm vllm/v1/metrics/loggers.py and the metrics of its V0, and
the scheduler's metrics of sgl-project/sglang (layout as known, not held against its source). One
result a file: the mean of the lines in which decoding ran alone at the number of sequences that
most of them have. Not here: a running server (live/), and its benchmarks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean, median

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import CONTEXT, Format, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_VLLM = re.compile(
    r"Avg prompt throughput: (?P<prompt>[\d.]+) tokens/s, Avg generation throughput: "
    r"(?P<rate>[\d.]+) tokens/s, Running: (?P<running>\d+) reqs"
    r"(?:, (?:Swapped|Waiting): (?P<waiting>\d+) reqs)?(?P<rest>[^\n]*)"
)
_SGLANG = re.compile(
    r"Decode batch[.,]? #running-req: (?P<running>\d+), (?P<rest>[^\n]*?)"
    r"gen throughput \(token/s\): (?P<rate>[\d.]+)(?:[^\n]*?#queue-req: (?P<waiting>\d+))?"
)
_TOKENS = re.compile(r"#(?:full )?token: (\d+)")
_CACHE = re.compile(r"GPU KV cache usage: ([\d.]+)%")
_PREFIX_HIT = re.compile(r"Prefix cache hit rate: ([\d.]+)%")
_ACCEPTED = re.compile(r"[Mm]ean acceptance length: ([\d.]+)|accept len: ([\d.]+)")
_LINES = 1_000
"""Lines of which the context is averaged."""
_MAX_PREFILL = 0.5
"""Prompt tokens per generated one up to which an interval is one of decoding."""


def _read(record: Record) -> Iterator[Result]:
    running, rate = record.count("running"), record.need("rate")
    waiting, lines = record.known("waiting"), record.count("lines") or 1
    notes = [
        f"{lines} interval{'s' * (lines > 1)} of the engine's log with {running} sequences running"
    ]
    warnings = []
    if waiting:
        warnings.append(f"{waiting:,.0f} more requests waited for room or for --max-num-seqs")
    if record.get("mixed"):
        warnings.append("prompts were read in the same intervals: decoding alone is faster")
    if record.get("no_graph"):
        warnings.append("the log says that CUDA graphs were not used (cuda graph: False)")
    around = setup_of(options_in(record.around), notes)
    cards = cards_in(record.around)
    yield Result(
        tool=record.text("tool") or "",
        label=record.where,
        setup=filled(
            Setup(
                engine=record.text("engine"),
                gpu=cards[0] if len(set(cards)) == 1 else None,
                batch_size=running,
                acceptance_length=record.known("accepted"),
                input_len=record.known("context"),
            ),
            around,
        ),
        decode_tokens_per_s=rate,
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


def _intervals(document: Document, pattern: re.Pattern[str], engine: str) -> Iterator[Record]:
    text = document.plain
    found = [m for m in pattern.finditer(text) if float(m["rate"]) > 0 and float(m["running"]) > 0]
    if not found:
        yield Record(document.source, {"rate": None, "engine": engine}, "")
        return
    decoding = [m for m in found if _prompt(m) <= _MAX_PREFILL * float(m["rate"])]
    groups: dict[int, list[re.Match[str]]] = defaultdict(list)
    for match in decoding or found:
        groups[int(match["running"][:9])].append(match)
    running, lines = max(groups.items(), key=lambda each: (len(each[1]), each[0]))
    rates = [float(match["rate"]) for match in lines]
    middle = median(rates)
    steady = [rate for rate in rates if rate >= 0.7 * middle]
    accepted = [float(a or b) for a, b in _ACCEPTED.findall(text)]
    tokens = [float(t[1]) for m in lines[:_LINES] if (t := _TOKENS.search(m["rest"]))]
    graphs = [m for m in lines if "cuda graph: False" in m["rest"]]
    yield Record(
        document.source,
        {
            "tool": f"{engine}'s log", "engine": {"vLLM": "vllm", "SGLang": "sglang"}[engine],
            "running": running, "rate": fmean(steady), "lines": len(steady),
            "waiting": max(float(m["waiting"] or 0) for m in lines),
            "mixed": not decoding,
            "no_graph": len(graphs) > len(lines) / 2,
            "accepted": fmean(accepted) if accepted else None,
            "context": fmean(tokens) / running if tokens else None,
        },
        f"{running} running",
        text[: found[0].start()][-CONTEXT:],
    )  # fmt: skip


def _prompt(match: re.Match[str]) -> float:
    return float(match.groupdict().get("prompt") or 0.0)


def _vllm(document: Document) -> Iterator[Record]:
    return _intervals(document, _VLLM, "vLLM")


def _sglang(document: Document) -> Iterator[Record]:
    return _intervals(document, _SGLANG, "SGLang")


FORMATS: tuple[Format, ...] = (
    TextFormat(
        "vLLM's log", "Avg generation throughput",
        lines=(r"[^\n]*Avg prompt throughput: [\d.]+ tokens/s, Avg generation",),
        records=_vllm, read=_read,
    ),
    TextFormat(
        "SGLang's log", "#running-req", lines=(r"[^\n]*Decode batch[.,]? #running-req: \d",),
        records=_sglang, read=_read,
    ),
)  # fmt: skip
