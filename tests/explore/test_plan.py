"""`plan` against brute force, against `estimate`, and its laws."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest

import vperf
from vperf import InputError
from vperf.explore.candidates import Candidate, Layout, layouts, targets_of
from vperf.explore.plan import Plan, plan
from vperf.explore.ranking import By
from vperf.report.plan_chart import chart
from vperf.report.plan_commands import commands
from vperf.sources.gpus import load_gpu

MODEL = "Qwen/Qwen3-32B"
CARDS = ("h100-sxm-80gb", "rtx-pro-6000-workstation")
TASK: dict[str, Any] = {
    "ttft": "600ms", "tpot": "25ms", "request_rate": 3.0, "input_len": 2000, "output_len": 300,
    "max_gpus": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Plan:
    return plan(MODEL, CARDS, quantization=["auto", "fp8"], **TASK)


def _means(answer: vperf.Estimate) -> tuple[float, float]:
    """(TTFT, TPOT): of the simulated run where they are near TASK's targets."""
    ttft, tpot = answer.expected.ttft_s, answer.expected.tpot_s
    run, served = answer.simulated, answer.serving
    assert served
    near = abs(ttft / 0.6 - 1) <= 0.15 or abs(tpot / 0.025 - 1) <= 0.02
    if run and run.tpot and (near or served.prompt_share > 0.5) and not served.saturated:
        return run.ttft.mean_s, run.tpot.mean_s
    return ttft, tpot


