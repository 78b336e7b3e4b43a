"""Laws of the simulated scheduler, on affine step times: what must hold whatever a step takes."""

from __future__ import annotations

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
                        think_s=draw(st.floats(0.0, 5.0)), max_context=60_000, seed=seed)  # fmt: skip
    arrivals = None
    if kind in ("rate", "capped"):
        burstiness = draw(st.sampled_from([0.1, 1.0, 5.0, math.inf]))
        arrivals = arrival_times(count, rate, burstiness=burstiness, seed=seed)
    users = draw(st.integers(1, 20)) if kind in ("closed", "capped") else None
    traffic = Traffic(inputs, outputs, arrivals, users)
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


@settings(max_examples=300, deadline=None)
@given(loads(), schedulers(), caches, drafts)
def test_no_request_is_lost_and_tokens_and_time_are_conserved(
    traffic: Traffic,
    scheduler: Scheduler,
    cache: Cache | None,
    draft: tuple[float, int],
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


@settings(max_examples=300, deadline=None)
@given(loads(), schedulers(), caches, drafts)
def test_runs_of_steps_equal_one_by_one(
    traffic: Traffic,
    scheduler: Scheduler,
    cache: Cache | None,
    draft: tuple[float, int],
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
