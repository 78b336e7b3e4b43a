"""Context parallelism: a prompt's tokens, and a cache's, on several GPUs."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf import Estimate, InputError
from vperf.model.divide import Parallel, divide
from vperf.model.model import Model
from vperf.model.ops import Op, Step

DENSE = "Qwen/Qwen3-32B"  # 64 layers, 64 heads, 8 KV heads of 128, hidden 5120
MOE = "Qwen/Qwen3-235B-A22B"  # 4 KV heads
MLA = "deepseek-ai/DeepSeek-V3"  # 61 layers, latent 512 + 64 rotary
SPARSE = "deepseek-ai/DeepSeek-V3.2"
READING, DECODING = Step(1, 65536, 0), Step(8, 1, 65536)


def split(name: str, **ways: Any) -> Model:
    return divide(vperf.load_model(name), Parallel(**ways))


def by_name(model: Model, step: Step) -> dict[str, Op]:
    return {op.name: op for op in model.ops(step)}


def ask(model: str = DENSE, **options: Any) -> Estimate:
    return vperf.estimate(model, "h200", **{"input_len": 131072, **options})


def test_each_group_has_its_part_of_the_rows_and_of_the_pairs() -> None:
    whole, group = (by_name(m, READING) for m in (split(DENSE), split(DENSE, prefill=4)))
    for name in ("qkv_proj", "attention", "o_proj", "gate_up_proj", "down_proj"):
        assert group[name].flops == pytest.approx(whole[name].flops / 4)
        assert group[name].weight_bytes == whole[name].weight_bytes
    assert group["qkv_proj"].shape == (65536 // 4, *whole["qkv_proj"].shape[1:])
    assert group["lm_head"].flops == whole["lm_head"].flops


def test_keys_and_values_of_a_prompt_are_gathered_once_a_layer() -> None:
    gather = by_name(split(DENSE, prefill=4), READING)["gather keys"]
    assert gather.count == 64
    assert gather.input_elements == 65536 * 8 * 128 * 2
    assert gather.shape == (4,)
    halved = by_name(split(DENSE, prefill=4, tensor=2), READING)["gather keys"]
    assert halved.input_elements == gather.input_elements / 2  # each rank has half of the heads


def test_of_mla_the_latents_are_gathered_and_every_group_expands_all() -> None:
    whole, group = (by_name(m, READING) for m in (split(MLA), split(MLA, prefill=2)))
    assert group["gather keys"].input_elements == 65536 * (512 + 64)
    assert group["kv_b_proj"].flops == whole["kv_b_proj"].flops
    # What no way of sharing can spare is half of it: the limit counts no more.
    assert group["kv_b_proj"].bounding_flops == whole["kv_b_proj"].flops / 2


def test_an_indexer_scores_each_groups_own_queries_and_its_keys_are_gathered() -> None:
    whole, group = (by_name(m, READING) for m in (split(SPARSE), split(SPARSE, prefill=8)))
    assert group["indexer"].flops == pytest.approx(whole["indexer"].flops / 8)
    keys = [op for op in split(SPARSE, prefill=8).ops(READING) if op.name == "gather keys"]
    assert sorted(op.input_elements for op in keys) == [65536 * 132 / 2, 65536 * (512 + 64)]


def test_experts_are_shared_out_over_the_groups_of_a_prompt() -> None:
    step = by_name(split(MOE, prefill=4, expert=4), READING)
    whole = by_name(split(MOE), READING)
    assert step["experts"].flops == pytest.approx(whole["experts"].flops / 4)
    sent = step["dispatch + combine"]
    # 8 experts of a token are on 4 ranks: its row goes to no rank twice.
    assert sent.input_elements == 2 * 65536 / 4 * 4096 * 4
    assert sent.shape == (4,)
    assert by_name(split(MOE, prefill=4, expert=4), DECODING)["all-reduce"].shape == (4,)


def test_few_new_tokens_are_computed_by_every_group() -> None:
    whole, group = (by_name(m, DECODING) for m in (split(DENSE), split(DENSE, prefill=4)))
    assert group["gate_up_proj"] == whole["gate_up_proj"]
    assert group["attention"] == whole["attention"]  # each has all of the cache


def test_groups_that_share_a_cache_read_their_part_and_merge() -> None:
    whole = by_name(split(DENSE), DECODING)
    group = by_name(split(DENSE, prefill=4, shares_cache=True), DECODING)
    assert group["attention"].cache_bytes == whole["attention"].cache_bytes / 4
    assert group["attention"].flops == whole["attention"].flops / 4
    assert group["merge attention"].input_elements == 8 * 64 * 128


def test_ranks_that_would_keep_one_head_each_keep_every_other_token() -> None:
    plain, divided = split(MLA, tensor=8), split(MLA, tensor=8, decode=8)
    before, after = by_name(plain, DECODING), by_name(divided, DECODING)
    assert after["attention"].cache_bytes == before["attention"].cache_bytes / 8
    assert after["attention"].flops == before["attention"].flops  # 8 times the heads, 1/8 the keys
    # Queries of all 128 heads to each rank, their outputs over the latent back.
    assert after["gather queries"].input_elements == 8 * 128 * (512 + 64)
    assert after["merge attention"].input_elements == 8 * 128 * 512
    narrow = ask(MLA, tp=8, dcp=8, kv_cache_dtype="fp8", batch_size=8).decode.ops
    sent = {op.name: op.limit_s for op in narrow}
    wide = {op.name: op.limit_s for op in ask(MLA, tp=8, dcp=8, batch_size=8).decode.ops}
    assert sent["gather queries"] == pytest.approx(wide["gather queries"] / 2)
    assert sent["merge attention"] == wide["merge attention"]
    assert divided.rank_cache_bytes(65536) == plain.rank_cache_bytes(65536) / 8
    assert divided.rank_weight_bytes == plain.rank_weight_bytes
    assert divided.cache_bytes(65536) == plain.cache_bytes(65536)


def test_memory_holds_as_much_more_as_the_cache_is_shared() -> None:
    one, two = (ask(MLA, tp=8, dcp=ways).memory for ways in (1, 8))
    assert two.pool_tokens == pytest.approx(8 * one.pool_tokens, rel=1e-4)
    # vLLM shares a prompt's cache among its groups, SGLang keeps all of it in each.
    shared, kept = (ask(tp=4, pcp=2, engine=engine).memory for engine in ("vllm", "sglang"))
    assert kept.kv_cache_bytes == 2 * shared.kv_cache_bytes


@pytest.mark.parametrize("model", [DENSE, MOE, MLA, SPARSE])
@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_one_way_is_none_and_more_are_never_faster_than_their_number(
    model: str, engine: str
) -> None:
    plain = ask(model, tp=8, engine=engine)
    one = ask(model, tp=8, engine=engine, pcp=1, dcp=1)
    assert (one.limit, one.expected, one.memory) == (plain.limit, plain.expected, plain.memory)
    for ways in (2, 4, 8):
        more = ask(model, tp=8, pcp=ways, engine=engine)
        assert more.limit.ttft_s >= plain.limit.ttft_s / ways * (1 - 1e-9)
        assert plain.expected.ttft_s / ways <= more.expected.ttft_s < plain.expected.ttft_s
        assert more.expected.ttft_s >= more.limit.ttft_s
        assert more.expected.tpot_s >= more.limit.tpot_s


def test_a_million_tokens_are_read_in_an_eighth_of_the_time_by_eight_groups() -> None:
    # FLOPs of attention alone: 2 x 2 x 128 a pair, 64 heads and layers, half a square of pairs.
    million = 1_000_000
    pairs = 4 * 128 * 64 * 64 * million * (million + 1) / 2
    alone, eight = (ask(input_len=million, tp=8, pcp=ways) for ways in (1, 8))
    assert alone.limit.ttft_s > pairs / 8 / 990e12
    assert eight.limit.ttft_s > pairs / 64 / 990e12
    assert alone.expected.ttft_s / eight.expected.ttft_s == pytest.approx(8, rel=0.05)
    assert eight.gpu.count == 64


def test_a_load_a_pipeline_and_drafts_go_with_it() -> None:
    served: dict[str, Any] = {"input_len": 16384, "tp": 4, "max_concurrency": 8}
    assert ask(**served, pcp=2).expected.ttft_s < ask(**served).expected.ttft_s
    assert ask(tp=2, pp=2, pcp=2).gpu.count == 8
    drafts: dict[str, Any] = {"tp": 8, "ep": 8, "speculative": "mtp", "acceptance": 0.8}
    assert ask(MLA, **drafts, dcp=8).limit.tpot_s < ask(MLA, **drafts).limit.tpot_s


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        (MOE, {"tp": 8, "dcp": 4}, "4 KV heads are kept 2 times over 8 GPUs: at most 2"),
        (MOE, {"tp": 8, "dcp": 3}, "3 do not divide 8 GPUs that share a layer"),
        (SPARSE, {"tp": 8, "dcp": 8}, "sparse attention"),
        ("openai/gpt-oss-120b", {"pcp": 2}, "windows"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", {"pcp": 2}, "recurrent layers"),
        (DENSE, {"pcp": 2, "engine": "llama.cpp"}, "does not share out a prompt's tokens"),
        (DENSE, {"tp": 8, "dcp": 2, "engine": "trtllm"}, "does not share out a cache's tokens"),
        (DENSE, {"pcp": 2, "lora_rank": 16}, "adapters"),
        ("Qwen/Qwen3-Embedding-8B", {"pcp": 2}, "generates token by token"),
    ],
)
def test_what_engines_do_not_divide_is_refused(
    model: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        ask(model, **{"input_len": 4096, **options})
