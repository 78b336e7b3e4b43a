"""llama.cpp's own timings: what llama-cli and llama-server print, and `timings` in its answers.

Lines as logs in the issues of ggml-org/llama.cpp have them (#9013, #12603, #23269, #25121; read
December 2026), with the prefixes of three years ("llama_print_timings:", "slot print_timing:") and
drafts; llama-cli's shorter line came in 2026. Keys of the JSON as in
tools/server/README.md. Not here: llama-bench (llama_bench.py) and the batched benches
(llama_batched.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import CONTEXT, Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "llama.cpp's timings"
_MS = 1e-3
_PREFIX = r"[^\n]{0,200}?"
_PROMPT = rf"{_PREFIX}\bprompt eval time[ \t]*="
_EVAL = rf"{_PREFIX}\beval time[ \t]*="
_TIMING = re.compile(
    r"(prompt eval|eval) time[ \t]*=[ \t]*(\S+) ms[ \t]*/[ \t]*(\d+) (?:tokens?|runs?)[ \t]*\("
    r"[^,\n]*,[ \t]*(\S+) tokens per second"
)
_DRAFTED = re.compile(
    r"draft acceptance(?: rate)?[ \t]*=[^(\n]*\([ \t]*(\d+) accepted /[ \t]*(\d+)"
)
_SO_FAR = r"[^\n]{0,200}?print_timing:[^\n]{0,80}\btg[ \t]*=[ \t]*\S+ t/s"
_TASK = re.compile(
    r"print_timing: id +(\d+) \| task (\d+) \|[ \t]*n_(?:decoded|gen)[ \t]*=[ \t]*(\d+),"
    r"[ \t]*tg[ \t]*=[ \t]*(\S+) t/s"
)
_READING = r"[^\n]{0,200}?print_timing:[^\n]{0,80}prompt processing, n_tokens"
_PROGRESS = re.compile(
    r"print_timing: id +(\d+) \| task (\d+) \|[ \t]*prompt processing, n_tokens[ \t]*=[ \t]*(\d+),"
    r"[^\n]*?t[ \t]*=[ \t]*\S+ s / (\S+) tokens per second"
)
_SHORT = re.compile(r"\[ Prompt: (\S+) t/s \| Generation: (\S+) t/s \]")
_LOADED = re.compile(
    r"(?:llama_model_loader: loaded meta data[^\n]*? from |general\.name[^\n=]*= *"
    r"|load_model: loading model ')([^\s']+)"
)
_FTYPE = re.compile(r"print_info: file type[ \t]*=[ \t]*(\S+)")


def _read(record: Record) -> Iterator[Result]:
    timings = record.section("timings") or record
    prompt, generated = timings.known("prompt_n"), timings.known("predicted_n")
    rate = timings.known("predicted_per_second")
    prefill = timings.known("prompt_per_second")
    if rate is None and prefill is None:
        raise record.error("predicted_per_second", "is missing: nothing was generated")
    cached, notes = timings.known("cache_n"), []
    warnings = []
    if timings.get("so_far") is True:
        prompt, cached = 0.0, 0.0
        notes.append("the answer had not ended; how long its prompt was is not in the log")
    if prompt is None and prefill is not None and rate is not None:
        prefill = None
        notes.append("how long the prompt was is not said: its speed is not graded")
    if cached:
        notes.append(f"{cached:,.0f} tokens of the prompt came out of the cache")
    drafted, accepted = timings.known("draft_n"), timings.known("draft_n_accepted")
    acceptance = None
    if drafted and accepted and generated and generated > accepted:
        acceptance = generated / (generated - accepted)
    if generated is not None and generated < _FEW:
        warnings.append(f"{generated:.0f} tokens were generated: too few for a steady rate")
    around = setup_of(options_in(record.around), notes)
    cards = cards_in(record.around)
    model = record.text("model") or timings.text("model")
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(
            Setup(
                model=model,
                gpu=cards[0] if len(set(cards)) == 1 else None,
                gpus=len(cards) if len(set(cards)) == 1 else None,
                unlike_gpus=tuple(cards) if len(set(cards)) > 1 else (),
                pp=len(cards) if len(set(cards)) == 1 and len(cards) > 1 else None,
                engine="llama.cpp",
                input_len=prompt,
                output_len=generated,
                past_len=cached,
                batch_size=1,
                acceptance_length=acceptance,
            ),
            around,
        ),
        decode_tokens_per_s=rate,
        prefill_tokens_per_s=None if cached else prefill,
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


_FEW = 8


def _printed(document: Document) -> Iterator[Record]:
    text = document.plain
    found = list(blocks(_PROMPT, text)) or list(blocks(_EVAL, text))
    for index, (before, block) in enumerate(found, 1):
        values: dict[str, object] = {}
        for kind, milliseconds, count, per_second in _TIMING.findall(block):
            name = "prompt" if kind == "prompt eval" else "predicted"
            if f"{name}_n" in values:
                continue
            values[f"{name}_n"] = number_or_text(count)
            values[f"{name}_ms"] = number_or_text(milliseconds)
            values[f"{name}_per_second"] = _finite(per_second)
        if drafted := _DRAFTED.search(block):
            values["draft_n_accepted"], values["draft_n"] = map(number_or_text, drafted.groups())
        if named := _LOADED.findall(before):
            values["model"] = named[-1]
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _so_far(document: Document) -> Iterator[Record]:
    """A server's lines while it generates, of answers that did not end: the last of each."""
    text = document.plain
    last = {match.group(1, 2): match for match in _TASK.finditer(text)}
    for (_, task), match in last.items():
        before = text[max(0, match.start() - CONTEXT) : match.start()]
        values: dict[str, object] = {
            "predicted_n": number_or_text(match[3]), "predicted_per_second": _finite(match[4]),
            "so_far": True,
        }  # fmt: skip
        if named := _LOADED.findall(before):
            values["model"] = named[-1]
        yield Record(document.source, values, f"task {task}" if len(last) > 1 else "", before)


