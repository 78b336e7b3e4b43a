"""Vision and audio towers: how many parameters a multimodal wrapper holds beside its text model.

A tower is stored, and computes only when an image or a sound comes in; a text step never reads it.
Each function follows the transformers class (release 5.23) that its name says; counts are checked
in the tests. Not here: what encoding an image costs (vision/).
"""

from __future__ import annotations

from vperf.model.towers.encoders import (
    CLIP_LARGE_336,
    PIXTRAL,
    SIGLIP,
)
from vperf.model.towers.gemma4 import (
    GEMMA4_VISION,
    gemma4,
)
from vperf.model.towers.images import (
    INTERNVL,
    LLAMA4,
    MINIMAX_M3,
    MOON_VIT,
    QWEN2_VL,
    QWEN3_VL,
    QWEN25_VL,
    exaone4_5,
    gemma3,
    internvl,
    kimi_k25,
    lfm2_vl,
    llama4,
    llava,
    minimax_m3_vl,
    mistral3,
    mllama,
    paligemma,
    qwen2_5_vl,
    qwen2_vl,
    qwen3_5,
    qwen3_vl,
)
from vperf.model.towers.pieces import (
    pair,
    patches,
    read_part,
)
from vperf.model.towers.sounds import (
    WHISPER_ENCODER,
    audio_flamingo,
    qwen2_audio,
    voxtral,
    voxtral_realtime,
)

__all__ = [
    "CLIP_LARGE_336",
    "GEMMA4_VISION",
    "INTERNVL",
    "LLAMA4",
    "MINIMAX_M3",
    "MOON_VIT",
    "PIXTRAL",
    "QWEN2_VL",
    "QWEN3_VL",
    "QWEN25_VL",
    "SIGLIP",
    "WHISPER_ENCODER",
    "audio_flamingo",
    "exaone4_5",
    "gemma3",
    "gemma4",
    "internvl",
    "kimi_k25",
    "lfm2_vl",
    "llama4",
    "llava",
    "minimax_m3_vl",
    "mistral3",
    "mllama",
    "pair",
    "paligemma",
    "patches",
    "qwen2_5_vl",
    "qwen2_audio",
    "qwen2_vl",
    "qwen3_5",
    "qwen3_vl",
    "read_part",
    "voxtral",
    "voxtral_realtime",
]
