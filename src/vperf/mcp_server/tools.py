"""The tools that agents have: each a function with the arguments and defaults of its command.

An answer is what --json prints, cut down to what fits a conversation; `detail` gives all of it. Not
here: any figure, any word of an answer, the protocol (protocol.py).
"""

# Each tool imports what it needs when it is called.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from vperf.errors import InputError
from vperf.scenario import OPTIONS

_SHOWN = 20
"""Rows of a short answer."""


def _says(text: str) -> Any:
    return Field(description=text)


Detail = Annotated[bool, _says("All of the answer instead of its short form.")]
Prices = Annotated[dict[str, float] | None, _says("US dollars per GPU-hour, by GPU.")]
Names = str | list[str]
_MODELS = Annotated[
    Names, _says("Models: Hub ids, short names of bundled ones, or paths; one or a list.")
]
_GPUS = Annotated[Names, _says('GPUs by any name, or "all", "all-nvidia", ...; one or a list.')]
_Figure = float | None


def estimate(*, detail: Detail = False, **options: Any) -> dict[str, Any]:
    """How fast a model runs on a GPU: TTFT, prefill and decode speed, memory, what bounds it.

    Of batch_size requests of input_len and output_len tokens; with max_concurrency users or
    request_rate requests/s of a served load. detail: with every matmul and attention.
    """
    from vperf import api

    found = api.estimate(**options).to_dict()
    if not detail:
        for phase in ("prefill", "decode"):
            del found[phase]["ops"]
    return found


def check(
    *,
    result_file: Annotated[str | None, _says("Path of what a benchmark tool wrote.")] = None,
    decode_tokens_per_s: Annotated[_Figure, _says("Measured: tokens decoded per second.")] = None,
    output_tokens_per_s: Annotated[
        _Figure, _says("Measured: output tokens/s of the whole run.")
    ] = None,
    prefill_tokens_per_s: Annotated[_Figure, _says("Measured: prompt tokens per second.")] = None,
    ttft_s: Annotated[_Figure, _says("Measured: seconds to the first token.")] = None,
    tpot_s: Annotated[_Figure, _says("Measured: seconds of each token after it.")] = None,
    latency_s: Annotated[_Figure, _says("Measured: seconds of a whole request.")] = None,
    detail: Detail = False,
    model: Annotated[str | None, _says("Of the measurement, where its file does not say.")] = None,
    gpu: Annotated[str | None, _says("Of the measurement, where its file does not say.")] = None,
    **options: Any,
) -> dict[str, Any]:
    """Is a measured result good? Percent of limit and expected, where the time went, what to try.

    Give result_file, the path of what vllm bench, sglang.bench_serving, llama-bench, trtllm-bench,
    genai-perf, aiperf, guidellm or mlx-lm wrote; or measured figures with model and gpu.
    """
    from vperf.checks.check import check_all
    from vperf.checks.result import TYPED, Result

    figures = {
        "decode_tokens_per_s": decode_tokens_per_s,
        "output_tokens_per_s": output_tokens_per_s,
        "prefill_tokens_per_s": prefill_tokens_per_s,
        "ttft_s": ttft_s,
        "tpot_s": tpot_s,
        "latency_s": latency_s,
    }
    given = {name: value for name, value in figures.items() if value is not None}
    if (result_file is None) == (not given):
        raise InputError("give either result_file or measured figures")
    what = result_file if result_file is not None else [Result(TYPED, "", **given)]  # type: ignore[arg-type]
    graded = check_all(what, gpu, model, **options)
    checks = [each.to_dict() for each in graded[: None if detail else _SHOWN]]
    if not detail:
        for each in checks:
            del each["result"], each["bars"], each["baseline"], each["passed"]
    return {"asked": len(graded), "checks": checks}


def compare(
    *,
    model: _MODELS,
    gpu: _GPUS,
    by: Annotated[
        Literal["decode", "ttft", "throughput", "cost", "energy", "fits"],
        _says("What is best first."),
    ] = "decode",
    top: Annotated[int | None, _says("Only the best so many.")] = None,
    prices: Prices = None,
    detail: Detail = False,
    **options: Any,
) -> dict[str, Any]:
    """Models x GPUs x quantizations x any other option in one table, the best first.

    With prices rows have the cost of a million tokens. Short: the first 20 rows, main figures.
    """
    from vperf.explore.compare import compare as run

    made = run(model, gpu, by=by, prices=prices, top=top, **options)
    return made.to_dict() if detail else _cut(made.to_dict(), "rows", map(_short_row, made.rows))


