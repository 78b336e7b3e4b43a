"""Mixture of experts: what is stored, what a step reads, what it computes."""

from __future__ import annotations

import pytest

from tests.model.blocks.build import SCOPE, config
from vperf.errors import InputError
from vperf.formats import BF16
from vperf.model.blocks import dense, moe
from vperf.model.ops import Step

QWEN3_30B = config(
    hidden_size=2048, num_experts=128, num_experts_per_tok=8, moe_intermediate_size=768
)
ONE = 3 * 2048 * 768
"""Parameters of one expert."""


def test_one_token_reads_and_computes_its_eight_experts() -> None:
    router, experts = moe.read(QWEN3_30B, 0, SCOPE).ops(Step(1, 1, 100), BF16)
    assert (router.name, experts.name) == ("router", "experts")
    assert experts.flops == 2 * 8 * ONE
    assert experts.weight_bytes == pytest.approx(2 * 8 * ONE)
    assert router.shape == (1, 2048, 128)


def test_idle_parameters_are_the_experts_not_routed_to() -> None:
    block = moe.read(QWEN3_30B, 0, SCOPE)
    assert block.idle_parameters == 120 * ONE
    assert sum(n * w.parameters for n, w in block.linears) == 128 * ONE + 128 * 2048


def test_a_large_step_reads_every_expert_once() -> None:
    experts = moe.read(QWEN3_30B, 0, SCOPE).ops(Step(64, 512, 0), BF16)[1]
    assert experts.weight_bytes == pytest.approx(2 * 128 * ONE, rel=1e-6)
    assert experts.flops == 64 * 512 * 2 * 8 * ONE


def test_a_shared_expert_is_a_dense_mlp_beside_them() -> None:
    block = moe.read(QWEN3_30B, 0, SCOPE, shared_width=1024, shared_gate=True)
    ops = {op.name: op for op in block.ops(Step(1, 1, 0), BF16)}
    assert ops["shared_gate_up_proj"].shape == (1, 2048, 2048)
    assert ops["shared_down_proj"].shape == (1, 1024, 2048)
    assert ops["shared_gate"].shape == (1, 2048, 1)


def test_zero_experts_take_a_share_of_the_routing_and_do_nothing() -> None:
    """LongCat-Flash: 12 of 512 + 256 picks, of which 8 are real on average."""
    longcat = config(
        hidden_size=6144, n_routed_experts=512, moe_topk=12, moe_intermediate_size=2048
    )
    block = moe.read(longcat, 0, SCOPE, identities=256)
    router, experts = block.ops(Step(1, 1, 0), BF16)
    one = 3 * 6144 * 2048
    assert router.shape == (1, 6144, 768)
    assert experts.flops == pytest.approx(8 * 2 * one)
    assert experts.weight_bytes == pytest.approx(8 * 2 * one)
    assert sum(n * w.parameters for n, w in block.linears) == 512 * one + 768 * 6144


def test_experts_without_a_gate_have_two_matrices() -> None:
    """Nemotron-H: relu squared."""
    experts = moe.read(QWEN3_30B, 0, SCOPE, gated=False).ops(Step(1, 1, 0), BF16)[1]
    assert experts.flops == 2 * 8 * 2 * 2048 * 768


def test_with_every_expert_active_it_is_a_dense_mlp_of_their_joint_width() -> None:
    keys = {"hidden_size": 256, "num_experts": 4, "num_experts_per_tok": 4}
    step = Step(3, 5, 0)
    experts = moe.read(config(**keys, moe_intermediate_size=64), 0, SCOPE).ops(step, BF16)[1]
    wide = dense.read(config(hidden_size=256, intermediate_size=256), 0, SCOPE).ops(step, BF16)
    assert experts.flops == sum(op.flops for op in wide)
    assert experts.weight_bytes == sum(op.weight_bytes for op in wide)


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"num_experts_per_tok": 129}, "num_experts_per_tok"),
        ({"num_experts": 0}, "num_experts"),
        ({"moe_intermediate_size": None}, "moe_intermediate_size"),
        ({"num_experts_per_tok": [8]}, "num_experts_per_tok"),
    ],
)
def test_odd_routing_is_an_error_that_names_the_field(keys: dict[str, int], field: str) -> None:
    base = {
        "hidden_size": 2048, "num_experts": 128, "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
    }  # fmt: skip
    with pytest.raises(InputError, match=rf"test\.json: {field}"):
        moe.read(config(**{**base, **keys}), 0, SCOPE)
