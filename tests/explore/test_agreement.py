"""No two commands disagree: estimate, compare, sweep and fit have the very same numbers."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pytest

import vperf
from vperf.answer import Estimate
from vperf.errors import InputError
from vperf.explore.rows import Row
from vperf.report.document import words_of
from vperf.report.estimate.figures import run_of
from vperf.report.estimate.speed_table import speed_table
from vperf.report.rows import limit_columns, speed_column, tpot_column, ttft_column
from vperf.resolve import Resolver, deploy
from vperf.speeds import speeds

MODELS = (
    "Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-V3",
    "Qwen/Qwen3-30B-A3B", "openai/gpt-oss-20b", "Qwen/Qwen3-Next-80B-A3B-Instruct",
)  # fmt: skip
GPUS = ("h100", "rtx-4090", "l40s", "b200", "mi300x", "apple-m4-max", "a100-sxm-80gb")


def some_settings(count: int) -> list[dict[str, Any]]:
    luck = random.Random(6)
    found = []
    for number in range(count):
        setting: dict[str, Any] = {
            "model": luck.choice(MODELS),
            "gpu": luck.choice(GPUS),
            "input_len": luck.randrange(1, 20_000),
            "output_len": luck.randrange(1, 2_000),
            "quantization": luck.choice((None, "fp8", "int4", "q4_k_m")),
            "tp": luck.choice((1, 1, 2, 4)),
            "engine": luck.choice(("vllm", "sglang", "llama.cpp")),
            "kv_cache_dtype": luck.choice((None, "fp8")),
        }
        if number % 5 == 4:
            setting["max_concurrency"] = luck.randrange(1, 64)
            setting["input_len"] = luck.randrange(1, 4000)
        elif number % 5 == 3:
            del setting["input_len"], setting["output_len"]
            setting["workload"] = luck.choice(("chat", "rag", "summarize"))
        else:
            setting["batch_size"] = luck.randrange(1, 100)
        found.append({name: value for name, value in setting.items() if value is not None})
    return found


def printed(estimate: Estimate) -> dict[str, str]:
    """What the screen of an estimate says, by the columns of the tables."""
    rows = {words_of(row.cells[0]): row for row in speed_table(estimate).rows}
    decode = next(row for name, row in rows.items() if name.startswith("Decode tok/s"))
    return {
        "tok/s": words_of(decode.cells[1]),
        "range": words_of(decode.cells[2]),
        "limit": words_of(decode.cells[3]),
        "TTFT": words_of(rows["TTFT"].cells[1]),
        "TPOT": words_of(rows["TPOT"].cells[1]),
    }


def shown(row: Row) -> dict[str, str]:
    columns = (speed_column(), *limit_columns(), ttft_column(), tpot_column())
    return {each.column.heading: words_of(each.cell(row)) for each in columns}


@pytest.mark.parametrize("setting", some_settings(50), ids=lambda s: f"{s['model']}-{s['gpu']}")
def test_every_command_has_the_numbers_of_the_estimate(setting: dict[str, Any]) -> None:
    try:
        estimate = vperf.estimate(**setting)
    except InputError as error:
        with pytest.raises(InputError, match=re.escape(error.message)):
            vperf.compare(**setting)
        return
    (compared,) = vperf.compare(**setting).rows
    axis = "max_concurrency" if "max_concurrency" in setting else "batch_size"
    value = setting.get(axis, 1)
    swept = vperf.sweep(**{**setting, axis: [value, value + 1]}).rows[0]
    assert compared.figures is not None
    assert swept.figures is not None
    for lean in (compared.figures, swept.figures):
        assert lean.limit == estimate.limit
        assert lean.expected == estimate.expected
        assert lean.memory_bytes == estimate.memory.total_bytes
        assert lean.fits == estimate.memory.fits
        assert lean.serving == estimate.serving
    assert shown(compared) == shown(swept)
    if run_of(estimate) is None:
        assert shown(compared) == printed(estimate)
    else:
        assert [n for n in vperf.compare(**setting).notes if n.kind == "closed_form"]


def test_fit_takes_the_memory_of_the_estimate() -> None:
    estimate = vperf.estimate("qwen3-32b", "h100", input_len=4096, output_len=1)
    (room,) = vperf.fit("qwen3-32b", "h100", context=4096).rooms
    assert room.parts is not None
    assert room.parts.weight_bytes == estimate.memory.weight_bytes
    step = vperf.estimate("qwen3-32b", "h100", input_len=4095, output_len=1)
    assert room.parts.kv_cache_bytes == step.memory.kv_cache_bytes
    assert room.max_context_tokens == estimate.memory.max_context_tokens


def test_what_a_resolver_shares_changes_no_speed() -> None:
    scenario = vperf.Scenario("qwen3-8b", "l40s", batch_size=7)
    other = replace(scenario, batch_size=3)
    resolver = Resolver()
    speeds(resolver.deployment(scenario))
    assert speeds(resolver.deployment(other)) == speeds(deploy(other))
