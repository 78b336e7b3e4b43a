"""From the limit to the measured time: the parts sum, and each is where it belongs."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from tests.checks.results import GPU, MODEL, result, setup
from vperf.report.to_json import dump
from vperf.sources.engines import load_engine

_MODELS = ("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V2-Lite")
_times = st.floats(1e-3, 50.0)


_runs: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    model=st.sampled_from(_MODELS),
    gpu=st.sampled_from(["rtx-4090", "h100", "b200", "l40s"]),
    engine=st.sampled_from(["vllm", "sglang", "llama.cpp", "ideal"]),
    tp=st.sampled_from([1, 2, 4]),
    input_len=st.integers(1, 9000),
    output_len=st.integers(2, 2000),
)
_loads = st.sampled_from(
    [{"batch_size": 1}, {"batch_size": 64}, {"max_concurrency": 24}, {"request_rate": 2.0}]
)
_figures = st.fixed_dictionaries(
    {}, optional={"tpot_s": _times, "ttft_s": _times, "latency_s": _times}
).filter(bool)


@settings(max_examples=10, deadline=None)
@given(run=_runs, load=_loads, figures=_figures)
def test_the_parts_of_the_printed_json_sum_to_the_measured_time(
    run: dict[str, Any], load: dict[str, Any], figures: dict[str, float]
) -> None:
    ran = setup(**{**run, "batch_size": None, **load})
    printed = json.loads(dump(vperf.check(result(ran=ran, **figures)).to_dict()))
    assert printed["waterfalls"]
    for fall in printed["waterfalls"].values():
        parts = fall["parts"]
        measured = fall["measured_s"]
        assert abs(sum(part["seconds"] for part in parts) - measured) <= 1e-3 * measured
        assert abs(sum(part["share"] for part in parts) - 1) <= 1e-3
        limit = sum(part["seconds"] for part in parts if part["stage"] == "limit")
        assert abs(limit - fall["limit_s"]) <= 1e-9 * limit
        to_expected = sum(part["seconds"] for part in parts if part["stage"] != "measured")
        assert abs(to_expected - fall["expected_s"]) <= 1e-6 * fall["expected_s"]


def test_a_slower_run_is_unexplained_by_exactly_what_it_is_slower() -> None:
    answer = vperf.estimate(MODEL, GPU)
    fall = vperf.check(result(tpot_s=2 * answer.expected.tpot_s)).waterfalls[0]
    assert abs(fall.part("unexplained") - answer.expected.tpot_s) < 1e-12
    assert fall.largest.name == "unexplained"


def test_a_faster_run_has_a_negative_rest() -> None:
    answer = vperf.estimate(MODEL, GPU)
    fall = vperf.check(result(tpot_s=0.9 * answer.expected.tpot_s)).waterfalls[0]
    assert fall.part("unexplained") < 0
    assert fall.largest.name != "unexplained"


def test_decode_is_weights_and_cache_and_prefill_is_flops() -> None:
    decode, prefill = vperf.check(result(tpot_s=0.0103, ttft_s=0.062)).waterfalls
    weights = 8_044_936_192 / (8_044_936_192 + 147_456 * 1087)
    light = decode.part("weights") + decode.part("kv_cache")
    assert abs(decode.part("weights") / light - weights) < 1e-3
    assert abs(light - decode.limit_s) < 1e-12
    assert abs(prefill.part("compute") - prefill.limit_s) < 1e-12


def test_host_time_collectives_and_queueing_are_parts_of_their_own() -> None:
    alone = vperf.check(result()).waterfalls[0]
    engine = load_engine("vllm")
    host_s = engine.host_s_per_step + engine.host_s_per_sequence
    assert abs(alone.part("host") - host_s) < 1e-9
    assert alone.part("collectives") == alone.part("queueing") == 0.0
    ran = setup(gpu="h100", tp=4, batch_size=None, max_concurrency=32)
    served = vperf.check(result(ran=ran, tpot_s=0.02, ttft_s=0.3)).waterfalls
    assert all(fall.part("collectives") > 0 for fall in served)
    assert all(fall.part("queueing") > 0 for fall in served)


def test_experts_are_a_part_of_their_own() -> None:
    ran = setup(model="Qwen/Qwen3-30B-A3B", gpu="h100")
    assert vperf.check(result(ran=ran, tpot_s=0.01)).waterfalls[0].part("moe") > 0
