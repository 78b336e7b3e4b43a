"""InferenceX (InferenceMAX): the aggregates of its runs, and the records of its API.

Keys as in SemiAnalysisAI/InferenceX utils/process_result.py at commit 00e51cc and of August 2026
(read December 2026; agg_*.json: "hw", "conc") and its benchmark records ("hardware", "metrics"; as
known). "hw" is the runner's name: the card's, then whose it is ("h200-cw_1"). Times are seconds;
rates are per GPU, of separate groups of cards per GPU of the group. Prompts and answers are between
80 and 100 % of the lengths named. Not here: the raw result of its client, which is vLLM's
(vllm_serve.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.recognise import Format, JsonFormat
from vperf.checks.importers.record import Record
from vperf.checks.result import Result, Setup
from vperf.sources.engines import engine_id
from vperf.sources.weight_names import quantization_named

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
    pp = record.degree("pp") or record.degree("decode_pp")
    gpus = tp and tp * (pp or 1) * (record.degree("pcp_size") or 1)
    counted = gpus
    if _yes(record, "disagg", "is_multinode"):
        prefill = record.degree("num_prefill_gpu") or 0
        decode = record.degree("num_decode_gpu") or 0
        gpus = prefill + decode or gpus
        counted = decode if decode and _of_decoding(metrics, prefill, decode) else gpus
        warnings.append(
            "disaggregated: prefill and decode ran on separate groups of cards; graded as one"
        )
    drafts = any(record.get(key) not in _NO_DRAFTS for key in ("mtp", "spec_decoding"))
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
            pp=pp,
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
        output_tokens_per_s=rate * counted if rate and counted else None,
        latency_s=metrics.known("mean_e2el"),
        percentiles=tuple(_percentiles(metrics)),
        notes=tuple(notes),
        warnings=tuple(warnings),
        doubtful=_FIGURES if drafts else (),
    )


_NO_DRAFTS = (None, "", "off", "none", "false", False)


def _of_decoding(metrics: Record, prefill: int, decode: int) -> bool:
    """Whether rates are per card of their own group, as since 2026: their sum is the total's."""
    each, read, written = (
        metrics.known(f"{name}tput_per_gpu") for name in ("", "input_", "output_")
    )
    if each is None or read is None or written is None:
        return False
    return abs(read * prefill + written * decode - each * (prefill + decode)) < 0.01 * each


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
