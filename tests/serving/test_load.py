"""Served load: the closed loop's fixed point, and its laws."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_points import score
from scoring import stats

import vperf
from vperf.model.divide import Parallel, divide
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.arrivals import Traffic, arrival_times, draw_lengths
from vperf.serving.equal_steps import Steps
from vperf.serving.lengths import equal
from vperf.serving.load import BURST_SHARE, Load, pays_from, serve
from vperf.serving.simulation import run
from vperf.serving.speculative import drafting
from vperf.serving.step_times import DeploymentTimes
from vperf.serving.trial import _busy, server_s
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card

H100 = Card(load_gpu("h100-sxm"), load_engine("vllm"))
MODEL = Compiled(vperf.load_model("meta-llama/Llama-3.1-8B-Instruct"), H100)
GLM = divide(vperf.load_model("zai-org/GLM-4.5-Air"), Parallel(4))  # one MTP layer
H200 = Card(load_gpu("h200"), load_engine("vllm"))
PLAIN = Compiled(GLM, H200)


def drafting_glm(draft_tokens: int = 1) -> Compiled:
    return Compiled(drafting(GLM, "GLM", "mtp", draft_tokens), H200)


def test_one_user_decodes_alone() -> None:
    served = serve(MODEL, Load(1000, 1000, 1))
    assert served.running_batch == pytest.approx(1, abs=0.05)
    alone = MODEL.decode(1, 1500)[1]
    assert alone <= served.tpot_s <= 1.05 * alone + 0.03 / 1000


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "vllm-v0"])
@pytest.mark.parametrize("prompt", [128, 2000])
def test_one_user_waits_for_the_prefill_of_batch_1_and_the_server(engine: str, prompt: int) -> None:
    """In the closed form and in the step that is simulated; all of the host's time is in each."""
    card = Card(load_gpu("h100-sxm"), load_engine(engine))
    alone = Compiled(vperf.load_model("meta-llama/Llama-3.1-8B-Instruct"), card)
    wanted = alone.prefill(1, prompt).expected
    served = serve(alone, Load(prompt, 500, 1))
    assert served.ttft_steady_s == pytest.approx(wanted + server_s(card, prompt), rel=1e-6)
    simulated = DeploymentTimes(alone, prompt, prompt + 500).mixed(0, 0.0, [(prompt, 0)])
    assert simulated == pytest.approx(wanted, rel=0.01)
    without = Compiled(alone.model, Card(card.gpu, card.engine.with_scheduler(prompt_step_s=0.0)))
    extra = card.engine.scheduler.prompt_step_s
    assert wanted - without.prefill(1, prompt).expected == pytest.approx(extra, abs=1e-9)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize(("prompt", "output"), [(1000, 500), (8000, 100)])
@pytest.mark.parametrize(("slots", "share"), [(1, 0.5), (1, 0.8), (2, 0.6), (16, 0.8)])
def test_a_rate_waits_for_the_slots_of_its_engine(
    engine: str, prompt: int, output: int, slots: int, share: float
) -> None:
    """As in M/D/1 (one slot), and as simulated."""
    given = Scenario("qwen3-8b", "h200-sxm", engine=engine, max_num_seqs=slots)
    compiled = deploy(given).compiled
    alone = serve(compiled, Load(prompt, output, 1))
    rate = share * serve(compiled, Load(prompt, output, slots)).requests_per_s
    served = serve(compiled, Load(prompt, output, None, rate))
    assert not served.saturated
    if slots == 1:
        assert served.tpot_s == pytest.approx(alone.tpot_s, rel=1e-6)
        held_s = 1 / alone.requests_per_s - server_s(compiled.card, prompt)
        waits = rate * held_s**2 / (1 - rate * held_s) / 2
        assert served.ttft_steady_s == pytest.approx(alone.ttft_steady_s + waits, rel=1e-6)
    inputs, outputs = draw_lengths(equal(prompt, output), 3000, around=0.025)
    arrivals = arrival_times(3000, rate, seed=1)
    steady = run(compiled, Traffic(inputs, outputs, arrivals)).steady
    assert steady
    assert served.tpot_s == pytest.approx(steady.tpot_s, rel=0.12)
    assert served.ttft_steady_s == pytest.approx(steady.ttft_s, rel=0.3)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["vllm", "vllm@0.12", "sglang", "trtllm"]),
    st.sampled_from([1, 2, 4, 16, 64, None]),
    st.integers(100, 10_000),
    st.integers(30, 500),
)
def test_times_grow_with_the_rate_to_saturation_and_beyond(
    engine: str, slots: int | None, prompt: int, output: int
) -> None:
    compiled = deploy(Scenario("qwen3-8b", "h200-sxm", engine=engine, max_num_seqs=slots)).compiled
    most = serve(compiled, Load(prompt, output, slots or 256)).requests_per_s
    shares = [0.001, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.1]
    found = [serve(compiled, Load(prompt, output, None, share * most)) for share in shares]
    for before, after in pairwise(found):
        assert after.ttft_steady_s >= 0.97 * before.ttft_steady_s
        assert after.tpot_s >= 0.97 * before.tpot_s
        assert after.requests_per_s >= 0.999 * before.requests_per_s
        assert after.saturated >= before.saturated


