"""The closed form of a load, held to the simulated scheduler on random settings.

Settings: models, engines and lengths below; up to 256 users or half of what the cache holds, or up
to half of the rate that 1,024 users get. Outputs differ as vperf simulates them. How near the
closed form is hangs on the share of the time that prompts take; where they take most of it, users
come in waves, whose queue hangs on how lengths vary and how long they have run.
"""

from __future__ import annotations

import random
from functools import lru_cache
from statistics import fmean, median
from typing import NamedTuple

import pytest

from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.arrivals import Traffic, arrival_times, draw_lengths
from vperf.serving.equal_steps import Steps
from vperf.serving.lengths import equal
from vperf.serving.load import Load, Served, errors_of, serve
from vperf.serving.simulation import JITTER, run
from vperf.timing.compiled import Compiled

MODELS = {"qwen3-8b": 1, "gpt-oss-120b": 1, "llama-3.1-70b": 4, "deepseek-v3": 8}
ENGINES = ("vllm", "vllm@0.12", "sglang", "trtllm")
SAMPLING = 0.015
"""How far the mean TPOT of 6,000 requests that come at random may be off; their TTFT twice that."""


class Setting(NamedTuple):
    compiled: Compiled
    load: Load


class Error(NamedTuple):
    """closed form / simulated steady state - 1."""

    tpot: float
    rate: float
    ttft: float
    load: Load
    served: Served


@lru_cache(maxsize=16)
def _compiled(model: str, engine: str) -> Compiled:
    return deploy(Scenario(model, "h200-sxm", engine=engine, tp=MODELS[model])).compiled


def _setting(seed: int) -> Setting:
    draw = random.Random(seed)
    compiled = _compiled(draw.choice(list(MODELS)), draw.choice(ENGINES))
    prompt, output = int(2 ** draw.uniform(5.7, 13.7)), int(2 ** draw.uniform(4.7, 10.7))
    if draw.random() < 0.5:
        slots = Steps(compiled, Load(prompt, output, 1)).slots()
        users = max(1, min(int(2 ** draw.uniform(0, 8)), slots // 2))
        return Setting(compiled, Load(prompt, output, users))
    most = serve(compiled, Load(prompt, output, 1024)).requests_per_s
    return Setting(compiled, Load(prompt, output, None, draw.uniform(0.02, 0.5) * most))


def _error(seed: int) -> Error:
    compiled, load = _setting(seed)
    arrivals, count = None, 6000
    if load.users is None:
        assert load.requests_per_s is not None
        arrivals = arrival_times(count, load.requests_per_s, seed=seed)
    else:
        count = max(400, 15 * load.users)
    lengths = equal(load.input_tokens, load.output_tokens)
    inputs, outputs = draw_lengths(lengths, count, around=JITTER, seed=seed)
    steady = run(compiled, Traffic(inputs, outputs, arrivals, load.users)).steady
    served = serve(compiled, load)
    assert steady is not None
    assert steady.tpot_s is not None
    return Error(
        served.tpot_s / steady.tpot_s - 1,
        # A rate that is served is the one that is asked for.
        served.requests_per_s / (load.requests_per_s or steady.requests_per_s) - 1,
        served.ttft_steady_s / steady.ttft_s - 1,
        load,
        served,
    )


def _check_bounds(errors: list[Error]) -> None:
    """Those that the search of `plan` goes by: none is above, few are below."""
    low = []
    for each in errors:
        of_rate = each.load.users is None
        served, sampling = each.served, SAMPLING if of_rate else 0.0
        bound = errors_of(served.prompt_share, served.running_batch, served.slots, of_rate=of_rate)
        if bound is not None and each.load.users != 1:
            assert each.tpot <= bound.tpot.high + sampling
            assert each.ttft <= bound.ttft.high + 2 * sampling
            low.append(
                each.tpot < bound.tpot.low - sampling or each.ttft < bound.ttft.low - 2 * sampling
            )
    assert fmean(low) <= 0.05


def _check_rates(errors: list[Error]) -> None:
    assert all(each.rate == 0 for each in errors)
    assert all(abs(each.ttft) <= 0.15 for each in errors)
    assert fmean(abs(each.tpot) <= 0.02 for each in errors) >= 0.9
    assert max(abs(each.tpot) for each in errors) <= 0.09
    light = [each for each in errors if each.served.prompt_share <= 0.2]
    assert max(abs(each.tpot) for each in light) <= 0.035
    assert median(abs(each.tpot) for each in errors) <= 0.005
    assert median(abs(each.ttft) for each in errors) <= 0.015


def _check_users(errors: list[Error]) -> None:
    sure = [each for each in errors if each.served.prompt_share <= 0.3]
    assert len(sure) > len(errors) / 2
    assert max(abs(each.tpot) for each in sure) <= 0.02
    assert max(abs(each.rate) for each in sure) <= 0.02
    assert max(abs(each.ttft) for each in sure) <= 0.15
    for name, most in (("tpot", 0.02), ("rate", 0.02), ("ttft", 0.15)):
        assert fmean(abs(getattr(each, name)) <= most for each in errors) >= 0.8


def _check(seeds: range) -> None:
    errors = [_error(seed) for seed in seeds]
    _check_rates([each for each in errors if each.load.users is None])
    _check_users([each for each in errors if each.load.users is not None])
    _check_bounds(errors)


def test_means_are_those_of_the_simulated_steady_state() -> None:
    _check(range(30))


@pytest.mark.slow
def test_means_are_those_of_the_simulated_steady_state_on_many_settings() -> None:
    _check(range(500))
