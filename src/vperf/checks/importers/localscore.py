"""LocalScore: the JSON of `localscore -o json` (cjpais/LocalScore localscore/; layout from memory).

One result a test ("pp1024+tg16"): prompt and generation apart, and TTFT in ms. Not here: the public
site's own records.
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.importers.names import weight_name
from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup

_TOOL = "LocalScore"
_MS = 1e-3


def _read(record: Record) -> Iterator[Result]:
    accelerator = record.section("accelerator_info")
    for run in record.sections("results"):
        model = _model(run) or _model(record)
        yield Result(
            tool=_TOOL,
            label=run.text("name") or run.where,
            setup=Setup(
                model=model,
                gpu=accelerator.text("name") if accelerator else None,
                engine="llama.cpp",
                quantization=weight_name(model).quantization if model else None,
                batch_size=1,
                input_len=run.known("n_prompt"),
                output_len=run.known("n_gen"),
            ),
            ttft_s=run.known("ttft_ms", _MS) or run.known("avg_ttft_ms", _MS),
            decode_tokens_per_s=run.known("gen_tps") or run.known("avg_gen_tps"),
            prefill_tokens_per_s=run.known("prompt_tps") or run.known("avg_prompt_tps"),
        )


def _model(record: Record) -> str | None:
    value = record.get("model")
    if isinstance(value, str):
        return value.strip() or None
    for key in ("model.name", "model_name", "model_info.name"):
        if isinstance(record.get(key), str):
            return record.text(key)
    return None


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("results", "results_summary", "accelerator_info"), read=_read),
)
