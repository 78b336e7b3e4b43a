"""A served scenario as means and as requests: what its options say, and what they refuse."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import vperf
from vperf.errors import InputError
from vperf.requests import load_of, read_goodput, run_of
from vperf.scenario import Scenario
from vperf.serving.lengths import equal

LENGTHS = equal(1024, 128)


def scenario(**options: Any) -> Scenario:
    return Scenario("qwen3-8b", "h100-sxm", **options)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    rows = [
        {"timestamp": i * 0.5, "input_len": 100 + 100 * (i % 2), "output_len": 20}
        for i in range(11)
    ]
    file = tmp_path / "trace.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"max_concurrency": 64}, 640),
        ({"max_concurrency": 2}, 100),
        ({"request_rate": 3.0}, 1000),
        ({"sessions": 7}, 70),
        ({"request_rate": 3.0, "num_prompts": 12}, 12),
    ],
)
def test_a_run_has_as_many_requests_as_benchmarks_send(options: dict[str, Any], count: int) -> None:
    run = run_of(scenario(**options), LENGTHS)
    assert run.count == len(run.traffic()) == count


def test_a_trace_is_its_own_load(trace: Path) -> None:
    asked = scenario(trace=trace)
    assert asked.served
    load = load_of(asked, LENGTHS)
    assert (load.input_tokens, load.output_tokens) == (145, 20)
    assert load.requests_per_s == pytest.approx(11 / 5)
    assert len(run_of(scenario(trace=trace, num_prompts=4), LENGTHS).traffic()) == 4
    assert load_of(scenario(trace=trace, max_concurrency=3), LENGTHS).users == 3


def test_sessions_are_users_who_think_and_find_their_context_in_cache() -> None:
    load = load_of(scenario(sessions=5, think_time="2 s"), LENGTHS)
    assert (load.users, load.think_s) == (5, 2.0)
    assert load.input_tokens > 2 * 1024
    assert 0.5 < load.prefix_hit < 0.9


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"sessions": 4, "max_concurrency": 1}, ""),
        ({"sessions": 4, "request_rate": 1.0}, ""),
        ({"max_concurrency": 4, "burstiness": 2.0}, "burstiness"),
        ({"request_rate": 1.0, "burstiness": 0.0}, "burstiness"),
        ({"max_concurrency": 4, "think_time": "1 s"}, "think-time"),
        ({"sessions": 4, "think_time": -1.0}, "think-time"),
        ({"max_concurrency": 4, "num_prompts": 0}, "num-prompts"),
        ({"max_concurrency": 4, "metric_percentiles": "p99"}, "metric-percentiles"),
        ({"max_concurrency": 4, "max_num_seqs": 0}, "max-num-seqs"),
        ({"max_concurrency": 4, "batch_size": 2}, "batch-size"),
        ({"num_prompts": 10}, "num-prompts"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        vperf.estimate("qwen3-8b", "h100-sxm", **options).simulated  # noqa: B018
    assert (caught.value.field or "") == field


def test_a_run_that_ends_is_what_is_expected_of_it() -> None:
    asked: dict[str, Any] = {"max_concurrency": 16, "output_len": 64}
    endless = vperf.estimate("qwen3-8b", "h100-sxm", **asked)
    found = vperf.estimate("qwen3-8b", "h100-sxm", num_prompts=32, **asked)
    run = found.simulated
    assert run is not None
    assert run.tpot is not None
    assert (found.expected.ttft_s, found.expected.tpot_s) == (run.ttft.mean_s, run.tpot.mean_s)
    assert endless.expected.ttft_s != found.expected.ttft_s
    assert found.limit.tpot_s <= endless.limit.tpot_s  # ramp and drain decode fewer
    assert (
        found.serving and found.serving.prompts,
        endless.serving and endless.serving.prompts,
    ) == (32, None)


def test_prompts_sent_at_once_wait_for_half_of_the_run() -> None:
    # n prompts, c at a time, r a second: the mean wait is about (n - c) / 2 r.
    found = vperf.estimate(
        "qwen3-8b", "h100-sxm", request_rate=float("inf"), num_prompts=400, max_num_seqs=32
    )
    run = found.simulated
    assert run is not None
    assert run.ttft.mean_s == pytest.approx((400 - 32) / 2 / run.requests_per_s, rel=0.15)
    assert run.peak_running == 32


def test_percentiles_are_in_the_json_of_a_load_and_of_no_batch() -> None:
    asked: dict[str, Any] = {"max_concurrency": 8, "output_len": 16}
    asked["metric_percentiles"] = "50,99.9"
    found = vperf.estimate("qwen3-8b", "h100-sxm", **asked).to_dict()["simulated"]
    assert found["prompts"] == 100
    for metric in ("ttft", "tpot", "itl", "e2e"):
        assert set(found[metric]) == {"mean_s", "p50_s", "p99.9_s"}
    assert vperf.estimate("qwen3-8b", "h100-sxm").to_dict()["simulated"] is None


def test_fewer_slots_make_requests_wait() -> None:
    asked: dict[str, Any] = {"max_concurrency": 32, "output_len": 64}
    free = vperf.estimate("qwen3-8b", "h100-sxm", **asked)
    capped = vperf.estimate("qwen3-8b", "h100-sxm", **asked, max_num_seqs=8)
    assert free.simulated
    assert capped.simulated
    assert capped.simulated.peak_running == 8
    assert capped.simulated.ttft.mean_s > 2 * free.simulated.ttft.mean_s
    assert capped.expected.ttft_s > 2 * free.expected.ttft_s


def test_an_endless_rate_sends_all_at_once_and_a_cap_makes_it_a_closed_loop() -> None:
    burst = scenario(request_rate=math.inf, num_prompts=40)
    assert load_of(burst, LENGTHS).users == 40
    traffic = run_of(burst, LENGTHS).traffic()
    assert len(traffic) == 40
    assert set(traffic.arrival_s or ()) == {0.0}
    closed = scenario(request_rate=math.inf, max_concurrency=4)
    assert load_of(closed, LENGTHS) == load_of(scenario(max_concurrency=4), LENGTHS)
    assert run_of(closed, LENGTHS).traffic().concurrency == 4


def test_a_rate_with_a_cap_is_the_rate_below_it_and_the_closed_loop_above() -> None:
    asked: dict[str, Any] = {"output_len": 64}
    estimate = vperf.estimate
    slow, slow_free = (
        estimate("qwen3-8b", "h100-sxm", **asked, request_rate=2.0, max_concurrency=cap)
        for cap in (64, None)
    )
    fast = estimate("qwen3-8b", "h100-sxm", **asked, request_rate=500.0, max_concurrency=8)
    closed = estimate("qwen3-8b", "h100-sxm", **asked, max_concurrency=8)
    assert slow.expected.tpot_s == slow_free.expected.tpot_s
    assert fast.expected.tpot_s == closed.expected.tpot_s
    assert fast.simulated
    assert fast.simulated.peak_running == 8
    assert slow.simulated
    assert slow.simulated.mean_running < 8
    assert any("at most 8 requests are out" in note for note in fast.assumptions)


def test_a_long_run_tells_how_far_it_is() -> None:
    asked = scenario(request_rate=20.0, num_prompts=20_000, output_len=8)
    told: list[tuple[int, int]] = []
    answer = vperf.ask(asked, lambda done, count: told.append((done, count)))
    assert answer.simulated
    assert told
    assert all(0 <= done <= count == 20_000 for done, count in told)
    assert told == sorted(told)


def test_goodput_s_times_are_in_ms_where_no_unit_is_said() -> None:
    kept = {"ttft_s": 0.5, "tpot_s": 0.03}
    assert read_goodput("ttft:500 tpot:30") == pytest.approx(kept)
    assert read_goodput("ttft:0.5s,tpot:30ms") == pytest.approx(kept)
    assert read_goodput("e2el:2s") == {"e2e_s": 2.0}
    for wrong in ("500ms", "p99:500", "ttft:"):
        with pytest.raises(InputError, match=r"goodput: .* is not like ttft:500ms"):
            read_goodput(wrong)


def test_goodput_is_the_share_of_the_run_that_keeps_a_time() -> None:
    def run(**options: Any) -> Any:
        return vperf.ask(scenario(max_concurrency=8, num_prompts=80, **options)).simulated

    assert run().goodput_requests_per_s is None
    plain = run()
    median = dict(plain.ttft.percentiles_s)[50.0]
    assert run(goodput="e2e:1000s").goodput_requests_per_s == pytest.approx(plain.requests_per_s)
    half = run(goodput=f"ttft:{median}s").goodput_requests_per_s
    assert half == pytest.approx(plain.requests_per_s / 2, rel=0.05)
    assert run(goodput="tpot:0.001").goodput_requests_per_s == 0


def test_goodput_needs_a_load() -> None:
    with pytest.raises(InputError, match="goodput: needs max-concurrency or request-rate"):
        vperf.ask(scenario(goodput="ttft:500"))