def _reading(document: Document) -> Iterator[Record]:
    """A server's lines while it reads a prompt: the last of each."""
    text = document.plain
    last = {match.group(1, 2): match for match in _PROGRESS.finditer(text)}
    for (_, task), match in last.items():
        before = text[max(0, match.start() - CONTEXT) : match.start()]
        values: dict[str, object] = {
            "prompt_n": number_or_text(match[3]), "prompt_per_second": _finite(match[4]),
        }  # fmt: skip
        if named := _LOADED.findall(before):
            values["model"] = named[-1]
        yield Record(document.source, values, f"task {task}" if len(last) > 1 else "", before)


def _short(document: Document) -> Iterator[Record]:
    text = document.plain
    found = list(_SHORT.finditer(text))
    for index, match in enumerate(found, 1):
        before = text[max(0, match.start() - CONTEXT) : match.start()]
        values: dict[str, object] = {
            "prompt_per_second": _finite(match[1]),
            "predicted_per_second": _finite(match[2]),
        }
        if named := _LOADED.findall(before):
            values["model"] = named[-1]
        where = f"run {index}" if len(found) > 1 else ""
        yield Record(document.source, values, where, before)


def _finite(text: str) -> float | str | None:
    """None for "inf" and "nan", which it prints where nothing was timed."""
    return None if text.lower().strip("-+") in ("inf", "nan") else number_or_text(text)


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("timings.predicted_n", "timings.predicted_per_second"), read=_read),
    TextFormat(_TOOL, "eval time", lines=(_EVAL,), records=_printed, read=_read),
    TextFormat(
        _TOOL, "print_timing", lines=(_SO_FAR,), records=_so_far, read=_read, without=(_EVAL,)
    ),
    TextFormat(
        _TOOL,
        "prompt processing",
        lines=(_READING,),
        records=_reading,
        read=_read,
        without=(_EVAL, _SO_FAR),
    ),
    TextFormat(
        _TOOL, "[ Prompt: ", lines=(r"[^\n]*\[ Prompt: \S+ t/s \|",), records=_short, read=_read
    ),
)
