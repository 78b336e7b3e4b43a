"""`plan` with caches beyond the card, and with tokens divided among GPUs."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf import InputError
from vperf.explore.plan import plan
from vperf.report.plan_commands import commands

MODEL, CARD = "qwen3-8b", "h100-sxm-80gb"
TASK: dict[str, Any] = {
    "ttft": "2s", "tpot": "20ms", "request_rate": 5.0, "input_len": 8000, "output_len": 200,
    "max_gpus": 4,
}  # fmt: skip
KEPT: dict[str, Any] = {"kv_offload": "host", "kv_offload_hit": 0.7}


def test_a_cache_beyond_the_card_asks_for_no_more_gpus_and_is_what_estimate_says() -> None:
    without, found = plan(MODEL, CARD, **TASK), plan(MODEL, CARD, **TASK, **KEPT)
    assert without.winner is not None
    assert found.winner is not None
    assert found.winner.gpus <= without.winner.gpus
    own = found.winner.layout
    answer = vperf.estimate(
        MODEL, CARD, tp=own.tp, pp=own.pp, input_len=8000, output_len=200,
        request_rate=5.0 / found.winner.replicas, **KEPT,
    )  # fmt: skip
    assert found.winner.times.ttft_s == pytest.approx(answer.expected.ttft_s)
    assert found.winner.times.tpot_s == pytest.approx(answer.expected.tpot_s)
    sized = plan(MODEL, CARD, **TASK, **KEPT, kv_offload_size=64.0, engine="vllm")
    assert "--kv-offloading-size 64" in str(commands(sized))


def test_a_prompt_may_be_read_by_groups_and_a_cache_divided() -> None:
    long: dict[str, Any] = {**TASK, "input_len": 32000, "request_rate": 0.5, "max_gpus": 8}
    plain = plan(MODEL, CARD, **long, tp=1)
    found = plan(MODEL, CARD, **long, tp=1, pcp=[1, 4])
    assert plain.winner is not None
    assert found.winner is not None
    quickest = min(each.times.ttft_s for each in found.front)
    assert quickest < min(each.times.ttft_s for each in plain.front)
    of_groups = next(each for each in found.front if each.layout.pcp == 4)
    assert of_groups.gpus == 4 * of_groups.replicas


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ttft": "p99:2s", **KEPT}, "knows of no cache beyond the card"),
        ({"disaggregate": True, **KEPT}, "not understood with --kv-offload"),
    ],
)
def test_what_a_plan_does_not_know_of_a_cache_is_refused(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        plan(MODEL, CARD, **{**TASK, **options})
