"""The closed form of a load, held to the simulated scheduler on random settings.

Settings: models, engines and lengths below; up to 256 users or half of what the cache holds, or up
to half of the rate that 1,024 users get. Requests are alike, as vperf simulates them, or each
length is drawn from LOW of the longest on: users with the ones come in waves, whose queue hangs on
how long they have run, with the others as at random. Where the closed form does not hold, tables
have the means of the run.
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
from vperf.serving.lengths import equal
from vperf.serving.load import Load, Served, Steps, errors_of, holds, serve
from vperf.serving.simulation import JITTER, run
from vperf.speeds import speeds
from vperf.timing.compiled import Compiled

MODELS = {"qwen3-8b": 1, "gpt-oss-120b": 1, "llama-3.1-70b": 4, "deepseek-v3": 8}
ENGINES = ("vllm", "vllm@0.12", "sglang", "trtllm")
LOW = 0.6
LOW_SPREAD = (1 - LOW) / 12**0.5 / ((1 + LOW) / 2)
"""Standard deviation of lengths drawn evenly from there on, over their mean."""
ALIKE_SPREAD = JITTER / 3**0.5
SAMPLING = 0.015
"""How far the mean TPOT of 6,000 requests that come at random may be off; their TTFT twice that."""


class Setting(NamedTuple):
    compiled: Compiled
    longest: tuple[int, int]
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
    longest = int(2 ** draw.uniform(6, 14)), int(2 ** draw.uniform(5, 11))
    prompt, output = (round(tokens * (1 + LOW) / 2) for tokens in longest)
    if draw.random() < 0.5:
        slots = Steps(compiled, Load(prompt, output, 1)).slots()
        users = max(1, min(int(2 ** draw.uniform(0, 8)), slots // 2))
        return Setting(compiled, longest, Load(prompt, output, users))
    most = serve(compiled, Load(prompt, output, 1024)).requests_per_s
    return Setting(compiled, longest, Load(prompt, output, None, draw.uniform(0.02, 0.5) * most))


def _error(seed: int, *, alike: bool) -> Error:
    compiled, longest, load = _setting(seed)
    arrivals, count = None, 6000
    if load.users is None:
        assert load.requests_per_s is not None
        arrivals = arrival_times(count, load.requests_per_s, seed=seed)
    else:
        count = max(400, 15 * load.users)
    if alike:
        lengths = equal(load.input_tokens, load.output_tokens)
        inputs, outputs = draw_lengths(lengths, count, around=JITTER, seed=seed)
    else:
        inputs, outputs = draw_lengths(equal(*longest), count, low=LOW, seed=seed)
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


def _check_users(errors: list[Error], spread: float) -> None:
    held = [each for each in errors if holds(each.served, each.load, spread)]
    assert max(abs(each.tpot) for each in held) <= 0.02
    assert max(abs(each.rate) for each in held) <= 0.02
    assert max(abs(each.ttft) for each in held) <= 0.15


def _check(seeds: range) -> None:
    rates = [seed for seed in seeds if _setting(seed).load.users is None]
    of_rates = [_error(seed, alike=True) for seed in rates]
    _check_rates(of_rates)
    users = [seed for seed in seeds if seed not in rates]
    alike = [_error(seed, alike=True) for seed in users]
    _check_users(alike, ALIKE_SPREAD)
    varied = [_error(seed, alike=False) for seed in users]
    _check_users(varied, LOW_SPREAD)
    assert sum(holds(each.served, each.load, LOW_SPREAD) for each in varied) > len(users) / 3
    _check_bounds(of_rates + alike)


def test_means_are_those_of_the_simulated_steady_state() -> None:
    _check(range(30))


@pytest.mark.slow
def test_means_are_those_of_the_simulated_steady_state_on_many_settings() -> None:
    _check(range(500))


@pytest.mark.parametrize("users", [1, 8, 64])
@pytest.mark.parametrize("lengths", [(100, 1000), (2000, 200), (4000, 40)])
def test_tables_have_the_means_of_the_run_where_the_closed_form_does_not_hold(
    users: int, lengths: tuple[int, int]
) -> None:
    prompt, output = lengths
    at = deploy(
        Scenario("qwen3-8b", "h200", input_len=prompt, output_len=output, max_concurrency=users)
    )
    assert at.run is not None
    assert at.load is not None
    found, ran = speeds(at), run(at.compiled, at.run.traffic())
    closed = serve(at.compiled, at.load)
    tpot = ran.tpot()
    assert found.serving is not None
    assert tpot is not None
    if holds(closed, at.load, ALIKE_SPREAD):
        assert found.serving.prompts is None
        assert found.expected.tpot_s == closed.tpot_s
        assert closed.tpot_s == pytest.approx(tpot.mean_s, rel=0.02)
        assert closed.ttft_s == pytest.approx(ran.ttft().mean_s, rel=0.15)
    else:
        assert found.serving.prompts == len(ran.traffic)
        assert found.expected.tpot_s == tpot.mean_s
        assert found.expected.ttft_s == ran.ttft().mean_s
        assert found.serving.requests_per_s == ran.requests_per_s
        assert speeds(at, simulates=False).expected.tpot_s == closed.tpot_s
