"""`sglang.bench_one_batch` and `bench_one_batch_server`: their JSON lines, and what they print.

Keys as in sgl-project/sglang python/sglang/bench_one_batch.py at commit 0094415,
python/sglang/bench_one_batch_server.py at commit 00b08c4 (early 2025, without "last_ttft") and
python/sglang/benchmark/one_batch_server.py at commit 0184a62 (read November 2026). Neither file
names model or GPU. Not here: serving under load (sglang_serving.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.surroundings import (
    cards_in,
    filled,
    lengths_in,
    options_in,
    setup_of,
)
from vperf.checks.result import Result, Setup


def _setup(record: Record, **more: float | None) -> Setup:
    return Setup(
        engine="sglang",
        batch_size=record.degree("batch_size"),
        input_len=record.metric("input_len"),
        output_len=record.metric("output_len"),
        **more,  # type: ignore[arg-type]
    )


def _one_batch(record: Record) -> Iterator[Result]:
    tpot = record.metric("median_decode_latency")
    notes = ["host and GPU wait for each other after every step, as servers do not"]
    if tpot is not None:
        notes.append("TPOT is the median of the decode steps")
    yield Result(
        tool="sglang.bench_one_batch",
        label=_label(record),
        setup=_setup(record),
        ttft_s=record.need("prefill_latency"),
        tpot_s=tpot,
        decode_tokens_per_s=record.metric("median_decode_throughput"),
        prefill_tokens_per_s=record.metric("prefill_throughput"),
        latency_s=record.need("total_latency"),
        notes=tuple(notes),
    )


def _server(record: Record) -> Iterator[Result]:
    latency, ttft = record.need("latency"), record.metric("last_ttft")
    size, length = record.degree("batch_size"), record.metric("output_len")
    early = record.count("num_early_stopped")
    tpot = None
    notes = []
    if ttft is not None:
        notes.append("TTFT is of the last request of the batch")
        if early:
            notes.append(f"{early} requests stopped early: no TPOT")
        elif length and length > 1 and latency > ttft:
            tpot = (latency - ttft) / (length - 1)
            notes.append("TPOT is the time after the last first token, over the tokens after it")
    yield Result(
        tool="sglang.bench_one_batch_server",
        label=_label(record),
        setup=_setup(
            record,
            acceptance_length=record.known("acc_length"),
            prefix_cache_hit=record.number("cache_hit_rate"),
        ),
        ttft_s=ttft,
        tpot_s=tpot,
        decode_tokens_per_s=size / tpot if size and tpot else None,
        # Before "last_ttft" came, output_throughput was over the whole latency.
        output_tokens_per_s=record.metric("output_throughput") if ttft is None else None,
        prefill_tokens_per_s=record.metric("input_throughput"),
        latency_s=latency,
        notes=tuple(notes),
    )


def _label(record: Record) -> str:
    """The batch, which tells the lines of a sweep apart."""
    sizes = [record.count(key) for key in ("batch_size", "input_len", "output_len")]
    return "" if None in sizes else "batch {}, {} in, {} out".format(*sizes)


# What they print ------------------------------------------------------------------------------

_PREFILL = r"Prefill\.[ \t]+latency:[ \t]+(\S+) s,[ \t]+throughput:[ \t]+(\S+) token/s"
_DECODE = re.compile(
    r"Decode\.[ \t]+median latency:[ \t]+(\S+) s,[ \t]+median throughput:[ \t]+(\S+) token/s"
)
_TOTAL = re.compile(r"Total\.[ \t]+latency:[ \t]+(\S+) s(?:,[ \t]+throughput:[ \t]+(\S+) token/s)?")
_CASE = r"batch size:[ \t]+\d+[ \t]*\n[ \t]*input_len:"
_KEYS = {
    "batch size": "batch_size", "input_len": "input_len", "output_len": "output_len",
    "latency": "latency", "input throughput": "input_throughput",
    "output throughput": "output_throughput", "last_ttft": "last_ttft", "acc_length": "acc_length",
}  # fmt: skip


def _printed(document: Document) -> Iterator[Record]:
    """Of each batch the block with its median; a warm-up before it prints one, too."""
    found = [each for each in blocks(_PREFILL, document.plain) if _TOTAL.search(each[1])]
    for index, (before, block) in enumerate(found, 1):
        prefill, decode = re.search(_PREFILL, block), _DECODE.search(block)
        total = _TOTAL.search(block)
        assert prefill is not None
        assert total is not None
        values: dict[str, object] = {
            "prefill_latency": number_or_none(prefill[1]),
            "prefill_throughput": number_or_none(prefill[2]),
            "total_latency": number_or_none(total[1]),
            "total_throughput": number_or_none(total[2] or ""),
        }
        if decode:
            values["median_decode_latency"] = number_or_none(decode[1])
            values["median_decode_throughput"] = number_or_none(decode[2])
        where = f"batch {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _printed_batch(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    (result,) = _one_batch(record)
    latency, rate = result.tpot_s, result.decode_tokens_per_s
    at_once = latency * rate if latency and rate else 0.0
    batch = round(at_once) if 0.9 <= at_once < 1e6 else None
    options = options_in(record.around)
    input_len, output_len = lengths_in(options)
    if input_len is None and batch and result.ttft_s and result.prefill_tokens_per_s:
        input_len = float(round(result.ttft_s * result.prefill_tokens_per_s / batch))
    if output_len is None and input_len and batch and (all_ := record.known("total_throughput")):
        tokens = all_ * (result.latency_s or 0.0) / batch  # of prompt and answer
        output_len = max(2.0, float(round(tokens - input_len)))
    cards = cards_in(record.around)
    yield replace(
        result,
        label=record.where,
        setup=filled(
            replace(
                result.setup,
                batch_size=batch,
                input_len=input_len,
                output_len=output_len,
                gpu=cards[0] if len(set(cards)) == 1 else None,
            ),
            setup_of(options, notes),
        ),
        notes=(*result.notes, *notes),
    )


def _cases(document: Document) -> Iterator[Record]:
    for before, block in blocks(_CASE, document.plain):
        values: dict[str, object] = {}
        for line in block.splitlines():
            name, colon, text = line.strip().partition(":")
            if colon and (key := _KEYS.get(name.strip())) and text.strip():
                values.setdefault(key, number_or_none(text.split()[0]))
        yield Record(document.source, values, "", before)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        "sglang.bench_one_batch",
        keys=("batch_size", "input_len", "output_len", "prefill_latency", "total_latency"),
        read=_one_batch,
    ),
    JsonFormat(
        "sglang.bench_one_batch_server",
        keys=("batch_size", "input_len", "output_len", "latency", "overall_throughput"),
        read=_server,
    ),
    TextFormat(
        "sglang.bench_one_batch",
        "Prefill.",
        lines=(_PREFILL,),
        records=_printed,
        read=_printed_batch,
    ),
    TextFormat(
        "sglang.bench_one_batch_server",
        "input_len:",
        lines=(_CASE,),
        records=_cases,
        read=_server,
    ),
)
