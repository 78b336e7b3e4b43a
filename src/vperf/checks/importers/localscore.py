"""LocalScore: the table that it prints, and its JSON.

Layout of Mozilla-Ocho/llamafile localscore/printer.cpp and benchmark.h at commit 11fe18e (read
December 2026), and of what it sends, which has a summary, too. One result a test ("pp1024+tg16"):
prompt and generation apart. Card and model stand in the head of the table. Not here: the public
site's own records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_none
from vperf.checks.result import Result, Setup
from vperf.sources.weight_names import weight_name

_TOOL = "LocalScore"
_MS = 1e-3
_FIRST = r"\|[ \t]*test[ \t]*\|[ \t]*run number[ \t]*\|"
_TEST = re.compile(r"(?:pp(\d{1,9}))?\+?(?:tg(\d{1,9}))?")
_CARD = re.compile(r"\|[ \t]*([^|\n]+?) - [\d.]+ GiB[ \t]*\|")
_MODEL = re.compile(r"\|[ \t]*([^|\n]+?) - ([^|\n]+?)[ \t]*\|")


def _read(record: Record) -> Iterator[Result]:
    accelerator = record.section("accelerator_info")
    card = accelerator.text("name") if accelerator else None
    for run in record.sections("results"):
        yield _result(run, _model(run) or _model(record), card)


def _result(run: Record, model: str | None, card: str | None) -> Result:
    name = run.text("name") or ""
    test = _TEST.fullmatch(name)
    prompt, generated = test.groups() if test else (None, None)
    format_said = run.text("model_quant_str") or run.text("model_quant") or model
    return Result(
        tool=_TOOL,
        label=name or run.where,
        setup=Setup(
            model=model,
            gpu=card,
            engine="llama.cpp",
            quantization=_format(format_said),
            weight_bytes=run.known("model_size"),
            params=run.known("model_n_params"),
            batch_size=1,
            input_len=run.known("n_prompt") or (float(prompt) if prompt else None),
            output_len=run.known("n_gen") or (float(generated) if generated else None),
        ),
        ttft_s=run.known("ttft_ms", _MS) or run.known("avg_ttft_ms", _MS),
        decode_tokens_per_s=run.known("gen_tps") or run.known("avg_gen_tps"),
        prefill_tokens_per_s=run.known("prompt_tps") or run.known("avg_prompt_tps"),
    )


def _format(said: str | None) -> str | None:
    """ "Q4_K - Medium" as the file names it: Q4_K_M."""
    if said is None:
        return None
    short = re.sub(r" - (Small|Medium|Large)", lambda match: f"_{match[1][0]}", said)
    return weight_name(f"model-{short}").quantization


def _model(record: Record) -> str | None:
    value = record.get("model")
    if isinstance(value, str):
        return value.strip() or None
    for key in ("model.name", "model_name", "model_info.name", "model_filename"):
        if isinstance(record.get(key), str) and record.text(key):
            return record.text(key)
    return None


def _printed(document: Document) -> Iterator[Record]:
    for before, block in blocks(_FIRST, document.plain):
        card, model = _CARD.findall(before), _MODEL.findall(before)
        named = [name for name in model if not name[1].endswith("GiB")]
        header: list[str] = []
        for line in block.splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not header:
                header = cells
                continue
            if len(cells) != len(header) or not _TEST.fullmatch(cells[0]) or not cells[0]:
                continue
            row = dict(zip(header, cells, strict=True))
            run: dict[str, object] = {
                "name": row["test"], "prompt_tps": number_or_none(row.get("pp t/s", "")),
                "gen_tps": number_or_none(row.get("tg t/s", "")),
                "ttft_ms": _ms(row.get("ttft", "")),
                "model_quant_str": named[-1][1] if named else None,
            }  # fmt: skip
            values = {"card": card[-1] if card else None, "run": run,
                      "model": named[-1][0] if named else None}  # fmt: skip
            yield Record(document.source, values, row["test"], before)


def _printed_row(record: Record) -> Iterator[Result]:
    run = record.section("run")
    assert run is not None
    yield _result(run, record.text("model"), record.text("card"))


def _ms(text: str) -> float | None:
    """ "231.40 ms", "1.20 s" in milliseconds."""
    number, _, unit = text.partition(" ")
    value = number_or_none(number)
    return value * (1e3 if unit.strip() == "s" else 1.0) if value is not None else None


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("results", "runtime_info", "accelerator_info"), read=_read),
    JsonFormat(
        _TOOL,
        keys=("results", "results_summary", "accelerator_info"),
        without=("runtime_info",),
        read=_read,
    ),
    TextFormat(_TOOL, "run number", lines=(_FIRST,), records=_printed, read=_printed_row),
)
