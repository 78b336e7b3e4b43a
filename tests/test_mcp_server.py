"""vperf's answers as tools of the Model Context Protocol, asked as an agent asks them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import fields
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest

import vperf
from vperf.mcp_server.protocol import as_argument, server
from vperf.mcp_server.tools import TOOLS
from vperf.scenario import Scenario
from vperf.spelling import spelled

if find_spec("mcp") is None:
    pytest.skip("needs the MCP SDK", allow_module_level=True)

QWEN = "Qwen/Qwen3-4B-Instruct-2507"


# The SDK is imported when the first test runs: other workers collect this file too.
shared = cache(server)


def ask(tool: str, served: Any = None, **arguments: Any) -> Any:
    import anyio  # noqa: PLC0415
    from mcp import Client  # noqa: PLC0415

    async def run() -> Any:
        async with Client(served or shared()) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(run)


@cache
def listed() -> dict[str, Any]:
    import anyio  # noqa: PLC0415
    from mcp import Client  # noqa: PLC0415

    async def run() -> Any:
        async with Client(shared()) as client:
            return (await client.list_tools()).tools

    return {tool.name: tool for tool in anyio.run(run)}


def plain(answer: object) -> Any:
    return json.loads(json.dumps(answer))


def test_every_tool_is_listed_with_words_and_typed_arguments() -> None:
    tools = listed()
    assert list(tools) == [tool.__name__ for tool in TOOLS]
    for tool in tools.values():
        assert tool.description
        assert tool.annotations.read_only_hint
        assert tool.input_schema["additionalProperties"] is False
        for parameter in tool.input_schema["properties"].values():
            assert {"type", "anyOf", "enum"} & parameter.keys()
            assert parameter["description"]
            assert "--" not in parameter["description"]


def test_estimate_takes_every_option_of_a_question_and_needs_two() -> None:
    schema = listed()["estimate"].input_schema
    assert set(schema["properties"]) == {f.name for f in fields(Scenario)} - {"gpu_file"} | {
        "detail"
    }
    assert sorted(schema["required"]) == ["gpu", "model"]


def test_an_estimate_is_that_of_python_without_its_ops_unless_asked() -> None:
    answer = ask("estimate", model=QWEN, gpu="h100", input_len=512, tp=2, detail=True)
    with spelled(as_argument):
        wanted = plain(vperf.estimate(QWEN, "h100", input_len=512, tp=2).to_dict())
    assert answer.structured_content == wanted
    short = ask("estimate", model=QWEN, gpu="h100").structured_content
    assert "ops" not in short["prefill"]
    assert "ops" not in short["decode"]


def test_compare_is_that_of_python() -> None:
    answer = ask("compare", model=QWEN, gpu=["h100", "b200"], tp=[1, 2], detail=True)
    wanted = vperf.compare(QWEN, ["h100", "b200"], tp=[1, 2]).to_dict()
    assert answer.structured_content == plain(wanted)


def test_check_grades_figures_as_python_does() -> None:
    answer = ask("check", decode_tokens_per_s=97.2, model=QWEN, gpu="rtx-4090", detail=True)
    measured = vperf.Result("command line", "", decode_tokens_per_s=97.2)
    wanted = vperf.check(measured, "rtx-4090", QWEN).to_dict()
    assert answer.structured_content["checks"] == [plain(wanted)]


def test_a_plan_is_that_of_python() -> None:
    load: dict[str, Any] = {
        "request_rate": 2.0,
        "input_len": 1000,
        "output_len": 100,
        "max_gpus": 2,
    }
    answer = ask("plan", model=QWEN, gpu=["h100"], tpot_s=0.02, detail=True, **load)
    with spelled(as_argument):
        wanted = vperf.plan(QWEN, ["h100"], tpot=0.02, **load).to_dict()
    assert not any("--" in note for note in wanted["notes"])
    assert answer.structured_content == plain(wanted)


@pytest.mark.parametrize(
    ("tool", "arguments", "most"),
    [
        ("gpus", {}, 45_000),
        ("gpus", {"name": "rtx 40"}, 4_000),
        ("models", {}, 30_000),
        ("models", {"name": "qwen3-8b"}, 6_000),
        ("napkin", {"model": QWEN, "gpu": "h100"}, 4_000),
        ("fit", {"model": "qwen3-32b", "gpu": "rtx-4090"}, 6_000),
        ("fit", {"model": "qwen3-32b"}, 25_000),
        ("roofline", {"model": QWEN, "gpu": "h100"}, 8_000),
        ("sweep", {"model": QWEN, "gpu": "h100", "batch_size": [1, 8, 64]}, 6_000),
        ("compare", {"model": QWEN, "gpu": "all"}, 20_000),
        ("plan", {"model": QWEN, "gpu": ["h100", "l40s"], "tpot_s": 0.02}, 16_000),
    ],
)
def test_an_answer_is_short_unless_detail_is_asked_for(
    tool: str, arguments: dict[str, Any], most: int
) -> None:
    answer = ask(tool, **arguments)
    assert not answer.is_error, answer.content[0].text
    assert 100 < len(json.dumps(answer.structured_content)) < most


def test_a_failure_of_our_own_is_an_error_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("vperf.api.estimate", broken)
    answer = ask("estimate", model=QWEN, gpu="h100")
    assert answer.is_error
    assert answer.content[0].text.startswith("vperf failed, which is a bug of it: ZeroDivision")


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("estimate", {"model": QWEN, "gpu": "h101"}, "did you mean h100"),
        ("estimate", {"model": QWEN, "gpu": "h100", "tp": 3}, "3"),
        ("estimate", {"model": "-", "gpu": "h100"}, "standard input is the protocol's"),
        ("compare", {"model": QWEN, "gpu": "h100", "by": "charm"}, "by: input should be"),
        ("plan", {"model": QWEN, "gpu": "h100"}, "target"),
        (
            "estimate",
            {"model": QWEN, "gpu": "h100", "batch": 3},
            "batch: there is no such argument",
        ),
        ("estimate", {"model": QWEN, "gpu": "h100", "tp": "2"}, "tp: input should be"),
        ("estimate", {"model": QWEN}, "gpu: is needed"),
        ("estimate", {"model": QWEN, "gpu": "h100", "batch_sise": 8}, "batch_sise"),
        ("compare", {"model": QWEN, "gpu": "h100", "by": "cost"}, "give prices "),
        (
            "estimate",
            {"model": QWEN, "gpu": "h100", "trace": "-"},
            "standard input is the protocol's",
        ),
        ("check", {"tpot_s": -1.0, "model": QWEN, "gpu": "h100"}, "above 0"),
        ("check", {}, "give either result_file or measured figures"),
        ("check", {"result_file": "nowhere.json"}, "no such file"),
    ],
)
def test_what_cannot_be_is_a_sentence_not_a_crash(
    tool: str, arguments: dict[str, Any], words: str
) -> None:
    answer = ask(tool, **arguments)
    assert answer.is_error
    assert words in answer.content[0].text
    assert "Traceback" not in answer.content[0].text


def test_the_command_answers_over_standard_input_and_output() -> None:
    from mcp import StdioServerParameters  # noqa: PLC0415
    from mcp.client.stdio import stdio_client  # noqa: PLC0415

    command = StdioServerParameters(
        command=sys.executable, args=["-m", "vperf", "mcp"], env=dict(os.environ)
    )
    answer = ask("gpus", stdio_client(command), name="rtx 5090")
    assert "rtx-5090" in [gpu["id"] for gpu in answer.structured_content["gpus"]]
