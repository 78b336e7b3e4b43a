"""Elements that norms, rotary and activations move a token, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.test_encoder_decoder import WHISPER_LARGE_V3
from vperf.formats import BF16
from vperf.model.blocks.hyper import HyperConnections
from vperf.model.blocks.projection import Projections
from vperf.model.model import Model
from vperf.model.ops import Linear, Step
from vperf.model.read import build_model
from vperf.sources.models import load_model_config


def model(name: str, **changes: Any) -> Model:
    found = load_model_config(name)
    return build_model({**found.config, **changes}, source=name)


def test_mla_rotates_its_rope_part_and_norms_its_latents() -> None:
    # 128 heads and the shared key have 64 rotary dimensions, read and written; the norms are over
    # a query latent of 1,536 and one of keys of 512, which lies beside the rotary key of 64.
    attention = model("deepseek-ai/DeepSeek-V3").kinds[0][1].blocks[0]
    assert attention.elementwise_elements == 2 * 64 * (128 + 1) + 2 * (1536 + 512 + 64)


def test_a_prediction_module_norms_the_two_vectors_that_it_joins() -> None:
    mtp = model("deepseek-ai/DeepSeek-V3").mtp
    assert mtp is not None
    assert mtp.blocks[0].elementwise_elements == 2 * (7168 + 7168)


def test_hyper_connections_read_the_streams_twice_and_write_them_once() -> None:
    # Before attention 4 streams of 1,000 are read and one vector written; behind it one vector and
    # 4 streams are read, and 4 streams written: 5,000 and 9,000 elements, and the same for the MLP.
    mix = Linear("mix", 4000, 24, BF16)
    block = HyperConnections(4, 1000, (mix, mix))
    assert block.elementwise_elements == 2 * (5_000 + 9_000)


def test_projections_read_and_write_each_output_once_more() -> None:
    up, down = Linear("up", 100, 30, BF16), Linear("down", 30, 100, BF16)
    assert Projections("x", ((up,), (down,))).elementwise_elements == 2 * (30 + 100)
    assert Projections("x", ((up,), (down,)), streams=7).elementwise_elements == 2 * 130 + 7
    assert Projections("x", ((up,),), pooled=True).elementwise_elements == 0
    assert Projections("per_layer", ((up,),)).in_words() == "per layer projections"


def test_a_bias_of_lfm2_is_one_number_more_a_channel() -> None:
    # Three taps and a bias for each of 2,048 channels, and a bias of every output: 3 x 2,048 of
    # in_proj, 2,048 of out_proj.
    plain, biased = (
        model("LiquidAI/LFM2-1.2B", conv_bias=bias, block_auto_adjust_ff_dim=False)
        for bias in (False, True)
    )
    convolutions = sum(count for count, kind in plain.kinds if not kind.blocks[0].cache_elements)
    assert biased.parameters - plain.parameters == convolutions * 2048 * (1 + 3 + 1)


@pytest.mark.parametrize(
    ("name", "favours"),
    [
        ("openai/gpt-oss-120b", True),
        ("Qwen/Qwen3-30B-A3B", True),
        ("deepseek-ai/DeepSeek-V3", False),
    ],
)
def test_routers_have_favourites_where_they_were_not_kept_even(name: str, favours: bool) -> None:
    kinds = model(name).kinds
    assert {b.favours_experts for _, k in kinds for b in k.blocks if b.expert_split[0]} == {favours}


def test_a_scan_of_mamba_is_one_block_of_work_a_sequence() -> None:
    (op,) = {o.name: o for o in model("state-spaces/mamba-2.8b-hf").ops(Step(3, 1, 99))
             if o.name == "selective_scan"}.values()  # fmt: skip
    assert op.blocks == 3


def test_an_encoder_s_elements_are_those_that_an_engine_may_not_fuse() -> None:
    # Of a layer of BERT, 1,024 wide: two norms with their residuals, 4 x 1,024 each, and a GELU
    # that reads and writes 4,096; of Whisper those of the encoder, and of its two convolutions.
    assert model("BAAI/bge-large-en-v1.5").encoded_elements == (24 * 16 * 1024, 0.0)
    assert model("Qwen/Qwen3-8B").encoded_elements == (0.0, 0.0)
    whisper = build_model(WHISPER_LARGE_V3, source="config.json")
    elements = 32 * 16 * 1280 + 2 * 2 * 1280
    assert whisper.encoded_elements == (0.0, elements)
    (row,) = (op for op in whisper.ops(Step(1, 100, 0)) if op.kind == "elementwise")
    assert row.encoded_elements == 100 * elements
    (row,) = (op for op in whisper.ops(Step(1, 1, 100)) if op.kind == "elementwise")
    assert row.encoded_elements == 0.0
