"""`vllm bench latency` and `vllm bench throughput`: --output-json, and what they print.

Keys and lines as in vllm-project/vllm vllm/benchmarks/latency.py at commit 00cae07 and
throughput.py at commit 0202831 (read November 2026). Neither says what model, GPU, lengths or
batch it ran. Not here: the serving benchmark (vllm_serve.py).
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record
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
_TOTAL = r"^[ 	]*Total num output tokens: +(\d+)[ 	]*$"


def _latency(record: Record) -> Iterator[Result]:
    runs = record.numbers("latencies")
    percentiles = record.section("percentiles")
    mean = record.need("avg_latency")
    yield Result(
        tool=_LATENCY,
        label=record.where,
        setup=Setup(engine="vllm"),
        latency_s=mean,
        percentiles=tuple(
            (f"p{name}_latency_s", value)
            for name in (percentiles.values if percentiles else ())
            if percentiles and (value := percentiles.metric(name))
        ),
        spread=statistics.pstdev(runs) / mean if len(runs) > 1 else None,
        notes=(_NO_LENGTHS,),
    )


def _latency_text(document: Document) -> Iterator[Result]:
    means = re.findall(rf"^[ \t]*{_AVERAGE}", document.text, re.MULTILINE)
    found = re.findall(rf"^[ \t]*{_PERCENTILE}", document.text, re.MULTILINE)
    for index, mean in enumerate(means, 1):
        values = {
            "avg_latency": _number(mean),
            "percentiles": {name: _number(text) for name, text in found} if len(means) == 1 else {},
        }
        where = f"result {index}" if len(means) > 1 else ""
        yield from _latency(Record(document.source, values, where))


def _throughput(record: Record) -> Iterator[Result]:
    requests = record.count("num_requests")
    output = record.metric("output_tokens_per_second")
    rate = record.need("requests_per_second")
    total = record.need("tokens_per_second")
    notes = ["requests are handed over all at once"]
    if output is None:
        notes.append(
            "the result has prompt and output tokens in one sum "
            f"({total / rate:,.0f} a request): lengths come from the command line"
        )
    yield Result(
        tool=_THROUGHPUT,
        label=record.where,
        setup=Setup(
            engine="vllm",
            requests=requests,
            batch_size=requests or None,
            input_len=(total - output) / rate if output and total > output else None,
            output_len=output / rate if output else None,
        ),
        output_tokens_per_s=output,
        requests_per_s=rate,
        notes=tuple(notes),
    )


def _throughput_text(document: Document) -> Iterator[Result]:
    lines = re.findall(rf"^[ \t]*{_RATES}", document.text, re.MULTILINE)
    for index, texts in enumerate(lines, 1):
        names = ("requests_per_second", "tokens_per_second", "output_tokens_per_second")
        values = dict(zip(names, map(_number, texts), strict=True))
        where = f"result {index}" if len(lines) > 1 else ""
        record = Record(document.source, values, where)
        if len(lines) == 1 and (total := re.search(_TOTAL, document.text, re.MULTILINE)):
            each = record.need("output_tokens_per_second") / record.need("requests_per_second")
            values["num_requests"] = round(float(total[1]) / each)
        yield from _throughput(record)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


FORMATS: tuple[Format, ...] = (
    JsonFormat(_LATENCY, keys=("avg_latency", "latencies", "percentiles"), read=_latency),
    TextFormat(_LATENCY, lines=(_AVERAGE,), read=_latency_text),
    JsonFormat(
        _THROUGHPUT,
        keys=("elapsed_time", "num_requests", "total_num_tokens", "requests_per_second",
              "tokens_per_second"),
        read=_throughput,
    ),
    TextFormat(_THROUGHPUT, lines=(_RATES,), read=_throughput_text),
)  # fmt: skip
