"""Diffusion language models: parameters, a step by hand, laws, refusals."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf.errors import InputError, UnsupportedModelError
from vperf.model.ops import Step
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.timing.passes import decode_passes

LLADA: dict[str, Any] = {
    "model_type": "llada", "architectures": ["LLaDAModelLM"], "d_model": 4096, "n_heads": 32,
    "n_kv_heads": 32, "n_layers": 32, "mlp_hidden_size": 12288, "vocab_size": 126464,
    "weight_tying": False, "include_bias": False, "include_qkv_bias": False,
    "max_sequence_length": 4096, "block_type": "llama",
}  # fmt: skip
BLOCKS: dict[str, Any] = {"block_length": 32, "tokens_per_step": 4.0}


def test_llada_has_the_parameters_that_are_published() -> None:
    assert vperf.load_model(LLADA).parameters == 8_015_581_184


def test_a_step_reads_a_block_and_keeps_some_of_it() -> None:
    at = deploy(Scenario(LLADA, "h100", batch_size=2, **BLOCKS))
    (step,) = decode_passes(at.model, 2, 500)
    assert step.step == Step(2, 32, 500, 32)
    answer = vperf.estimate(LLADA, "h100", batch_size=2, **BLOCKS)
    whole = vperf.estimate(LLADA, "h100", batch_size=2, block_length=32, tokens_per_step=1.0)
    assert answer.expected.tpot_s == pytest.approx(whole.expected.tpot_s / 4)
    assert answer.limit.tpot_s <= answer.expected.tpot_s
    assert answer.speculative is None
    assert answer.drafts == ()
    assert any("block of 32 tokens" in line for line in answer.assumptions)


def test_a_block_of_one_is_plain_decoding() -> None:
    one = vperf.estimate(LLADA, "h100", block_length=1, tokens_per_step=1.0)
    block = vperf.estimate(LLADA, "h100", block_length=32, tokens_per_step=1.0)
    assert one.expected.tpot_s <= block.expected.tpot_s
    at = deploy(Scenario(LLADA, "h100", block_length=1, tokens_per_step=1.0))
    assert decode_passes(at.model, 1, 10)[0].step == Step(1, 1, 10)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (LLADA, {}, "block-length: missing"),
        (LLADA, {"block_length": 32}, "tokens-per-step: missing"),
        (LLADA, {"block_length": 4, "tokens_per_step": 5.0}, "from 1 to 4"),
        (LLADA, {**BLOCKS, "speculative": "ngram", "draft_tokens": 2, "acceptance": 0.5},
         "nothing drafts"),
        ("Qwen/Qwen3-8B", BLOCKS, "is of diffusion language models"),
    ],
)  # fmt: skip
def test_what_is_not_said_is_refused(model: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate(model, "h100", **options)


def test_another_block_type_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="block_type"):
        vperf.load_model({**LLADA, "block_type": "sequential"})
