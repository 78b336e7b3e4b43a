"""llama-batched-bench and llama-sweep-bench: their tables, and the JSON lines of the first.

Columns as in ggml-org/llama.cpp tools/batched-bench/batched-bench.cpp (commit of May 2025 and
later: "-pps" in the line above) and ikawrakow/ik_llama.cpp examples/sweep-bench/sweep-bench.cpp
(commit 1ce4bb9, read December 2026). A row of the sweep generates TG tokens, and reads
PP, after N_KV cached ones; one of batched-bench runs B sequences of PP + TG. Not here: llama-bench
(llama_bench.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_BATCHED = "llama-batched-bench"
_SWEEP = "llama-sweep-bench"
_COLUMNS = {"PP": "pp", "TG": "tg", "B": "pl", "N_KV": "n_kv", "T_PP s": "t_pp",
            "S_PP t/s": "speed_pp", "T_TG s": "t_tg", "S_TG t/s": "speed_tg"}  # fmt: skip


def _batched(record: Record) -> Iterator[Result]:
    prompt, generated = record.count("pp") or 0, record.count("tg") or 0
    batch = record.degree("pl") or 1
    shared = record.get("is_pp_shared") in (True, 1)
    notes = ["the prompt is shared by all sequences (-pps)"] if shared else []
    read_s, decoding_s = record.known("t_pp"), record.known("t_tg")
    yield Result(
        tool=_BATCHED,
        label=f"{prompt} in, {generated} out, batch {batch}",
        setup=_around(
            record,
            notes,
            Setup(engine="llama.cpp", batch_size=batch, input_len=prompt, output_len=generated),
        ),
        ttft_s=None if shared else read_s,
        tpot_s=decoding_s / generated if decoding_s and generated else None,
        decode_tokens_per_s=record.known("speed_tg"),
        prefill_tokens_per_s=None if shared else record.known("speed_pp"),
        notes=tuple(notes),
    )


def _sweep(record: Record) -> Iterator[Result]:
    prompt, generated = record.count("pp") or 0, record.count("tg") or 0
    cached = record.count("n_kv") or 0
    notes: list[str] = []
    yield Result(
        tool=_SWEEP,
        label=f"at {cached} cached tokens",
        setup=_around(
            record,
            notes,
            Setup(
                engine="llama.cpp",
                batch_size=1,
                input_len=0 if cached else prompt,
                output_len=generated,
                past_len=cached or None,
            ),
        ),
        decode_tokens_per_s=record.known("speed_tg"),
        prefill_tokens_per_s=None if cached else record.known("speed_pp"),
        notes=tuple(notes),
    )


def _around(record: Record, notes: list[str], setup: Setup) -> Setup:
    cards = cards_in(record.around)
    alike = len(set(cards)) == 1
    found = Setup(
        gpu=cards[0] if alike else None,
        gpus=len(cards) if alike else None,
        pp=len(cards) if alike and len(cards) > 1 else None,
        unlike_gpus=() if alike else tuple(cards),
    )
    return filled(filled(setup, found), setup_of(options_in(record.around), notes))


def _rows(document: Document, *, batched: bool) -> Iterator[Record]:
    header: list[str] = []
    mine, before = False, 0
    text, around, shared = document.plain, "", False
    for number, match in enumerate(re.finditer(r"[^\n]*\n?", text), 1):
        cells = [cell.strip() for cell in match[0].strip().rstrip("\\").strip("| \t").split("|")]
        if "S_PP t/s" in cells and "S_TG t/s" in cells:
            header, mine = cells, ("B" in cells) == batched
            around, before = text[before : match.start()], match.end()
            shared = "is_pp_shared = 1" in around
        elif header and len(cells) == len(header) and mine:
            try:
                values: dict[str, object] = {
                    _COLUMNS[name]: float(cell)
                    for name, cell in zip(header, cells, strict=True)
                    if name in _COLUMNS
                }
            except ValueError:
                continue  # the line of dashes, or words
            values["is_pp_shared"] = shared
            yield Record(document.source, values, f"line {number}", around)
        elif "|" not in match[0]:
            header = header if set(match[0].strip()) <= set("+-= ") else []


def _batched_rows(document: Document) -> Iterator[Record]:
    return _rows(document, batched=True)


def _sweep_rows(document: Document) -> Iterator[Record]:
    return _rows(document, batched=False)


_FIRST = r"\|?[ \t]*PP[ \t]*\|[ \t]*TG[ \t]*\|"

FORMATS: tuple[Format, ...] = (
    JsonFormat(_BATCHED, keys=("pp", "tg", "pl", "n_kv", "speed_pp", "speed_tg"), read=_batched),
    JsonFormat(
        _SWEEP, keys=("pp", "tg", "n_kv", "speed_pp", "speed_tg"), without=("pl",), read=_sweep
    ),
    TextFormat(
        _BATCHED,
        "S_PP t/s",
        lines=(rf"{_FIRST}[ \t]*B[ \t]*\|",),
        records=_batched_rows,
        read=_batched,
    ),
    TextFormat(
        _SWEEP,
        "S_PP t/s",
        lines=(rf"{_FIRST}[ \t]*N_KV[ \t]*\|",),
        records=_sweep_rows,
        read=_sweep,
    ),
)
