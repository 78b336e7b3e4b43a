"""vperf for agents: its answers as tools of the Model Context Protocol, over standard input/output.

Needs the official MCP SDK (`pip install 'vperf[mcp]'`). A tool has the arguments and defaults of
the command of its name. Its answer is what --json prints, cut down to what fits a conversation;
`detail` gives all of it. Not here: any figure, and any word of an answer.
"""

# Each tool imports what it needs when it is called.
# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from vperf.errors import InputError, VperfError, install
from vperf.scenario import ACCEPTED, ELSEWHERE, MEDIA, OPTIONS
from vperf.spelling import spelled
from vperf.version import __version__

INSTRUCTIONS = """\
vperf predicts how fast an LLM runs on a GPU, without a GPU. Figures come twice: `limit`, what
the datasheet allows and no correct measurement beats, and `expected`, what a well-tuned
engine reaches, with the range of most measurements. Units are SI: seconds, bytes, FLOP, tokens.
Say the assumptions and warnings of an answer with its figures. Answers are short; detail=true
gives all of one."""

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


def serve() -> None:
    """Answer on standard input and output until the client leaves."""
    server().run("stdio")


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
    from vperf.checks.result import Result

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
    what = result_file if result_file is not None else [Result("command line", "", **given)]  # type: ignore[arg-type]
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


# Tools of the protocol -----------------------------------------------------------------------

_ONE_OF_PLAN = (
    "quantization", "kv_cache_dtype", "engine", "tp", "pp", "ep", "dp", "pcp", "dcp"
)  # fmt: skip
_OF_FIT = ("model", *_ONE_OF_PLAN)
_REPEATS = tuple(name for name, option in OPTIONS.items() if option.repeats)
_LISTS: Mapping[str, tuple[str, ...]] = {
    "compare": _REPEATS, "sweep": _REPEATS, "fit": _OF_FIT, "plan": _ONE_OF_PLAN,
}  # fmt: skip
"""Options of a tool that may be a list."""
_WITHOUT: Mapping[str, tuple[str, ...]] = {
    "plan": ("batch_size", "gpus_per_node", *ELSEWHERE),
    "check": ELSEWHERE,
    "roofline": ELSEWHERE,
    "compare": ("prefill_gpu",),
    "sweep": ("prefill_gpu",),
    "fit": ("input_len", "output_len", "batch_size", "workload", "max_concurrency",
            "request_rate", "prefix_cache_hit", "cuda_graphs", "image_tokens",
            "texts_per_request", *MEDIA, *ACCEPTED, *ELSEWHERE),
}  # fmt: skip
"""Options that the command of a tool does not have either."""
_IN_OTHER_WORDS = {
    "cuda_graphs": "False: the host launches every kernel.",
    "model": "Hub id (owner/name), a unique short name of a bundled model, or a path.",
}
"""Where the help of the command line speaks of its switch or its standard input."""


def server() -> Any:
    """The server with its tools. Raises InputError where the SDK is not installed."""
    try:
        from mcp.server.mcpserver import MCPServer
    except ModuleNotFoundError:
        raise InputError(
            "the MCP SDK is not installed", hint=f"{install('vperf[mcp]')} (mcp 2.0 or newer)"
        ) from None
    return MCPServer(
        "vperf", version=__version__, instructions=INSTRUCTIONS, log_level="ERROR",
        tools=[_as_mcp_tool(tool) for tool in TOOLS],
    )  # fmt: skip


@cache
def _tool_class() -> Any:
    """The SDK's tool, whose every failure is one sentence: an answer, and never a traceback."""
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.server.mcpserver.tools import Tool as McpTool

    class StrictTool(McpTool):
        async def run(self, *args: Any, **more: Any) -> Any:
            try:
                with spelled(as_argument):
                    return await super().run(*args, **more)
            except ToolError as error:
                raise ToolError(_sentence(error.__cause__ or error)) from None

    return StrictTool


def _as_mcp_tool(tool: Tool) -> Any:
    """The tool with `options` spelled out as those of a scenario, and no argument but its own."""
    from mcp.types import ToolAnnotations

    def run(**given: Any) -> dict[str, Any]:
        said = {name: value for name, value in given.items() if value is not None}
        for name, value in said.items():
            if "-" in (value if isinstance(value, list) else (value,)):
                raise InputError("standard input is the protocol's, not a file",
                                 field=name, hint="give a path or a name")  # fmt: skip
        return tool(**said)

    own = inspect.signature(tool, eval_str=True).parameters.values()
    parameters = [each for each in own if each.kind is not inspect.Parameter.VAR_KEYWORD]
    if len(parameters) < len(own):
        parameters += _options(tool.__name__, without={each.name for each in parameters})
    run.__name__ = tool.__name__
    run.__doc__ = inspect.getdoc(tool)
    run.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=dict[str, Any])
    run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": dict[str, Any]}
    made = _tool_class().from_function(
        run, annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True)
    )
    loose = made.fn_metadata.arg_model
    strict = type(loose.__name__, (loose,), {
        "model_config": ConfigDict(extra="forbid", strict=True), "__module__": __name__,
    })  # fmt: skip
    made.fn_metadata.arg_model = strict
    made.parameters = strict.model_json_schema(by_alias=True)  # type: ignore[attr-defined]
    return made


def _options(tool: str, without: set[str]) -> list[inspect.Parameter]:
    """Options of a scenario as parameters; left out they are None, and Scenario has the default.

    Without gpu_file: `gpu` takes its path.
    """
    found = []
    for name, option in OPTIONS.items():
        if name in without or name == "gpu_file" or name in _WITHOUT.get(tool, ()):
            continue
        kind: Any = list[str] if option.kind is list else option.kind
        if name in _LISTS.get(tool, ()):
            kind = kind | list[kind]
        needed = name == "model" or (name == "gpu" and tool in ("estimate", "roofline"))
        text = _IN_OTHER_WORDS.get(name, option.help)
        found.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if needed else None,
                annotation=Annotated[kind if needed else kind | None, _says(text)],
            )
        )  # fmt: skip
    return found


# Errors --------------------------------------------------------------------------------------

_ARGUMENTS = {
    "price": "prices", "ttft": "ttft_s", "tpot": "tpot_s", "e2e": "e2e_s", "latency": "latency_s",
    "decode_tok_s": "decode_tokens_per_s", "output_tok_s": "output_tokens_per_s",
    "prefill_tok_s": "prefill_tokens_per_s",
}  # fmt: skip
"""Options of the command line that have another name here."""


def as_argument(name: str) -> str:
    """An option as the argument that it is here."""
    return _ARGUMENTS.get(name, name)


def _sentence(error: BaseException) -> str:
    """What is said of a failure; of a mistake of ours that it is one."""
    if isinstance(error, ValidationError):
        return "; ".join(dict.fromkeys(map(_mistake, error.errors())))
    if isinstance(error, VperfError):
        return str(error)
    return f"vperf failed, which is a bug of it: {type(error).__name__}: {error}"


def _mistake(found: Mapping[str, Any]) -> str:
    """One argument that cannot be taken."""
    name = str(found["loc"][0]) if found["loc"] else "arguments"
    match found["type"]:
        case "extra_forbidden":
            return f"{name}: there is no such argument"
        case "missing":
            return f"{name}: is needed"
        case _:
            return f"{name}: {found['msg'][0].lower()}{found['msg'][1:]}"