def _every() -> list[tuple[int, float, vperf.Estimate]]:
    """(GPUs, TPOT, estimate) of all that meets TASK's targets, one scenario after another."""
    met = []
    for card, weights, tp, pp in product(CARDS, (None, "fp8"), (1, 2, 4), (1, 2, 4)):
        for replicas in range(1, TASK["max_gpus"] // (tp * pp) + 1):
            answer = vperf.estimate(
                MODEL, card, quantization=weights, tp=tp, pp=pp, input_len=2000, output_len=300,
                request_rate=3.0 / replicas,
            )  # fmt: skip
            ttft, tpot = _means(answer)
            good = ttft <= 0.6 and tpot <= 0.025
            assert answer.serving
            if good and answer.memory.fits and not answer.serving.saturated:
                met.append((replicas * tp * pp, tpot, answer))
    return met


def test_the_search_finds_what_trying_everything_finds(found: Plan) -> None:
    met = _every()
    assert found.winner
    assert len(met) == found.met
    assert found.winner.gpus == min(gpus for gpus, *_ in met)
    assert found.asked == found.met + sum(found.lost.values())
    assert found.computed < found.asked
    fastest = plan(MODEL, CARDS, quantization=["auto", "fp8"], by="latency", **TASK).winner
    assert fastest
    assert fastest.times.tpot_s == pytest.approx(min(tpot for _, tpot, _ in met), rel=0.02)


def test_every_member_of_the_front_is_what_estimate_says_of_it(found: Plan) -> None:
    for each in found.front:
        alone = vperf.ask(replace(each.scenario, gpu=each.row.gpu, model=MODEL))
        assert each.row.figures
        assert (each.row.figures.limit, each.row.figures.expected) == (alone.limit, alone.expected)
        run = alone.simulated
        assert run
        assert run.tpot
        assert (each.times.ttft_s, each.times.tpot_s) == (run.ttft.mean_s, run.tpot.mean_s)
        assert each.times.ttft_s <= 0.6
        assert each.times.tpot_s <= 0.025
        assert alone.memory.fits


def test_random_settings_have_the_figures_of_estimate() -> None:
    draw = Random(6)
    for _ in range(25):
        model = draw.choice((MODEL, "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "openai/gpt-oss-20b"))
        setting: dict[str, Any] = {
            "tp": draw.choice((1, 2, 4)), "engine": draw.choice(("vllm", "sglang", "trtllm")),
            "input_len": draw.randint(10, 9000), "output_len": draw.randint(2, 900),
            draw.choice(("max_concurrency", "request_rate")): draw.randint(1, 9),
        }  # fmt: skip
        gpu = draw.choice(("h100-sxm", "rtx-pro-6000", "l40s"))
        alone = vperf.estimate(model, gpu, **setting)
        answer = plan(model, gpu, pp=1, dp=1, ep=1, max_gpus=setting["tp"], e2e="9min", **setting)
        shown = answer.winner or answer.nearest
        if not alone.memory.fits:
            assert answer.lost == {"memory": 1}
            continue
        assert shown is not None
        assert shown.row.figures is not None
        assert shown.row.figures.expected == alone.expected
        assert shown.row.figures.limit == alone.limit


def _sides(each: Candidate) -> tuple[float, ...]:
    return (each.times.tpot_s, -each.per_gpu, each.expense, each.what_if)


def test_nobody_on_the_front_is_dominated(found: Plan) -> None:
    assert len(found.front) > 2
    for a, b in product(found.front, found.front):
        assert a is b or any(x < y for x, y in zip(_sides(a), _sides(b), strict=True))


@pytest.mark.parametrize("by", ["gpus", "cost", "latency", "throughput"])
def test_the_winner_is_on_the_front_and_best_of_it(by: By) -> None:
    prices = {"h100-sxm-80gb": 2.5, "rtx-pro-6000": 1.4}
    answer = plan(MODEL, CARDS, by=by, prices=prices, quantization=["auto", "fp8"], **TASK)
    best = answer.winner
    assert best is not None
    assert sum(each is best for each in answer.front) == 1

    def value(c: Candidate) -> float:
        usd = c.usd_per_hour or 0.0
        every = {"gpus": c.gpus, "cost": usd, "latency": c.times.tpot_s, "throughput": -c.per_gpu}
        return every[by]

    assert value(best) == pytest.approx(min(map(value, answer.front)), rel=1e-6)


def test_a_looser_target_never_makes_the_winner_larger() -> None:
    gpus = []
    for tpot in (0.012, 0.016, 0.025, 0.05, 0.2):
        winner = plan(MODEL, CARDS, **{**TASK, "tpot": tpot}).winner
        gpus.append(winner.gpus if winner else 99)
    assert gpus == sorted(gpus, reverse=True)
    assert len(set(gpus)) > 1


def test_the_slow_end_asks_for_no_fewer_gpus(found: Plan) -> None:
    safe = plan(MODEL, CARDS, quantization=["auto", "fp8"], conservative=True, **TASK)
    assert safe.winner
    assert found.winner
    assert safe.winner.gpus >= found.winner.gpus
    assert safe.met < found.met


def test_the_same_question_has_the_same_answer() -> None:
    one, two = (json.dumps(plan(MODEL, CARDS, **TASK).to_dict()) for _ in range(2))
    assert one == two


def test_a_deployment_pays_all_its_gpus() -> None:
    answer = plan(MODEL, "h100-sxm", prices={"h100-sxm": 2.5}, **TASK)
    assert answer.by == "cost"
    assert answer.winner
    assert answer.winner.usd_per_hour == pytest.approx(2.5 * answer.winner.gpus)


def test_users_are_split_over_replicas_and_without_a_load_they_are_chosen() -> None:
    task: dict[str, Any] = {"tpot": "20ms", "input_len": 2000, "output_len": 300}
    split = plan(MODEL, "h100-sxm", tp=4, max_concurrency=50, max_gpus=16, by="latency", **task)
    assert split.winner
    assert split.winner.replicas * (split.winner.scenario.max_concurrency or 0) >= 50
    free = plan(MODEL, "h100-sxm", tp=4, max_gpus=4, by="throughput", **task)
    assert free.winner
    users = free.winner.scenario.max_concurrency
    assert users
    more = vperf.estimate(MODEL, "h100-sxm", tp=4, max_concurrency=2 * users, input_len=2000,
                          output_len=300)  # fmt: skip
    assert more.expected.tpot_s > 0.02 >= free.winner.times.tpot_s


def test_targets_nobody_meets_name_the_nearest_and_what_binds() -> None:
    answer = plan(MODEL, CARDS, **{**TASK, "tpot": "1ms"})
    assert answer.winner is None
    assert answer.front == ()
    assert answer.nearest
    assert answer.nearest.binding
    assert answer.nearest.binding[0] == "tpot"
    runs = [
        vperf.estimate(
            MODEL, card, tp=4, input_len=2000, output_len=300, request_rate=3.0
        ).simulated
        for card in CARDS
    ]
    assert answer.nearest.times.tpot_s == min(run.tpot.mean_s for run in runs if run and run.tpot)
    full = plan(MODEL, "l40s", tp=2, **{**TASK, "request_rate": 1000.0, "ttft": "1min"})
    assert full.nearest
    assert full.nearest.binding
    assert full.nearest.binding[0] == "saturated"


def test_what_no_node_holds_is_found_across_nodes() -> None:
    """Llama-3.1-405B in bf16: 810 GB, more than eight H100 have; simulated as every shown row."""
    task: dict[str, Any] = {
        "max_concurrency": 32, "input_len": 2000, "output_len": 500, "tpot": "70ms",
    }  # fmt: skip
    name = "meta-llama/Llama-3.1-405B-Instruct"
    one = plan(name, "h100-sxm", max_gpus=8, **task)
    assert one.winner is None
    two = plan(name, "h100-sxm", max_gpus=16, **task)
    assert two.winner
    assert two.winner.layout == Layout(tp=8, pp=2)
    assert two.estimate
    assert two.estimate.simulated
    assert two.estimate.simulated.tpot
    assert two.winner.times.tpot_s == two.estimate.simulated.tpot.mean_s
    small = plan(name, "h100-sxm", max_gpus=16, gpus_per_node=4, **task)
    shown = small.winner or small.nearest
    assert shown
    assert shown.layout.tp == 4


def test_beyond_a_node_stages_fill_nodes_and_a_layer_stays_in_one() -> None:
    dense = {(each.tp, each.pp) for each in layouts(vperf.load_model(MODEL), 32, {}, 8)}
    assert {pair for pair in dense if pair[0] * pair[1] > 8} == {(8, 2), (8, 4)}
    mixed = list(layouts(vperf.load_model("Qwen/Qwen3-30B-A3B"), 32, {}, 8))
    assert Layout(tp=1, pp=1, ep=32, dp=32) in mixed
    assert max(each.tp for each in mixed) == 8
    assert Layout(tp=16) in layouts(vperf.load_model(MODEL), 16, {"tp": (16,)}, 8)


def test_experts_are_in_groups_only_in_mixtures() -> None:
    dense = list(layouts(vperf.load_model(MODEL), 8, {}, 8))
    assert {(each.ep, each.dp) for each in dense} == {(1, 1)}
    assert len(dense) == 10
    mixed = list(layouts(vperf.load_model("Qwen/Qwen3-30B-A3B"), 8, {}, 8))
    assert Layout(tp=2, pp=1, ep=8, dp=4) in mixed
    assert max(each.gpus for each in mixed) == 8
    assert load_gpu("h100-sxm").node_size == 8
    assert load_gpu("gb200").node_size == 72


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ttft": None, "tpot": None}, "no target"),
        ({"ttft": "5 parsecs"}, "ttft"),
        ({"ttft": 0}, "above 0"),
        ({"ttft": True}, "seconds"),
        ({"max_gpus": 0}, "max-gpus"),
        ({"request_rate": 0}, "request-rate"),
        ({"request_rate": float("nan")}, "request-rate"),
        ({"max_concurrency": 3}, "either"),
        ({"gpus_per_node": 0}, "gpus-per-node"),
        ({"by": "speed"}, "gpus, cost, latency"),
        ({"by": "cost"}, "no price"),
        ({"prices": {"h200": 3.0}, "by": "cost"}, "no price for h100-sxm-80gb"),
        ({"tp": 3}, "do not divide"),
        ({"tp": 64}, "more than 4 GPUs"),
        ({"tp": 0}, "tp"),
        ({"kv_link": "50 GB/s"}, "disaggregate"),
        ({"disaggregate": True, "kv_link": "fast"}, "kv-link"),
        ({"disaggregate": True, "request_rate": None}, "request-rate"),
        ({"prefix": 1}, "unknown option"),
    ],
)
def test_what_cannot_be_asked_is_said(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        plan(MODEL, "h100-sxm", **{**TASK, **wrong})


def test_targets_take_text_and_seconds() -> None:
    assert targets_of(ttft="500ms", tpot=0.02, e2e=None) == targets_of(ttft=0.5, tpot="20 ms")


def test_a_percentile_asks_for_no_fewer_gpus_than_the_mean_and_is_of_the_simulated_run() -> None:
    task: dict[str, Any] = {"request_rate": 4.0, "input_len": 2000, "output_len": 50, "max_gpus": 4}
    mean = plan("qwen3-8b", "l40s", ttft="600ms", **task)
    tail = plan("qwen3-8b", "l40s", ttft="p99:600ms", **task)
    assert mean.winner
    assert tail.winner
    assert tail.winner.gpus >= mean.winner.gpus
    assert tail.estimate
    assert tail.estimate.simulated
    assert tail.winner.times.ttft_s == pytest.approx(tail.estimate.simulated.ttft.at(99.0))
    assert tail.to_dict()["targets"]["percentiles"] == {"ttft": 99.0}


def test_a_median_far_below_the_mean_is_simulated_too() -> None:
    """Qwen3-8B, 30,000 in, 100 out, one request in five seconds: prompts of others double the TPOT
    of those they interrupt, who are fewer than half."""
    task: dict[str, Any] = {"request_rate": 0.2, "input_len": 30_000, "output_len": 100}
    answer = plan("qwen3-8b", "h100-sxm", tpot="p50:9.5ms", tp=1, max_gpus=1, **task)
    assert answer.winner
    assert answer.winner.at_a_time is None
    run = vperf.estimate("qwen3-8b", "h100-sxm", **task).simulated
    assert run
    assert run.tpot
    assert run.tpot.mean_s > 1.4 * 0.0095
    assert answer.winner.times.tpot_s == pytest.approx(run.tpot.at(50.0))


def test_one_card_that_prompts_interrupt_serves_fewer_at_a_time() -> None:
    """It decodes at 8.5 ms a token and is busy for less than half of the time; the others wait."""
    task: dict[str, Any] = {"request_rate": 0.2, "input_len": 30_000, "output_len": 100}
    answer = plan("qwen3-8b", "h100-sxm", tpot="12ms", **task)
    best = answer.winner
    assert best
    assert best.gpus == 1
    assert best.at_a_time == 1
    free = vperf.estimate("qwen3-8b", "h100-sxm", **task).simulated
    assert free
    assert free.tpot
    assert free.tpot.mean_s > 0.012
    assert best.times.e2e_s <= free.e2e.mean_s
    alone = vperf.estimate("qwen3-8b", "h100-sxm", input_len=30_000, output_len=100)
    assert best.times.tpot_s == pytest.approx(alone.expected.tpot_s, rel=0.01)
    launched = " ".join(
        word for shell in commands(answer) for line in shell.commands for word in line
    )
    assert "--max-num-seqs 1 " in launched
    assert any("--max-num-seqs 1" in str(note) for note in answer.notes)
    # Whoever sets the cap gets it; and a target that all meet needs none.
    given = plan("qwen3-8b", "h100-sxm", tpot="12ms", max_num_seqs=256, **task)
    assert given.winner
    assert given.winner.gpus > 1
    easy = plan("qwen3-8b", "h100-sxm", tpot="60ms", **task)
    assert easy.winner
    assert easy.winner.at_a_time is None


def test_a_server_holds_one_sequence_of_the_context_asked_for() -> None:
    """Qwen3-32B in int4 leaves a 24 GB card room for 10,000 tokens: 262,144 bytes each."""
    task: dict[str, Any] = {"quantization": "int4", "tpot": "100ms", "request_rate": 0.2,
                            "input_len": 2000, "output_len": 200, "max_gpus": 2}  # fmt: skip
    answer = plan(MODEL, "rtx-4090", max_model_len=[8192, 40_960], **task)
    best = {each.max_model_len: each.candidate for each in answer.best_per_gpu}
    short, long = best[8192], best[40_960]
    assert short
    assert long
    assert (short.gpus, long.gpus) == (1, 2)
    assert answer.winner is short
    assert {each.scenario.max_model_len for each in answer.front} == {8192, 40_960}
    room = vperf.estimate(MODEL, "rtx-4090", quantization="int4").memory.max_context_tokens
    assert 8192 <= room < 40_960
    assert plan(MODEL, "rtx-4090", max_model_len=room, **task).winner == replace(
        short, scenario=replace(short.scenario, max_model_len=room)
    )
    with pytest.raises(InputError, match="max-model-len"):
        plan(MODEL, "rtx-4090", max_model_len=2100, **task)


@pytest.mark.parametrize("target", ["p0:1s", "p100:1s", "median:1s", "p50,p90:1s", ":1s"])
def test_what_is_no_percentile_is_refused(target: str) -> None:
    with pytest.raises(InputError, match="percentile"):
        targets_of(ttft=target)


def test_the_plot_of_a_plan_marks_its_winner_and_names_its_points() -> None:
    answer = vperf.plan(
        "qwen3-8b", ["l40s", "h100"], tpot="20ms", ttft="1s", request_rate=5, max_gpus=4
    )
    drawn = chart(answer)
    labels = [label for series in drawn.series for label in series.labels]
    assert labels.count("W") == 1
    assert sorted(labels) == sorted(label for _, label, _ in drawn.key)
    (said,) = (text for _, label, text in drawn.key if label == "W")
    assert answer.winner is not None
    assert said.startswith(f"{answer.winner.gpus} GPU")
    assert "5 requests/s" in drawn.setting
