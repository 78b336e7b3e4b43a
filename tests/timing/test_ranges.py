"""Ranges: wider where less is known, and of the engine where requests wait."""

from __future__ import annotations

from dataclasses import replace

import pytest
from measured_points import score, strata

import vperf
from vperf.model.ops import Step
from vperf.sources.engines import engine_names, load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.constants import Constants, Origin, constants_of
from vperf.timing.ranges import decode_spread, prefill_spread, spread_of_op, spread_under_load

ORIGINS: tuple[Origin, ...] = ("measured", "same_die", "generic")
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
VLLM = load_engine("vllm")


def constants(gpu: str, engine: str = "vllm") -> Constants:
    return constants_of(load_gpu(gpu), load_engine(engine))


def test_every_range_holds_the_expected_value() -> None:
    for name in engine_names():
        for gpu in ("h100", "rtx-3070", "apple-m3-max", "mi300x"):
            c, engine = constants(gpu, name), load_engine(name)
            spreads = [decode_spread(c, engine, experts=experts) for experts in (True, False)]
            assert all(low < 1 < high for low, high in [prefill_spread(c, engine), *spreads])


@pytest.mark.parametrize("experts", [False, True])
def test_the_range_of_decode_holds_eight_of_ten_measured_tpots(experts: bool) -> None:
    # Of 1,222 served points, of which those kept with the tests are a sample.
    served = [p for name in strata() for p in score(name).get("tpot", [])
              if (p.groups["kind"] == "moe") == experts]  # fmt: skip
    low, high = decode_spread(constants("h100"), VLLM, experts=experts)
    inside = sum(low <= p.measured_s / p.expected_s <= high for p in served)
    assert 0.7 <= inside / len(served) <= 0.95


def test_an_answer_has_the_range_of_its_kind_of_model() -> None:
    for model, experts in ((LLAMA, False), ("openai/gpt-oss-20b", True)):
        answer = vperf.estimate(model, "h100").to_dict()["expected"]
        low, high = decode_spread(constants("h100"), VLLM, experts=experts)
        assert answer["tpot_s_low"] / answer["tpot_s"] == pytest.approx(low)
        assert answer["tpot_s_high"] / answer["tpot_s"] == pytest.approx(high)


def test_llama_cpp_has_ranges_of_its_own_where_its_kernels_were_fitted() -> None:
    # On 30 cards of NVIDIA; on Apple's and AMD's it scatters as all engines do.
    engine = load_engine("llama.cpp")
    own, others = constants("rtx-3070", "llama.cpp"), constants("apple-m3-max", "llama.cpp")
    assert decode_spread(own, engine, experts=False) == engine.decode_spread
    assert prefill_spread(own, engine) == engine.prefill_spread
    everyone = decode_spread(constants("rtx-3070"), VLLM, experts=False)
    assert decode_spread(others, engine, experts=False) == everyone


def test_generic_constants_never_narrow_the_range_of_an_engine() -> None:
    for engine in map(load_engine, engine_names()):
        measured, *others = (spread_under_load(engine, origin) for origin in ORIGINS)
        for low, high in others:
            assert low <= measured[0] < 1 < measured[1] <= high


def test_ttft_under_load_has_the_range_of_its_engine() -> None:
    answer = vperf.estimate(LLAMA, "h100", max_concurrency=32, engine="sglang").expected
    low, high = load_engine("sglang").ttft_spread
    assert answer.low.ttft_s / answer.ttft_s == pytest.approx(low)
    assert answer.high.ttft_s / answer.ttft_s == pytest.approx(high)


def test_prompts_on_measured_cards_have_a_range_of_their_own_skewed_to_the_slow_side() -> None:
    """TTFT of served points, of which measured cards have the most, is skewed to the slow side."""
    engine = replace(VLLM, prefill_spread=None)
    names = ("h100", "rtx-2080-ti")
    measured, generic = (prefill_spread(constants(name), engine) for name in names)
    assert constants("h100").origins.whole == "measured"
    assert constants("rtx-2080-ti").origins.whole != "measured"
    assert measured[1] > generic[1]
    assert measured[0] > generic[0]


def test_a_kernel_on_a_card_that_nobody_measured_has_a_wider_range() -> None:
    model = vperf.load_model(LLAMA)
    for step in (Step(1, 1, 100), Step(1, 512, 0)):
        for op in model.ops(step):
            (low, high), (lower, higher) = (spread_of_op(op, o) for o in ("measured", "generic"))
            assert lower < low < high < higher
            assert low / lower == pytest.approx(higher / high)
