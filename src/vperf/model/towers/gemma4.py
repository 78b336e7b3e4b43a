"""Gemma 4's towers: a ViT of any size and a Conformer.

Not here: how an image becomes tokens (vision/native.py).
"""

from __future__ import annotations

from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.tower import Tower
from vperf.model.towers.pieces import (
    layer_count,
    linear,
    patch_inputs,
    read_part,
    tower_of,
)

GEMMA4_VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16,
    "num_attention_heads": 12, "num_key_value_heads": 12, "head_dim": 64, "patch_size": 16,
    "position_embedding_size": 10240,
}  # fmt: skip
_GEMMA4_AUDIO = {
    "hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 8,
    "subsampling_conv_channels": (128, 32), "conv_kernel_size": 5, "output_proj_dims": 1536,
}  # fmt: skip


def gemma4(top: Config, text: Config) -> Tower:
    """A ViT and a Conformer, each only where the config describes it."""
    towers = []
    if top.has("vision_config"):
        vision = read_part(top, "vision_config", GEMMA4_VISION)
        towers.append(tower_of(_gemma4_vision(vision, hidden_size(text)), vision))
    if top.has("audio_config"):
        audio = read_part(top, "audio_config", _GEMMA4_AUDIO)
        towers.append(tower_of(_gemma4_audio(audio, hidden_size(text)), audio))
    return Tower(
        sum(tower.parameters for tower in towers),
        tuple(line for tower in towers for line in tower.assumptions),
    )


def _gemma4_vision(vision: Config, width: int) -> int:
    hidden, dim = hidden_size(vision), vision.integer("head_dim")
    queries = vision.integer("num_attention_heads") * dim
    keys = vision.integer("num_key_value_heads") * dim
    attention = 2 * hidden * queries + 2 * hidden * keys + 2 * dim
    layer = attention + 3 * hidden * vision.integer("intermediate_size") + 4 * hidden
    return (
        2 * vision.integer("position_embedding_size") * hidden
        + patch_inputs(vision) * hidden
        + layer_count(vision, "num_hidden_layers") * layer
        + hidden * width
    )


def _gemma4_audio(audio: Config, width: int) -> int:
    hidden, out = hidden_size(audio), audio.integer("output_proj_dims")
    channels = audio.integers("subsampling_conv_channels", minimum=1) or ()
    if len(channels) != 2:
        raise audio.error("must hold two integers", "subsampling_conv_channels")
    first, second = channels
    subsample = 9 * first + first + 9 * first * second + second + first // 4 * second * hidden
    feed_forward = 8 * hidden * hidden + 2 * hidden
    attention = 5 * hidden * hidden + hidden // audio.integer("num_attention_heads")
    kernel = audio.integer("conv_kernel_size")
    convolution = 3 * hidden * hidden + kernel * hidden + 2 * hidden
    layer = 2 * feed_forward + attention + convolution + 3 * hidden
    return (
        subsample
        + layer_count(audio, "num_hidden_layers") * layer
        + linear(hidden, out)
        + out * width
    )
