"""LM Studio: the JSON of its REST API (/api/v0), which has the speed of each answer.

Keys as in lmstudio.ai/docs/api/rest-api (beta, 2025): `stats` with tokens_per_second and
time_to_first_token in seconds, `usage`, and `model_info` with the format of the weights. Not here:
its OpenAI-compatible answers, which have no timings.
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.importers.names import quantization_named, weight_name
from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
from vperf.checks.importers.surroundings import cards_in
from vperf.checks.result import Result, Setup

_TOOL = "LM Studio"
_ENGINES = {"gguf": "llama.cpp", "mlx": "mlx"}


def _read(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    said = record.text("model_info.quant")
    named = weight_name(f"model-{said}").quantization if said else None
    cards = cards_in(record.around)
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=Setup(
            model=record.text("model"),
            gpu=cards[0] if len(set(cards)) == 1 else None,
            engine=_ENGINES.get((record.text("model_info.format") or "").lower(), "llama.cpp"),
            quantization=named or quantization_named(said, notes),
            batch_size=1,
            input_len=record.known("usage.prompt_tokens"),
            output_len=record.known("usage.completion_tokens"),
        ),
        ttft_s=record.known("stats.time_to_first_token"),
        decode_tokens_per_s=record.known("stats.tokens_per_second"),
        notes=(*notes, "one request, timed by LM Studio"),
    )


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL, keys=("stats.tokens_per_second", "stats.time_to_first_token", "usage"), read=_read
    ),
)
