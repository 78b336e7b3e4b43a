"""Laws of the simulated scheduler, on affine step times: what must hold whatever a step takes."""

from __future__ import annotations

import itertools
import math
from array import array
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.affine_times import SCHEDULERS, AffineTimes
from vperf.hardware.scheduler import Scheduler
from vperf.serving.arrivals import Traffic, arrival_times, draw_lengths, sessions, with_prefix_hit
from vperf.serving.lengths import equal
from vperf.serving.scheduler import Cache, simulate
from vperf.serving.simulated import Simulated

TIMES = AffineTimes()
LAG_FREE = Scheduler(admission_steps=0)


def closed_loop(count: int, users: int, inp: int = 1000, out: int = 100) -> Traffic:
    inputs, outputs = draw_lengths(equal(inp, out), count, low=0.8)
    return Traffic(inputs, outputs, concurrency=users)


@st.composite
def loads(draw: st.DrawFn) -> Traffic:
    count = draw(st.integers(1, 40))
    inputs = draw(st.lists(st.integers(1, 20_000), min_size=count, max_size=count))
    outputs = draw(st.lists(st.integers(1, 400), min_size=count, max_size=count))
    kind = draw(st.sampled_from(["closed", "rate", "capped", "burst", "sessions"]))
    seed = draw(st.integers(0, 1000))
    rate = draw(st.floats(0.1, 100.0))
    if kind == "sessions":
        users = draw(st.integers(1, 6))
        return sessions(users, draw(st.integers(1, 5)), equal(inputs[0], outputs[0]),
                        think_s=draw(st.floats(0, 5)), max_context=60_000, seed=seed)  # fmt: skip
    arrivals = None
    if kind in ("rate", "capped"):
        burstiness = draw(st.sampled_from([0.1, 1.0, 5.0, math.inf]))
        arrivals = arrival_times(count, rate, burstiness=burstiness, seed=seed)
    cap = draw(st.integers(1, 20)) if kind in ("closed", "capped") else None
    traffic = Traffic(inputs, outputs, arrivals, cap)
    return with_prefix_hit(traffic, draw(st.sampled_from([0.0, 0.5, 0.99])))


@st.composite
def schedulers(draw: st.DrawFn) -> Scheduler:
    engine = draw(st.sampled_from(sorted(SCHEDULERS)))
    return replace(
        SCHEDULERS[engine],
        max_batched_tokens=draw(st.sampled_from([64, 2048, 8192])),
        max_sequences=draw(st.sampled_from([1, 3, 1024])),
    )


caches = st.none() | st.builds(
    Cache, st.floats(1e3, 1e5), st.sampled_from([0.0, 8.0, 300.0]), st.sampled_from([0.0, 1.0])
)
drafts = st.sampled_from([(1.0, 1), (1.75, 3), (3.0, 4)])


@settings(max_examples=60, deadline=None)
@given(loads(), schedulers(), caches, drafts)
def test_no_request_is_lost_and_tokens_and_time_are_conserved(
    traffic: Traffic, scheduler: Scheduler, cache: Cache | None, draft: tuple[float, int]
) -> None:
    _holds_laws(traffic, scheduler, cache, draft)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(loads(), schedulers(), caches, drafts)
def test_no_request_is_lost_of_many_more_loads(
    traffic: Traffic, scheduler: Scheduler, cache: Cache | None, draft: tuple[float, int]
) -> None:
    _holds_laws(traffic, scheduler, cache, draft)


