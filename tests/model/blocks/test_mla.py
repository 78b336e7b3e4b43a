"""Multi-head latent attention: one small latent is cached, and two forms compute the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.model.blocks.build import SCOPE, config
from vperf.errors import UnsupportedModelError
from vperf.formats import BF16
from vperf.model.blocks import mla
from vperf.model.ops import Op, Step, Visibility

V3 = {
    "hidden_size": 7168, "num_attention_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "num_key_value_heads": 128, "head_dim": 56,
}  # fmt: skip
BLOCK = mla.read(config(**V3), 0, SCOPE)


def core(ops: tuple[Op, ...]) -> Op:
    return next(op for op in ops if op.name.startswith("attention"))


def test_the_cache_is_the_latent_and_one_rotary_key_whatever_kv_heads_says() -> None:
    assert BLOCK.cache_elements == 512 + 64


def test_the_matrices_are_those_of_deepseek_v3() -> None:
    assert [(w.in_features, w.out_features) for _, w in BLOCK.linears] == [
        (7168, 1536), (7168, 576), (1536, 24576), (512, 32768), (16384, 7168),
    ]  # fmt: skip
    assert BLOCK.vectors == 1536 + 512


def test_without_a_query_rank_there_is_one_query_projection() -> None:
    """DeepSeek-V2-Lite: q_lora_rank is null."""
    lite = mla.read(config(**{**V3, "q_lora_rank": None}), 0, SCOPE)
    assert lite.q_b is None
    assert lite.inputs[0].out_features == 128 * 192


def test_decode_absorbs_and_reads_each_latent_once() -> None:
    op = core(BLOCK.ops(Step(1, 1, 4096), BF16))
    assert op.kind == "mla"
    assert op.flops == 2 * 128 * 4097 * (576 + 512)
    assert op.cache_bytes == 4096 * 576 * 2


def test_prefill_expands() -> None:
    op = core(BLOCK.ops(Step(1, 4096, 0), BF16))
    assert op.kind == "attention"
    assert op.flops == 2 * 128 * (4096 * 4097 // 2) * (192 + 128)


def test_absorbing_a_prefill_would_cost_3_4_times_the_attention() -> None:
    step = Step(1, 4096, 0)
    absorbed, expanded = (core(BLOCK.form(step, BF16, absorbs=form)) for form in (True, False))
    assert absorbed.flops / expanded.flops == pytest.approx(3.4)


@pytest.mark.parametrize("step", [Step(1, 1, 5000), Step(2, 700, 0), Step(3, 16, 900)])
def test_the_form_with_fewer_flops_is_taken(step: Step) -> None:
    taken = sum(op.flops for op in BLOCK.ops(step, BF16))
    assert taken == min(
        sum(op.flops for op in BLOCK.form(step, BF16, absorbs=form)) for form in (True, False)
    )


def test_both_forms_project_alike_and_end_in_the_same_output() -> None:
    step = Step(2, 300, 0)
    forms = [BLOCK.form(step, BF16, absorbs=form) for form in (True, False)]
    projections = [sum(op.flops for op in ops if op.kind == "matmul") for ops in forms]
    assert projections[0] == projections[1]
    assert projections[0] == 2 * step.tokens * sum(
        w.in_features * w.out_features for _, w in BLOCK.linears
    )
    assert forms[0][-1] == forms[1][-1]


def test_with_an_indexer_decode_reads_the_best_keys_and_caches_all() -> None:
    sparse = mla.read(config(**V3), 0, SCOPE, visibility=Visibility(top=2048))
    op = core(sparse.ops(Step(1, 1, 100_000), BF16))
    assert op.flops == 2 * 128 * 2048 * (576 + 512)
    assert op.cache_bytes == 2047 * 576 * 2
    assert sparse.cached_tokens(100_000) == 100_000


def test_a_short_sparse_prefill_is_a_dense_one() -> None:
    sparse = mla.read(config(**V3), 0, SCOPE, visibility=Visibility(top=2048))
    short = Step(1, 2048, 0)
    assert core(sparse.ops(short, BF16)).flops == core(BLOCK.ops(short, BF16)).flops


def test_a_long_sparse_prefill_computes_less_than_a_dense_one() -> None:
    sparse = mla.read(config(**V3), 0, SCOPE, visibility=Visibility(top=2048))
    long = Step(1, 65536, 0)
    assert core(sparse.ops(long, BF16)).flops < core(BLOCK.ops(long, BF16)).flops


def test_mla_in_a_layer_of_another_type_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"layer_types\[0\]"):
        mla.read(config(**V3, layer_types=["sliding_attention"]), 0, SCOPE)


def test_a_window_bounds_the_expanded_form_and_an_index_does_not() -> None:
    """Of 1,000 tokens with a window of 100 each sees 100 at most; an index picks 100 others for
    each query, so that all keys are expanded and all pairs computed."""
    step = Step(1, 1000, 0)
    per_pair = 2 * 128 * (192 + 128)
    pairs = 100 * 101 // 2 + 900 * 100
    windowed = replace(BLOCK, visibility=Visibility(window=100))
    assert core(windowed.form(step, BF16, absorbs=False)).flops == per_pair * pairs
    picked = replace(BLOCK, visibility=Visibility(top=100))
    assert core(picked.form(step, BF16, absorbs=False)).flops == per_pair * 1000 * 1001 // 2


def test_positions_of_no_width_are_a_model_without_them() -> None:
    plain = mla.read(config(**{**V3, "qk_rope_head_dim": 0}), 0, SCOPE)
    assert plain.cache_elements == 512
    assert plain.inputs[1].out_features == 512


def test_norms_and_rotary_touch_latents_and_the_rope_part_of_each_head_and_the_key() -> None:
    assert BLOCK.elementwise_elements == 2 * 64 * 129 + 2 * (1536 + 576)
