"""Shares, verdicts, MBU and MFU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import vperf
from tests.checks.results import GPU, MODEL, result, setup, went
from vperf import InputError, Result, Scenario
from vperf.checks.grade import (
    Bounds,
    bounds,
    grade,
    in_flight,
    percentile_metrics,
    running,
    utilization,
)
from vperf.estimate import estimate
from vperf.resolve import deploy

BOUNDS = Bounds(limit=100.0, expected=80.0, slow=60.0, fast=90.0)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(30.0, "slow"), (60.0, "good"), (80.0, "good"), (90.0, "good"), (95.0, "better"),
     (100.0, "better"), (101.0, "impossible")],
)  # fmt: skip
def test_a_verdict_is_where_the_figure_lies(measured: float, verdict: str) -> None:
    assert grade("decode_tokens_per_s", measured, BOUNDS).verdict == verdict
    times = Bounds(1 / 100, 1 / 80, 1 / 60, 1 / 90)
    assert grade("tpot_s", 1 / measured, times).verdict == verdict


def test_shares_are_of_speed_for_times_and_rates_alike() -> None:
    rate = grade("decode_tokens_per_s", 40.0, BOUNDS)
    time = grade("tpot_s", 1 / 40, Bounds(1 / 100, 1 / 80, 1 / 60, 1 / 90))
    assert [rate.of_limit, time.of_limit] == pytest.approx([0.4, 0.4])
    assert [rate.of_expected, time.of_expected] == pytest.approx([0.5, 0.5])
    assert [rate.short_of_range, time.short_of_range] == pytest.approx([1 / 3, 1 / 3])
    assert (rate.expected_low, rate.expected_high) == (60.0, 90.0)
    assert time.expected_low < time.expected_high


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(MODEL, GPU),
        Scenario(MODEL, "h100", batch_size=16, input_len=300, output_len=40),
        Scenario("Qwen/Qwen3-32B", "h100", tp=2, max_concurrency=32),
        Scenario("Qwen/Qwen3-30B-A3B", "h200", engine="sglang", max_concurrency=8),
    ],
)
def test_a_run_that_goes_as_expected_is_good_and_leaves_nothing_unexplained(
    scenario: Scenario,
) -> None:
    check = vperf.check(went(scenario, engine=scenario.engine or "vllm"))
    assert check.verdict == "good"
    for metric in check.metrics:
        assert metric.of_expected == pytest.approx(1.0, rel=1e-6)
        assert metric.of_limit <= 1.0
    for fall in check.waterfalls:
        assert fall.part("unexplained") == pytest.approx(0.0, abs=1e-9)


def test_mbu_is_bytes_over_time_over_the_datasheet() -> None:
    check = vperf.check(result(tpot_s=0.0103))
    decode = check.utilization[0]
    # 8,044,936,192 bytes of weights and 147,456 of cache a token, 1,087 of them on average.
    moved = 8_044_936_192 + 147_456 * (1024 + 127 // 2)
    assert decode.mbu == pytest.approx(moved / 0.0103 / 1008e9, rel=1e-3)
    # 2 FLOPs a weight and 4 x 36 layers x 32 heads x 128 a cached token; 165.2 TFLOPS at 2,520 MHz.
    assert decode.flops == pytest.approx(2 * 4_022_468_096 + 4 * 36 * 32 * 128 * 1088, rel=2e-3)


def test_the_mfu_of_a_prefill_at_the_limit_of_compute_is_one() -> None:
    answer = vperf.estimate(MODEL, GPU, input_len=4096)
    check = vperf.check(result(ran=setup(input_len=4096.0), ttft_s=answer.limit.ttft_s))
    assert answer.prefill.bound == "compute"
    assert check.utilization[0].mfu == pytest.approx(1.0)


def test_latency_is_the_prefill_and_all_steps_after_it() -> None:
    answer = vperf.estimate(MODEL, GPU)
    total = answer.expected.ttft_s + 127 * answer.expected.tpot_s
    check = vperf.check(result(latency_s=total))
    assert check.main.name == "latency_s"
    assert check.main.of_expected == pytest.approx(1.0)
    assert [fall.metric for fall in check.waterfalls] == ["latency_s"]


def test_a_server_that_runs_fewer_sequences_than_expected_is_not_impossible() -> None:
    scenario = Scenario(MODEL, GPU, max_concurrency=32)
    answer = vperf.ask(scenario)
    alone = vperf.estimate(MODEL, GPU, batch_size=2)
    queued = replace(
        went(scenario), ttft_s=3.0, tpot_s=alone.expected.tpot_s,
        output_tokens_per_s=2 / alone.expected.tpot_s, requests_per_s=None,
    )  # fmt: skip
    check = vperf.check(queued)
    assert alone.expected.tpot_s < answer.limit.tpot_s  # the limit of all that should have run
    assert check.verdict != "impossible"
    assert check.running_batch == pytest.approx(2.0)


def test_prefill_after_cached_tokens_is_not_graded() -> None:
    ran = setup(input_len=512, output_len=0, past_len=4096)
    with pytest.raises(InputError, match="no figure to grade"):
        vperf.check(result(ran=ran, prefill_tokens_per_s=5e3))


def test_a_rate_that_was_offered_is_not_graded_and_that_is_said() -> None:
    ran = setup(batch_size=None, request_rate=2.0)
    check = vperf.check(result(ran=ran, tpot_s=0.012, output_tokens_per_s=256.0))
    assert [metric.name for metric in check.metrics] == ["tpot_s"]
    assert any("not graded: output_tokens_per_s" in note for note in check.notes)


def test_several_results_are_graded_together_and_one_is_picked_by_its_label() -> None:
    ran = setup(input_len=0, output_len=128, past_len=0)
    results = [
        Result("llama-bench", "tg128", ran, decode_tokens_per_s=90.0),
        Result("llama-bench", "pp512 @ d9", setup(input_len=512, output_len=0, past_len=9),
               prefill_tokens_per_s=9e3),
    ]  # fmt: skip
    (check,) = vperf.check_all(results)
    assert check.result.label == "tg128"
    assert any("not graded: pp512 @ d9" in line for line in check.warnings)


def test_weights_of_another_size_than_the_tool_loaded_are_a_warning() -> None:
    check = vperf.check(result(ran=setup(weight_bytes=2.5e9)))
    assert any("2.5 GB" in line and "8.04 GB" in line for line in check.warnings)


def test_a_file_that_is_missing_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no such file"):
        vperf.check(Path("nowhere.json"), gpu=GPU, model=MODEL)


@pytest.mark.parametrize(
    ("ran", "tpot_s", "said"),
    [
        ({"max_concurrency": 16}, 0.0066, None),
        ({"max_concurrency": 16}, 6.6, "not 16: the figures contradict"),
        ({"max_concurrency": 64}, 0.0066, "not 64: the client sent fewer"),
        ({"requests": 24}, 0.0066, None),
        ({"requests": 320}, 0.0066, "not 320: the client sent fewer"),
    ],
)
def test_figures_that_contradict_the_load_by_little_s_law_are_a_warning(
    ran: dict[str, Any], tpot_s: float, said: str | None
) -> None:
    load = setup(gpu="h100", batch_size=None, output_len=256.0, **ran)
    check = vperf.check(result(ran=load, output_tokens_per_s=2317.0, ttft_s=0.058, tpot_s=tpot_s))
    found = [text for text in check.warnings if "in flight" in text]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_a_rate_over_all_sequences_needs_their_number() -> None:
    unsaid = setup(batch_size=None)
    with pytest.raises(InputError, match="does not say how many sequences"):
        vperf.check(result(ran=unsaid, output_tokens_per_s=4103.0))


def test_a_percentile_has_the_range_of_the_mean_it_is_of() -> None:
    run = went(Scenario("Qwen/Qwen3-32B", "h100", tp=2, max_concurrency=32))
    measured = replace(run, percentiles=(("p99_ttft_s", 3.0), ("p99_tpot_s", 0.05)))
    check = vperf.check(measured)
    found = {metric.name: metric for metric in (*check.metrics, *check.percentiles)}
    for of in ("ttft_s", "tpot_s"):
        mean, tail = found[of], found[f"p99_{of}"]
        for end in ("expected_low", "expected_high"):
            share = getattr(tail, end) / tail.expected
            assert share == pytest.approx(getattr(mean, end) / mean.expected), (of, end)
    assert found["ttft_s"].expected_high / found["ttft_s"].expected != pytest.approx(
        found["tpot_s"].expected_high / found["tpot_s"].expected
    )


def test_weights_that_fit_on_no_such_card_prove_nothing_where_their_number_is_not_said() -> None:
    check = vperf.check(result(ran=setup(model="Qwen/Qwen3-32B"), tpot_s=0.001))
    assert check.verdict == "better"
    assert any("more cards ran (--tp)" in text for text in check.warnings)


def at_load(users: int | None, slots: int) -> tuple[Any, Any]:
    """Of 100 tokens an answer, as little of a deployment and its answer as is looked at."""
    load = None if users is None and not slots else SimpleNamespace(users=users)
    at = SimpleNamespace(load=load, batch_size=7, lengths=SimpleNamespace(output_tokens=100))
    return at, SimpleNamespace(serving=SimpleNamespace(slots=slots))


@pytest.mark.parametrize(
    ("users", "slots", "figures", "sequences"),
    [
        (None, 0, {}, 7.0),  # a batch
        (16, 8, {}, None),
        (16, 8, {"tpot_s": 0.02, "output_tokens_per_s": 200.0}, 4.0),  # Little's law
        (16, 8, {"tpot_s": 0.02, "output_tokens_per_s": 2000.0}, 8.0),
        (16, 8, {"tpot_s": 0.02, "output_tokens_per_s": 1.0}, 1.0),
        (16, 12, {"tpot_s": 0.01, "ttft_s": 1.0}, 8.0),  # half of their time
        (16, 4, {"tpot_s": 0.01, "ttft_s": 1.0}, 4.0),
        (2, 9, {"tpot_s": 0.01, "ttft_s": 9.0}, 1.0),
        (None, 8, {"tpot_s": 0.01, "ttft_s": 1.0}, None),
        (None, 8, {"tpot_s": 0.02, "output_tokens_per_s": 200.0}, 4.0),
    ],
)
def test_who_decodes_at_a_time_follows_from_rates_and_times(
    users: int | None, slots: int, figures: dict[str, float], sequences: float | None
) -> None:
    assert running(*at_load(users, slots), figures) == sequences


@pytest.mark.parametrize(
    ("figures", "requests"),
    [
        ({"latency_s": 2.0, "requests_per_s": 3.0}, 6.0),
        ({"latency_s": 2.0, "output_tokens_per_s": 300.0}, 6.0),
        ({"ttft_s": 1.01, "tpot_s": 0.01, "requests_per_s": 3.0}, 6.0),  # 99 tokens after the first
        ({"latency_s": 2.0}, None),
        ({"requests_per_s": 3.0, "ttft_s": 1.0}, None),
    ],
)
def test_who_is_out_follows_from_rates_and_times(
    figures: dict[str, float], requests: float | None
) -> None:
    found = in_flight(at_load(16, 8)[0], figures)
    assert found == (None if requests is None else pytest.approx(requests))


def test_the_time_of_a_drafting_step_is_that_of_its_tokens() -> None:
    """MBU of a decode phase is of a step, in which several tokens are made; a prefill makes one."""
    at = SimpleNamespace(
        model=SimpleNamespace(draft_depth=1, parallel=SimpleNamespace(data=1, pipeline=1)),
        acceptance=1.0, card=SimpleNamespace(gpu=SimpleNamespace(memory_bandwidth=1e12)),
    )  # fmt: skip
    phase = SimpleNamespace(ops=(), bytes=1e10, flops=0.0)
    of: Any = (phase, at, 1)
    assert utilization("decode", 0.02, *of).mbu == pytest.approx(0.25)  # two tokens in 40 ms
    assert utilization("prefill", 0.02, *of).mbu == pytest.approx(0.5)


def test_a_stage_without_a_sequence_waits() -> None:
    at = SimpleNamespace(
        model=SimpleNamespace(draft_depth=0, parallel=SimpleNamespace(data=2, pipeline=4)),
        acceptance=None, card=SimpleNamespace(gpu=SimpleNamespace(memory_bandwidth=1e12)),
    )  # fmt: skip
    phase: Any = SimpleNamespace(ops=(), bytes=1e10, flops=0.0)
    for batch, busy in ((2, 1 / 4), (3, 2 / 4), (8, 1.0), (64, 1.0)):
        given: Any = at
        assert utilization("decode", 0.02, phase, given, batch).mbu == pytest.approx(0.5 * busy)


def test_requests_of_many_texts_are_bounded_by_the_texts_over_them() -> None:
    at = deploy(Scenario("Qwen/Qwen3-Embedding-0.6B", "l4", input_len=512, max_concurrency=4,
                         texts_per_request=8))  # fmt: skip
    answer = estimate(at)
    found = bounds(at, answer)["requests_per_s"]
    assert answer.texts is not None
    assert found.expected == pytest.approx(answer.texts.expected_texts_per_s / 8)
    assert found.limit == pytest.approx(answer.texts.limit_texts_per_s / 8)


def test_percentiles_are_graded_beside_a_simulated_run_alone() -> None:
    at = deploy(Scenario(MODEL, GPU, max_concurrency=4))
    measured = replace(result(), percentiles=(("p99_ttft_s", 0.5),))
    answer = estimate(at)
    assert [m.name for m in percentile_metrics(at, answer, measured)] == ["p99_ttft_s"]
    without: Any = SimpleNamespace(simulated=None, expected=answer.expected)
    assert percentile_metrics(at, without, measured) == ()