def _holds_laws(
    traffic: Traffic, scheduler: Scheduler, cache: Cache | None, draft: tuple[float, int]
) -> None:
    run = simulate(TIMES, scheduler, traffic, cache=cache, tokens_per_step=draft[0],
                   verified_tokens=draft[1])  # fmt: skip
    half_way = scheduler.transit_s / 2
    for sent, first, ended in zip(run.sent_s, run.first_s, run.ended_s, strict=True):
        assert 0 <= sent < first <= ended
    # Every gap belongs to a request: their sum is the time between first and last tokens.
    between = sum(e - f for e, f in zip(run.ended_s, run.first_s, strict=True))
    gaps = sum(s * n for s, n in zip(run.gap_s, run.gap_count, strict=True))
    assert gaps == pytest.approx(between, rel=1e-9, abs=1e-6)
    if draft[0] == 1:
        assert sum(run.gap_count) == sum(traffic.output_tokens) - len(traffic)
    # Little's law, with the way in and out beside what the scheduler holds.
    out = sum(e - s for e, s in zip(run.ended_s, run.sent_s, strict=True))
    held = run.running_s + run.waiting_s + half_way * len(traffic)
    assert held == pytest.approx(out, rel=1e-9, abs=1e-6)
    assert run.peak_running <= scheduler.max_sequences
    if cache is not None and not run.oversized:
        assert run.peak_cache <= 1 + 1e-9
    assert 0 < run.utilization <= 1 + 1e-9
    for each in (run.ttft(), run.e2e(), run.tpot(), run.itl()):
        if each is not None:
            values = [value for _, value in each.percentiles_s]
            assert values == sorted(values)


@settings(max_examples=60, deadline=None)
@given(loads(), schedulers(), caches, drafts)
def test_runs_of_steps_equal_one_by_one(
    traffic: Traffic, scheduler: Scheduler, cache: Cache | None, draft: tuple[float, int]
) -> None:
    _equals_one_by_one(traffic, scheduler, cache, draft)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(loads(), schedulers(), caches, drafts)
def test_runs_of_steps_of_many_more_loads_equal_one_by_one(
    traffic: Traffic, scheduler: Scheduler, cache: Cache | None, draft: tuple[float, int]
) -> None:
    _equals_one_by_one(traffic, scheduler, cache, draft)


def test_a_preempted_request_may_join_the_step_after() -> None:
    """Its room is free at once: a run of steps ends where it would be admitted again."""
    inputs = [1, 1, 1, 1, 503, *[1] * 16]
    outputs = [159, 229, 229, 28, 40, *[1] * 16]
    scheduler = replace(
        Scheduler(), policy="prefill_first", max_batched_tokens=64, max_sequences=3,
        admission_steps=3, receive_interval=10,
    )  # fmt: skip
    _equals_one_by_one(Traffic(inputs, outputs), scheduler, Cache(1000.0, 0.0, 1.0), (1.75, 3))


def _equals_one_by_one(
    traffic: Traffic, scheduler: Scheduler, cache: Cache | None, draft: tuple[float, int]
) -> None:
    runs = [
        simulate(TIMES, scheduler, traffic, cache=cache, tokens_per_step=draft[0],
                 verified_tokens=draft[1], longest_run=longest)
        for longest in (1 << 62, 1)
    ]  # fmt: skip
    assert runs[0].steps == runs[1].steps
    for a, b in zip(runs[0].ended_s, runs[1].ended_s, strict=True):
        assert a == pytest.approx(b, abs=1e-9, rel=1e-12)
    for a, b in zip(runs[0].first_s, runs[1].first_s, strict=True):
        assert a == pytest.approx(b, abs=1e-9, rel=1e-12)


@given(st.integers(1, 30_000), st.integers(2, 300), st.integers(1, 5))
def test_one_user_is_batch_1(prompt: int, output: int, count: int) -> None:
    traffic = Traffic([prompt] * count, [output] * count, concurrency=1)
    run = simulate(TIMES, LAG_FREE, traffic)
    base, slope = TIMES.decode(1)
    tpot = base + slope * (prompt + (output - 2) / 2)
    assert run.tpot_s == pytest.approx([tpot] * count)
    chunks = [(min(8192, prompt - past), past) for past in range(0, prompt, 8192)]
    assert run.ttft_s == pytest.approx([sum(TIMES.mixed(0, 0, [c]) for c in chunks)] * count)


@pytest.mark.parametrize("engine", sorted(SCHEDULERS))
def test_a_rate_near_0_is_batch_1(engine: str) -> None:
    scheduler = SCHEDULERS[engine]
    alone = simulate(TIMES, scheduler, Traffic([1000], [100]))
    rare = Traffic([1000] * 50, [100] * 50, arrival_times(50, 1e-3))
    run = simulate(TIMES, scheduler, rare)
    assert run.ttft_s == pytest.approx(alone.ttft_s * 50)
    assert run.tpot_s == pytest.approx(alone.tpot_s * 50)


