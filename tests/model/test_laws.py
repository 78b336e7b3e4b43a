"""What holds for every model and every step, whatever the numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vperf.formats import BF16
from vperf.model.blocks.base import Scope
from vperf.model.blocks.dense import build
from vperf.model.blocks.gqa import GroupedQueryAttention
from vperf.model.blocks.mla import LatentAttention
from vperf.model.blocks.moe import MixtureOfExperts
from vperf.model.model import Model
from vperf.model.ops import FULL, Linear, Step, Visibility, distinct_experts, matmul
from vperf.model.read import build_model

SCOPE = Scope("", lambda name, kind: BF16)
SIZES = st.integers(1, 5000)
SHORT = st.integers(0, 300)
REACHES = st.one_of(
    st.just(FULL),
    st.builds(lambda n: Visibility(window=n), st.integers(1, 400)),
    st.builds(lambda n: Visibility(chunk=n), st.integers(1, 400)),
    st.builds(lambda n: Visibility(top=n), st.integers(1, 400)),
)

BASE: dict[str, Any] = {
    "vocab_size": 512, "hidden_size": 256, "intermediate_size": 640, "num_hidden_layers": 6,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 32,
}  # fmt: skip
EXPERTS: dict[str, Any] = {
    "moe_intermediate_size": 64, "num_experts_per_tok": 3, "n_shared_experts": 1,
    "n_routed_experts": 12, "first_k_dense_replace": 1,
}  # fmt: skip
LATENT: dict[str, Any] = {
    "q_lora_rank": 64, "kv_lora_rank": 48, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16,
    "v_head_dim": 32,
}  # fmt: skip
INDEX: dict[str, Any] = {"index_n_heads": 2, "index_head_dim": 128, "index_topk": 64}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "mistral": {"model_type": "mistral", "sliding_window": 100},
    "gpt_oss": {"model_type": "gpt_oss", "num_local_experts": 8, "num_experts_per_tok": 2,
                "sliding_window": 50},
    "qwen3_moe": {"model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2,
                  "moe_intermediate_size": 64},
    "deepseek_v3": {"model_type": "deepseek_v3", **EXPERTS, **LATENT},
    "glm_moe_dsa": {"model_type": "glm_moe_dsa", **EXPERTS, **LATENT, **INDEX},
    "deepseek_v4": {"model_type": "deepseek_v4", **EXPERTS, **INDEX, "q_lora_rank": 64,
                    "o_groups": 2, "o_lora_rank": 32, "sliding_window": 32, "hc_mult": 2,
                    "first_k_dense_replace": 0, "compress_ratios": [0, 4, 128] * 2,
                    "num_key_value_heads": 1},
    "minimax_m3": {"model_type": "minimax_m3_vl_text", "num_local_experts": 8,
                   "num_experts_per_tok": 2, "dense_intermediate_size": 512,
                   "shared_intermediate_size": 64, "layer_types": ["minimax_m3_sparse"] * 6},
}  # fmt: skip
"""A small model of every mechanism but chunks, which start over."""


@cache
def model(name: str, layers: int = 6) -> Model:
    return build_model({**BASE, **CONFIGS[name], "num_hidden_layers": layers}, source=name)


def flops(name: str, step: Step, layers: int = 6) -> float:
    return sum(op.count * op.flops for op in model(name, layers).ops(step))


def streamed(name: str, step: Step, layers: int = 6) -> float:
    return sum(op.count * op.streamed_bytes for op in model(name, layers).ops(step))


LAW = settings(deadline=None)
MODEL_LAW = settings(deadline=None, max_examples=15)
NAMES = pytest.mark.parametrize("name", CONFIGS)
COSTS = pytest.mark.parametrize("cost", [flops, streamed])
Cost = Callable[..., float]


# --- matmul ----------------------------------------------------------------------------------


@LAW
@given(SIZES, SIZES, SIZES)
def test_a_matmul_is_2mnk_flops_and_moves_mk_kn_mn(m: int, k: int, n: int) -> None:
    (op,) = matmul("x", (Linear("w", k, n),), m)
    assert op.flops == 2 * m * n * k
    assert (op.input_elements, op.weight_bytes / 2, op.output_elements) == (m * k, k * n, m * n)


@LAW
@given(SIZES, SIZES, st.lists(SIZES, min_size=2, max_size=4))
def test_a_fused_matmul_computes_and_streams_what_its_parts_do(
    m: int, k: int, widths: list[int]
) -> None:
    parts = [Linear(f"w{i}", k, n) for i, n in enumerate(widths)]
    (fused,) = matmul("x", parts, m)
    split = [op for part in parts for op in matmul("x", (part,), m)]
    assert fused.flops == sum(op.flops for op in split)
    assert fused.weight_bytes == sum(op.weight_bytes for op in split)


# --- reach -----------------------------------------------------------------------------------


def visible(reach: Visibility, query: int, key: int) -> bool:
    """Whether a query sees a key, straight from the definitions (an indexer picks the first)."""
    if key > query:
        return False
    if reach.window is not None:
        return query - key < reach.window
    if reach.chunk is not None:
        return query // reach.chunk == key // reach.chunk
    return reach.top is None or key < reach.top


@LAW
@given(REACHES, st.integers(0, 60), st.integers(0, 60))
def test_pairs_are_what_brute_force_counts(reach: Visibility, new: int, past: int) -> None:
    queries = range(past, past + new)
    brute = sum(visible(reach, query, key) for query in queries for key in range(past + new))
    assert reach.pairs(new, past) == brute


@LAW
@given(REACHES, SHORT, SHORT)
def test_a_prefill_of_n_has_the_pairs_of_n_decodes(reach: Visibility, new: int, past: int) -> None:
    assert reach.pairs(new, past) == sum(reach.pairs(1, p) for p in range(past, past + new))
    assert all(reach.pairs(1, p) == reach.keys(p) for p in range(past, past + new))


@LAW
@given(REACHES, SHORT, SHORT, SHORT)
def test_chunked_prefill_has_the_pairs_of_one_prefill(
    reach: Visibility, first: int, second: int, past: int
) -> None:
    whole = reach.pairs(first + second, past)
    assert whole == reach.pairs(first, past) + reach.pairs(second, past + first)


@LAW
@given(st.integers(1, 300), SHORT, st.integers(0, 100))
def test_a_window_as_long_as_the_context_is_no_window(new: int, past: int, more: int) -> None:
    length = new + past + more
    for reach in (Visibility(window=length), Visibility(chunk=length), Visibility(top=length)):
        assert reach.pairs(new, past) == FULL.pairs(new, past)
        assert reach.cached_keys(past) == FULL.cached_keys(past)


@LAW
@given(st.integers(1, 300), SHORT, st.integers(1, 400))
def test_no_window_sees_more_than_full_attention(new: int, past: int, size: int) -> None:
    for reach in (Visibility(window=size), Visibility(chunk=size), Visibility(top=size)):
        assert reach.pairs(new, past) <= FULL.pairs(new, past)


def block(reach: Visibility) -> GroupedQueryAttention:
    shapes = [("q", 64, 128), ("k", 64, 32), ("v", 64, 32), ("o", 128, 64)]
    q, k, v, o = (SCOPE.linear(*shape) for shape in shapes)
    return GroupedQueryAttention(8, 2, 16, 16, (q, k, v), o, reach)


@LAW
@given(REACHES, st.integers(1, 100))
def test_the_flops_of_a_prefill_are_those_of_its_decodes(reach: Visibility, new: int) -> None:
    def core(step: Step) -> float:
        return block(reach).ops(step, BF16)[1].flops

    assert core(Step(1, new, 0)) == sum(core(Step(1, 1, past)) for past in range(new))


# --- experts ---------------------------------------------------------------------------------


@LAW
@given(st.integers(1, 10_000), st.integers(1, 512), st.integers(1, 512))
def test_distinct_experts_lie_between_one_tokens_and_all(tokens: int, a: int, b: int) -> None:
    active, experts = sorted((a, b))
    distinct = distinct_experts(tokens, experts, active)
    assert active * (1 - 1e-9) <= distinct <= min(experts, tokens * active) * (1 + 1e-9)


@LAW
@given(st.integers(1, 10_000), st.integers(1, 512), st.integers(1, 512))
def test_more_tokens_or_more_picks_never_touch_fewer_experts(tokens: int, a: int, b: int) -> None:
    active, experts = sorted((a, b))
    distinct = distinct_experts(tokens, experts, active)
    assert distinct_experts(tokens + 1, experts, active) >= distinct * (1 - 1e-12)
    if active < experts:
        assert distinct_experts(tokens, experts, active + 1) >= distinct * (1 - 1e-12)


@pytest.mark.parametrize(("tokens", "experts", "active"), [(1, 5, 2), (2, 4, 2), (3, 4, 1)])
def test_distinct_experts_are_the_mean_over_all_routings(
    tokens: int, experts: int, active: int
) -> None:
    picks = list(combinations(range(experts), active))
    touched = [len(set().union(*routing)) for routing in product(picks, repeat=tokens)]
    mean = sum(touched) / len(touched)
    assert distinct_experts(tokens, experts, active) == pytest.approx(mean)


@LAW
@given(st.integers(1, 16), st.integers(1, 64), st.integers(1, 64), st.integers(1, 200))
def test_experts_that_are_all_active_are_one_dense_mlp(
    experts: int, hidden: int, width: int, tokens: int
) -> None:
    router = SCOPE.linear("router", hidden, experts)
    mixture = MixtureOfExperts(experts, experts, build(SCOPE, hidden, width), router)
    step = Step(1, tokens, 0)
    op = mixture.ops(step, BF16)[1]
    wide = build(SCOPE, hidden, experts * width).ops(step, BF16)
    assert op.flops == sum(dense.flops for dense in wide)
    assert op.weight_bytes == sum(dense.weight_bytes for dense in wide)
    assert mixture.idle_parameters == 0


# --- MLA -------------------------------------------------------------------------------------


WIDTH = st.integers(1, 64)


@LAW
@given(st.tuples(st.integers(1, 16), WIDTH, WIDTH, WIDTH, WIDTH), st.integers(1, 50), WIDTH)
def test_both_forms_of_mla_project_alike_and_give_the_same_output(
    dims: tuple[int, int, int, int, int], new: int, batch: int
) -> None:
    heads, latent, rope, nope, v_dim = dims
    hidden = 96
    attention = LatentAttention(
        heads, latent, rope, nope, v_dim,
        (SCOPE.linear("q", hidden, heads * (nope + rope)),
         SCOPE.linear("kv_a", hidden, latent + rope)),
        None,
        SCOPE.linear("kv_b", latent, heads * (nope + v_dim)),
        SCOPE.linear("o", heads * v_dim, hidden),
    )  # fmt: skip
    step = Step(batch, new, 0)
    absorbed, expanded = (attention.form(step, BF16, absorbs=form) for form in (True, False))
    for ops in (absorbed, expanded):
        projected = sum(op.flops for op in ops if op.kind == "matmul")
        assert projected == 2 * step.tokens * sum(
            w.in_features * w.out_features for _, w in attention.linears
        )
    assert absorbed[-1] == expanded[-1]
    taken = sum(op.flops for op in attention.ops(step, BF16))
    assert taken == min(sum(op.flops for op in ops) for ops in (absorbed, expanded))


# --- whole models ------------------------------------------------------------------------------


@NAMES
@COSTS
@MODEL_LAW
@given(batch=st.integers(1, 64), past=st.integers(0, 3000), more=st.integers(1, 500))
def test_more_context_never_costs_a_decode_less(
    name: str, cost: Cost, batch: int, past: int, more: int
) -> None:
    assert cost(name, Step(batch, 1, past)) <= cost(name, Step(batch, 1, past + more))


@NAMES
@COSTS
@MODEL_LAW
@given(batch=st.integers(1, 4), new=st.integers(1, 3000), more=st.integers(1, 500))
def test_a_longer_prompt_never_costs_less(
    name: str, cost: Cost, batch: int, new: int, more: int
) -> None:
    assert cost(name, Step(batch, new, 0)) <= cost(name, Step(batch, new + more, 0)) * (1 + 1e-12)


@NAMES
@COSTS
@MODEL_LAW
@given(batch=st.integers(1, 200), new=st.integers(1, 50), past=st.integers(0, 1000))
def test_a_larger_batch_never_costs_less(
    name: str, cost: Cost, batch: int, new: int, past: int
) -> None:
    one, more = cost(name, Step(batch, new, past)), cost(name, Step(batch + 1, new, past))
    assert one <= more * (1 + 1e-12)


@NAMES
@COSTS
@MODEL_LAW
@given(layers=st.integers(3, 5), new=st.integers(1, 50), past=st.integers(0, 1000))
def test_more_layers_never_cost_less(
    name: str, cost: Cost, layers: int, new: int, past: int
) -> None:
    step = Step(2, new, past)
    assert cost(name, step, layers) < cost(name, step, layers + 1)


@NAMES
@MODEL_LAW
@given(context=st.integers(0, 10_000), more=st.integers(1, 1000))
def test_more_context_never_takes_less_memory(name: str, context: int, more: int) -> None:
    assert model(name).cache_bytes(context) <= model(name).cache_bytes(context + more)


@NAMES
def test_a_token_reads_no_more_than_the_model_weighs(name: str) -> None:
    weights = sum(op.count * op.weight_bytes for op in model(name).ops(Step(1, 1, 10)))
    assert weights < model(name).weight_bytes
    assert 2 * model(name).parameters == pytest.approx(model(name).weight_bytes)


@NAMES
def test_a_large_step_streams_every_weight_once(name: str) -> None:
    """All but the embedding, of which rows are looked up."""
    weights = sum(op.count * op.weight_bytes for op in model(name).ops(Step(512, 64, 0)))
    looked_up = 2 * 512 * 256
    assert weights == pytest.approx(model(name).weight_bytes - looked_up, rel=1e-2)
