"""vperf's answers as tools of the Model Context Protocol, asked as an agent asks them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import fields
from typing import Any

import pytest

import vperf
from vperf.mcp_server import TOOLS, server
from vperf.scenario import Scenario

pytest.importorskip("mcp")

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

QWEN = "Qwen/Qwen3-4B-Instruct-2507"


def ask(tool: str, served: Any = None, **arguments: Any) -> Any:
    async def run() -> Any:
        async with Client(served or server()) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(run)


def listed() -> dict[str, Any]:
    async def run() -> Any:
        async with Client(server()) as client:
            return (await client.list_tools()).tools

    return {tool.name: tool for tool in anyio.run(run)}


def plain(answer: object) -> Any:
    return json.loads(json.dumps(answer))


def test_every_tool_is_listed_with_words_and_typed_arguments() -> None:
    tools = listed()
    assert list(tools) == [tool.__name__ for tool in TOOLS]
    for tool in tools.values():
        assert tool.description
        assert all({"type", "anyOf"} & p.keys() for p in tool.input_schema["properties"].values())


def test_estimate_takes_every_option_of_a_question_and_needs_two() -> None:
    schema = listed()["estimate"].input_schema
    assert set(schema["properties"]) == {f.name for f in fields(Scenario)} | {"ops"}
    assert sorted(schema["required"]) == ["gpu", "model"]


def test_an_estimate_is_that_of_python_without_its_ops_unless_asked() -> None:
    answer = ask("estimate", model=QWEN, gpu="h100", input_len=512, tp=2, ops=True)
    wanted = plain(vperf.estimate(QWEN, "h100", input_len=512, tp=2).to_dict())
    assert answer.structured_content == wanted
    short = ask("estimate", model=QWEN, gpu="h100").structured_content
    assert "ops" not in short["prefill"]
    assert "ops" not in short["decode"]


def test_compare_is_that_of_python() -> None:
    answer = ask("compare", models=[QWEN], gpus=["h100", "b200"], tensor_parallel=[1, 2])
    wanted = vperf.compare([QWEN], ["h100", "b200"], tp=[1, 2], top=20).to_dict()
    assert answer.structured_content == plain(wanted)


def test_check_grades_figures_as_python_does() -> None:
    answer = ask("check", decode_tokens_per_s=97.2, model=QWEN, gpu="rtx-4090")
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
    answer = ask("plan", model=QWEN, gpus=["h100"], tpot_s=0.02, **load)
    wanted = vperf.plan(QWEN, ["h100"], tpot=0.02, **load).to_dict()
    assert answer.structured_content == plain(wanted)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("estimate", {"model": QWEN, "gpu": "h101"}, "did you mean h100"),
        ("estimate", {"model": QWEN, "gpu": "h100", "tp": 3}, "3"),
        ("estimate", {"model": "-", "gpu": "h100"}, "standard input is the protocol's"),
        ("compare", {"models": [QWEN], "gpus": ["h100"], "by": "charm"}, "must be one of"),
        ("plan", {"model": QWEN, "gpus": ["h100"]}, "target"),
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
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "vperf", "mcp"], env=dict(os.environ)
    )
    answer = ask("gpus", stdio_client(command), name="rtx 5090")
    assert "rtx-5090" in [gpu["id"] for gpu in answer.structured_content["gpus"]]
