"""Served load: the closed loop's fixed point, and its laws."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.model.ops import Step
from vperf.serving.load import Load, merged, serve
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.step import Card, step_seconds

CARD = Card(load_gpu("h100-sxm"), load_engine("vllm"))
MODEL = vperf.load_model("meta-llama/Llama-3.1-8B-Instruct")
MOE = vperf.load_model("Qwen/Qwen3-30B-A3B")


def test_a_mixed_step_runs_each_matmul_once_over_all_rows() -> None:
    decode, prefill = MODEL.work(Step(32, 1, 2000)), MODEL.work(Step(1, 512, 0))
    both = merged(decode, prefill)
    matmuls = [op for _, op in both if op.kind == "matmul"]
    assert len(matmuls) == sum(op.kind == "matmul" for _, op in decode)
    qkv = next(op for op in matmuls if op.name == "qkv_proj")
    assert qkv.shape[0] == 32 + 512
    assert qkv.weight_bytes == next(op for _, op in decode if op.name == "qkv_proj").weight_bytes
    assert sum(op.kind == "attention" for _, op in both) == 2


def test_a_mixed_step_has_the_flops_of_both() -> None:
    for model in (MODEL, MOE):
        decode, prefill = model.work(Step(7, 1, 2000)), model.work(Step(1, 300, 0))
        total = sum(n * op.flops for n, op in [*decode, *prefill])
        assert sum(n * op.flops for n, op in merged(decode, prefill)) == pytest.approx(total)


def test_a_mixed_step_touches_the_experts_of_all_its_tokens() -> None:
    decode, prefill = MOE.work(Step(4, 1, 100)), MOE.work(Step(1, 6, 0))
    experts = next(op for _, op in merged(decode, prefill) if op.kind == "moe")
    together = next(op for _, op in MOE.work(Step(10, 1, 100)) if op.kind == "moe")
    assert experts.weight_bytes == pytest.approx(together.weight_bytes)


def test_one_user_decodes_alone() -> None:
    served = serve(MODEL, CARD, Load(1000, 1000, 1))
    assert served.running_batch == pytest.approx(1, abs=0.05)
    alone = step_seconds(MODEL, Step(1, 1, 1500), CARD)[1]
    assert alone <= served.tpot_s <= 1.05 * alone + 0.03 / 1000


def test_littles_law_holds_at_the_fixed_point() -> None:
    served = serve(MODEL, CARD, Load(2000, 500, 64))
    cycle = served.ttft_s + 500 * served.tpot_s
    assert served.running_batch == pytest.approx(64 * 500 * served.tpot_s / cycle, rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 8000), st.integers(2, 2000))
def test_more_users_never_get_tokens_sooner_and_never_beat_the_limit(
    users: int, prompt: int, output: int
) -> None:
    few = serve(MODEL, CARD, Load(prompt, output, users))
    many = serve(MODEL, CARD, Load(prompt, output, users + 20))
    assert many.tpot_s >= few.tpot_s * (1 - 1e-3)
    for served in (few, many):
        assert served.tpot_s >= served.limit_tpot_s
        assert 0 < served.running_batch <= users + 20
        assert served.ttft_s >= served.ttft_steady_s >= served.prefill_s
