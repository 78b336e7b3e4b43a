"""Wrappers that hear: Whisper's encoder and its kin with their projectors.

Not here: Gemma 4's Conformer (gemma4.py).
"""

from __future__ import annotations

from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.tower import Tower
from vperf.model.towers.pieces import (
    encoder_layer,
    layer_count,
    linear,
    norm_of,
    read_part,
    tower_of,
)

WHISPER_ENCODER = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_mel_bins": 128,
    "max_source_positions": 1500,
}  # fmt: skip


def voxtral(top: Config, text: Config) -> Tower:
    """Whisper's encoder, four frames side by side into a two-layer projector."""
    audio = read_part(top, "audio_config", WHISPER_ENCODER)
    hidden, intermediate = hidden_size(audio), audio.integer("intermediate_size")
    layers, width = layer_count(audio, "num_hidden_layers"), hidden_size(text)
    encoder = _whisper_encoder(audio, hidden, intermediate, layers)
    return tower_of(encoder + intermediate * width + width * width, audio)


_REALTIME_ENCODER = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_mel_bins": 128,
    "num_attention_heads": 32, "head_dim": 64,
}  # fmt: skip


def voxtral_realtime(top: Config, text: Config) -> Tower:
    """A causal encoder of Llama's layers with some biases behind two convolutions."""
    audio = read_part(top, "audio_config", _REALTIME_ENCODER)
    hidden, width = hidden_size(audio), hidden_size(text)
    heads, dim = audio.integer("num_attention_heads"), audio.integer("head_dim")
    kv_width = (audio.optional_integer("num_key_value_heads") or heads) * dim
    intermediate = audio.integer("intermediate_size")
    layer = (
        2 * norm_of(hidden, bias=False)
        + linear(hidden, heads * dim) + linear(hidden, kv_width, bias=False)
        + linear(hidden, kv_width) + linear(heads * dim, hidden)
        + 2 * linear(hidden, intermediate, bias=False) + linear(intermediate, hidden)
    )  # fmt: skip
    frames = hidden * top.with_defaults({"downsample_factor": 4}).integer("downsample_factor")
    return tower_of(
        linear(3 * audio.integer("num_mel_bins"), hidden) + linear(3 * hidden, hidden)
        + layer_count(audio, "num_hidden_layers") * layer + norm_of(hidden, bias=False)
        + frames * width + width * width,
        audio,
    )  # fmt: skip


def _whisper_encoder(audio: Config, hidden: int, intermediate: int, layers: int) -> int:
    return (
        linear(3 * audio.integer("num_mel_bins"), hidden) + linear(3 * hidden, hidden)
        + audio.integer("max_source_positions") * hidden
        + layers * encoder_layer(hidden, intermediate, attention_biases=3)
        + norm_of(hidden)
    )  # fmt: skip


def audio_flamingo(top: Config, text: Config) -> Tower:
    """Whisper's encoder, a projector of two layers."""
    audio = read_part(top, "audio_config", WHISPER_ENCODER)
    hidden, width = hidden_size(audio), hidden_size(text)
    encoder = _whisper_encoder(
        audio, hidden, audio.integer("intermediate_size"), layer_count(audio, "num_hidden_layers")
    )
    bias = top.flag("projector_bias", default=True)
    return tower_of(encoder + linear(hidden, width, bias) + linear(width, width, bias), audio)


def qwen2_audio(top: Config, text: Config) -> Tower:
    """Whisper's encoder under Whisper's own key names, one matrix into the text model."""
    defaults = {
        "d_model": 1280, "encoder_ffn_dim": 5120, "encoder_layers": 32, "num_mel_bins": 128,
        "max_source_positions": 1500,
    }  # fmt: skip
    audio = read_part(top, "audio_config", defaults)
    hidden = audio.integer("d_model")
    encoder = _whisper_encoder(
        audio, hidden, audio.integer("encoder_ffn_dim"), layer_count(audio, "encoder_layers")
    )
    return tower_of(encoder + linear(hidden, hidden_size(text)), audio)
