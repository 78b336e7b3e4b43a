"""Ollama: what `ollama run --verbose` prints, and the JSON of /api/generate and /api/chat.

Lines and keys as in ollama/ollama api/types.go (Metrics.Summary, GenerateResponse; read November
2026). Durations are nanoseconds in the JSON; a prompt that was found in the cache has no
prompt_eval_count. A model's name has its size and format after the colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.names import weight_name
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record
from vperf.checks.importers.surroundings import cards_in, options_in
from vperf.checks.result import Result, Setup

_TOOL = "ollama"
_NS = 1e-9
_USUAL = "q4_k_m"
"""Of its library, where a tag ("qwen3:8b") says no format (docs.ollama.com, December 2026)."""
_FIRST = r"total duration:[ \t]+\S"
_LINES = {
    "total duration": "total_duration", "load duration": "load_duration",
    "prompt eval count": "prompt_eval_count", "prompt eval duration": "prompt_eval_duration",
    "prompt eval rate": "prompt_rate", "eval count": "eval_count",
    "eval duration": "eval_duration", "eval rate": "eval_rate",
}  # fmt: skip
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6,
          "ns": 1e-9}  # fmt: skip
_MODEL = re.compile(
    r"^[ \t]*(?:model(?:_name)?|model name)[ \t]*[:=][ \t]*(\S+)", re.MULTILINE | re.IGNORECASE
)


def _read(record: Record) -> Iterator[Result]:
    prompt, generated = record.known("prompt_eval_count"), record.known("eval_count")
    reading = record.known("prompt_eval_duration", _NS)
    decoding = record.known("eval_duration", _NS)
    rate = record.known("eval_rate") or (generated / decoding if generated and decoding else None)
    prefill = record.known("prompt_rate") or (prompt / reading if prompt and reading else None)
    if rate is None and prefill is None:
        raise record.error("eval_duration", "is missing: the answer has no timings")
    model = record.text("model")
    notes = ["one request, timed inside Ollama; its rate counts the first token"]
    if (record.known("load_duration", _NS) or 0.0) > 1.0:
        notes.append("the model was loaded for this request")
    cards = cards_in(record.around)
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=Setup(
            model=model,
            gpu=cards[0] if len(set(cards)) == 1 else None,
            engine="llama.cpp",
            quantization=weight_name(model).quantization if model else None,
            usual_quantization=_USUAL,
            input_len=prompt,
            output_len=generated,
            batch_size=1,
        ),
        decode_tokens_per_s=rate,
        prefill_tokens_per_s=prefill,
        notes=tuple(notes),
    )


def _printed(document: Document) -> Iterator[Record]:
    found = list(blocks(_FIRST, document.plain))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, object] = {}
        for line in block.splitlines():
            name, colon, text = line.strip().partition(":")
            key = _LINES.get(name.strip().lower())
            if colon and key and key not in values:
                values[key] = _value(key, text.strip())
        named = _MODEL.findall(before)
        values["model"] = named[-1] if named else options_in(before).get("model")
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _value(key: str, text: str) -> float | str:
    try:
        if key.endswith("duration"):
            return _seconds(text) / _NS
        return float(text.split(maxsplit=1)[0].replace(",", ""))
    except (ValueError, IndexError):
        return text[:40]


def _seconds(text: str) -> float:
    """Go's way of writing a duration: "1m2.5s", "110.2ms"."""
    parts = re.findall(r"([\d.]{1,30})(h|ms|us|µs|μs|ns|m|s)", text)
    if not parts:
        raise ValueError(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("total_duration", "eval_count", "eval_duration"), read=_read),
    TextFormat(
        _TOOL, "total duration:", lines=(_FIRST, r"eval rate:[ \t]+\S"),
        records=_printed, read=_read,
    ),
)  # fmt: skip
