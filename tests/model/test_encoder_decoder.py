"""Encoder-decoders: the prompt is the encoder's, and every later step the decoder's alone."""

from __future__ import annotations

from typing import Any

import pytest

from vperf.errors import InputError
from vperf.formats import BF16
from vperf.model.blocks.base import Scope
from vperf.model.blocks.encoder_decoder import CrossAttention, EncoderAttention
from vperf.model.model import Model
from vperf.model.ops import Op, Step
from vperf.model.read import build_model

T5_SMALL: dict[str, Any] = {
    "model_type": "t5", "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8,
    "relative_attention_num_buckets": 32, "vocab_size": 32128,
}  # fmt: skip
WHISPER_LARGE_V3: dict[str, Any] = {
    "model_type": "whisper", "d_model": 1280, "encoder_layers": 32, "decoder_layers": 32,
    "encoder_ffn_dim": 5120, "decoder_ffn_dim": 5120, "encoder_attention_heads": 20,
    "decoder_attention_heads": 20, "num_mel_bins": 128, "vocab_size": 51866,
}  # fmt: skip
TINY_T5: dict[str, Any] = {
    "d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 3, "num_decoder_layers": 2,
    "num_heads": 5, "vocab_size": 100,
}  # fmt: skip


def built(config: dict[str, Any], **changes: Any) -> Model:
    return build_model({**config, **changes}, source="config.json")


def by_name(model: Model, step: Step) -> dict[str, Op]:
    return {op.name: op for op in model.ops(step)}


def total_flops(model: Model, step: Step) -> float:
    return sum(op.count * op.flops for op in model.ops(step))


# The first and the last as published, the others by transformers 5.23 on the meta device.
@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (T5_SMALL, 60_506_624),
        ({**TINY_T5, "model_type": "t5"}, 212_416),
        ({**TINY_T5, "model_type": "t5", "num_decoder_layers": None,
          "feed_forward_proj": "gated-gelu", "relative_attention_num_buckets": 20}, 302_600),
        ({**TINY_T5, "model_type": "umt5", "feed_forward_proj": "gated-gelu"}, 243_616),
        (WHISPER_LARGE_V3, 1_543_490_560),
    ],
    ids=["t5-small", "t5", "t5 gated", "umt5", "whisper-large-v3"],
)  # fmt: skip
def test_counts_are_exact(config: dict[str, Any], parameters: int) -> None:
    assert built(config).parameters == parameters


def test_t5_ties_its_head_whatever_the_config_says() -> None:
    assert built(T5_SMALL, tie_word_embeddings=False).parameters == 60_506_624


def test_the_encoder_sees_both_ways() -> None:
    prompt = 100
    attention = by_name(built(T5_SMALL), Step(2, prompt, 0))["encoder_attention"]
    # Two matmuls of 2 x 64 x pairs for each of 8 heads, all prompt^2 pairs.
    assert attention.flops == 2 * 4 * 64 * 8 * prompt**2
    assert attention.count == 6
    assert attention.cache_bytes == 0


def test_the_prompt_costs_the_decoder_one_token_and_its_cross_attention_keys() -> None:
    ops = by_name(built(T5_SMALL), Step(2, 100, 0))
    assert ops["encoder_qkv_proj"].shape == (200, 512, 3 * 512)
    assert ops["cross_kv_proj"].shape == (200, 512, 2 * 512)
    assert ops["qkv_proj"].shape == (2, 512, 3 * 512)
    assert ops["lm_head"].shape == (2, 512, 32128)


def test_decode_streams_the_decoder_only() -> None:
    model = built(T5_SMALL)
    ops = by_name(model, Step(1, 1, 100))
    assert not any(name.startswith(("encoder", "cross_kv")) for name in ops)
    # Six layers of seven attention matrices (no cross K and V) and an MLP, and the head.
    layers = 6 * (6 * 512 * 512 + 2 * 512 * 2048)
    assert model.streamed_bytes == pytest.approx(2 * (layers + 512 * 32128), rel=1e-3)
    assert model.streamed_bytes == pytest.approx(2 * model.streamed_parameters, rel=1e-6)


def test_a_token_of_the_prompt_and_a_generated_one_cache_the_same() -> None:
    model = built(T5_SMALL)
    assert model.kv_bytes_per_token == 6 * 2 * 8 * 64 * 2
    assert model.cache_bytes(100) == 100 * model.kv_bytes_per_token
    read = by_name(model, Step(1, 1, 100))["attention[self+cross]"]
    assert read.count * read.cache_bytes == model.cache_bytes(100)


def test_encoding_is_nearly_two_flops_a_parameter_a_token() -> None:
    model = built(WHISPER_LARGE_V3)
    layers = 32 * (4 * 1280**2 + 2 * 1280 * 5120)
    convolutions = 2 * 3 * 128 * 1280 + 3 * 1280**2
    cross = 32 * 2 * 1280**2
    attention = 32 * 4 * 1280 * 1500**2
    floor = 2 * 1500 * (layers + convolutions + cross) + attention
    assert floor < total_flops(model, Step(1, 1500, 0)) < 1.003 * floor


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({**T5_SMALL, "num_layers": 0}, "num_layers"),
        ({**T5_SMALL, "d_kv": "64"}, "d_kv"),
        ({**T5_SMALL, "feed_forward_proj": "mixture-of-gelu"}, "feed_forward_proj"),
        ({**WHISPER_LARGE_V3, "decoder_attention_heads": 7}, "decoder_attention_heads"),
        ({**WHISPER_LARGE_V3, "encoder_layers": 10**9}, "encoder_layers"),
    ],
)
def test_values_that_cannot_be_name_their_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        build_model(config, source="config.json")


@pytest.mark.parametrize("ways", [1, 2, 8])
def test_a_kv_head_is_held_by_every_rank(ways: int) -> None:
    scope = Scope("", lambda *_: BF16)
    linear = scope.linear("q", 64, 64)
    for block in (
        EncoderAttention(8, 8, (linear,) * 3, linear, kv_heads=2),
        CrossAttention(8, 8, (linear,) * 3, linear, linear, (linear,) * 2, linear, kv_heads=2),
    ):
        assert block.copied(ways).kv_heads == max(2, ways)
