"""Ranges: wider where less is known, and of the engine where requests wait."""

from __future__ import annotations

from statistics import quantiles

import pytest
from measured_points import score, strata

import vperf
from vperf.sources.engines import engine_names, load_engine
from vperf.timing.constants import Origin
from vperf.timing.ranges import Phase, spread, spread_under_load

ORIGINS: tuple[Origin, ...] = ("measured", "generic")
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


PHASES: tuple[Phase, ...] = ("prefill", "decode")


def test_every_range_holds_the_expected_value() -> None:
    for phase in PHASES:
        for origin in ORIGINS:
            low, high = spread(phase, origin)
            assert low < 1 < high


def test_the_range_of_decode_is_that_of_measured_tpots() -> None:
    # 10th and 90th percentile of measured / expected: 0.88 and 1.24 of 1,248 served points, of
    # which the 83 kept with the tests are a sample.
    served = [p for name in strata() for p in score(strata()[name]).get("tpot", [])]
    tenths = quantiles([p.measured_s / p.expected_s for p in served], n=10, method="inclusive")
    answer = vperf.estimate(LLAMA, "h100").to_dict()["expected"]
    assert answer["tpot_s_low"] / answer["tpot_s"] == pytest.approx(tenths[0], abs=0.05)
    assert answer["tpot_s_high"] / answer["tpot_s"] == pytest.approx(tenths[-1], abs=0.08)


def test_generic_constants_never_narrow_the_range_of_an_engine() -> None:
    for engine in map(load_engine, engine_names()):
        measured, generic = (spread_under_load(engine, origin) for origin in ORIGINS)
        assert generic[0] <= measured[0] < 1 < measured[1] <= generic[1]


def test_ttft_under_load_has_the_range_of_its_engine() -> None:
    answer = vperf.estimate(LLAMA, "h100", max_concurrency=32, engine="sglang").expected
    low, high = load_engine("sglang").ttft_spread
    assert answer.low.ttft_s / answer.ttft_s == pytest.approx(low)
    assert answer.high.ttft_s / answer.ttft_s == pytest.approx(high)