def sweep(
    *,
    model: _MODELS,
    gpu: _GPUS,
    prices: Prices = None,
    context: Annotated[list[int] | None, _says("Tokens cached at a decode step.")] = None,
    detail: Detail = False,
    **options: Any,
) -> dict[str, Any]:
    """Speeds over the options that are lists (as batch_size=[1,8,64]), and where they turn.

    Rows in the order of the options; crossovers: from which batch decode is compute-bound, ...
    """
    from vperf.explore.sweep import sweep as run

    if context is not None:
        options["context"] = context
    made = run(model, gpu, prices=prices, **options)
    return made.to_dict() if detail else _cut(made.to_dict(), "rows", map(_short_row, made.rows))


def plan(
    *,
    gpu: _GPUS,
    ttft_s: Annotated[_Figure, _says("Target: longest TTFT in seconds.")] = None,
    tpot_s: Annotated[_Figure, _says("Target: longest time per output token in seconds.")] = None,
    e2e_s: Annotated[_Figure, _says("Target: longest whole request in seconds.")] = None,
    conservative: Annotated[bool, _says("Targets hold at the slow end of the range.")] = False,
    max_gpus: Annotated[int, _says("GPUs of all replicas.")] = 8,
    by: Annotated[
        Literal["cost", "gpus", "latency", "throughput"] | None,
        _says(
            "What is best; left out: cost with prices, fewest gpus without.",
        ),
    ] = None,
    disaggregate: Annotated[bool, _says("Try separate pools for prefill and decode too.")] = False,
    prices: Prices = None,
    detail: Detail = False,
    **options: Any,
) -> dict[str, Any]:
    """The smallest or cheapest deployment that serves a load within targets of TTFT and TPOT.

    The load is request_rate or max_concurrency; without one the users of a replica are chosen.
    """
    from vperf.explore.plan import plan as run

    made = run(
        options.pop("model"), gpu, ttft=ttft_s, tpot=tpot_s, e2e=e2e_s, conservative=conservative,
        max_gpus=max_gpus, by=by, prices=prices, disaggregate=disaggregate, **options,
    )  # fmt: skip
    whole = made.to_dict()
    if detail:
        return whole
    whole["winner"] = made.winner.flat() if made.winner else None
    whole["nearest"] = made.nearest.flat() if made.nearest else None
    whole["best_per_gpu"] = [
        {"gpu": best.gpu, "lost": best.lost,
         "candidate": _main(best.candidate.flat()) if best.candidate else None}
        for best in made.best_per_gpu[:_SHOWN]
    ]  # fmt: skip
    return _cut(whole, "front", (_main(each.flat()) for each in made.front))


def fit(
    *,
    model: Annotated[Names | None, _says("One or a list; left out: all models that ship.")] = None,
    gpu: Annotated[Names | None, _says("One or a list; left out: all GPUs.")] = None,
    context: Annotated[
        int | None, _says("Tokens each user holds, prompt and answer; 8192.")
    ] = None,
    users: Annotated[int, _says("Users at a time.")] = 1,
    detail: Detail = False,
    **options: Any,
) -> dict[str, Any]:
    """Will it run? Memory by part, longest context, most users, what would make it fit."""
    from vperf.explore.fit import fit as run

    made = run(model, gpu, context=context, users=users, **options).to_dict()
    return made if detail else _cut(made, "rooms", made["rooms"])


def napkin(
    *,
    model: Annotated[str | None, _says("Hub id, bundled name or path.")] = None,
    gpu: Annotated[str | None, _says("Any name of a GPU.")] = None,
    quantization: Annotated[str | None, _says(OPTIONS["quantization"].help)] = None,
    params: Annotated[str | None, _says('Parameters instead of a model, as "4B".')] = None,
    bandwidth: Annotated[
        str | None, _says('Memory bandwidth instead of a GPU, as "1 TB/s".')
    ] = None,
    bits: Annotated[_Figure, _says("Of a weight, with params; 16.")] = None,
) -> dict[str, Any]:
    """Memory bandwidth over model size: the upper bound of decode, in one division."""
    from vperf import api

    return api.napkin(
        model, gpu, quantization=quantization, params=params, bandwidth=bandwidth, bits=bits
    ).to_dict()


def roofline(*, detail: Detail = False, **options: Any) -> dict[str, Any]:
    """Prefill and decode on the card's roofline: FLOP/byte, attained FLOP/s, what bounds them.

    detail: of every op too.
    """
    from vperf.explore.roofline import roofline as run

    found = run(**options).to_dict()
    if not detail:
        del found["ops"]
    return found