def test_a_rate_beyond_the_slots_of_its_engine_is_said_to_be_saturated() -> None:
    compiled = deploy(Scenario("qwen3-8b", "h200-sxm", max_num_seqs=1)).compiled
    alone = serve(compiled, Load(30_000, 100, 1)).requests_per_s
    most = 1 / (1 / alone - server_s(compiled.card, 30_000))
    beyond = serve(compiled, Load(30_000, 100, None, 1.05 * most))
    assert beyond.saturated
    assert beyond.requests_per_s == pytest.approx(most)
    assert not serve(compiled, Load(30_000, 100, None, 0.95 * most)).saturated


def test_littles_law_holds_at_the_fixed_point() -> None:
    served = serve(MODEL, Load(2000, 500, 64))
    cycle = served.ttft_steady_s + 499 * served.tpot_s
    assert served.running_batch == pytest.approx(64 * 499 * served.tpot_s / cycle, rel=1e-3)


def test_requests_that_come_by_themselves_queue_for_their_prefill() -> None:
    most = serve(MODEL, Load(4000, 100, 400)).requests_per_s
    idle, busy = (serve(MODEL, Load(4000, 100, None, share * most)) for share in (0.05, 0.9))
    assert not idle.saturated
    assert busy.ttft_s - idle.ttft_s > 2 * (busy.prefill_s - idle.prefill_s)


def _prefill_extra_s(load: Load, running: float) -> float:
    """What one prompt adds to the step that it shares with `running` sequences."""
    steps = Steps(MODEL, load)
    mixed = steps.prefill(running)
    assert mixed.steps == 1
    return mixed.seconds - steps.decode(round(running))[1]


@pytest.mark.parametrize("users", [1, 2, 64])
def test_a_tenth_of_the_requests_and_a_little_wait_in_the_first_burst(users: int) -> None:
    # InferenceMAX sends 10 prompts a user (num-prompts = 10 x concurrency), the first ones at
    # once: of C prompts that are prefilled in turn the mean waits for (C - 1) / 2 others. 0.12
    # fits the TTFT of 1,248 served points best, as the second wave is bunched, too.
    served = serve(MODEL, Load(2000, 500, users))
    sequences = 1 + served.running_batch * (users - 1) / users
    waits = (users - 1) / 2 * _prefill_extra_s(Load(2000, 500, users), sequences)
    assert served.ttft_s - served.ttft_steady_s == pytest.approx(0.12 * waits, rel=1e-6, abs=1e-12)


def test_ttft_of_many_users_is_as_measured() -> None:
    # 12 points of InferenceMAX, prompts of 8,192 tokens and 64 users or more: most of it is burst.
    assert abs(stats(score("served, many users")["ttft"]).bias) < 0.17


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_prompts_that_fill_a_step_wait_as_in_a_queue_of_one_server(share: float) -> None:
    # M/D/1 (Pollaczek and Khinchine): the mean wait is rho / (1 - rho) x half of a service.
    most = serve(MODEL, Load(8000, 100, 400)).requests_per_s
    load = Load(8000, 100, None, share * most)
    served = serve(MODEL, load)
    each = _prefill_extra_s(load, 1 + served.running_batch)
    busy = served.requests_per_s * each
    step = served.decode_s / (1 - busy)
    found_busy = -math.expm1(-served.running_batch)
    rest = served.prefill_s + server_s(H100, 8000)
    rest += found_busy * (served.decode_s / 2 + H100.engine.scheduler.admission_steps * step)
    queue = busy / (1 - busy) * (served.prefill_s - each / 2)
    assert served.ttft_s - rest == pytest.approx(queue, rel=0.2)


@pytest.mark.parametrize("load", [Load(30_000, 100, 1), Load(30_000, 100, None, 1e-4)])
def test_a_lone_request_is_not_disturbed_by_its_own_prompt(load: Load) -> None:
    # A published bug: TPOT 8.45 ms at batch 1 was 18.5 ms for one user and for 0.01 requests/s.
    served = serve(MODEL, load)
    alone = MODEL.decode(1, 30_050)[1]
    assert served.tpot_s == pytest.approx(alone, rel=1e-3)
    assert served.prefill_s > 3 * MODEL.prefill(1, 8192)[1]
    assert served.ttft_s == pytest.approx(served.prefill_s + server_s(H100, 30_000), rel=1e-3)


