"""Images, sounds and frames: how many tokens they become, and the tower that encodes them.

Each wrapper's rule is that of its published processor (transformers 5.24, preprocessor_config.json
of the reference checkpoints, read 2026-12-01), its layers those that towers/ counts; one that is
not here is refused. Not here: decoding and resizing on the host, which no model describes;
parameters (towers/).
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.errors import InputError
from vperf.model.checkpoint import Config
from vperf.model.model import Model
from vperf.model.vision import native, sound, tiles
from vperf.model.vision.parts import Encoded, Encoder, Media, Rule, unknown
from vperf.model.vision.sound import WINDOW_S

__all__ = ["WINDOW_S", "Encoded", "Encoder", "Media", "Rule", "read_media"]

_READERS: dict[str, Callable[[Config, Model, str], Encoder]] = {
    "qwen2_vl": native.qwen, "qwen2_5_vl": native.qwen, "qwen3_vl": native.qwen,
    "qwen3_vl_moe": native.qwen, "qwen3_5": native.qwen, "qwen3_5_moe": native.qwen,
    "mistral3": native.mistral3, "gemma4": native.gemma4, "kimi_k25": native.moon_vit,
    "minimax_m3_vl": native.minimax_m3,
    "gemma3": tiles.siglip, "paligemma": tiles.siglip, "llava": tiles.clip,
    "internvl": tiles.internvl, "llama4": tiles.llama4,
    "voxtral": sound.whisper, "qwen2_audio": sound.whisper, "audioflamingo3": sound.whisper,
}  # fmt: skip


_BESIDE = frozenset({"mllama"})
"""Wrappers whose images are not in the prompt: layers of their own attend to them."""


def _beside(config: Config, kind: str) -> InputError:
    return InputError(
        f"model_type {kind!r} attends to images in layers of their own, which are not modelled: "
        "they add no tokens to its prompt", source=config.source,
        hint="without images it is answered as a model of text",
    )  # fmt: skip


def read_media(config: Config, text: Model) -> Encoder:
    """The tower of a wrapper. Raises UnsupportedModelError where its rule is not known here."""
    kind = config.text("model_type", default="")
    reader = _READERS.get(kind)
    if reader is None:
        raise _beside(config, kind) if kind in _BESIDE else unknown(config, kind)
    return reader(config, text, kind)
