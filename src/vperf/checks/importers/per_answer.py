"""Servers at home that log a line for each answer: KoboldCpp, TabbyAPI, text-generation-webui.

Lines as LostRuins/koboldcpp gpttype_adapter.cpp and koboldcpp.py (its --benchmark, printed and as
CSV) and theroyallab/tabbyAPI common/gen_logging.py have them (read December 2026), with the
prefixes of KoboldCpp's earlier versions; text-generation-webui's as its issues have it. The rate of
the last is over the whole answer. Not here: LM Studio (lmstudio.py), Ollama (ollama.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, matches
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_KOBOLD, _TABBY, _WEBUI = "KoboldCpp", "TabbyAPI", "text-generation-webui"
_N, _D = r"([\d.]{1,20})", r"\d{1,9}"
_PHASE = rf"[ ]?{_N}s \((?:{_N}ms/T)?(?: = )?(?:{_N}T/s)?\)"
_LINES = {
    _KOBOLD: re.compile(
        rf"(?:C(?:on)?te?xt?Limit:[ ]?(?P<context>{_D})/{_D}, )?(?:Amt:(?P<amount>{_D})/{_D}, )?"
        rf"(?:Init:[\d.]+s, )?Process(?:ing)?:{_PHASE}, Generat(?:e|ion):{_PHASE}"
    ),
    _TABBY: re.compile(
        rf"(?P<amount>{_D}) tokens generated in {_N} seconds \((?:Queue: [\d.]+ s, )?"
        rf"Process: (?P<cached>{_D}) cached tokens and (?P<new>{_D}) new tokens at {_N} T/s, "
        rf"Generate: {_N} T/s"
    ),
    _WEBUI: re.compile(
        rf"Output generated in {_N} seconds \({_N} tokens/s, (?P<amount>{_D}) tokens, "
        rf"context (?P<context>{_D})"
    ),
}
_WORDS = {_KOBOLD: "T/s)", _TABBY: "tokens generated in", _WEBUI: "Output generated in"}


def _values(tool: str, match: re.Match[str]) -> dict[str, object]:
    groups = match.groupdict()
    values: dict[str, object] = {
        name: float(groups[name]) for name in ("context", "amount", "cached", "new")
        if groups.get(name)
    }  # fmt: skip
    if tool == _KOBOLD:
        phases = match.groups()[2:]
        for name, (_, each_ms, rate) in zip(
            ("prefill", "decode"), (phases[:3], phases[3:]), strict=True
        ):
            speed = number_or_none(rate or "")
            each = number_or_none(each_ms or "")
            values[name] = speed or (1e3 / each if each else None)
    elif tool == _TABBY:
        values["latency"], values["prefill"], values["decode"] = (
            number_or_none(match[index]) for index in (2, 5, 6)
        )
    else:
        values["latency"], values["output"] = (number_or_none(match[index]) for index in (1, 2))
    return values


def _read(record: Record) -> Iterator[Result]:
    tool = record.text("tool") or _KOBOLD
    amount, context = record.known("amount"), record.known("context")
    cached = record.known("cached")
    prompt = record.known("new")
    if prompt is None and context is not None:
        # KoboldCpp's limit counts what was generated, too.
        prompt = context - (amount or 0.0) if tool == _KOBOLD else context
    notes: list[str] = []
    if cached:
        notes.append(f"{cached:,.0f} tokens of the prompt came out of the cache")
    cards = cards_in(record.around)
    yield Result(
        tool=tool,
        label=record.where,
        setup=filled(
            Setup(
                model=record.text("model"),
                gpu=cards[0] if len(set(cards)) == 1 else None,
                engine="llama.cpp" if tool == _KOBOLD else None,
                batch_size=1,
                input_len=prompt if prompt and prompt > 0 else None,
                output_len=amount,
                past_len=cached,
            ),
            setup_of(options_in(record.around), notes),
        ),
        decode_tokens_per_s=record.known("decode"),
        prefill_tokens_per_s=None if cached else record.known("prefill"),
        output_tokens_per_s=record.known("output"),
        latency_s=record.known("latency"),
        notes=tuple(notes),
    )


def _records(tool: str, document: Document) -> Iterator[Record]:
    for above, match, where in matches(_LINES[tool], document.plain):
        values = {**_values(tool, match), "tool": tool}
        yield Record(document.source, values, where, above)


# KoboldCpp's --benchmark ----------------------------------------------------------------------

_BENCHMARK = r"Benchmark Completed - v"
_FIELDS = ("Model", "MaxCtx", "GenAmount", "ProcessingSpeed", "GenerationSpeed")


def _benchmark(record: Record) -> Iterator[Result]:
    generated, context = record.known("GenAmount"), record.known("MaxCtx")
    prompt = context - generated if context and generated else 0.0
    yield Result(
        tool=_KOBOLD,
        label=record.where,
        setup=Setup(
            model=record.text("Model"),
            engine="llama.cpp",
            batch_size=1,
            input_len=prompt if prompt > 0 else None,
            output_len=generated,
        ),
        decode_tokens_per_s=record.known("GenerationSpeed"),
        prefill_tokens_per_s=record.known("ProcessingSpeed"),
    )


def _benchmarks(document: Document) -> Iterator[Record]:
    for _, match in enumerate(re.finditer(rf"^[ \t]*{_BENCHMARK}", document.plain, re.MULTILINE)):
        block = document.plain[match.start() : match.start() + 4_000]
        values: dict[str, object] = {}
        for name in _FIELDS:
            if said := re.search(
                rf"^[ \t]*{name}:[ \t]*(\S.*?)(?:T/s)?[ \t]*$", block, re.MULTILINE
            ):
                values[name] = said[1] if name == "Model" else number_or_none(said[1])
        yield Record(document.source, values)


def _format(tool: str) -> TextFormat:
    return TextFormat(
        tool,
        _WORDS[tool],
        lines=(rf"[^\n]{{0,200}}?{_LINES[tool].pattern}",),
        records=lambda document: _records(tool, document),
        read=_read,
    )


FORMATS: tuple[Format, ...] = (
    *(_format(tool) for tool in _LINES),
    TextFormat(
        _KOBOLD, "Benchmark Completed", lines=(_BENCHMARK,), records=_benchmarks, read=_benchmark
    ),
    JsonFormat(_KOBOLD, keys=("MaxCtx", "GenAmount", "ProcessingSpeed"), read=_benchmark),
)
