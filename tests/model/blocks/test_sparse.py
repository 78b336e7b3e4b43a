"""Indexers and compressed caches, against brute force and against published cache sizes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from tests.model.blocks.build import SCOPE, config
from tests.model.test_families import built
from vperf.errors import UnsupportedModelError
from vperf.formats import BF16
from vperf.model.blocks import hyper, sparse
from vperf.model.blocks.sparse import CompressedVisibility, Indexer, entry_pairs
from vperf.model.cache import Span
from vperf.model.ops import Step

LAW = settings(deadline=None)
LENGTHS = st.integers(0, 400)
V32 = config(
    hidden_size=7168, q_lora_rank=1536, index_n_heads=64, index_head_dim=128, index_topk=2048
)
MILLION = 1_048_576
GIB = 2**30


@LAW
@given(LENGTHS, st.integers(1, 40), st.none() | st.integers(1, 30))
def test_entry_pairs_count_what_a_loop_counts(queries: int, ratio: int, most: int | None) -> None:
    looped = (i // ratio for i in range(1, queries + 1))
    assert entry_pairs(queries, ratio, most) == sum(n if most is None else min(n, most)
                                                    for n in looped)  # fmt: skip


@LAW
@given(LENGTHS, LENGTHS, st.integers(1, 64), st.integers(1, 40), st.none() | st.integers(1, 30))
def test_a_compressed_reach_counts_window_and_entries_of_every_query(
    new: int, past: int, window: int, ratio: int, top: int | None
) -> None:
    reach = CompressedVisibility(window=window, ratio=ratio, top=top)
    brute = 0
    for position in range(past, past + new):
        entries = sum(1 for end in range(ratio - 1, position + 1, ratio) if end <= position)
        brute += min(window, position + 1) + (entries if top is None else min(entries, top))
    assert reach.pairs(new, past) == brute
    assert brute == sum(reach.keys(position) for position in range(past, past + new))


def test_an_index_key_takes_132_bytes() -> None:
    """128 fp8 elements and one fp32 scale, in vLLM and SGLang."""
    assert sparse.read_indexer(V32, 0, SCOPE).index_spans == ((132.0, Span()),)


def test_a_decode_step_scores_every_cached_key_in_fp8() -> None:
    op = sparse.read_indexer(V32, 0, SCOPE).ops(Step(2, 1, 50_000), BF16)[-1]
    assert op.name == "indexer"
    assert op.flops == 2 * 2 * 64 * 128 * 50_001
    assert op.cache_bytes == 2 * 50_000 * 132
    assert op.format.name == "fp8"


@pytest.mark.parametrize("step", [Step(1, 2048, 0), Step(4, 1, 2047), Step(1, 100, 100)])
def test_nothing_is_scored_while_every_key_may_be_read(step: Step) -> None:
    names = [op.name for op in sparse.read_indexer(V32, 0, SCOPE).ops(step, BF16)]
    assert names == ["indexer_proj", "indexer_q_proj"]


def test_the_queries_of_a_long_prefill_are_scored_from_the_top_k_on() -> None:
    op = sparse.read_indexer(V32, 0, SCOPE).ops(Step(1, 8192, 0), BF16)[-1]
    assert op.flops == 2 * 64 * 128 * sum(range(2049, 8193))


def test_index_keys_take_memory_but_are_not_kv_bytes_per_token() -> None:
    model = built("deepseek-ai/DeepSeek-V3.2")
    assert model.kv_bytes_per_token == 61 * 576 * 2
    assert model.cache_bytes(1000) == 1000 * 61 * (576 * 2 + 132)


def test_glm_5_2_has_an_indexer_in_21_of_78_layers() -> None:
    model = built("zai-org/GLM-5.2")
    owners = sum(n for n, kind in model.kinds if any(isinstance(b, Indexer) for b in kind.blocks))
    assert (owners, model.layer_count) == (21, 78)
    assert model.cache_bytes(1000) == 1000 * (78 * 576 * 2 + 21 * 132)


def test_deepseek_v4_pro_needs_9_62_gib_of_bf16_cache_for_a_million_tokens() -> None:
    """As vLLM states it, with index keys in bf16 too; they are fp8 here."""
    model = built("deepseek-ai/DeepSeek-V4-Pro")
    fp8_keys = MILLION // 4 * 132 * 30
    bf16_keys = MILLION // 4 * 128 * 2 * 30
    total = model.cache_bytes(MILLION) - fp8_keys + bf16_keys
    assert total / GIB == pytest.approx(9.62, abs=0.02)


def test_deepseek_v4_stores_a_window_and_one_entry_in_four_or_128() -> None:
    blocks = {
        ratio: sparse.read_compressed(V4, 0, SCOPE, ratio)[-1].cached_tokens(10_000)
        for ratio in (0, 4, 128)
    }
    assert blocks == {0: 128, 4: 128 + 2500, 128: 128 + 78}


V4 = config(
    hidden_size=4096, num_attention_heads=64, head_dim=512, q_lora_rank=1024, o_groups=8,
    o_lora_rank=1024, sliding_window=128, qk_rope_head_dim=64, index_n_heads=64,
    index_head_dim=128, index_topk=512,
)  # fmt: skip


def test_deepseek_v4_decode_reads_window_and_best_entries_of_one_shared_head() -> None:
    block = sparse.read_compressed(V4, 0, SCOPE, 4)[-1]
    op = next(op for op in block.ops(Step(1, 1, 100_000), BF16) if op.kind == "mla")
    assert op.flops == 2 * 64 * (128 + 512) * (512 + 512)
    assert op.cache_bytes == (128 + 512 - 1) * 512 * 2


def test_deepseek_v4_output_groups_each_see_their_own_heads() -> None:
    """2 x 8192 x 4096 FLOPs a token, not eight times that; all 32768 inputs are read."""
    block = sparse.read_compressed(V4, 0, SCOPE, 0)[-1]
    op = next(op for op in block.ops(Step(1, 3, 0), BF16) if op.name == "o_a_proj")
    assert op.flops == 3 * 2 * 8192 * 4096
    assert op.input_elements == 3 * 64 * 512


def test_hyper_connections_mix_four_streams_before_every_mechanism() -> None:
    block = hyper.read(config(hidden_size=4096, hc_mult=4), 0, SCOPE)
    assert [(w.in_features, w.out_features) for _, w in block.linears] == [(16384, 24)] * 2
    assert block.vectors == 2 * (24 + 3)


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"compress_ratios\[0\]"):
        built("deepseek-ai/DeepSeek-V4-Flash", compress_ratios=[16] * 43)


def test_the_format_of_the_index_keys_is_declared() -> None:
    for name in ("deepseek-ai/DeepSeek-V3.2", "zai-org/GLM-5", "deepseek-ai/DeepSeek-V4-Pro"):
        assert sparse.INDEX_KEYS_ASSUMED in built(name).assumptions


def test_an_indexer_launches_small_kernels_of_its_own() -> None:
    def launches(model: str) -> float:
        work = vperf.load_model(model).ops(Step(1, 1, 100))
        return next(op for op in work if op.kind == "elementwise").launches

    assert launches("deepseek-ai/DeepSeek-V3") == 61 * (2 * 2) + 2
    assert launches("zai-org/GLM-5") == 78 * (2 * 2 + 8) + 2


def test_compressed_attention_rotates_its_output_too() -> None:
    """64 query heads and the shared one of 64 rotary dimensions, and each head's output again."""
    blocks = built("deepseek-ai/DeepSeek-V4-Flash").kinds[0][1].blocks
    block = next(each for each in blocks if isinstance(each, sparse.CompressedAttention))
    norms = 2 * sum(linear.out_features for linear in block.inputs)
    assert block.elementwise_elements == 2 * 64 * (64 + 1 + 64) + norms
    assert norms > 0


def test_an_indexer_reads_a_query_of_each_head_and_one_key() -> None:
    (indexer,) = {
        (op.input_elements, op.output_elements)
        for op in built("deepseek-ai/DeepSeek-V3.2").ops(Step(1, 10, 4990))
        if op.name == "indexer"
    }
    # 10 tokens, 64 heads and a key of 128; a score in fp32 of each token before, twice.
    assert indexer == (10 * 128 * 65, 4 * sum(range(4991, 5001)))
