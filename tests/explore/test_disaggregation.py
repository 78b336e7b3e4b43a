"""Separate pools: their equations by hand, and when they pay."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf.explore.candidates import Candidate, Pools
from vperf.explore.disaggregation import default_link
from vperf.explore.plan import Plan, plan
from vperf.model.divide import Parallel, divide
from vperf.serving.trial import server_s
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card

MODEL = "Qwen/Qwen3-32B"
TASK: dict[str, Any] = {
    "ttft": "600ms", "tpot": "14ms", "request_rate": 10.0, "input_len": 4000, "output_len": 500,
    "max_gpus": 32, "tp": [1, 2, 4], "pp": 1, "quantization": "fp8",
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Plan:
    return plan(MODEL, "h100-sxm", disaggregate=True, **TASK)


def _apart(found: Plan) -> tuple[Candidate, Pools]:
    each = next(each for each in found.front if each.pools)
    assert each.pools
    return each, each.pools


def test_ttft_is_queue_prefill_transfer_and_first_step(found: Plan) -> None:
    each, pools = _apart(found)
    ways = pools.prefill.layout
    model = divide(vperf.load_model(MODEL, quantization="fp8"), Parallel(ways.tp))
    card = Card(load_gpu("h100-sxm"), load_engine("vllm"))
    prefill = Compiled(model, card).prefill(1, 4000)[1]
    assert pools.prefill_s == pytest.approx(prefill)
    busy = 10.0 / pools.prefill.replicas * prefill
    assert pools.prefill.busy == pytest.approx(busy)
    assert pools.queue_s == pytest.approx(busy / (1 - busy) * prefill / 2)
    cache = 4000 * 2 * 64 * 8 * 128 * 2  # K and V of 64 layers, 8 heads of 128, 2 bytes
    split = min(pools.prefill.layout.tp, pools.decode.layout.tp)
    assert pools.transfer_bytes == pytest.approx(cache / split)
    assert pools.transfer_s == pytest.approx(cache / split / 50e9)
    parts = pools.queue_s + prefill + pools.transfer_s + each.times.tpot_s
    servers = server_s(card, 4000) + server_s(card, 0)
    assert each.times.ttft_s == pytest.approx(parts + servers)


def test_decode_settles_where_as_many_come_as_leave(found: Plan) -> None:
    each, pools = _apart(found)
    assert each.row.figures
    assert each.row.figures.serving
    batch = each.row.figures.serving.running_batch / pools.decode.replicas
    assert batch == pytest.approx(10.0 / pools.decode.replicas * 500 * each.times.tpot_s, rel=1e-6)


def test_pools_meet_the_targets_and_stay_within_the_gpus(found: Plan) -> None:
    for each in found.front:
        assert each.gpus <= 32
        assert each.times.ttft_s <= 0.6
        assert each.times.tpot_s <= 0.014
        if each.pools:
            assert each.gpus == each.pools.prefill.gpus + each.pools.decode.gpus


def test_trying_pools_too_never_makes_the_winner_larger(found: Plan) -> None:
    together = plan(MODEL, "h100-sxm", **TASK)
    assert found.winner
    assert found.winner.pools
    assert together.winner is None or found.winner.gpus <= together.winner.gpus


def test_a_slower_link_makes_the_first_token_later(found: Plan) -> None:
    slow = plan(MODEL, "h100-sxm", disaggregate=True, kv_link="10 GB/s", **TASK)
    transfers = [_apart(answer)[1].transfer_s for answer in (found, slow)]
    assert transfers[1] > 4 * transfers[0]


def test_the_link_is_the_peers_own_in_a_node_and_a_network_beyond() -> None:
    card = load_gpu("h100-sxm")
    assert default_link(card, within_node=True) == 450e9
    assert default_link(card, within_node=False) == 50e9
    workstation = load_gpu("rtx-4090")
    assert default_link(workstation, within_node=False) <= (workstation.pcie_bytes_per_s or 50e9)
