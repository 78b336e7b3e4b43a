"""Grouped-query attention: shapes, biases, norms, what it caches and reads."""

from __future__ import annotations

import pytest

from tests.model.blocks.build import SCOPE, config
from vperf.errors import InputError
from vperf.formats import BF16, FP8
from vperf.model.blocks import gqa
from vperf.model.ops import FULL, Step, Visibility

QWEN3_4B = config(hidden_size=2560, num_attention_heads=32, num_key_value_heads=8, head_dim=128)


def test_head_dim_is_not_hidden_over_heads_where_the_config_states_it() -> None:
    block = gqa.read(QWEN3_4B, 0, SCOPE, qk_norm="head")
    shapes = [(w.in_features, w.out_features) for _, w in block.linears]
    assert shapes == [(2560, 4096), (2560, 1024), (2560, 1024), (4096, 2560)]
    assert block.vectors == 2 * 128
    assert block.cache_elements == 2 * 8 * 128


def test_decode_reads_each_kv_head_once_however_many_queries_share_it() -> None:
    block = gqa.read(QWEN3_4B, 0, SCOPE)
    core = block.ops(Step(batch=4, new=1, past=1000), BF16)[1]
    assert core.cache_bytes == 4 * 1000 * 2 * 8 * 128 * 2
    assert core.flops == 4 * 1001 * 32 * 4 * 128
    assert core.blocks == 4 * 8


def test_the_cache_format_scales_bytes_and_nothing_else() -> None:
    block = gqa.read(QWEN3_4B, 0, SCOPE)
    step = Step(1, 1, 1000)
    half, full = block.ops(step, FP8)[1], block.ops(step, BF16)[1]
    assert half.cache_bytes == full.cache_bytes / 2
    assert half.flops == full.flops


def test_values_may_be_narrower_than_keys() -> None:
    """MiMo-V2-Flash: head_dim 192, v_head_dim 128, o_proj in 64 x 128."""
    block = gqa.read(
        config(hidden_size=4096, num_attention_heads=64, num_key_value_heads=4, head_dim=192,
               v_head_dim=128), 0, SCOPE,
    )  # fmt: skip
    assert block.cache_elements == 4 * (192 + 128)
    assert block.output.in_features == 64 * 128


def test_no_word_for_kv_heads_means_as_many_as_query_heads() -> None:
    block = gqa.read(config(hidden_size=768, num_attention_heads=12), 0, SCOPE)
    assert (block.kv_heads, block.qk_dim) == (12, 64)


def test_biases_are_where_the_family_has_them() -> None:
    block = gqa.read(QWEN3_4B, 0, SCOPE, qkv_bias=True, out_bias=False)
    assert [w.bias for _, w in block.linears] == [True, True, True, False]


def test_sinks_are_one_number_a_head() -> None:
    assert gqa.read(QWEN3_4B, 0, SCOPE, sinks=True).vectors == 32


@pytest.mark.parametrize(
    ("kind", "vectors"), [("none", 0), ("head", 256), ("per_head", 40 * 128), ("whole", 40 * 128)]
)
def test_query_and_key_norms_by_kind(kind: gqa.QkNorm, vectors: int) -> None:
    assert gqa.read(QWEN3_4B, 0, SCOPE, qk_norm=kind).vectors == vectors
    assert gqa.read(QWEN3_4B, 0, SCOPE, qk_norm=kind, norm_bias=True).vectors == 2 * vectors


@pytest.mark.parametrize("reach", [Visibility(window=128), Visibility(chunk=128)])
def test_a_window_bounds_what_is_cached_and_read(reach: Visibility) -> None:
    block = gqa.read(QWEN3_4B, 0, SCOPE, visibility=reach)
    assert block.cached_tokens(100) == 100
    assert block.cached_tokens(100_000) == 128
    assert block.windows == (128,)
    assert block.ops(Step(1, 1, 100_000), BF16)[1].cache_bytes <= 127 * 2 * 8 * 128 * 2


def test_picking_the_best_keys_bounds_what_is_read_but_not_what_is_cached() -> None:
    block = gqa.read(QWEN3_4B, 0, SCOPE, visibility=Visibility(top=2048))
    assert block.cached_tokens(100_000) == 100_000
    assert block.ops(Step(1, 1, 100_000), BF16)[1].cache_bytes == 2047 * 2 * 8 * 128 * 2


def test_the_ops_are_named_after_the_reach() -> None:
    names = [
        gqa.read(QWEN3_4B, 0, SCOPE, visibility=reach).ops(Step(1, 1, 9), BF16)[1].name
        for reach in (FULL, Visibility(window=8), Visibility(top=8))
    ]
    assert names == ["attention", "attention[window]", "attention[sparse]"]


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"hidden_size": 100, "num_attention_heads": 3}, "num_attention_heads"),
        ({"hidden_size": 96, "num_attention_heads": 4, "num_key_value_heads": 3},
         "num_key_value_heads"),
        ({"num_attention_heads": 4}, "hidden_size"),
        ({"hidden_size": 0, "num_attention_heads": 4}, "hidden_size"),
        ({"hidden_size": 96, "num_attention_heads": True}, "num_attention_heads"),
    ],
)  # fmt: skip
def test_heads_that_do_not_divide_are_an_error(keys: dict[str, int], field: str) -> None:
    with pytest.raises(InputError, match=rf"test\.json: {field}"):
        gqa.read(config(**keys), 0, SCOPE)
