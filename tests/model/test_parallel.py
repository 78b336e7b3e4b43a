"""Dividing a model over GPUs: shares add up, what must be replicated is, collectives appear."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.model.model import Model, divide
from vperf.model.ops import COLLECTIVES, Op, Step
from vperf.model.parallel import Parallel

LLAMA = "meta-llama/Llama-3.1-70B-Instruct"  # 80 layers, 64 heads, 8 KV heads, hidden 8192
MOE = "Qwen/Qwen3-235B-A22B"  # 94 layers, 64 heads, 4 KV heads
MLA = "deepseek-ai/DeepSeek-V3"


def split(name: str, **ways: int) -> Model:
    return divide(vperf.load_model(name), Parallel(**ways))


def by_name(model: Model, step: Step) -> dict[str, Op]:
    return {op.name: op for op in model.ops(step)}


def test_four_ranks_hold_a_quarter_of_the_matrices_and_all_norms() -> None:
    whole = vperf.load_model(LLAMA)
    rank = split(LLAMA, tensor=4)
    norms = 2 * (80 * 2 + 1) * 8192
    assert rank.rank_weight_bytes == pytest.approx((whole.weight_bytes - norms) / 4 + norms)


def test_each_rank_does_its_share_of_the_flops() -> None:
    step = Step(8, 1, 1000)
    whole, rank = (
        sum(op.count * op.flops for op in m.ops(step))
        for m in (vperf.load_model(LLAMA), split(LLAMA, tensor=8))
    )
    assert rank == pytest.approx(whole / 8)


def test_kv_heads_are_divided_and_beyond_them_replicated() -> None:
    whole = vperf.load_model(MOE).rank_cache_bytes(1000)
    assert split(MOE, tensor=2).rank_cache_bytes(1000) == whole / 2
    assert split(MOE, tensor=4).rank_cache_bytes(1000) == whole / 4
    assert split(MOE, tensor=8).rank_cache_bytes(1000) == whole / 4


def test_the_latent_cache_of_mla_is_on_every_rank() -> None:
    whole = vperf.load_model(MLA).rank_cache_bytes(1000)
    assert split(MLA, tensor=8).rank_cache_bytes(1000) == whole
    assert split(MLA, data=8, expert=8).rank_cache_bytes(1000) == whole


def test_a_dense_layer_all_reduces_twice() -> None:
    op = by_name(split(LLAMA, tensor=8), Step(16, 1, 1000))["all-reduce"]
    assert op.count == 2 * 80
    assert op.input_elements == 16 * 8192
    assert op.shape == (8,)


def test_attention_data_parallelism_exchanges_tokens_with_the_experts() -> None:
    ops = by_name(split(MLA, data=8, expert=8), Step(64, 1, 1000))
    assert "all-reduce" not in ops
    op = ops["dispatch + combine"]
    assert op.count == 58  # the layers with experts
    assert op.input_elements == 2 * 8 * 8 * 7168  # both ways, 8 local tokens, top 8
    assert ops["experts"].shape[0] == 64


def test_experts_are_divided_over_all_gpus_of_a_stage() -> None:
    step = Step(64, 1, 1000)
    whole = by_name(vperf.load_model(MLA), step)["experts"]
    for ways in ({"tensor": 8}, {"tensor": 8, "expert": 8}, {"data": 8, "expert": 8}):
        assert by_name(split(MLA, **ways), step)["experts"].weight_bytes == pytest.approx(
            whole.weight_bytes / 8
        )


def test_a_router_is_computed_by_every_rank() -> None:
    step = Step(4, 1, 100)
    assert (
        by_name(split(MOE, tensor=4), step)["router"].flops
        == by_name(vperf.load_model(MOE), step)["router"].flops
    )


def test_pipeline_stages_hold_their_layers_and_see_a_part_of_the_batch() -> None:
    rank = split(LLAMA, pipeline=4)
    whole = vperf.load_model(LLAMA)
    assert rank.rank_weight_bytes < whole.weight_bytes / 2
    assert by_name(rank, Step(16, 1, 100))["o_proj"].shape[0] == 4


@pytest.mark.parametrize(
    ("ways", "field"),
    [
        ({"tensor": 3}, "tensor-parallel-size"),
        ({"tensor": 0}, "tensor-parallel-size"),
        ({"tensor": 2, "expert": 3}, "expert-parallel-size"),
        ({"pipeline": 81}, "pipeline-parallel-size"),
    ],
)
def test_what_does_not_divide_is_refused_by_name(ways: dict[str, int], field: str) -> None:
    with pytest.raises(InputError, match=field):
        split(LLAMA, **ways)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([LLAMA, MOE, MLA, "openai/gpt-oss-120b"]),
    st.sampled_from([2, 4, 8]),
    st.integers(1, 64),
    st.integers(1, 2000),
)
def test_more_ranks_never_hold_or_do_more_each(name: str, ways: int, batch: int, past: int) -> None:
    step = Step(batch, 1, past)
    few, many = split(name, tensor=ways // 2), split(name, tensor=ways)
    assert many.rank_weight_bytes <= few.rank_weight_bytes
    assert many.rank_cache_bytes(past) <= few.rank_cache_bytes(past)
    for quantity in ("flops", "streamed_bytes"):
        sums = [
            sum(
                op.count * getattr(op, quantity) for op in m.ops(step) if op.kind not in COLLECTIVES
            )
            for m in (few, many)
        ]
        assert sums[1] <= sums[0] * (1 + 1e-12)
