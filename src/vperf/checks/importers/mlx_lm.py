"""What `mlx_lm.generate`, `mlx_lm.chat` and `mlx_lm.benchmark` print.

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
from vperf.checks.importers.recognise import Format, TextFormat, blocks, matches
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup
from vperf.errors import InputError

_SPEED = r"(?:(\d+) tokens, )?(\S+) tokens-per-sec[ \t]*$"
_BATCH = r"(?:\[batch_generate\] )?"
_PROMPT = rf"{_BATCH}Prompt: {_SPEED}"
_GENERATION = rf"{_BATCH}Generation: {_SPEED}"
_CHAT = r"[ \t]*(\d+) tokens [^\w\n] ([\d.]+) tok/s [^\w\n] prompt ([\d.]+) tok/s [^\w\n] peak"
_TIMING = r"Timing with prompt_tokens=(\d+), generation_tokens=(\d+)(?:, batch_size=(\d+))?\."
_AVERAGES = r"Averages: +prompt_tps=([^,\s]+), generation_tps=([^,\s]+),"
_TRIAL = r"Trial \d+: +prompt_tps=[^,\s]+, generation_tps=([^,\s]+),"

_FIRST = "mlx-lm counts the first token in its speed and leaves its time out: taken off again"


def _generate(record: Record) -> Iterator[Result]:
    alone = record.degree("batch") == 1
    speed_after_first, notes = (
        _after_first(record) if alone else (record.need("generation_tps"), ())
    )
    yield Result(
        tool=record.text("tool") or "mlx_lm.generate",
        label=record.where,
        setup=_setup(record),
        decode_tokens_per_s=speed_after_first,
        prefill_tokens_per_s=record.known("prompt_tps"),
        notes=("one run, without a warm-up: the first one compiles kernels", *notes),
    )


def _benchmark(record: Record) -> Iterator[Result]:
    trials = record.numbers("trials")
    # Batches are timed step by step, one sequence as mlx_lm.generate does it.
    alone = record.degree("batch") == 1
    speed, notes = _after_first(record) if alone else (record.need("generation_tps"), ())
    yield Result(
        tool="mlx_lm.benchmark",
        label=record.where,
        setup=_setup(record),
        decode_tokens_per_s=speed,
        prefill_tokens_per_s=record.need("prompt_tps"),
        spread=statistics.pstdev(trials) / speed if len(trials) > 1 else None,
        notes=notes,
    )


def _setup(record: Record) -> Setup:
    notes: list[str] = []
    cards = cards_in(record.around)
    return filled(
        Setup(
            engine="mlx",
            gpu=cards[0] if len(set(cards)) == 1 else None,
            batch_size=record.degree("batch"),
            input_len=record.metric("prompt"),
            output_len=record.metric("generated"),
        ),
        setup_of(options_in(record.around), notes),
    )


def _generations(document: Document) -> Iterator[Record]:
    pattern = rf"^[ \t]*{_PROMPT}\s*^[ \t]*{_GENERATION}"
    for above, match, where in matches(pattern, document.plain):
        prompt, prompt_speed, generated, speed = match.groups()
        values: dict[str, object] = {
            "prompt": _number(prompt), "generated": _number(generated),
            "batch": None if "batch_generate" in match[0] else 1,
            "prompt_tps": _number(prompt_speed), "generation_tps": _number(speed),
        }  # fmt: skip
        yield Record(document.source, values, where, above)


def _chats(document: Document) -> Iterator[Record]:
    """The line below an answer of `mlx_lm.chat`."""
    for above, match, where in matches(rf"^{_CHAT}", document.plain):
        values: dict[str, object] = {
            "generated": _number(match[1]), "generation_tps": _number(match[2]),
            "prompt_tps": _number(match[3]), "batch": 1, "tool": "mlx_lm.chat",
        }  # fmt: skip
        yield Record(document.source, values, where, above)


def _timings(document: Document) -> Iterator[Record | InputError]:
    found = list(blocks("Timing with ", document.plain))
    for index, (before, block) in enumerate(found, 1):
        timing, averages = re.search(_TIMING, block), re.search(_AVERAGES, block)
        if timing is None or averages is None:
            yield InputError(
                "the output is cut: its last line, Averages, is missing",
                source=document.source, hint="let mlx_lm.benchmark finish, and copy all of it",
            )  # fmt: skip
            continue
        trials = (_number(text) for text in re.findall(_TRIAL, block))
        values: dict[str, object] = {
            "prompt": _number(timing[1]), "generated": _number(timing[2]),
            "batch": _number(timing[3] or "1"),
            "prompt_tps": _number(averages[1]), "generation_tps": _number(averages[2]),
            "trials": [each for each in trials if isinstance(each, float) and 0 < each < math.inf],
        }  # fmt: skip
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _after_first(record: Record) -> tuple[float, tuple[str, ...]]:
    """Tokens per second after the first token, which stream_generate counts without its time."""
    speed, tokens = record.need("generation_tps"), record.metric("generated")
    if tokens is None or tokens < 2:
        return speed, ()
    return speed * (tokens - 1) / tokens, (_FIRST,)


def _number(text: str | None) -> float | str | None:
    return number_or_text(text) if text else None


FORMATS: tuple[Format, ...] = (
    TextFormat(
        "mlx_lm.generate",
        "tokens-per-sec",
        lines=(_PROMPT, _GENERATION),
        records=_generations,
        read=_generate,
    ),
    TextFormat("mlx_lm.chat", " tok/s", lines=(_CHAT,), records=_chats, read=_generate),
    TextFormat(
        "mlx_lm.benchmark",
        "Timing with",
        lines=("Timing with prompt_tokens=",),
        records=_timings,
        read=_benchmark,
    ),
)
