"""`vllm bench latency` and `vllm bench throughput`: --output-json, and what they print.

Keys and lines as in vllm-project/vllm vllm/benchmarks/latency.py at commit 00cae07 and
throughput.py at commit 0202831 (read November 2026); the line of 2024 has no output rate, and
LLM.generate's progress bar ends with estimates. Neither says what model, GPU, lengths or
batch it ran. Not here: the serving benchmark (vllm_serve.py).
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import (
    CONTEXT,
    Format,
    JsonFormat,
    TextFormat,
    blocks,
    matches,
)
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.importers.surroundings import (
    cards_in,
    filled,
    lengths_in,
    options_in,
    setup_of,
)
from vperf.checks.result import Result, Setup

_LATENCY = "vllm bench latency"
_THROUGHPUT = "vllm bench throughput"

_NO_LENGTHS = (
    "the result has no lengths and no batch size: they come from the command line "
    "(vLLM's defaults are 32 in, 128 out, 8 prompts)"
)

_AVERAGE = r"Avg latency: (\S+) seconds[ \t]*$"
_PERCENTILE = r"(\d+)% percentile latency: (\S+) seconds[ \t]*$"
_RATES = r"Throughput: (\S+) requests/s, (\S+) total tokens/s, (\S+) output tokens/s[ \t]*$"
_OLD_RATES = r"(?:[\w. ]{1,30}: )?Throughput: (\S+) requests/s, (\S+) tokens/s[ \t]*$"
"""Before October 2024: prompt and output tokens in one sum."""
_BAR = (
    r"[^\n]*?Processed prompts: 100%[^\n]*?\b(\d+)/\1 \[(?:(\d{1,6}):)?(\d{1,6}):(\d{1,6})<[^\n]*?"
    r"est\. speed input: (\S+) toks/s, output: (\S+) toks/s"
)
_COUNT = r"[0-9]{1,12}"
"""What has more digits was not counted."""
_TOTAL = r"^[ 	]*Total num output tokens: +(\d+)[ 	]*$"


def _latency(record: Record) -> Iterator[Result]:
    runs = record.numbers("latencies")
    percentiles = record.section("percentiles")
    mean = record.need("avg_latency")
    notes: list[str] = []
    setup = _around(record, notes)
    if setup.input_len is None or setup.batch_size is None:
        notes.append(_NO_LENGTHS)
    yield Result(
        tool=_LATENCY,
        label=record.where,
        setup=setup,
        latency_s=mean,
        percentiles=tuple(
            (f"p{name}_latency_s", value)
            for name in (percentiles.values if percentiles else ())
            if percentiles and (value := percentiles.metric(name))
        ),
        spread=statistics.pstdev(runs) / mean if len(runs) > 1 else None,
        notes=tuple(notes),
    )


def _around(record: Record, notes: list[str], *, batch: bool = True) -> Setup:
    """What the command line or Namespace(...) above says."""
    options = options_in(record.around)
    if not options:
        return Setup(engine="vllm")
    input_len, output_len = lengths_in(options)
    size = options.get("batch_size", "")
    cards = cards_in(record.around)
    return filled(
        Setup(
            engine="vllm",
            gpu=cards[0] if len(set(cards)) == 1 else None,
            input_len=input_len,
            output_len=output_len,
            batch_size=int(size) if batch and size.isdigit() and 0 < len(size) < 7 else None,
        ),
        setup_of(options, notes),
    )


def _latencies(document: Document) -> Iterator[Record]:
    found = list(blocks(_AVERAGE, document.plain))
    for index, (before, block) in enumerate(found, 1):
        mean = re.search(_AVERAGE, block, re.MULTILINE)
        percentiles = re.findall(rf"^[ \t]*{_PERCENTILE}", block, re.MULTILINE)
        values = {
            "avg_latency": number_or_text(mean[1]) if mean else None,
            "percentiles": {name: number_or_text(text) for name, text in percentiles},
        }
        where = f"result {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _throughput(record: Record) -> Iterator[Result]:
    requests = record.count("num_requests")
    output = record.metric("output_tokens_per_second")
    rate = record.need("requests_per_second")
    total = record.need("tokens_per_second")
    notes = ["requests are handed over all at once"]
    around = _around(record, notes, batch=False)
    if output is None and around.output_len is None:
        notes.append(
            "the result has prompt and output tokens in one sum "
            f"({total / rate:,.0f} a request): lengths come from the command line"
        )
    yield Result(
        tool=_THROUGHPUT,
        label=record.where,
        setup=filled(
            Setup(
                requests=requests,
                batch_size=requests or None,
                input_len=(total - output) / rate if output and total > output else None,
                output_len=output / rate if output else None,
            ),
            around,
        ),
        output_tokens_per_s=output,
        requests_per_s=rate,
        notes=tuple(notes),
    )


def _throughputs(document: Document) -> Iterator[Record]:
    text = document.plain
    found = list(re.finditer(rf"^[ \t]*{_RATES}", text, re.MULTILINE))
    for index, match in enumerate(found, 1):
        names = ("requests_per_second", "tokens_per_second", "output_tokens_per_second")
        values: dict[str, object] = dict(
            zip(names, map(number_or_text, match.groups()), strict=True)
        )
        before = text[max(0, match.start() - CONTEXT) : match.start()]
        if len(found) == 1 and (total := re.search(_TOTAL, text, re.MULTILINE)):
            rates = Record(document.source, values)
            each = rates.known("output_tokens_per_second"), rates.known("requests_per_second")
            if all(each) and re.fullmatch(_COUNT, total[1]):
                values["num_requests"] = round(float(total[1]) / (each[0] / each[1]))  # type: ignore[operator]
        elif re.fullmatch(_COUNT, asked := options_in(before).get("num_prompts", "")):
            values["num_requests"] = int(asked)
        where = f"result {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _old_throughputs(document: Document) -> Iterator[Record]:
    for above, match, where in matches(rf"^[ \t]*{_OLD_RATES}", document.plain):
        values = {
            "requests_per_second": number_or_text(match[1]),
            "tokens_per_second": number_or_text(match[2]),
        }
        yield Record(document.source, values, where, above)


def _bars(document: Document) -> Iterator[Record]:
    """LLM.generate's progress, at its end: all prompts are handed over at once."""
    for above, match, where in matches(rf"^{_BAR}", document.plain):
        count, read, written = (number_or_text(match[group]) for group in (1, 5, 6))
        seconds = sum(int(match[g] or 0) * unit for g, unit in ((2, 3600), (3, 60), (4, 1)))
        values: dict[str, object] = {
            "num_requests": count, "output_tokens_per_second": written,
            "requests_per_second": float(match[1]) / seconds if seconds else None,
        }  # fmt: skip
        if isinstance(read, float) and isinstance(written, float):
            values["tokens_per_second"] = read + written
        yield Record(document.source, values, where, above)


FORMATS: tuple[Format, ...] = (
    JsonFormat(_LATENCY, keys=("avg_latency", "latencies", "percentiles"), read=_latency),
    TextFormat(_LATENCY, "Avg latency:", lines=(_AVERAGE,), records=_latencies, read=_latency),
    JsonFormat(
        _THROUGHPUT,
        keys=("elapsed_time", "num_requests", "total_num_tokens", "requests_per_second",
              "tokens_per_second"),
        read=_throughput,
    ),
    TextFormat(_THROUGHPUT, "Throughput:", lines=(_RATES,), records=_throughputs, read=_throughput),
    TextFormat(
        _THROUGHPUT, "Throughput:", lines=(_OLD_RATES,), records=_old_throughputs, read=_throughput
    ),
    TextFormat(
        _THROUGHPUT, "Processed prompts", lines=(_BAR,), records=_bars, read=_throughput,
        without=(_RATES, _OLD_RATES),
    ),
)  # fmt: skip