def gpus(
    *,
    name: Annotated[str, _says("A GPU by any of its names, or a part of the names to list.")] = "",
    detail: Detail = False,
) -> dict[str, Any]:
    """The GPUs that vperf knows: id, name, memory, bandwidth, peaks, power.

    detail: datasheets, measured constants and sources.
    """
    from vperf import api
    from vperf.errors import UnknownNameError
    from vperf.report.gpus import list_to_dict
    from vperf.sources.gpus import load_gpu

    found = api.gpus(name)
    if name.strip():
        try:
            found = (load_gpu(name),)
        except UnknownNameError:
            if not found:
                raise
    if detail:
        return list_to_dict(found)
    rows = [
        {
            "id": gpu.id, "name": gpu.name, "memory_bytes": gpu.memory_bytes,
            "memory_bandwidth": gpu.memory_bandwidth, "tdp_w": gpu.tdp_w,
            **{f"{pipe}_flop_per_s": gpu.peak_flop_per_s.get(pipe) for pipe in ("bf16", "fp8")},
        }
        for gpu in found
    ]  # fmt: skip
    return {"schema": "vperf/gpus/1", "gpus": rows}


def models(
    *,
    name: Annotated[
        str, _says("A model to describe (any that estimate takes), or a part of ids.")
    ] = "",
    detail: Detail = False,
) -> dict[str, Any]:
    """The models that need no network, or one: parameters, kinds of layers, number formats."""
    from vperf import api
    from vperf.errors import UnknownNameError
    from vperf.report import models as report

    listed = api.models(name)
    if name.strip():
        try:
            facts, parts = api.describe(name)
        except UnknownNameError:
            if not listed:
                raise
        else:
            return report.to_dict(facts, parts, None)
    whole = report.list_to_dict(listed)
    if not detail:
        kept = ("id", "model_type", "parameters") if name.strip() else ("id",)
        whole["models"] = [{key: row[key] for key in kept} for row in whole["models"]]
    return whole


def engines(
    *,
    name: Annotated[str, _says("An engine to describe, perhaps as it was: vllm@0.10.")] = "",
) -> dict[str, Any]:
    """The engines that vperf knows, or one: host times, scheduler, memory share, sources."""
    from vperf import api
    from vperf.report import engines as report
    from vperf.sources.engines import load_engine

    if name.strip():
        return dict(report.report_of(load_engine(name)).data())
    rows = list(report.report(api.engines()).rows())
    return {"schema": "vperf/engines/1", "engines": [_without(row, "source") for row in rows]}


def workloads(*, name: Annotated[str, _says("A workload to describe.")] = "") -> dict[str, Any]:
    """The lengths of requests that have a name, or one: tokens in and out, cached share, source."""
    from vperf import api
    from vperf.report import workloads as report
    from vperf.sources.workloads import load_workload

    if name.strip():
        return dict(report.report_of(load_workload(name)).data())
    rows = list(report.report(api.workloads()).rows())
    return {"schema": "vperf/workloads/1", "workloads": [_without(row, "source") for row in rows]}


def _without(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}


Tool = Callable[..., dict[str, Any]]
TOOLS: tuple[Tool, ...] = (
    estimate, check, compare, sweep, plan, fit, napkin, roofline, gpus, models, engines, workloads
)  # fmt: skip


# Short answers -------------------------------------------------------------------------------

_MAIN = ("gpu", "gpus", "replicas", "quantization", "weights", "engine", "tp", "pp", "ep", "dp",
         "pcp", "dcp", "users", "ttft_s", "tpot_s", "e2e_s", "output_tokens_per_s", "usd_per_hour",
         "winner")  # fmt: skip
_MAIN_SPEEDS = ("ttft_s", "tpot_s", "decode_tokens_per_s")


def _main(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in _MAIN if row.get(key) is not None}


def _short_row(row: Any) -> dict[str, Any]:
    """What a row chose, whether it fits and its main figures."""
    whole = row.to_dict()
    kept = [*row.chosen, "model", "gpu", "problem", "fits", "gpus", "memory_bytes", "cost"]
    short = {key: whole[key] for key in kept if whole.get(key) is not None}
    for kind in ("limit", "expected"):
        if whole[kind]:
            short[kind] = {key: whole[kind][key] for key in _MAIN_SPEEDS}
    return short


def _cut(answer: dict[str, Any], key: str, rows: Iterable[Any]) -> dict[str, Any]:
    """The answer with the first rows; says how many it leaves out."""
    kept = list(rows)
    left = len(kept) - _SHOWN
    more = {"left_out": f"{left} more; detail=true gives all"} if left > 0 else {}
    return {**answer, key: kept[:_SHOWN], **more}
