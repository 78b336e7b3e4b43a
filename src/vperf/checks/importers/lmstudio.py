"""LM Studio: the JSON of its REST API (/api/v0), the line below an answer, and `lms --stats`.

Keys as in lmstudio.ai/docs/api/rest-api (beta, 2025): `stats` with tokens_per_second and
time_to_first_token in seconds, `usage`, and `model_info` with the format of the weights. The line
is "61.2 tok/sec • 512 tokens • 0.32s to first token". Not here: its OpenAI-compatible answers,
which have no timings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, matches
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.importers.surroundings import cards_in
from vperf.checks.result import Result, Setup
from vperf.sources.weight_names import quantization_named, weight_name

_TOOL = "LM Studio"
_USUAL = "q4_k_m"
"""What its search offers first of a model (lmstudio.ai/docs, December 2026: from memory)."""
_ENGINES = {"gguf": "llama.cpp", "mlx": "mlx"}


def _read(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    said = record.text("model_info.quant")
    named = weight_name(f"model-{said}").quantization if said else None
    cards = cards_in(record.around)
    prompt = record.known("usage.prompt_tokens")
    if prompt is None:
        notes.append("how long the prompt was is not said: its first token is not graded")
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=Setup(
            model=record.text("model"),
            gpu=cards[0] if len(set(cards)) == 1 else None,
            engine=_ENGINES.get((record.text("model_info.format") or "").lower(), "llama.cpp"),
            quantization=named or quantization_named(said, notes),
            usual_quantization=None if said else _USUAL,
            batch_size=1,
            input_len=prompt,
            output_len=record.known("usage.completion_tokens"),
        ),
        ttft_s=record.known("stats.time_to_first_token") if prompt else None,
        decode_tokens_per_s=record.known("stats.tokens_per_second"),
        notes=(*notes, "one request, timed by LM Studio"),
    )


_LINE = re.compile(
    r"(\d[\d.,]{0,15}) tok/s(?:ec)?\b\W{1,9}(\d[\d,]{0,15}) tokens\b\W{1,9}"
    r"(\d[\d.,]{0,15}) ?s to first token"
)
_STATS = re.compile(
    r"Tokens/Second:[ \t]*([\d.,]{1,16})\s+Time to First Token:[ \t]*([\d.,]{1,16}) ?s\s+"
    r"Prompt Tokens:[ \t]*([\d,]+)\s+Predicted Tokens:[ \t]*([\d,]+)"
)


def _printed(document: Document) -> Iterator[Record]:
    text = document.plain
    for above, match, where in (*matches(_LINE, text), *matches(_STATS, text)):
        figures: list[float | str | None] = [number_or_text(each) for each in match.groups()]
        if match.re is _STATS:
            rate, first, prompt, written = figures
        else:
            rate, written, first = figures
            prompt = None
        values = {
            "stats": {"tokens_per_second": rate, "time_to_first_token": first},
            "usage": {"prompt_tokens": prompt, "completion_tokens": written},
        }
        yield Record(document.source, values, where, above)


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL, keys=("stats.tokens_per_second", "stats.time_to_first_token", "usage"), read=_read
    ),
    TextFormat(
        _TOOL,
        "to first token",
        lines=(rf"[^\n]{{0,200}}?{_LINE.pattern}",),
        records=_printed,
        read=_read,
    ),
    TextFormat(_TOOL, "Tokens/Second", lines=(_STATS.pattern,), records=_printed, read=_read),
)