def test_a_synchronous_engine_lets_a_request_wait_for_half_a_step() -> None:
    card = Card(H100.gpu, load_engine("vllm@0.12"))
    load = Load(500, 2000, None, 0.5)
    now, before = (serve(Compiled(MODEL.model, c), load) for c in (H100, card))
    busy = -math.expm1(-before.running_batch)
    assert now.ttft_s - before.ttft_s == pytest.approx(3 * busy * before.tpot_s, rel=0.05)
    rest = before.prefill_s + server_s(card, 500)
    assert before.ttft_s - rest == pytest.approx(busy * before.tpot_s / 2, rel=0.3)


def test_the_servers_own_time_grows_with_the_prompt() -> None:
    card = Card(H100.gpu, H100.engine.with_scheduler(frontend_s_per_token=0.0))
    with_it, without = (
        serve(Compiled(MODEL.model, c), Load(3000, 100, 1)).ttft_s for c in (H100, card)
    )
    each = H100.engine.scheduler.frontend_s_per_token
    assert with_it - without == pytest.approx(3000 * each, rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 8000), st.integers(2, 2000))
def test_more_users_never_get_answers_sooner_and_never_beat_the_limit(
    users: int, prompt: int, output: int
) -> None:
    """Nor tokens; but where prompts take all but all of the time more users wait for their first,
    so that fewer decode at a time."""
    few = serve(MODEL, Load(prompt, output, users))
    many = serve(MODEL, Load(prompt, output, users + 20))
    few_s, many_s = (each.ttft_steady_s + (output - 1) * each.tpot_s for each in (few, many))
    assert many_s >= few_s
    if many.prompt_share <= 0.8:
        assert many.tpot_s >= few.tpot_s * (1 - 1e-3)
    for served in (few, many):
        assert served.tpot_s >= served.limit_tpot_s
        assert 0 < served.running_batch <= users + 20
        assert served.ttft_s >= served.ttft_steady_s >= served.prefill_s


@pytest.mark.parametrize("load", [Load(1000, 200, 1), Load(3000, 100, 32), Load(500, 400, None, 2)])
@pytest.mark.parametrize("draft_tokens", [1, 4])
def test_drafts_that_are_never_accepted_serve_no_sooner_and_no_more(
    load: Load, draft_tokens: int
) -> None:
    plain, drafted = serve(PLAIN, load), serve(drafting_glm(draft_tokens), load)
    assert drafted.tpot_s >= plain.tpot_s
    assert drafted.limit_tpot_s >= plain.limit_tpot_s
    assert drafted.prefill_s > plain.prefill_s
    assert drafted.limit_ttft_s == plain.limit_ttft_s
    assert drafted.requests_per_s <= plain.requests_per_s * (1 + 1e-5)  # both solved to 1e-6


def test_an_acceptance_means_nothing_to_a_model_that_does_not_draft() -> None:
    assert serve(PLAIN, Load(1000, 200, 16, acceptance=0.9)) == serve(PLAIN, Load(1000, 200, 16))


def test_one_user_with_drafts_has_the_step_of_a_batch_of_one_over_its_tokens() -> None:
    model = drafting_glm(2)
    served = serve(model, Load(1000, 1000, 1, acceptance=0.5))
    limit, step, _ = model.decode(1, 1500)
    assert served.decode_s == pytest.approx(step)
    assert served.limit_tpot_s == pytest.approx(limit / 1.75)
    assert step / 1.75 <= served.tpot_s <= 1.05 * step / 1.75 + 0.03 / 1000


def test_littles_law_holds_with_drafts() -> None:
    served = serve(drafting_glm(), Load(2000, 500, 64, acceptance=0.8))
    cycle = served.ttft_steady_s + 499 * served.tpot_s
    assert served.running_batch == pytest.approx(64 * 499 * served.tpot_s / cycle, rel=1e-3)


def test_a_higher_acceptance_serves_more() -> None:
    model = drafting_glm(2)
    rates = [
        serve(model, Load(1000, 300, 32, acceptance=a)).requests_per_s for a in (0.0, 0.4, 0.8, 1.0)
    ]
    assert rates == sorted(rates)


def test_where_drafting_pays_under_a_load_its_tpot_is_that_without() -> None:
    model, load = drafting_glm(2), Load(1000, 300, 32)
    without = serve(PLAIN, load)
    even = pays_from(model, load, without)
    assert even
    drafted = serve(model, replace(load, acceptance=even))
    assert drafted.tpot_s == pytest.approx(without.tpot_s, rel=2e-3)
    assert pays_from(model, load, replace(without, tpot_s=without.tpot_s / 100)) is None
    assert pays_from(model, load, replace(without, tpot_s=without.tpot_s * 100)) == 0


