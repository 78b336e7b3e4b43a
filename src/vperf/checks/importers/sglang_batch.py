"""`sglang.bench_one_batch` and `bench_one_batch_server`: their JSON lines (--result-filename).

Keys as in sgl-project/sglang python/sglang/bench_one_batch.py at commit 0094415,
python/sglang/bench_one_batch_server.py at commit 00b08c4 (early 2025, without "last_ttft") and
python/sglang/benchmark/one_batch_server.py at commit 0184a62 (read November 2026). Neither file
names model or GPU. Not here: serving under load (sglang_serving.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
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
    return "batch {}, {} in, {} out".format(*sizes)


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
)