def test_mean_ttft_of_a_long_run_grows_with_the_rate() -> None:
    means = []
    for rate in (1, 4, 8, 16, 24, 32, 38):
        traffic = Traffic(array("q", [1000]) * 3000, array("q", [100]) * 3000,
                          arrival_times(3000, rate, seed=3))  # fmt: skip
        means.append(simulate(TIMES, LAG_FREE, traffic).ttft().mean_s)
    assert means == sorted(means)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 64), st.integers(1, 64), st.integers(10, 4000), st.integers(10, 300))
def test_more_slots_never_lower_the_rate(a: int, b: int, prompt: int, output: int) -> None:
    few, many = sorted((a, b))
    rates = []
    for slots in (few, many):
        scheduler = replace(LAG_FREE, max_sequences=slots)
        run = simulate(TIMES, scheduler, closed_loop(600, 64, prompt, output))
        assert run.steady is not None
        rates.append(run.steady.requests_per_s)
    assert rates[1] >= 0.99 * rates[0]


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[float]:
        traffic = Traffic(*draw_lengths(equal(1000, 100), 100, low=0.5, seed=seed),
                          arrival_times(100, 10, seed=seed))  # fmt: skip
        return simulate(TIMES, SCHEDULERS["vllm"], traffic).ttft_s

    assert run(1) == run(1) != run(2)


def test_sequences_that_outgrow_the_cache_are_preempted_and_read_again() -> None:
    traffic = Traffic([100] * 8, [200] * 8, concurrency=8)
    room = Cache(size=1200, per_sequence=0, per_token=1)
    free = simulate(TIMES, LAG_FREE, traffic)
    tight = simulate(TIMES, LAG_FREE, traffic, cache=room)
    assert free.preempted == 0
    assert tight.preempted > 0
    assert tight.peak_running == 8
    assert tight.duration_s > free.duration_s
    set_aside = simulate(TIMES, replace(LAG_FREE, reserves_output=True), traffic, cache=room)
    assert set_aside.preempted == 0
    assert set_aside.peak_running == 4


def test_a_request_larger_than_the_cache_is_answered_and_counted() -> None:
    run = simulate(TIMES, LAG_FREE, Traffic([100, 5000, 100], [9, 9, 9]),
                   cache=Cache(1000, 0, 1))  # fmt: skip
    assert run.oversized == 1
    assert min(run.ended_s) > 0


def test_prompts_of_a_batch_share_steps_up_to_the_token_budget() -> None:
    traffic = Traffic([1000] * 8, [1] * 8)
    assert simulate(TIMES, replace(LAG_FREE, max_batched_tokens=8000), traffic).steps == 1
    assert simulate(TIMES, replace(LAG_FREE, max_batched_tokens=1000), traffic).steps == 8
    whole = replace(LAG_FREE, max_batched_tokens=1500, splits_prompts=False)
    assert simulate(TIMES, whole, traffic).steps == 8
    split = replace(LAG_FREE, max_batched_tokens=1500)
    assert simulate(TIMES, split, traffic).steps == 6


def test_prefill_first_keeps_others_from_decoding() -> None:
    traffic = Traffic([100, 8000], [50, 50], [0.0, 0.05])
    mixed = simulate(TIMES, LAG_FREE, traffic)
    first = simulate(TIMES, replace(LAG_FREE, policy="prefill_first"), traffic)
    prefill = TIMES.mixed(0, 0, [(8000, 0)])
    assert max(first.gap_s) > prefill + TIMES.step_s
    assert prefill < max(mixed.gap_s) < prefill + TIMES.step_s / 2


def test_admission_steps_are_waited_only_behind_a_step_that_runs() -> None:
    late = Traffic([100, 100], [400, 2], [0.0, 1.0])
    base, _ = TIMES.decode(1)
    waits = []
    for lag in range(4):
        scheduler = replace(LAG_FREE, admission_steps=lag)
        run = simulate(replace(TIMES, context_s=0.0), scheduler, late)
        assert run.ttft_s[0] == pytest.approx(TIMES.mixed(0, 0, [(100, 0)]))
        waits.append(run.ttft_s[1])
    assert [b - a for a, b in itertools.pairwise(waits)] == pytest.approx([base] * 3)


