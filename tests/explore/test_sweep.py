"""Rows in order, and turns where brute force finds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vperf
from vperf import api
from vperf.errors import InputError
from vperf.explore.crossovers import first_that_holds
from vperf.explore.sweep import Sweeping
from vperf.model.ops import Step
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.sources.gpu_override import override
from vperf.sources.gpus import load_gpu
from vperf.timing.limit import Limits

CONFIG = Path(__file__).parents[1] / "cli" / "tiny_config.json"


def turns(**options: Any) -> dict[str, float | None]:
    return {turn.name: turn.at for turn in vperf.sweep(**options).crossovers}


def test_rows_come_in_the_order_of_the_axes() -> None:
    rows = vperf.sweep("qwen3-8b", "h100", batch_size=[1, 2], tp=[1, 2]).rows
    assert [tuple(row.chosen.values()) for row in rows] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_rows_are_computed_when_they_are_asked_for() -> None:
    sweep = Sweeping({"model": "qwen3-8b", "gpu": "h100", "batch_size": range(1, 10**6)})
    rows = sweep.rows()
    assert next(rows).chosen == {"batch_size": 1}
    assert next(rows).chosen == {"batch_size": 2}
    assert sweep.tally.answered == 2


def test_nothing_that_varies_is_no_sweep() -> None:
    with pytest.raises(InputError, match="nothing varies"):
        vperf.sweep("qwen3-8b", "h100", batch_size=4)


def test_settings_that_cannot_be_stay_in_their_place_with_the_reason() -> None:
    rows = vperf.sweep("qwen3-32b", "h100", tp=[3, 1, 5]).rows
    assert [bool(row.problem) for row in rows] == [True, False, True]
    assert "do not divide" in rows[0].problem


def test_a_sweep_of_nothing_that_can_be_is_an_error() -> None:
    with pytest.raises(InputError, match="do not divide"):
        vperf.sweep("qwen3-32b", "h100", tp=[3, 5])


@pytest.mark.parametrize("turn", [1, 2, 3, 64, 100, 1000])
def test_bisection_finds_the_first_number_that_holds(turn: int) -> None:
    assert first_that_holds(lambda n: n >= turn, 1000) == turn


def test_bisection_finds_none_where_nothing_holds() -> None:
    assert first_that_holds(lambda n: n > 1000, 1000) is None


def test_the_compute_bound_batch_of_the_limit_is_that_of_its_definition() -> None:
    batch = turns(model="qwen3-4b-instruct-2507", gpu="l40s", batch_size=[1, 2], input_len=64,
                  output_len=2)["compute-bound, limit"]  # fmt: skip
    assert batch is not None
    at = deploy(Scenario("qwen3-4b-instruct-2507", "l40s"))

    def bound(sequences: int) -> bool:
        ops = at.model.ops(Step(sequences, 1, 64))
        limit = Limits(at.card.gpu).of_step((op.count, op) for op in ops)
        return limit.compute_s > limit.memory_s

    every = range(1, 2 * int(batch))
    assert next(n for n in every if bound(n)) == batch


def test_more_bandwidth_moves_the_expected_turn_down() -> None:
    slow = turns(model="qwen3-8b", gpu="h100", batch_size=[1, 2], input_len=16, output_len=2)
    card = load_gpu("h100")
    fast = turns(model="qwen3-8b", gpu=override(card, "6 TB/s"), batch_size=[1, 2],
                 input_len=16, output_len=2)  # fmt: skip
    slow_at, fast_at = slow["compute-bound, expected"], fast["compute-bound, expected"]
    assert slow_at is not None
    assert fast_at is not None
    assert fast_at < slow_at


def test_the_cache_outweighs_the_weights_where_their_bytes_say() -> None:
    at = turns(model="llama-3.1-8b-instruct", gpu="h100", context=[1024, 2048], batch_size=4)
    model = api.load_model("llama-3.1-8b-instruct")
    wanted = model.streamed_bytes / (4 * model.kv_bytes_per_token)
    assert at["KV bytes equal weight bytes"] == pytest.approx(wanted, abs=2)


def test_a_cache_that_never_outweighs_the_weights_is_said_so() -> None:
    (turn,) = vperf.sweep("qwen3-32b", "h200", context=[1024, 2048]).crossovers
    assert turn.at is None
    assert "more weights than KV cache at every context to 40,960" in turn.text


def test_a_quantization_stops_helping_where_the_estimates_meet() -> None:
    found = vperf.sweep("qwen3-32b", "h200", batch_size=[1, 2], quantization="int4").crossovers
    turn = next(t for t in found if t.name == "int4 stops helping")
    assert turn.at is not None

    def faster(batch: float) -> float:
        stored = vperf.estimate("qwen3-32b", "h200", batch_size=int(batch))
        int4 = vperf.estimate("qwen3-32b", "h200", batch_size=int(batch), quantization="int4")
        return stored.expected.tpot_s / int4.expected.tpot_s

    assert faster(turn.at) <= 1.05 < faster(turn.at - 1)


def test_drafting_pays_from_the_break_even_of_the_estimate() -> None:
    options: dict[str, Any] = {"tp": 8, "speculative": "mtp"}
    found = turns(model="deepseek-v3", gpu="h200", acceptance=[0.2, 0.8], **options)
    estimate = vperf.estimate("deepseek-v3", "h200", acceptance=0.5, **options)
    assert estimate.speculative is not None
    assert found["drafting pays"] == estimate.speculative.break_even_acceptance


def test_users_wait_beyond_the_slots_and_requests_beyond_the_rate() -> None:
    users = turns(model="qwen3-8b", gpu="rtx-4090", max_concurrency=[2, 4])
    estimate = vperf.estimate("qwen3-8b", "rtx-4090", max_concurrency=4)
    assert estimate.serving is not None
    assert users["users wait for room"] == estimate.serving.slots
    rate = turns(model="qwen3-8b", gpu="rtx-4090", request_rate=[0.5, 1.0])["saturated"]
    assert rate is not None
    for factor, saturated in ((0.95, False), (1.05, True)):
        at = vperf.estimate("qwen3-8b", "rtx-4090", request_rate=rate * factor)
        assert at.serving is not None
        assert at.serving.saturated is saturated


def test_turns_are_told_for_each_value_of_the_other_axes() -> None:
    found = vperf.sweep("qwen3-8b", ["h100", "l40s"], batch_size=[1, 2]).crossovers
    limits = [dict(t.chosen) for t in found if t.name == "compute-bound, limit"]
    assert limits == [{"gpu": "h100-sxm-80gb"}, {"gpu": "l40s"}]


def test_the_json_of_a_sweep_has_its_axes_and_turns() -> None:
    answer = vperf.sweep("qwen3-8b", "h100", context=[1024, 2048]).to_dict()
    assert answer["schema"] == "vperf/sweep/1"
    assert answer["axes"] == {"context": [1024, 2048]}
    assert [row["context"] for row in answer["rows"]] == [1024, 2048]
    assert answer["crossovers"][0]["axis"] == "context"


def test_what_a_second_gpu_gives_is_the_ratio_of_two_estimates() -> None:
    (turn,) = vperf.sweep("qwen3-32b", "h100", tp=[1, 4]).crossovers
    one, two = (vperf.estimate("qwen3-32b", "h100", tp=tp).expected for tp in (1, 2))
    prefill, decode = one.ttft_s / two.ttft_s, one.tpot_s / two.tpot_s
    wanted = f"a second GPU makes prefill {prefill:.2f} x and decode {decode:.2f} x as fast; "
    assert turn.text.startswith(wanted)
    assert 1 < decode < 2


def test_a_model_that_does_not_divide_gets_no_second_gpu() -> None:
    threes = {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 64}
    config = {**json.loads(CONFIG.read_text()), **threes, "intermediate_size": 768}
    assert vperf.sweep(config, "h100", tp=[1, 3]).crossovers == ()
