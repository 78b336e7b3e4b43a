"""Dividing a model over GPUs: shares add up, what must be replicated is, collectives appear."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.model.divide import Parallel, divide
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES, Op, Step

LLAMA = "meta-llama/Llama-3.1-70B-Instruct"  # 80 layers, 64 heads, 8 KV heads, hidden 8192
MOE = "Qwen/Qwen3-235B-A22B"  # 94 layers, 64 heads, 4 KV heads
MLA = "deepseek-ai/DeepSeek-V3"


def split(name: str, **ways: Any) -> Model:
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


@pytest.mark.parametrize(
    ("name", "tensor", "columns"),
    [
        # (heads / GPUs + 2 x KV heads of a GPU) x head_dim
        ("meta-llama/Llama-3.1-8B-Instruct", 8, (4 + 2 * 1) * 128),  # 32 heads, 8 KV heads
        ("meta-llama/Llama-3.1-8B-Instruct", 16, (2 + 2 * 1) * 128),
        ("Qwen/Qwen3-4B", 4, (8 + 2 * 2) * 128),  # 32 heads, 8 KV heads
        ("Qwen/Qwen3-4B", 32, (1 + 2 * 1) * 128),
        (MOE, 8, (8 + 2 * 1) * 128),  # 64 heads, 4 KV heads
    ],
)
def test_each_rank_projects_its_heads_and_at_least_one_kv_head(
    name: str, tensor: int, columns: int
) -> None:
    whole = vperf.load_model(name)
    op = by_name(split(name, tensor=tensor), Step(3, 1, 100))["qkv_proj"]
    assert op.shape == (3, whole.hidden, columns)
    assert op.weight_bytes == 2 * whole.hidden * columns
    assert op.flops == 2 * 3 * whole.hidden * columns
    assert op.output_elements == 3 * columns


def test_two_kv_heads_on_four_and_eight_gpus_by_hand() -> None:
    # 2 layers, 16 heads and 2 KV heads of 64, hidden 512, MLP 1024, 1000 tokens, bf16
    config = {
        "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 2, "vocab_size": 1000,
        "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 64,
        "intermediate_size": 1024, "tie_word_embeddings": True,
    }  # fmt: skip
    model = vperf.load_model(config)
    for tensor in (4, 8):
        rank = divide(model, Parallel(tensor))
        attention = (16 // tensor + 2) * 64 * 512 + 16 // tensor * 64 * 512
        layer = attention + 3 * 512 * 1024 // tensor
        norms = 5 * 512
        assert rank.rank_weight_bytes == 2 * (2 * layer + 1000 * 512 / tensor + norms)
        assert rank.rank_cache_bytes(10) == 10 * 2 * 2 * 64 * 2
        ops = by_name(rank, Step(1, 1, 10))
        assert ops["attention"].cache_bytes == 10 * 2 * 64 * 2
        assert ops["attention"].input_elements == (16 // tensor + 2) * 64
    assert divide(model, Parallel(8)).weight_bytes == model.weight_bytes


def test_what_every_rank_needs_whole_is_in_every_rank_s_memory() -> None:
    whole = vperf.load_model(MOE)  # the router: [128, 4096] of 94 layers
    rank = split(MOE, tensor=4)
    routers, norms = 94 * 128 * 4096 * 2, 2 * (94 * (2 * 4096 + 2 * 128) + 4096)
    divided = whole.weight_bytes - routers - norms
    assert rank.rank_weight_bytes == pytest.approx(divided / 4 + routers + norms, rel=1e-9)


def test_the_query_of_an_mla_without_latent_is_divided_and_the_latent_is_not() -> None:
    op = by_name(split("deepseek-ai/DeepSeek-V2-Lite", tensor=4), Step(1, 1, 100))["qkv_a_proj"]
    assert op.shape == (1, 2048, 16 // 4 * (128 + 64) + 512 + 64)


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


def test_heads_that_are_normed_together_are_summed_across_ranks() -> None:
    # vLLM pull request 31493: one all-reduce of the squares of Q and of K, fp32, a layer.
    step = Step(16, 1, 1000)
    op = by_name(split("MiniMaxAI/MiniMax-M2.5", tensor=4), step)["norm all-reduce"]
    assert op.count == 62
    assert op.input_elements == 16 * 2 * 2  # two fp32 are four of 16 bit
    one = by_name(vperf.load_model("MiniMaxAI/MiniMax-M2.5"), step)
    assert "norm all-reduce" not in one
    assert "norm all-reduce" not in by_name(split(MOE, tensor=4), step)  # a norm of each head
    small = by_name(split("MiniMaxAI/MiniMax-M2.5", tensor=4), step)["norms, rotary, activation"]
    assert small.launches == one["norms, rotary, activation"].launches + 2 * 62


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


@pytest.mark.parametrize(
    ("name", "op", "inputs", "outputs"),
    [
        (LLAMA, "o_proj", 64 * 128, 8192),
        (LLAMA, "down_proj", 28_672, 8192),
        (MLA, "o_proj", 128 * 128, 7168),
        (MLA, "shared_down_proj", 2048, 7168),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "out_proj", 32 * 128, 2048),
        ("ai21labs/Jamba-v0.1", "x_proj", 2 * 4096, 256 + 2 * 16),
        ("deepseek-ai/DeepSeek-V4-Flash", "o_b_proj", 8 * 1024, 4096),
    ],
)
def test_a_matmul_that_reads_divided_columns_is_divided_by_its_input(
    name: str, op: str, inputs: int, outputs: int
) -> None:
    # Megatron-LM (Shoeybi et al. 2019, section 3): the second matmul of attention and of an MLP
    # holds rows, so that an all-reduce of whole outputs is all that joins the ranks.
    decode = vperf.estimate(name, "h100", tp=8, batch_size=3).to_dict()["decode"]["ops"]
    shapes = {row["shape"] for row in decode if row["name"] == op}
    assert shapes == {f"[3,{inputs // 8}]x[{inputs // 8},{outputs}]"}


def test_shared_experts_are_divided_like_an_mlp() -> None:
    ops = by_name(split(MLA, tensor=8), Step(4, 1, 100))
    assert ops["shared_gate_up_proj"].shape == (4, 7168, 2 * 2048 // 8)
    assert ops["shared_down_proj"].shape == (4, 2048 // 8, 7168)


def test_pipeline_stages_hold_their_layers_and_see_a_part_of_the_batch() -> None:
    rank = split(LLAMA, pipeline=4)
    whole = vperf.load_model(LLAMA)
    assert rank.rank_weight_bytes < whole.weight_bytes / 2
    assert by_name(rank, Step(16, 1, 100))["o_proj"].shape[0] == 4


@pytest.mark.parametrize(
    ("name", "ways", "error"),
    [
        (LLAMA, {"tensor": 0}, "tensor-parallel-size: must be an integer from 1"),
        (LLAMA, {"tensor": 3}, "tensor-parallel-size: 64 attention heads .* over 3 GPUs"),
        (LLAMA, {"tensor": 128}, "tensor-parallel-size: 64 attention heads .* over 128 GPUs"),
        ("Qwen/Qwen2.5-7B-Instruct", {"tensor": 7}, "tensor-parallel-size: 4 KV heads .* 7 GPUs"),
        ("Qwen/Qwen1.5-14B-Chat", {"tensor": 5}, "13696 columns of an MLP .* 5 GPUs"),
        ("Qwen/Qwen3-30B-A3B", {"data": 9}, "768 columns of an expert do not divide over 9 GPUs"),
        (LLAMA, {"tensor": 2, "expert": 3}, "expert-parallel-size: 3 groups .* 2 GPUs"),
        (LLAMA, {"tensor": 2, "expert": 2}, "expert-parallel-size: the model has no experts"),
        (LLAMA, {"pipeline": 81}, "pipeline-parallel-size: 81 stages are more than 80 layers"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", {"tensor": 32}, "16 key heads of linear .* over 32"),
    ],
)
def test_what_does_not_divide_is_refused_by_name(
    name: str, ways: dict[str, int], error: str
) -> None:
    with pytest.raises(InputError, match=error) as refused:
        split(name, **ways)
    assert "\n" not in str(refused.value)


def test_stages_of_unequal_layers_are_said() -> None:
    (line,) = set(split(LLAMA, pipeline=3).assumptions) - set(vperf.load_model(LLAMA).assumptions)
    assert line.startswith("80 layers do not divide into 3 stages")
    assert not set(split(LLAMA, pipeline=4).assumptions) - set(vperf.load_model(LLAMA).assumptions)


def test_shares_that_cut_blocks_of_scales_are_said() -> None:
    model = vperf.load_model("Qwen/Qwen3-30B-A3B", quantization="fp8_block")
    lines = divide(model, Parallel(8)).assumptions
    assert any("96 columns of an expert a GPU are not whole blocks of 128" in x for x in lines)
    lines = divide(model, Parallel(8, expert=8)).assumptions
    assert not any("whole blocks" in line for line in lines)


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


def test_a_rank_activates_its_own_columns_and_turns_its_own_heads() -> None:
    whole = vperf.load_model("llama-3.1-8b")
    split = divide(whole, Parallel(tensor=4))
    layers, hidden, columns, heads = 32, 4096, 14336, (32 + 8) * 128
    norms, own = layers * 8 * hidden, layers * (3 * columns + 2 * heads)
    outside = whole.decoder_small_kernels[0] - norms - own
    assert split.decoder_small_kernels[0] == norms + own / 4 + outside


def test_ranks_share_the_channels_of_a_convolution_and_the_groups_of_a_grouped_output() -> None:
    """Qwen3-Next has 2 x 2,048 + 4,096 channels; DeepSeek-V4 8 or more groups of heads."""
    step = Step(1, 16, 64)
    for model_id, name in (
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "conv1d"),
        ("deepseek-ai/DeepSeek-V4-Flash", "o_a_proj"),
    ):
        model = vperf.load_model(model_id)
        (whole, *_) = [op for op in model.ops(step) if op.name == name]
        (rank, *_) = [op for op in divide(model, Parallel(tensor=4)).ops(step) if op.name == name]
        for field in ("flops", "weight_bytes", "cache_bytes", "input_elements", "output_elements"):
            assert getattr(rank, field) == pytest.approx(getattr(whole, field) / 4), (name, field)
