"""What `mlx_lm.generate` and `mlx_lm.benchmark` print.

Lines as in ml-explore/mlx-lm mlx_lm/benchmark.py at commit 1e13597 and generate() in
mlx_lm/generate.py at commit 0024613 (read November 2026); before 2025 generate printed no counts
of tokens. Neither names model or machine. Not here: mlx_lm.server.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup
from vperf.errors import InputError

_SPEED = r"(?:(\d+) tokens, )?(\S+) tokens-per-sec[ \t]*$"
_PROMPT = rf"Prompt: {_SPEED}"
_GENERATION = rf"Generation: {_SPEED}"
_TIMING = r"Timing with prompt_tokens=(\d+), generation_tokens=(\d+), batch_size=(\d+)\."
_AVERAGES = r"Averages: +prompt_tps=([^,\s]+), generation_tps=([^,\s]+),"
_TRIAL = r"Trial \d+: +prompt_tps=[^,\s]+, generation_tps=([^,\s]+),"

_FIRST = "mlx-lm counts the first token in its speed and leaves its time out: taken off again"


def _generate(document: Document) -> Iterator[Result]:
    pairs = re.findall(rf"^{_PROMPT}\s*^{_GENERATION}", document.text, re.MULTILINE)
    for index, (prompt, prompt_speed, generated, speed) in enumerate(pairs, 1):
        record = _record(
            document, index, len(pairs),
            prompt=prompt, generated=generated, prompt_tps=prompt_speed, generation_tps=speed,
        )  # fmt: skip
        speed_after_first, notes = _after_first(record)
        yield Result(
            tool="mlx_lm.generate",
            label=record.where,
            setup=Setup(
                engine="mlx",
                batch_size=1,
                input_len=record.metric("prompt"),
                output_len=record.metric("generated"),
            ),
            decode_tokens_per_s=speed_after_first,
            prefill_tokens_per_s=record.need("prompt_tps"),
            notes=("one run, without a warm-up: the first one compiles kernels", *notes),
        )


def _benchmark(document: Document) -> Iterator[Result]:
    blocks = re.split(r"^(?=[ \t]*Timing with )", document.text, flags=re.MULTILINE)[1:]
    for index, block in enumerate(blocks, 1):
        timing, averages = re.search(_TIMING, block), re.search(_AVERAGES, block)
        if timing is None or averages is None:
            raise InputError(
                "the output is cut: its last line, Averages, is missing",
                source=document.source, hint="let mlx_lm.benchmark finish, and copy all of it",
            )  # fmt: skip
        record = _record(
            document, index, len(blocks),
            prompt=timing[1], generated=timing[2], batch=timing[3],
            prompt_tps=averages[1], generation_tps=averages[2],
        )  # fmt: skip
        found = (_number(text) for text in re.findall(_TRIAL, block))
        trials = [trial for trial in found if isinstance(trial, float) and math.isfinite(trial)]
        # Batches are timed step by step, one sequence as mlx_lm.generate does it.
        alone = record.degree("batch") == 1
        speed, notes = _after_first(record) if alone else (record.need("generation_tps"), ())
        yield Result(
            tool="mlx_lm.benchmark",
            label=record.where,
            setup=Setup(
                engine="mlx",
                batch_size=record.degree("batch"),
                input_len=record.metric("prompt"),
                output_len=record.metric("generated"),
            ),
            decode_tokens_per_s=speed,
            prefill_tokens_per_s=record.need("prompt_tps"),
            spread=statistics.pstdev(trials) / speed if len(trials) > 1 else None,
            notes=notes,
        )


def _after_first(record: Record) -> tuple[float, tuple[str, ...]]:
    """Tokens per second after the first token, which stream_generate counts without its time."""
    speed, tokens = record.need("generation_tps"), record.metric("generated")
    if tokens is None or tokens < 2:
        return speed, ()
    return speed * (tokens - 1) / tokens, (_FIRST,)


def _record(document: Document, index: int, of: int, **texts: str) -> Record:
    values = {name: _number(text) for name, text in texts.items()}
    return Record(document.source, values, f"run {index}" if of > 1 else "")


def _number(text: str) -> float | str | None:
    try:
        return float(text)
    except ValueError:
        return text or None


FORMATS: tuple[Format, ...] = (
    TextFormat("mlx_lm.generate", lines=(_PROMPT, _GENERATION), read=_generate),
    TextFormat("mlx_lm.benchmark", lines=("Timing with prompt_tokens=",), read=_benchmark),
)
