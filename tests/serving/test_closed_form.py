"""The closed form of a load, held to the simulated scheduler on random settings.

Settings: models, engines and lengths below, outputs that differ by a quarter; up to 256 users or
half of what the cache holds, or up to half of the rate that 1,024 users get. How near the closed
form is hangs on the share of the time that prompts take; where they take most of it, means of an
endless run are a matter of how lengths vary.
"""

from __future__ import annotations

import random
import statistics
from functools import lru_cache
from typing import NamedTuple

import pytest

from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.arrivals import Traffic, arrival_times, draw_lengths
from vperf.serving.lengths import equal
from vperf.serving.load import SURE_SHARE, UNSURE_SHARE, Load, Steps, errors_at, serve
from vperf.serving.simulation import run
from vperf.timing.compiled import Compiled

MODELS = {"qwen3-8b": 1, "gpt-oss-120b": 1, "llama-3.1-70b": 4, "deepseek-v3": 8}
ENGINES = ("vllm", "vllm@0.12", "sglang", "trtllm")
LOW = 0.6
"""Lengths are drawn from this share of the longest on."""


class Error(NamedTuple):
    tpot: float
    rate: float
    ttft: float
    prompt_share: float
    of_rate: bool


@lru_cache(maxsize=16)
def _compiled(model: str, engine: str) -> Compiled:
    return deploy(Scenario(model, "h200-sxm", engine=engine, tp=MODELS[model])).compiled


def _error(seed: int) -> Error:
    """closed form / simulated steady state - 1."""
    draw = random.Random(seed)
    compiled = _compiled(draw.choice(list(MODELS)), draw.choice(ENGINES))
    longest = int(2 ** draw.uniform(6, 14)), int(2 ** draw.uniform(5, 11))
    prompt, output = (round(tokens * (1 + LOW) / 2) for tokens in longest)
    if draw.random() < 0.5:
        slots = Steps(compiled, Load(prompt, output, 1)).slots()
        users = max(1, min(int(2 ** draw.uniform(0, 8)), slots // 2))
        load, count, arrivals = Load(prompt, output, users), max(400, 15 * users), None
    else:
        most = serve(compiled, Load(prompt, output, 1024)).requests_per_s
        load, count = Load(prompt, output, None, draw.uniform(0.02, 0.5) * most), 2000
        assert load.requests_per_s is not None
        arrivals = arrival_times(count, load.requests_per_s, seed=seed)
    inputs, outputs = draw_lengths(equal(*longest), count, low=LOW, seed=seed)
    steady = run(compiled, Traffic(inputs, outputs, arrivals, load.users)).steady
    served = serve(compiled, load)
    assert steady is not None
    assert steady.tpot_s is not None
    return Error(
        served.tpot_s / steady.tpot_s - 1,
        served.requests_per_s / steady.requests_per_s - 1,
        served.ttft_steady_s / steady.ttft_s - 1,
        served.prompt_share,
        load.users is None,
    )


def _check(errors: list[Error]) -> None:
    for each in errors:
        if bound := errors_at(each.prompt_share, of_rate=each.of_rate):
            assert abs(each.tpot) <= bound.tpot
            assert abs(each.ttft) <= bound.ttft
    # The rate of a simulated run of 2,000 requests is itself known to 3 %.
    sure = [each for each in errors if each.prompt_share <= SURE_SHARE]
    assert len(sure) > len(errors) / 3
    assert max(abs(each.tpot) for each in sure) <= 0.045
    assert max(abs(each.rate) for each in sure) <= 0.04
    assert max(abs(each.ttft) for each in sure) <= 0.18
    some = [each for each in errors if each.prompt_share <= UNSURE_SHARE]
    assert max(abs(each.tpot) for each in some) <= 0.11
    assert max(abs(each.rate) for each in some) <= 0.05
    assert max(abs(each.ttft) for each in some) <= 0.7

    def within(name: str, most: float, among: list[Error]) -> float:
        return statistics.fmean(abs(getattr(each, name)) <= most for each in among)

    assert within("tpot", 0.02, sure) >= 0.9
    assert within("rate", 0.02, sure) >= 0.85
    assert within("ttft", 0.15, sure) >= 0.97
    assert within("ttft", 0.25, some) >= 0.99
    assert within("tpot", 0.02, errors) >= 0.75
    assert within("rate", 0.02, errors) >= 0.75
    assert within("ttft", 0.15, errors) >= 0.9
    assert statistics.median(abs(each.tpot) for each in errors) <= 0.008
    assert statistics.median(abs(each.rate) for each in errors) <= 0.01
    assert statistics.median(abs(each.ttft) for each in errors) <= 0.03


def test_means_are_those_of_the_simulated_steady_state() -> None:
    _check([_error(seed) for seed in range(30)])


@pytest.mark.slow
def test_means_are_those_of_the_simulated_steady_state_on_many_settings() -> None:
    _check([_error(seed) for seed in range(500)])
