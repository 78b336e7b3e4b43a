"""vperf for agents: its answers as tools of the Model Context Protocol, over standard input/output.

Needs the official MCP SDK (`pip install 'vperf[mcp]'`). A tool returns what the command of that
name prints with --json. Not here: any figure, and any word of an answer.
"""

# Each tool imports what it needs when it is called.
# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

from vperf.errors import InputError, VperfError
from vperf.scenario import Scenario
from vperf.version import __version__

INSTRUCTIONS = """\
vperf predicts how fast an LLM runs on a GPU, without a GPU. Figures come twice: `limit`, the
datasheet's speed of light that no correct measurement beats, and `expected`, what a well-tuned
engine reaches, with the range of most measurements. Units are SI: seconds, bytes, FLOP, tokens.
Say the assumptions and warnings of an answer with its figures."""


def serve() -> None:
    """Answer on standard input and output until the client leaves."""
    server().run("stdio")


def server() -> Any:
    """The server with its tools. Raises InputError where the SDK is not installed."""
    try:
        from mcp.server.mcpserver import MCPServer
    except ModuleNotFoundError:
        raise InputError(
            "the MCP SDK is not installed", hint="pip install 'vperf[mcp]' (mcp 2.0 or newer)"
        ) from None
    made = MCPServer("vperf", version=__version__, instructions=INSTRUCTIONS, log_level="ERROR")
    for tool in TOOLS:
        made.tool()(_as_mcp_tool(tool))
    return made


def estimate(*, model: str, gpu: str, ops: bool = False, **options: Any) -> dict[str, Any]:
    """How fast a model runs on a GPU: TTFT, prefill and decode speed, memory, what bounds it.

    model: Hub id or bundled name. gpu: any name of a GPU. input_len, output_len: tokens of each of
    batch_size requests. With max_concurrency users or request_rate requests/s it is the estimate
    of a served load. ops: with every matmul and attention of both phases.
    """
    from vperf import api

    found = api.estimate(model, gpu, **options).to_dict()
    if not ops:
        for phase in ("prefill", "decode"):
            del found[phase]["ops"]
    return found


def compare(
    *,
    models: list[str],
    gpus: list[str],
    by: str = "decode",
    top: int = 20,
    quantizations: list[str] | None = None,
    tensor_parallel: list[int] | None = None,
    prices: dict[str, float] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Models x GPUs x quantizations x tensor parallelism in one table, the best first.

    gpus: names, or "all", "all-nvidia", ... by: decode, ttft, throughput, cost, energy or fits.
    prices: dollars per GPU-hour by GPU; with them rows have the cost of a million tokens.
    """
    from vperf.explore.compare import compare as run

    lists = {"quantization": quantizations, "tp": tensor_parallel}
    chosen = {name: choices for name, choices in lists.items() if choices}
    made = run(models, gpus, by=by, prices=prices, top=top, **{**options, **chosen})  # type: ignore[arg-type]
    return made.to_dict()


def check(
    *,
    result_file: str | None = None,
    model: str | None = None,
    gpu: str | None = None,
    decode_tokens_per_s: float | None = None,
    output_tokens_per_s: float | None = None,
    prefill_tokens_per_s: float | None = None,
    ttft_s: float | None = None,
    tpot_s: float | None = None,
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
    }
    given = {name: value for name, value in figures.items() if value is not None}
    if (result_file is None) == (not given):
        raise InputError("give either result_file or measured figures")
    what = result_file if result_file is not None else [Result("command line", "", **given)]  # type: ignore[arg-type]
    return {"checks": [each.to_dict() for each in check_all(what, gpu, model, **options)]}


def plan(
    *,
    model: str,
    gpus: list[str],
    ttft_s: float | None = None,
    tpot_s: float | None = None,
    request_rate: float | None = None,
    max_concurrency: int | None = None,
    max_gpus: int = 16,
    by: str | None = None,
    quantizations: list[str] | None = None,
    prices: dict[str, float] | None = None,
    disaggregate: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """The smallest or cheapest deployment that serves a load within targets of TTFT and TPOT.

    gpus: the kinds to choose from. by: cost, gpus, latency or throughput. prices: dollars per
    GPU-hour by GPU. disaggregate: also separate pools for prefill and decode.
    """
    from vperf.explore.plan import plan as run

    if quantizations:
        options["quantization"] = quantizations
    return run(
        model, gpus, ttft=ttft_s, tpot=tpot_s, request_rate=request_rate,
        max_concurrency=max_concurrency, max_gpus=max_gpus, by=by, prices=prices,  # type: ignore[arg-type]
        disaggregate=disaggregate, **options,
    ).to_dict()  # fmt: skip


def gpus(*, name: str = "") -> dict[str, Any]:
    """The GPUs that vperf knows, or those whose id or name holds `name`, with their datasheets."""
    from vperf.report.gpus import list_to_dict
    from vperf.sources.gpus import list_gpus

    wanted = name.lower()
    return list_to_dict(c for c in list_gpus() if wanted in c.id or wanted in c.name.lower())


Tool = Callable[..., dict[str, Any]]
TOOLS: tuple[Tool, ...] = (estimate, compare, check, plan, gpus)


def _as_mcp_tool(tool: Tool) -> Tool:
    """The tool with `options` spelled out as the fields of a scenario, and errors as sentences."""
    from mcp.server.mcpserver.exceptions import ToolError

    def run(**given: Any) -> dict[str, Any]:
        said = {name: value for name, value in given.items() if value is not None}
        try:
            if "-" in {said.get("model"), *said.get("models", ())}:
                raise InputError("standard input is the protocol's, not a config.json",
                                 field="model", hint="give a path or a name")  # fmt: skip
            return tool(**said)
        except VperfError as error:
            hint = f"; {error.hint}" if error.hint else ""
            raise ToolError(f"{error.message}{hint}") from None

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(tool, eval_str=True).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            parameters += _options(without={p.name for p in parameters})
        else:
            parameters.append(parameter)
    run.__name__ = tool.__name__
    run.__doc__ = inspect.getdoc(tool)
    run.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=dict[str, Any])
    run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": dict[str, Any]}
    return run


def _options(without: set[str]) -> list[inspect.Parameter]:
    """Fields of a scenario as parameters; left out they are None, and Scenario has the default."""
    hints = get_type_hints(Scenario)
    plain = {"engine": str, "workload": str, "gpu_file": str}
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=plain.get(field.name, hints[field.name]) | None,
        )
        for field in fields(Scenario)
        if field.name not in {*without, "model", "gpu"}
    ]