def test_a_receive_interval_makes_requests_wait_for_it() -> None:
    late = Traffic([100, 100], [400, 2], [0.0, 1.0])
    base, _ = TIMES.decode(1)
    now = simulate(TIMES, LAG_FREE, late).ttft_s[1]
    then = simulate(TIMES, replace(LAG_FREE, receive_interval=30), late).ttft_s[1]
    assert now < then < now + 30 * base * 1.1


def test_batch_wait_holds_prompts_back_for_company() -> None:
    late = Traffic([100, 100], [400, 2], [0.0, 1.0])
    waits = replace(LAG_FREE, wait_steps=20, wait_share=0.5)
    base, _ = TIMES.decode(1)
    held = simulate(TIMES, waits, late).ttft_s[1] - simulate(TIMES, LAG_FREE, late).ttft_s[1]
    assert held == pytest.approx(20 * base, rel=0.01)
    enough = replace(waits, max_batched_tokens=150)
    assert simulate(TIMES, enough, late).ttft_s[1] == pytest.approx(
        simulate(TIMES, replace(enough, wait_steps=0), late).ttft_s[1]
    )


def test_cached_prompt_tokens_are_not_read() -> None:
    traffic = with_prefix_hit(Traffic([1000], [1]), 0.9)
    assert simulate(TIMES, LAG_FREE, traffic).ttft_s == [TIMES.mixed(0, 0, [(100, 900)])]


def test_a_session_finds_its_own_context_in_cache_until_others_need_the_room() -> None:
    talk = sessions(4, 5, equal(500, 100), think_s=1.0)
    prompts = list(talk.input_tokens)
    assert prompts[::4] == [500, 1100, 1700, 2300, 2900]
    ample = simulate(TIMES, LAG_FREE, talk)
    lone = TIMES.mixed(0, 0, [(501, 599)])
    assert min(ample.ttft_s[4:8]) == pytest.approx(lone, rel=0.1)
    tight = simulate(TIMES, LAG_FREE, talk, cache=Cache(4000, 0, 1))
    assert sum(tight.ttft_s) > 1.2 * sum(ample.ttft_s)
    thought = [talk.next_turn[i] for i in range(4)] if talk.next_turn else []
    for before, after in enumerate(thought):
        assert ample.sent_s[after] == pytest.approx(ample.ended_s[before] + 1.0)


def test_drafts_divide_the_steps() -> None:
    traffic = Traffic([100], [201])
    plain = simulate(TIMES, LAG_FREE, traffic)
    drafted = simulate(TIMES, LAG_FREE, traffic, tokens_per_step=2.5, verified_tokens=4)
    assert plain.steps - 1 == 200
    assert drafted.steps - 1 == 80


def test_a_queue_that_grows_as_long_as_requests_come_is_saturated() -> None:
    def run(rate: float) -> bool:
        traffic = Traffic([1000] * 2000, [100] * 2000, arrival_times(2000, rate))
        return simulate(TIMES, replace(LAG_FREE, max_sequences=32), traffic).saturated

    assert [run(rate) for rate in (5, 20, 60, 200)] == [False, False, True, True]


def test_a_prompt_of_a_billion_tokens_takes_few_events() -> None:
    run = simulate(TIMES, LAG_FREE, Traffic([10**9, 10], [10**9, 10], [0.0, 1.0]))
    assert run.steps > 10**9
    assert run.events < 200


def test_a_closed_loop_is_what_a_cap_makes_of_a_burst() -> None:
    burst = Traffic([1000] * 100, [100] * 100, [0.0] * 100, concurrency=10)
    loop = Traffic([1000] * 100, [100] * 100, concurrency=10)
    assert simulate(TIMES, LAG_FREE, burst).e2e_s == simulate(TIMES, LAG_FREE, loop).e2e_s


def test_progress_is_told() -> None:
    told: list[int] = []
    count = 9000
    simulate(TIMES, LAG_FREE, Traffic([10] * count, [1] * count, arrival_times(count, 1.0)),
             progress=told.append)  # fmt: skip
    assert told
    assert told == sorted(told)


def test_goodput_counts_requests_that_keep_every_bound() -> None:
    run = simulate(TIMES, LAG_FREE, closed_loop(200, 20))
    assert run.goodput() == pytest.approx(run.requests_per_s)
    median = dict(run.ttft().percentiles_s)[50.0]
    assert run.goodput(ttft_s=median) == pytest.approx(run.requests_per_s / 2, rel=0.02)
    assert run.goodput(ttft_s=median, tpot_s=0.0) == 0