def test_stages_of_a_pipeline_read_prompts_side_by_side_and_wait_for_each_other() -> None:
    """More stages hold more sequences at nearly the token time of one."""
    name = "meta-llama/Llama-3.3-70B-Instruct"
    load: dict[str, Any] = {
        "quantization": "fp8",
        "input_len": 1000,
        "output_len": 1000,
        "max_concurrency": 128,
    }
    one, two, four = (vperf.estimate(name, "h200", pp=pp, **load) for pp in (1, 2, 4))
    assert one.limit.tpot_s <= one.expected.tpot_s
    # Half the sequences of a step, the same weights in all.
    assert two.expected.tpot_s < one.expected.tpot_s < 2 * two.expected.tpot_s
    assert four.expected.tpot_s > two.limit.tpot_s
    alone = [vperf.estimate(name, "h200", pp=pp, quantization="fp8") for pp in (1, 4)]
    hops = 4 * 20e-6 + 3 * load_engine("vllm").host_s_per_step
    late = alone[1].expected.tpot_s - alone[0].expected.tpot_s
    assert late == pytest.approx(hops, rel=0.2)


def _chunking(tokens: int) -> Card:
    engine = MODEL.card.engine
    scheduler = replace(engine.scheduler, max_batched_tokens=tokens)
    return Card(MODEL.card.gpu, replace(engine, scheduler=scheduler))


def test_chunks_of_a_long_prompt_taken_in_stretches_sum_to_those_taken_singly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = Load(400_000, 100, 4)
    card = _chunking(300)
    compiled = Compiled(MODEL.model, card)
    singly = Steps(compiled, load).prefill(3)
    monkeypatch.setattr("vperf.serving.equal_steps._MAX_CHUNKS", 100)
    stretched = Steps(compiled, load).prefill(3)
    assert stretched.steps == singly.steps > 1300
    assert stretched.seconds == pytest.approx(singly.seconds, rel=1e-3)


def test_a_prompt_of_a_billion_tokens_is_read_in_a_thousand_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    real = Compiled.mixed

    def counted(*given: Any) -> Any:
        asked.append(given)
        return real(*given)

    monkeypatch.setattr(Compiled, "mixed", counted)
    card = _chunking(8)
    found = Steps(Compiled(MODEL.model, card), Load(10**9, 100, 4)).prefill(3)
    assert found.steps >= 10**9 // 8
    assert len(asked) <= 2001


def test_a_load_on_a_card_without_room_for_any_cache_is_answered() -> None:
    engine = load_engine("transformers")
    huge = replace(engine, scheduler=replace(engine.scheduler, max_batched_tokens=10**10))
    answer = vperf.estimate("qwen3-8b", "h100", engine=huge, max_concurrency=8)
    assert not answer.memory.fits
    assert answer.simulated is not None
    assert answer.simulated.output_tokens_per_s > 0


@pytest.mark.parametrize("users", [1, 4, 64, 2000])
def test_users_are_those_served_a_second_times_what_each_takes(users: int) -> None:
    served = serve(MODEL, Load(1000, 200, users))
    each = served.ttft_steady_s + 199 * served.tpot_s
    assert served.requests_per_s * each == pytest.approx(users, rel=0.05)


def test_only_users_beside_others_wait_for_experts_that_warm_up() -> None:
    sparse = vperf.load_model("qwen3-30b-a3b")

    def first(users: int, warm_up_s: float) -> float:
        scheduler = replace(H100.engine.scheduler, warm_up_s=warm_up_s)
        card = Card(H100.gpu, replace(H100.engine, scheduler=scheduler))
        return serve(Compiled(sparse, card), Load(1000, 200, users)).ttft_s

    assert first(1, 2.0) == first(1, 0.0)
    assert first(8, 2.0) - first(8, 0.0) == pytest.approx(BURST_SHARE * 2.0)


def test_how_likely_others_are_decoding() -> None:
    """Of two others each is half the time: not both away, 1 - 1/4; at a rate, Poisson's."""
    load = Load(100, 10, users=3)
    assert _busy(1.0, load) == pytest.approx(0.75)
    assert _busy(0.0, load) == 0.0
    assert _busy(1.0, replace(load, users=1)) == 0.0
    at_a_rate = replace(load, users=None, requests_per_s=1.0)
    assert _busy(math.log(2), at_a_rate) == pytest.approx(0.5)


def test_two_groups_take_twice_the_rate_as_one_takes_it() -> None:
    one, two = (deploy(Scenario("qwen3-8b", "h100", dp=dp)).compiled for dp in (1, 2))
    alone = serve(one, Load(1000, 100, requests_per_s=4.0))
    both = serve(two, Load(1000, 100, requests_per_s=8.0))
    assert both.prompt_share == pytest.approx(alone.prompt_share, rel=0.02)
    assert both.ttft_s == pytest.approx(alone.ttft_s, rel=0.02)
    assert 0.05 < alone.prompt_share < 0.5
