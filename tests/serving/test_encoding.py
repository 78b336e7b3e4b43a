"""Images, sounds and videos: tokens by each family's rule, the tower by hand, laws, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.model.ops import Step
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.encoding import _video

QWEN = "Qwen/Qwen2.5-VL-7B-Instruct"
VOXTRAL: dict[str, Any] = {
    "model_type": "voxtral", "architectures": ["VoxtralForConditionalGeneration"],
    "audio_config": {}, "text_config": {"model_type": "llama"},
}  # fmt: skip
INTERN: dict[str, Any] = {
    "model_type": "internvl", "vision_config": {}, "downsample_ratio": 0.5,
    "text_config": {
        "model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864,
        "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
        "vocab_size": 151674,
    },
}  # fmt: skip
MINIMAX: dict[str, Any] = {
    "model_type": "minimax_m3_vl", "vision_config": {},
    "text_config": {
        "model_type": "minimax_m3_vl_text", "vocab_size": 200064, "hidden_size": 6144,
        "intermediate_size": 3072, "dense_intermediate_size": 12288,
        "shared_intermediate_size": 3072, "num_hidden_layers": 60, "num_attention_heads": 64,
        "num_key_value_heads": 4, "head_dim": 128, "num_experts_per_tok": 4,
        "num_local_experts": 128, "moe_layer_freq": [0] * 3 + [1] * 57,
        "sparse_attention_config": {
            "sparse_attention_freq": [0] * 3 + [1] * 57, "sparse_num_index_heads": 4,
            "sparse_index_dim": 128, "sparse_block_size": 128, "sparse_topk_blocks": 16,
        },
    },
}  # fmt: skip


def deployed(model: Any = QWEN, **options: Any) -> Any:
    return deploy(Scenario(model, "h100", **options))


@pytest.mark.parametrize(
    ("model", "size", "patches", "tokens"),
    [
        # 1024 x 768 is 37 x 27 units of 28 pixels, four patches each.
        (QWEN, "1024x768", 4 * 999, 999),
        ("Qwen/Qwen2-VL-7B-Instruct", "1024x768", 4 * 999, 999),
        # At least 56 x 56 pixels.
        (QWEN, "20x20", 4 * 4, 4),
        # 32 x 24 units of 32 pixels.
        ("Qwen/Qwen3-VL-4B-Instruct", "1024x768", 4 * 768, 768),
        # 896 x 896 in patches of 14, pooled to 256, whatever came.
        ("google/gemma-3-27b-it", "1024x768", 4096, 256),
        # 37 x 28 units of 28 pixels; a token ends each of the 28 rows.
        ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", "1024x768", 4 * 1036, 28 * 38),
        ("llava-hf/llava-1.5-7b-hf", "1024x768", 577, 576),
        # 4 x 3 tiles of 448 pixels and a thumbnail, 256 tokens each.
        (INTERN, "1024x768", 1025, 13 * 256),
        # 280 tokens of 48 x 48 pixels at most: 19 x 14, each of 3 x 3 patches.
        ("google/gemma-4-31B-it", "1024x768", 9 * 266, 266),
        # 4 x 3 tiles of 336 pixels and all of it in one, 144 tokens each, and 12 + 3 around them.
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "1024x768", 577, 13 * 144 + 12 + 3),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "300x200", 577, 144 + 3),
        # 36.6 x 27.4 units of 28 pixels, filled up.
        ("moonshotai/Kimi-K2.5", "1024x768", 4 * 37 * 28, 37 * 28),
        # 16,384 patches at most: shrunk by 0.518 to 2,073 x 1,554 pixels.
        ("moonshotai/Kimi-K2.5", "4000x3000", 4 * 75 * 56, 75 * 56),
        # At most 451,584 pixels: 27 x 20 units of 28 pixels.
        (MINIMAX, "1024x768", 4 * 540, 540),
    ],
)
def test_an_image_is_as_many_tokens_as_its_family_makes_of_it(
    model: Any, size: str, patches: int, tokens: int
) -> None:
    encoding = deployed(model, image=size).encoding
    assert (encoding.parts[0].patches, encoding.tokens) == (patches, tokens)
    three = deployed(model, image=size, images=3).encoding
    assert three.tokens == 3 * tokens


def test_a_sound_is_windows_of_whisper_s_encoder() -> None:
    encoding = deployed(VOXTRAL, audio="70s").encoding
    assert encoding.parts == ((3, 1500, 3 * 375),)
    (one,) = encoding.passes(2)
    assert one.step == Step(6, 1500, 0)


def test_a_video_is_pairs_of_frames() -> None:
    # 20 frames of 644 x 364, the most pixels of a frame being 602,112.
    encoding = deployed(video="10s@2fps@640x360").encoding
    assert encoding.parts == ((10, 46 * 26, 10 * 23 * 13),)


@pytest.mark.parametrize(
    ("video", "pairs", "patches", "around"),
    [
        # 20 x 11 units of 32 pixels; each pair has <0.2 seconds> (6 tokens), a start and an end.
        ("10s@2fps@640x360", 10, 4 * 220, 10 * 8),
        # 240 frames share 25,165,824 pixels: 13 x 7 units each. From 10 s on a time has a digit
        # more, from 100 s on another.
        ("120s@2fps@1920x1080", 120, 4 * 13 * 7, 120 * 8 + 110 + 20),
        # Four frames at least, however short.
        ("1s@1fps@64x64", 2, 4 * 4, 2 * 8),
    ],
)
def test_the_frames_of_a_video_share_qwen3_vl_s_pixels(
    video: str, pairs: int, patches: int, around: int
) -> None:
    encoding = deployed("Qwen/Qwen3-VL-8B-Instruct", video=video).encoding
    assert encoding.parts == ((pairs, patches, pairs * patches // 4 + around),)


@pytest.mark.parametrize(
    "model",
    [QWEN, "Qwen/Qwen2-VL-7B-Instruct", "Qwen/Qwen3-VL-8B-Instruct", "google/gemma-3-4b-it",
     "mistralai/Mistral-Small-3.1-24B-Instruct-2503", MINIMAX,
     "meta-llama/Llama-4-Scout-17B-16E-Instruct", "moonshotai/Kimi-K2.5"],
)  # fmt: skip
def test_the_layers_of_a_tower_hold_the_parameters_that_are_counted(model: Any) -> None:
    at = deployed(model, image="512x512")
    assert at.encoding.compiled.model.parameters == pytest.approx(
        at.model.tower_parameters, rel=0.02
    )


def test_gemma_4_looks_its_positions_up() -> None:
    at = deployed("google/gemma-4-31B-it", image="512x512")
    tables = 2 * 10_240 * 1152
    assert at.encoding.compiled.model.parameters + tables == pytest.approx(
        at.model.tower_parameters, rel=0.002
    )


def test_a_tower_s_flops_by_hand() -> None:
    # Gemma 3: 27 layers of 1152 with an MLP of 4304 over 4,096 patches that all see each other.
    at = deployed("google/gemma-3-27b-it", image="896x896")
    ops = at.encoding.compiled.ops(at.encoding.passes(1)[0])
    weights = 27 * (4 * 1152**2 + 2 * 1152 * 4304)
    scores = 27 * 4 * 1152 * 4096**2
    outside = 2 * 4096 * 3 * 14 * 14 * 1152 + 2 * 256 * 1152 * 5376
    flops = sum(op.count * op.flops for op in ops)
    assert flops == pytest.approx(2 * 4096 * weights + scores + outside)


def test_the_tower_s_time_is_in_the_first_token_and_its_ops_in_prefill() -> None:
    plain = vperf.estimate(QWEN, "h100", input_len=1127)
    image = vperf.estimate(QWEN, "h100", input_len=128, image="1024x768")
    encode_s = image.workload.expected_encode_s
    assert image.expected.ttft_s == pytest.approx(plain.expected.ttft_s + encode_s)
    assert image.prefill.expected_s == pytest.approx(image.expected.ttft_s)
    assert sum(op.expected_s for op in image.prefill.ops) < image.prefill.expected_s
    assert any(op.name.startswith("tower attention") for op in image.prefill.ops)
    assert image.expected.tpot_s == plain.expected.tpot_s
    assert any("encoder cache" in line for line in image.assumptions)
    assert any("process" in line or "resiz" in line for line in image.not_modelled)


def test_a_load_of_images_is_served_slower() -> None:
    load: dict[str, Any] = {"max_concurrency": 16, "output_len": 64}
    text = vperf.estimate(QWEN, "h100", input_len=1127, **load)
    image = vperf.estimate(QWEN, "h100", input_len=128, image="1024x768", **load)
    assert text.serving
    assert image.serving
    assert image.serving.requests_per_s < text.serving.requests_per_s
    assert text.simulated
    assert image.simulated
    assert image.simulated.ttft.mean_s > text.simulated.ttft.mean_s


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("Qwen/Qwen3-8B", {"image": "10x10"}, "is not known here"),
        ("google/gemma-3-27b-it", {"audio": "30s"}, "reads audio is not known"),
        ("google/gemma-3-27b-it", {"video": "10s@640x360"}, "reads video is not known"),
        (QWEN, {"image": "1024"}, "as 1024x768"),
        (QWEN, {"image": "9000x10"}, "200 times"),
        (QWEN, {"images": 3}, "needs image"),
        (QWEN, {"image": "10x10", "image_tokens": 4}, "cannot be combined"),
        (QWEN, {"video": "10s"}, "10s@2fps@1280x720"),
        (VOXTRAL, {"audio": "-3s"}, "audio|time"),
    ],
)
def test_what_is_not_understood_is_refused(model: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate(model, "h100", **options)


@settings(max_examples=60, deadline=None)
@given(st.integers(64, 6000), st.integers(64, 6000))
def test_laws_of_an_image(width: int, height: int) -> None:
    at = deployed(image=f"{width}x{height}")
    part = at.encoding.parts[0]
    assert part.patches == 4 * part.tokens
    assert 4 <= part.tokens <= 12_845_056 / 28**2
    seconds = at.encoding.seconds(1)
    assert 0 < seconds.limit <= seconds.expected
    assert at.encoding.seconds(2).expected >= seconds.expected


def test_whisper_hears_windows_of_thirty_seconds() -> None:
    model: dict[str, Any] = {
        "model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"],
        "d_model": 384, "encoder_layers": 4, "decoder_layers": 4, "encoder_ffn_dim": 1536,
        "decoder_ffn_dim": 1536, "encoder_attention_heads": 6, "decoder_attention_heads": 6,
        "vocab_size": 51865, "num_mel_bins": 80, "max_source_positions": 1500,
        "max_target_positions": 448,
    }  # fmt: skip
    heard = vperf.estimate(model, "h100", audio="12s", output_len=20)
    assert heard.workload.input_tokens == 1500
    assert heard.expected == vperf.estimate(model, "h100", input_len=1500, output_len=20).expected
    with pytest.raises(InputError, match="windows of 30 s"):
        vperf.estimate(model, "h100", audio="31s")


def test_no_image_is_no_change() -> None:
    assert json.dumps(vperf.estimate(QWEN, "h100").to_dict()) == json.dumps(
        vperf.estimate(QWEN, "h100", image=None, images=None).to_dict()
    )


@pytest.mark.parametrize(
    ("video", "frames"),
    [("10s@4fps@64x48", 40), ("10s@64x48", 20), ("10s@0.5fps@64x48", 5), ("0.2s@2fps@64x48", 1)],
)
def test_a_video_has_its_seconds_times_its_rate_of_frames_and_one_at_least(
    video: str, frames: int
) -> None:
    found = _video(video)
    assert (found.width, found.height, found.frames) == (64, 48, frames)
