"""LoRA adapters: bytes and kernels by hand, laws, refusals."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.model.ops import Step
from vperf.resolve import deploy
from vperf.scenario import Scenario

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def _model(**options: Any) -> Any:
    return deploy(Scenario(LLAMA, "h100", **options)).model


def test_an_adapter_has_the_parameters_that_peft_prints() -> None:
    # 32 layers; q and o 4096 x 4096, k and v 4096 x 1024, gate and up 4096 x 14336, down back.
    attention = 2 * (4096 + 4096) + 2 * (4096 + 1024)
    mlp = 2 * (4096 + 14336) + (14336 + 4096)
    parameters = 32 * 16 * (attention + mlp)
    assert parameters == 41_943_040  # "trainable params" of r=16 on all linear layers
    assert _model(lora_rank=16).rank_adapter_bytes == 2 * parameters
    some = _model(lora_rank=16, lora_targets="q_proj,v_proj", max_loras=3)
    assert some.rank_adapter_bytes == 3 * 2 * 6_815_744  # the same, of q_proj and v_proj


def test_a_step_shrinks_and_expands_beside_each_matmul() -> None:
    ops = {op.name: op for op in _model(lora_rank=16, max_loras=8).ops(Step(4, 1, 100))}
    shrink, expand = ops["qkv_proj.lora_a"], ops["qkv_proj.lora_b"]
    assert shrink.shape == (4, 4096, 48)  # q, k and v read the same input
    assert expand.shape == (4, 16, 6144)
    assert shrink.flops == 2 * 4 * 4096 * 48
    assert shrink.weight_bytes == 2 * 4096 * 48  # one adapter, whoever is asked for
    distinct = 8 * (1 - (7 / 8) ** 4)
    assert shrink.input_elements == pytest.approx(4 * 4096 + (distinct - 1) * 4096 * 48)
    assert expand.output_elements == 2 * 4 * 6144  # y is read and written
    assert shrink.count == expand.count == 32
    assert {name for name in ops if ".lora_" in name} == {
        f"{name}.lora_{side}"
        for name in ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
        for side in "ab"
    }


def test_tensor_parallelism_divides_b_of_columns_and_a_of_rows() -> None:
    ops = {op.name: op for op in _model(lora_rank=16, tp=4).ops(Step(1, 1, 1))}
    assert ops["qkv_proj.lora_a"].shape == (1, 4096, 48)
    assert ops["qkv_proj.lora_b"].shape == (1, 16, 1536)
    assert ops["o_proj.lora_a"].shape == (1, 1024, 16)
    assert ops["o_proj.lora_b"].shape == (1, 16, 4096)


def test_memory_and_answer_say_what_adapters_take() -> None:
    plain = vperf.estimate(LLAMA, "h100")
    answer = vperf.estimate(LLAMA, "h100", lora_rank=16, max_loras=8)
    held = 8 * 2 * 41_943_040
    assert answer.memory.adapter_bytes == held
    assert answer.memory.weight_bytes == plain.memory.weight_bytes + held
    assert (answer.workload.lora_rank, answer.workload.max_loras) == (16, 8)
    assert any(line.startswith("LoRA: 8 adapters of rank 16") for line in answer.assumptions)
    room = vperf.fit(LLAMA, "h100", lora_rank=16, max_loras=8).rooms[0]
    assert room.adapter_bytes == held
    assert room.pool_tokens < vperf.fit(LLAMA, "h100").rooms[0].pool_tokens


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lora_rank": 0}, "lora-rank: must be an integer from 1"),
        ({"lora_rank": 16, "max_loras": 2000}, "max-loras: must be an integer from 1 to 1024"),
        ({"lora_rank": 16, "lora_targets": "q_proj,w1"}, "no linear layer w1"),
        ({"max_loras": 4}, "means nothing without lora-rank"),
        ({"lora_targets": "q_proj"}, "means nothing without lora-rank"),
    ],
)
def test_adapters_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate(LLAMA, "h100", **options)


def test_an_adapter_s_own_file_says_its_rank_and_modules(tmp_path: Path) -> None:
    said = {
        "peft_type": "LORA", "base_model_name_or_path": LLAMA, "r": 16,
        "target_modules": ["q_proj", "v_proj"],
    }  # fmt: skip
    (tmp_path / "adapter_config.json").write_text(json.dumps(said))
    answer = vperf.estimate(str(tmp_path), "h100", max_loras=3)
    assert answer.model.id == LLAMA
    assert answer.memory.adapter_bytes == 3 * 2 * 6_815_744


def test_routers_have_no_adapters_and_experts_where_they_are_named() -> None:
    model = deploy(Scenario("Qwen/Qwen3-30B-A3B", "h100", lora_rank=8)).model
    adapted = {op.name for op in model.ops(Step(1, 1, 1)) if ".lora_" in op.name}
    assert adapted == {
        "qkv_proj.lora_a", "qkv_proj.lora_b", "o_proj.lora_a", "o_proj.lora_b",
    }  # fmt: skip
    with pytest.raises(InputError, match="no linear layer w1") as error:
        vperf.estimate("Qwen/Qwen3-30B-A3B", "h100", lora_rank=8, lora_targets="w1")
    assert "q_proj" in error.value.hint


MOE = "Qwen/Qwen3-30B-A3B"
"""48 layers of 128 experts, 8 of a token, of 3 weights 2048 x 768."""


def _experts(step: Step, **options: Any) -> dict[str, Any]:
    model = deploy(Scenario(MOE, "h100", lora_rank=8, **options)).model
    return {op.name: op for op in model.ops(step) if op.name.startswith("experts_")}


def test_every_expert_has_an_adapter_of_its_own() -> None:
    each = 2 * (2048 + 768) + (768 + 2048)  # gate and up, down
    model = deploy(Scenario(MOE, "h100", lora_rank=8, lora_targets="experts", max_loras=2)).model
    assert model.rank_adapter_bytes == 2 * 2 * 48 * 128 * 8 * each
    down = deploy(Scenario(MOE, "h100", lora_rank=8, lora_targets="down_proj")).model
    assert down.rank_adapter_bytes == 2 * 48 * 128 * 8 * (768 + 2048)
    halves = deploy(Scenario(MOE, "h100", lora_rank=8, lora_targets="experts", tp=2)).model
    # Of what goes up A is whole on both and B divided, of what goes down the other way round.
    assert halves.rank_adapter_bytes == 2 * 48 * 128 * 8 * (2 * (2048 + 384) + (384 + 2048))


def test_a_token_passes_the_adapters_of_its_experts() -> None:
    ops = _experts(Step(4, 1, 100), lora_targets="experts", max_loras=3)
    assert set(ops) == {f"experts_{way}.lora_{side}" for way in ("up", "down") for side in "ab"}
    up, down = ops["experts_up.lora_a"], ops["experts_down.lora_b"]
    assert up.shape == (32, 2048, 16)
    assert up.flops == 2 * 32 * 2048 * 16
    assert up.least_bytes == 2 * 8 * 2048 * 16  # all tokens may go to the same, with one adapter
    even = 128 * (1 - (1 - 8 / 128) ** 4)
    assert up.weight_bytes == pytest.approx(2 * even * 2048 * 16)
    used = 3 * (1 - (2 / 3) ** 4)
    pairs = used * 128 * (1 - (1 - 8 / 128) ** (4 / used))
    assert up.input_elements == pytest.approx(32 * 2048 + (pairs - even) * 2048 * 16)
    assert down.shape == (32, 8, 2048)
    assert down.output_elements == 2 * 32 * 2048
    assert set(_experts(Step(4, 1, 100), lora_targets="down_proj")) == {
        "experts_down.lora_a", "experts_down.lora_b",
    }  # fmt: skip


def test_groups_of_experts_have_their_own_adapters() -> None:
    whole = _experts(Step(4, 1, 100), lora_targets="experts", tp=2, ep=2)["experts_up.lora_a"]
    assert whole.shape == (16, 2048, 16)
    assert whole.least_bytes == 2 * 4 * 2048 * 16


@pytest.mark.parametrize("options", [{}, {"tp": 2}, {"dp": 2, "ep": 2}, {"max_concurrency": 8}])
def test_adapters_of_experts_never_speed_up_and_the_limit_holds(options: dict[str, Any]) -> None:
    plain = vperf.estimate(MOE, "h100", **options)
    targets = "q_proj,k_proj,v_proj,o_proj"
    fewer, one, more = (
        vperf.estimate(MOE, "h100", **options, lora_rank=16, max_loras=count, lora_targets=names)
        for count, names in ((1, targets), (1, f"{targets},experts"), (8, f"{targets},experts"))
    )
    for figure in ("tpot_s", "ttft_s"):
        for side in ("limit", "expected"):
            rising = [getattr(getattr(a, side), figure) for a in (plain, fewer, one, more)]
            if not (options.get("max_concurrency") and side == "limit"):
                assert all(a <= b * (1 + 1e-9) for a, b in pairwise(rising))
        assert getattr(more.limit, figure) <= getattr(more.expected, figure)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 256), st.integers(1, 32), st.integers(1, 200), st.integers(1, 4000),
    st.sampled_from([1, 2]),
)  # fmt: skip
def test_adapters_never_speed_up_and_the_limit_holds(
    rank: int, adapters: int, batch: int, prompt: int, tp: int
) -> None:
    given: dict[str, Any] = {"batch_size": batch, "input_len": prompt, "tp": tp}
    plain = vperf.estimate("Qwen/Qwen3-8B", "h100", **given)
    one, more = (
        vperf.estimate("Qwen/Qwen3-8B", "h100", **given, lora_rank=rank, max_loras=count)
        for count in (1, adapters)
    )
    for figure in ("tpot_s", "ttft_s"):
        for side in ("limit", "expected"):
            without, with_one, with_more = (
                getattr(getattr(answer, side), figure) for answer in (plain, one, more)
            )
            assert without <= with_one * (1 + 1e-12) <= with_more * (1 + 1e-9)
        assert getattr(more.limit, figure) <= getattr(more.expected, figure)
    assert more.limit.tpot_s == one.limit.tpot_s
