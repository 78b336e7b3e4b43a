"""Ollama: what `ollama run --verbose` prints, and the JSON of /api/generate and /api/chat.

Lines and keys as in ollama/ollama api/types.go (Metrics.Summary, GenerateResponse; read November
2026). Durations are nanoseconds in the JSON; a prompt that was found in the cache has no
prompt_eval_count. A model's name has its size and format after the colon. KTransformers prints the
same lines without the total, and its rates with all digits (kvcache-ai/ktransformers
archive/ktransformers/util/utils.py, read December 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, matches
from vperf.checks.importers.record import Record, number_or_none, number_or_text
from vperf.checks.importers.surroundings import cards_in, options_in
from vperf.checks.result import Result, Setup
from vperf.sources.weight_names import weight_name

_TOOL = "ollama"
_NS = 1e-9
_USUAL = "q4_k_m"
"""Of its library, where a tag ("qwen3:8b") says no format (docs.ollama.com, December 2026)."""
_LINES = {
    "total duration": "total_duration", "load duration": "load_duration",
    "prompt eval count": "prompt_eval_count", "prompt eval duration": "prompt_eval_duration",
    "prompt eval rate": "prompt_rate", "eval count": "eval_count",
    "eval duration": "eval_duration", "eval rate": "eval_rate",
}  # fmt: skip
_LINE = re.compile(
    rf"^[ \t|]*({'|'.join(sorted(_LINES, key=len, reverse=True))})[ \t]*[:|][ \t]*([^|\n]+)",
    re.MULTILINE | re.IGNORECASE,
)
_RATE = r"[|\t ]*(?:prompt )?eval rate[ \t]*[:|][ \t]*\d[\d.,]* *tok(?:en)?s/s"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6,
          "ns": 1e-9}  # fmt: skip
_LOADED = re.compile(
    r"^(\S+:\S+)[ \t]+[0-9a-f]{12}[ \t]+[\d.]+ [GM]B[ \t]+(?:(\d+)%/\d+% CPU/GPU|100% GPU)",
    re.MULTILINE,
)
"""A line of `ollama ps`."""
_MODEL = re.compile(
    r"^[ \t]*(?:model(?:_name)?|model name)[ \t]*[:=][ \t]*(\S+)", re.MULTILINE | re.IGNORECASE
)


def _read(record: Record) -> Iterator[Result]:
    if record.get("total_duration") is None and _is_long(record.get("eval_rate")):
        options = options_in(record.around)
        model = options.get("gguf_path") or options.get("model_path") or record.text("model")
        named = Record(
            record.source, {**record.values, "model": model}, record.where, record.around
        )
        (answer,) = _answer(named)
        setup = replace(answer.setup, engine="ktransformers", usual_quantization=None)
        yield replace(answer, tool="KTransformers", setup=setup, notes=())
        return
    yield from _answer(record)


_MAX_RATE = 1e9


def _is_long(rate: object) -> bool:
    """Whether a rate is printed as Python has it; Ollama prints two digits."""
    if not isinstance(rate, float) or not 0 < rate < _MAX_RATE:
        return False
    return abs(rate * 100 - round(rate * 100)) > 1e-6


def _answer(record: Record) -> Iterator[Result]:
    prompt, generated = record.known("prompt_eval_count"), record.known("eval_count")
    reading = record.known("prompt_eval_duration", _NS)
    decoding = record.known("eval_duration", _NS)
    rate = record.known("eval_rate") or (generated / decoding if generated and decoding else None)
    prefill = record.known("prompt_rate") or (prompt / reading if prompt and reading else None)
    if rate is None and prefill is None:
        raise record.error("eval_duration", "is missing: the answer has no timings")
    model, host = record.text("model"), record.known("on_host")
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
        warnings=(f"{host:.0f}% of it lay on the host (ollama ps)",) if host else (),
    )


def _printed(document: Document) -> Iterator[Record]:
    """A run ends where one of its lines comes a second time."""
    text = document.plain
    runs: list[tuple[str, dict[str, object]]] = []
    for above, match, _ in matches(_LINE, text):
        key = _LINES[match[1].lower()]
        if not runs or key in runs[-1][1]:
            runs.append((above, {}))
        runs[-1][1][key] = _value(key, match[2].strip())
    for index, (before, values) in enumerate(runs, 1):
        named = _MODEL.findall(before)
        values["model"] = named[-1] if named else options_in(before).get("model")
        if loaded := list(_LOADED.finditer(before)):
            values["model"] = values["model"] or loaded[-1][1]
            values["on_host"] = number_or_none(loaded[-1][2] or "")
        where = f"run {index}" if len(runs) > 1 else ""
        yield Record(document.source, values, where, before)


def _value(key: str, text: str) -> float | str:
    try:
        if key.endswith("duration"):
            return _seconds(text) / _NS
        return number_or_text(text.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return text[:40]


def _seconds(text: str) -> float:
    """Go's way of writing a duration: "1m2.5s", "110.2ms"."""
    parts = re.findall(r"([\d.,]{1,30})(h|ms|us|µs|μs|ns|m|s)", text)
    if not parts:
        raise ValueError(text)
    return sum((number_or_none(number) or 0.0) * _UNITS[unit] for number, unit in parts)


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("total_duration", "eval_count", "eval_duration"), read=_read),
    TextFormat(
        _TOOL, "eval rate", lines=(_RATE,), records=_printed, read=_read,
    ),
)  # fmt: skip
