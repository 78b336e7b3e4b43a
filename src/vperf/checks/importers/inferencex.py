"""InferenceX (InferenceMAX): the aggregates of its runs, and the records of its API.

Keys as in SemiAnalysisAI/InferenceX utils/process_result.py at commit 00e51cc (read December 2026;
agg_*.json: "hw", "conc") and its benchmark records ("hardware", "metrics"; as known). "hw" is the
runner's name: the card's, then whose it is ("h200-cw_1"). Times are
seconds; rates are per GPU. Prompts and answers are between 80 and 100 % of the lengths named. Not
here: the raw result of its client, which is vLLM's (vllm_serve.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.names import quantization_named
from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup
from vperf.sources.engines import engine_id

_TOOL = "InferenceX"
_FIGURES = ("tpot_s", "output_tokens_per_s", "latency_s")
_FORMATS = {"fp4": "fp4", "fp8": "fp8", "bf16": "bf16", "int4": "int4", "nvfp4": "nvfp4",
            "mxfp4": "mxfp4"}  # fmt: skip


def _aggregate(record: Record) -> Iterator[Result]:
    yield _result(record, record)


def _api(record: Record) -> Iterator[Result]:
    metrics = record.section("metrics")
    assert metrics is not None
    yield _result(record, metrics)


def _result(record: Record, metrics: Record) -> Result:
    notes = ["lengths are 0.9 of those named: its prompts and answers are 80 to 100 % of them"]
    warnings = []
    tp = record.degree("tp") or record.degree("decode_tp")
    dp = tp if _yes(record, "dp_attention", "decode_dp_attention") else None
    gpus = tp
    if _yes(record, "disagg"):
        prefill, decode = record.degree("num_prefill_gpu"), record.degree("num_decode_gpu")
        gpus = (prefill or 0) + (decode or 0) or gpus
        warnings.append(
            "disaggregated: prefill and decode ran on separate groups of cards; graded as one"
        )
    drafts = record.get("mtp") not in (None, "", "off", "false", False)
    if drafts:
        warnings.append("it drafted with the model's MTP layers; how many it accepted is not said")
    users = record.degree("conc")
    rate = metrics.known("output_tput_per_gpu")
    input_len, output_len = record.known("isl"), record.known("osl")
    framework = (record.text("framework") or "").lower()
    precision = (record.text("precision") or record.text("precision_tag") or "").lower()
    return Result(
        tool=_TOOL,
        label=f"{record.text('framework') or 'run'} tp {tp or 1}, {users or 0} users",
        setup=Setup(
            model=record.text("model") or record.text("infmax_model_prefix"),
            gpu=_card(record.text("hw") or record.text("hardware") or record.text("device")),
            engine=engine_id(framework.removeprefix("dynamo-")),
            tp=1 if dp else tp,
            dp=dp,
            ep=record.degree("ep") or record.degree("decode_ep"),
            gpus=gpus,
            quantization=quantization_named(_FORMATS.get(precision), notes),
            input_len=input_len and 0.9 * input_len,
            output_len=output_len and 0.9 * output_len,
            max_concurrency=users,
            requests=10 * users if users else None,
        ),
        ttft_s=metrics.known("mean_ttft"),
        tpot_s=metrics.known("mean_tpot"),
        output_tokens_per_s=rate * gpus if rate and gpus else None,
        latency_s=metrics.known("mean_e2el"),
        percentiles=tuple(_percentiles(metrics)),
        notes=tuple(notes),
        warnings=tuple(warnings),
        doubtful=_FIGURES if drafts else (),
    )


def _card(runner: str | None) -> str | None:
    """The card of a runner: "b200-nvd_3" is a B200."""
    return runner and re.sub(r"[-_](?:[a-z]{2,8}(?:_\d+)?|\d{1,3})$", "", runner)


def _yes(record: Record, *keys: str) -> bool:
    return any(record.get(key) in (True, "true", "True") for key in keys)


def _percentiles(metrics: Record) -> Iterator[tuple[str, float]]:
    for name, key in (("ttft", "ttft"), ("tpot", "tpot"), ("itl", "itl"), ("latency", "e2el")):
        for rank, statistic in (("p50", "median"), ("p90", "p90"), ("p99", "p99")):
            value = metrics.known(f"{statistic}_{key}")
            if value is not None:
                yield f"{rank}_{name}_s", value


FORMATS: tuple[Format, ...] = (
    JsonFormat(
        _TOOL, keys=("tput_per_gpu", "output_tput_per_gpu", "conc", "isl", "osl"), read=_aggregate
    ),
    JsonFormat(
        _TOOL,
        keys=("metrics.tput_per_gpu", "framework", "isl", "osl"),
        without=("tput_per_gpu",),
        read=_api,
    ),
)