def test_the_first_step_with_several_prompts_waits_for_its_kernels() -> None:
    cold, late = replace(LAG_FREE, warm_up_s=1.0), [100.0, 200.0, 300.0]
    together = Traffic([100] * 3, [2] * 3)
    waited = (
        simulate(TIMES, cold, together).ttft_s[1] - simulate(TIMES, LAG_FREE, together).ttft_s[1]
    )
    assert waited == pytest.approx(1.0)
    apart = Traffic([100] * 3, [2] * 3, late)
    assert simulate(TIMES, cold, apart).ttft_s == simulate(TIMES, LAG_FREE, apart).ttft_s


def test_goodput_counts_the_requests_that_keep_every_bound() -> None:
    """TPOT: the seconds behind the first token over the tokens behind it; of one token, none."""
    traffic = Traffic([10, 10, 10], [5, 11, 1])
    run = Simulated(
        traffic, sent_s=[0.0, 0.0, 1.0], first_s=[1.0, 2.0, 3.0], ended_s=[3.0, 4.0, 10.0],
        gap_s=[], gap_count=[], busy_s=0.0, running_s=0.0, waiting_s=0.0, peak_running=0,
        peak_cache=0.0, steps=0, events=0, preempted=0, oversized=0,
    )  # fmt: skip
    assert run.tpot_s == [2.0 / 4, 2.0 / 10]  # half a second and a fifth
    assert run.goodput() == 3 / 10.0
    assert run.goodput(tpot_s=0.3) == 2 / 10.0
    assert run.goodput(ttft_s=1.5) == 1 / 10.0
    assert run.goodput(e2e_s=4.0, tpot_s=0.3) == 1 / 10.0


def test_a_session_of_one_turn_is_a_request() -> None:
    traffic = sessions(3, 1, equal(100, 10), think_s=0.0)
    assert len(traffic) == 3
    assert list(traffic.next_turn or ()) == [-1, -1, -1]


def test_a_preempted_request_reads_its_prompt_and_its_tokens_again_by_hand() -> None:
    """A second a step and a hundredth for each cached token that it attends to; room for 30."""
    times = AffineTimes(step_s=1.0, sequence_s=0.0, context_s=0.01, prompt_s=0.0, pair_s=0.0)
    traffic = Traffic([10, 10], [20, 20])
    run = simulate(times, LAG_FREE, traffic, cache=Cache(size=30, per_sequence=0, per_token=1))

    def decoding(sequences: int, first: int, last: int) -> float:
        return sum(1 + 0.01 * sequences * (10 + made) for made in range(first, last))

    # Five decode steps fill the cache with 2 x 15. The younger one waits until the older one ends,
    # reads its 10 + 6 tokens again in a step that gives its seventh, and goes on from there.
    older = 1 + decoding(2, 0, 5) + decoding(1, 5, 19)
    younger = older + 1 + decoding(1, 6, 19)
    assert run.preempted == 1
    assert list(run.first_s) == pytest.approx([1, 1])
    assert list(run.ended_s) == pytest.approx([older, younger])
    stalled = max(run.gap_s)
    assert stalled == pytest.approx(decoding(1, 5, 19) + 1)
    assert run.steps == 1 + 5 + 14 + 1 + 13


def test_runs_of_steps_with_drafts_beside_a_long_prompt_by_hand() -> None:
    """Each step of a chunk of 100 tokens costs a hundredth a cached token of who decodes."""
    times = AffineTimes(step_s=1.0, sequence_s=0.0, context_s=0.01, prompt_s=0.0, pair_s=0.0)
    scheduler = replace(LAG_FREE, max_batched_tokens=103)
    traffic = Traffic([100, 2000], [200, 1], [0.0, 0.5])
    run = simulate(times, scheduler, traffic, tokens_per_step=2.0, verified_tokens=3)
    # 1 s for the first prompt; 20 chunks of 100 beside its decoding, 2 tokens more each time.
    chunks = [1 + 0.01 * (100 + 2 * step) for step in range(20)]
    assert run.first_s[1] == pytest.approx(1 + sum(chunks))
