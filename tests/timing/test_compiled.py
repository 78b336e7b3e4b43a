"""Compiled steps: what the object path of tests/oracle/ computes, row by row and in total."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from tests.oracle import object_path as oracle
from vperf.errors import InputError
from vperf.model.divide import Parallel, divide
from vperf.model.model import Model
from vperf.model.ops import Step
from vperf.model.rows import Symbols
from vperf.serving.speculative import drafting as drafted
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.sources.models import model_ids
from vperf.timing import collectives
from vperf.timing.compiled import _HOP_S, _HOP_SHARE, Compiled
from vperf.timing.passes import Pass, decode_passes, prefill_passes
from vperf.timing.step import Card

H100 = Card(load_gpu("h100-sxm"), load_engine("vllm"))
EAGER = Card(load_gpu("rtx-4090"), load_engine("llama.cpp"))
WAYS = (
    Parallel(), Parallel(2), Parallel(8), Parallel(8, expert=8), Parallel(2, 2),
    Parallel(1, 1, 8, 8), Parallel(2, data=4),
)  # fmt: skip
STEPS = (
    Step(1, 1, 1000), Step(64, 1, 5000), Step(7, 4, 131, 4), Step(1, 1000, 0), Step(3, 5000, 0),
    Step(1, 2048, 6000), Step(2, 16, 0), Step(5, 17, 3000),
)  # fmt: skip
QUANTITIES = (
    "flops", "weight_bytes", "cache_bytes", "input_elements", "output_elements", "score_pairs",
    "queries", "edges", "band", "blocks", "launches", "least_streamed_bytes", "popular_bytes",
)  # fmt: skip
SLICE = (
    "Qwen/Qwen3-4B", "google/gemma-3-27b-it", "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V3",
    "deepseek-ai/DeepSeek-V3.2", "deepseek-ai/DeepSeek-V4-Flash", "google-t5/t5-small",
    "Qwen/Qwen3-Next-80B-A3B-Instruct", "MiniMaxAI/MiniMax-Text-01-hf",
    "meta-llama/Llama-4-Scout-17B-16E-Instruct",
)  # fmt: skip


def divided(model: Model) -> Iterator[Model]:
    for ways in WAYS:
        try:
            yield divide(model, ways) if ways.gpus > 1 else model
        except InputError:
            continue


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-300)


def agrees(model: Model, card: Card) -> None:
    """Every quantity of every op, and both times, of all kinds of steps."""
    compiled = Compiled(model, card)
    for step in STEPS:
        local = oracle.local_of(model, step)
        wanted = [op for _, op in oracle.flat(oracle.work(model, local))]
        found = model.rows.numbers(local)
        assert [op.name for op in found] == [op.name for op in wanted]
        for one, other in zip(found, wanted, strict=True):
            assert (one.shape, one.split) == (other.shape, other.split)
            for name in QUANTITIES:
                one_value, other_value = getattr(one, name), getattr(other, name)
                assert (one_value or 0.0) == near(other_value or 0.0), (step, one.name, name)
        times = compiled.step(step)
        assert times == near(oracle.passes_seconds(model, (Pass(step),), card))
        table = compiled.itemise((Pass(step),))
        assert (table.limit_s, table.expected_s, table.ceiling_s) == near(times)
        host = table.overhead_s + sum(op.expected_s for op in table.ops)
        assert max(table.limit_s, host) == near(times[1])
    for decode, chunk in ((Step(32, 1, 2000), Step(1, 512, 0)), (Step(8, 1, 50), Step(2, 3, 9000))):
        both = (Pass(decode),), (Pass(chunk),)
        wanted_s = oracle.mixed_seconds(model, *both, card, 9)
        assert compiled.mixed(*both, 9)[1] == near(wanted_s)
    if model.mtp_module is not None:
        for drafts in (1, 3):
            drafting = drafted(model, "", "mtp", drafts)
            compiled = Compiled(drafting, card)
            decode_p, prefill_p = decode_passes(drafting, 4, 900), prefill_passes(drafting, 2, 3000)
            for passes in (decode_p, prefill_p):
                wanted_both = oracle.passes_seconds(drafting, passes, card)
                assert compiled.passes(passes) == near(wanted_both)
            wanted_s = oracle.mixed_seconds(drafting, decode_p, prefill_p, card, 6)
            assert compiled.mixed(decode_p, prefill_p, 6)[1] == near(wanted_s)


@pytest.mark.parametrize("model_id", SLICE)
def test_a_compiled_step_is_the_object_path_s(model_id: str) -> None:
    model = vperf.load_model(model_id)
    agrees(model, H100)
    agrees(list(divided(model))[-1], H100)


@pytest.mark.slow
@pytest.mark.parametrize("model_id", model_ids())
def test_every_shipped_model_divided_every_way_is_the_object_path_s(model_id: str) -> None:
    model = vperf.load_model(model_id)
    agrees(model, EAGER)
    for rank in divided(model):
        agrees(rank, H100)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(SLICE),
    st.integers(1, 300),
    st.integers(1, 9000),
    st.integers(0, 200_000),
)
def test_any_step_of_any_size_is_the_object_path_s(
    model_id: str, batch: int, new: int, past: int
) -> None:
    model, step = vperf.load_model(model_id), Step(batch, new, past)
    wanted = oracle.passes_seconds(model, (Pass(step),), H100)
    assert Compiled(model, H100).step(step) == pytest.approx(wanted, rel=1e-9)


def test_a_batch_of_equal_steps_is_one_step_and_unequal_ones_add_up() -> None:
    compiled = Compiled(vperf.load_model("Qwen/Qwen3-4B"), H100)
    one = compiled.decode(8, 1000)
    assert compiled.batch([Step(1, 1, 1000)] * 8) == pytest.approx(one, rel=1e-12)
    # Full attention reads as many keys whichever sequence holds them.
    assert compiled.batch([Step(4, 1, 500), Step(4, 1, 1500)]) == pytest.approx(one, rel=1e-12)
    mixed = compiled.batch([Step(3, 1, 900)], [Step(1, 512, 0)])
    passes = (Pass(Step(3, 1, 900)),), (Pass(Step(1, 512, 0)),)
    assert mixed == pytest.approx(compiled.mixed(*passes), rel=1e-12)


def test_several_chunks_touch_the_experts_of_all_their_tokens() -> None:
    compiled = Compiled(vperf.load_model("Qwen/Qwen3-30B-A3B"), H100)
    one, two = (compiled.batch([Step(1, 1, 99)], [Step(1, 20, 0)] * n).ceiling for n in (1, 2))
    whole = compiled.batch([Step(1, 1, 99)], [Step(2, 20, 0)]).ceiling
    assert one < two == pytest.approx(whole, rel=1e-12)


def test_a_mixed_step_is_no_longer_than_its_two_steps_apart() -> None:
    compiled = Compiled(vperf.load_model("Qwen/Qwen3-4B"), H100)
    apart = compiled.decode(16, 2000)[1] + compiled.prefill(1, 512)[1]
    passes = (Pass(Step(16, 1, 2000)),), (Pass(Step(1, 512, 0)),)
    assert (
        max(compiled.decode(16, 2000)[1], compiled.prefill(1, 512)[1])
        < (compiled.mixed(*passes)[1])
        < apart
    )


def test_a_product_of_two_coordinates_is_refused() -> None:
    tokens = Symbols(Step(1, 1, 1), {}).tokens
    with pytest.raises(TypeError):
        tokens * tokens  # type: ignore[operator]
    with pytest.raises(TypeError, match="ask for a case"):
        bool(tokens)


def test_a_step_takes_the_host_all_its_launches_in_every_stage_and_a_hop_of_its_tokens() -> None:
    model = vperf.load_model("meta-llama/Llama-3.1-8B-Instruct")  # 4,096 wide
    eager = Card(load_gpu("h100-sxm"), load_engine("transformers"))
    engine, link = eager.engine, collectives.link_bytes_per_s(eager.gpu)
    for stages in (1, 2, 4):
        staged = Compiled(divide(model, Parallel(1, stages)) if stages > 1 else model, eager)
        for step in (Step(4, 1, 100), Step(8, 512, 0)):
            found, one = staged.itemise((Pass(step),)), Pass(step)
            launches = sum(op.count * op.launches for op in staged.ops(one))
            kernels = sum(op.expected_s for op in found.ops)
            local = staged.model.parallel.local(step)
            host = engine.overhead_s(launches, kernels, staged._sequences(step.batch))
            if stages > 1:
                hop = _HOP_S + 2.0 * local.tokens * 4096 / (_HOP_SHARE * link)
                host += (stages - 1) * engine.host_s_per_step + stages * hop
            assert found.overhead_s == near(host)


def test_the_sides_of_a_limit_add_up_over_passes() -> None:
    compiled = Compiled(vperf.load_model("Qwen/Qwen3-4B"), H100)
    long, short = Pass(Step(1, 1000, 0)), Pass(Step(8, 1, 3000))
    apart = [compiled.sides((each,)) for each in (long, short, short)]
    assert compiled.sides((long, short, short)) == near(tuple(map(sum, zip(*apart, strict=True))))


@pytest.mark.parametrize(("stages", "tp", "far"), [(2, 4, False), (2, 8, True)])
def test_stages_hand_over_by_the_link_of_a_node_until_they_are_more_than_one(
    stages: int, tp: int, far: bool
) -> None:
    """Eight H100 are one node: 5 tokens of 4,096 x 2 bytes go over NVLink (450 GB/s one way)."""
    parallel = Parallel(tensor=tp, pipeline=stages)
    model = divide(vperf.load_model("qwen3-8b"), parallel)
    card = Card(load_gpu("h100"), load_engine("ideal"))
    link = card.gpu.node_bytes_per_s if far else 450e9
    hop = 20e-6 + 5 * 4096 * 2 / (0.8 * link)
    host = Compiled(model, card)._host_s(0.0, 0.0, 1.0, 5.0, reads_prompts=False)
    a_step = card.engine.host_s_per_step
    alone = a_step + card.engine.host_s_per_sequence
    assert host == pytest.approx(alone + (stages - 1) * a_step + stages * hop)


def test_passes_of_an_eager_engine_cost_the_host_the_launches_of_all() -> None:
    """Where the host starts each kernel, two passes that it must start take twice as long."""
    model = vperf.load_model("Qwen/Qwen3-0.6B")
    eager = Compiled(model, Card(load_gpu("h100-sxm"), load_engine("transformers")))
    step = Step(1, 1, 100)
    launches = sum(op.count * op.launches for op in eager.ops(Pass(step)))
    one, three = (eager.passes([Pass(step, count)]).expected for count in (1, 3))
    apart = eager.passes([Pass(step), Pass(step, 2)]).expected
    assert launches > 100
    assert apart == near(three)
    engine = eager.card.engine
    each = engine.overhead_s(2 * launches, 0.0, 1) - engine.overhead_s(launches, 0.0, 1)
    assert three - one == pytest.approx(2 * each, rel=0.05)
