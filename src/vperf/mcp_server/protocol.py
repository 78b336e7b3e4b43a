"""The tools as the Model Context Protocol has them: arguments with types and words, errors as
sentences. Needs the official MCP SDK (`pip install 'vperf[mcp]'`).

Not here: what a tool answers (tools.py).
"""

# The SDK is imported when a server is made.
# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from vperf.errors import InputError, VperfError, install
from vperf.mcp_server.tools import TOOLS, Tool
from vperf.scenario import ACCEPTED, ELSEWHERE, MEDIA, OPTIONS, OTHER_CARDS
from vperf.spelling import spelled
from vperf.version import __version__

INSTRUCTIONS = """\
vperf predicts how fast an LLM runs on a GPU, without a GPU. Figures come twice: `limit`, what
the datasheet allows and no correct measurement beats, and `expected`, what a well-tuned
engine reaches, with the range of most measurements. Units are SI: seconds, bytes, FLOP, tokens.
Say the assumptions and warnings of an answer with its figures. Answers are short; detail=true
gives all of one."""


def serve() -> None:
    """Answer on standard input and output until the client leaves."""
    server().run("stdio")


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
    "plan": ("batch_size", "gpus_per_node", *OTHER_CARDS),
    "check": ELSEWHERE,
    "roofline": ELSEWHERE,
    "compare": OTHER_CARDS,
    "sweep": OTHER_CARDS,
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
                annotation=Annotated[kind if needed else kind | None, Field(description=text)],
            )
        )  # fmt: skip
    return found


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
