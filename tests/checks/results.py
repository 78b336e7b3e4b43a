"""Results made from vperf's own predictions: what a run would measure that went so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import vperf
from vperf import Result, Scenario, Setup

MODEL = "Qwen/Qwen3-4B-Instruct-2507"
GPU = "rtx-4090"


def setup(**fields: Any) -> Setup:
    """One request at a time of 1,024 tokens in and 128 out on vLLM."""
    usual: dict[str, Any] = {
        "model": MODEL, "gpu": GPU, "engine": "vllm", "input_len": 1024.0, "output_len": 128.0,
        "batch_size": 1,
    }  # fmt: skip
    return Setup(**{**usual, **fields})


def result(*, ran: Setup | None = None, **figures: Any) -> Result:
    """A result of these figures; TPOT 10.3 ms without any."""
    return Result("a tool", "", ran or setup(), **(figures or {"tpot_s": 0.0103}))


def went(asked: Scenario, *, slower: float = 1.0, **said: Any) -> Result:
    """The result of a run as `asked` is expected to go, said to be of `said`."""
    answer = vperf.ask(asked)
    tokens = {"input_len": float(asked.input_len), "output_len": float(asked.output_len)}
    load = {
        "batch_size": None if asked.served else asked.batch_size,
        "max_concurrency": asked.max_concurrency,
    }
    found = result(
        ran=setup(**{"model": asked.model, "gpu": asked.gpu, "tp": asked.tp, **tokens, **load,
                     **said}),
        tpot_s=slower * answer.expected.tpot_s, ttft_s=slower * answer.expected.ttft_s,
    )  # fmt: skip
    if answer.serving is not None:
        rate = answer.serving.requests_per_s / slower
        found = replace(found, output_tokens_per_s=rate * asked.output_len, requests_per_s=rate)
    return found
