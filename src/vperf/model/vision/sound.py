"""Sound: Whisper's encoder over windows of 30 s.

Not here: images (native.py, tiles.py).
"""

from __future__ import annotations

import math
from dataclasses import replace

from vperf.errors import InputError
from vperf.model import towers
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.model import Model
from vperf.model.ops import Linear
from vperf.model.vision.parts import Encoded, Encoder, Media, Merger, Shape, linear, tower_of

WINDOW_S = 30.0


def whisper(top: Config, text: Model, kind: str) -> Encoder:
    """Windows of 30 s, each 1,500 positions; so many of them side by side become a token."""
    own = towers.WHISPER_ENCODER
    if kind == "qwen2_audio":
        own = {"d_model": 1280, "encoder_ffn_dim": 5120, "encoder_layers": 32, "num_mel_bins": 128,
               "max_source_positions": 1500}  # fmt: skip
    audio = towers.read_part(top, "audio_config", own | {"num_attention_heads": 20,
                                                     "encoder_attention_heads": 20})  # fmt: skip
    hidden = audio.integer("d_model", "hidden_size")
    positions = audio.integer("max_source_positions")
    shape = Shape(
        hidden, audio.integer("encoder_layers", "num_hidden_layers", maximum=4096),
        audio.integer("encoder_ffn_dim", "intermediate_size"),
        audio.integer("encoder_attention_heads", "num_attention_heads"),
    )  # fmt: skip
    together = 4 if kind == "voxtral" else 2
    width = hidden * together if kind == "voxtral" else hidden
    chain: tuple[Linear, ...] = (linear("fc1", width, text.hidden),)
    if kind != "qwen2_audio":
        chain = (*chain, linear("fc2", text.hidden, text.hidden))
    # The first convolution has twice as many rows as there are positions.
    convolutions = (
        linear("conv1", 2 * 3 * audio.integer("num_mel_bins"), hidden),
        linear("conv2", 3 * hidden, hidden),
    )
    model = tower_of(text, shape, (), Merger(chain, 1 / together))
    model = replace(
        model, outside=(Projections("audio", tuple((w,) for w in convolutions)), *model.outside)
    )

    def sound(of: Media) -> Encoded:
        windows = max(1, math.ceil(of.seconds / WINDOW_S))
        if kind == "qwen2_audio" and windows > 1:
            raise InputError("is cut to 30 s by its processor", field="audio")
        tokens = positions // together * windows
        if kind == "qwen2_audio":
            tokens = max(1, math.ceil(of.seconds * positions / WINDOW_S / together))
        return Encoded(windows, positions, tokens)

    return Encoder(model, audio=sound)
