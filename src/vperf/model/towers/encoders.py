"""Vision encoders by their own model_type: CLIP, SigLIP, Pixtral.

Not here: the wrappers that hold them, and encoders that one wrapper alone has (images.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vperf.errors import UnsupportedModelError
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.towers.pieces import (
    encoder_layer,
    layer_count,
    linear,
    norm_of,
    patch_inputs,
    patches,
    read_part,
)

SIGLIP = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224,
    "patch_size": 16, "num_patches": 256, "vision_use_head": True,
}  # fmt: skip
CLIP = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224,
    "patch_size": 32,
}  # fmt: skip
CLIP_LARGE_336 = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 336,
    "patch_size": 14,
}  # fmt: skip
PIXTRAL = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "patch_size": 16,
}  # fmt: skip
_ENCODER_DEFAULTS = {
    "clip_vision_model": CLIP, "siglip_vision_model": SIGLIP, "pixtral": PIXTRAL,
}  # fmt: skip


def siglip(vision: Config, positions: int) -> int:
    """Of so many learned positions, with its probe where there is one."""
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    layers = layer_count(vision, "num_hidden_layers")
    total = (
        linear(patch_inputs(vision), hidden)
        + positions * hidden
        + layers * encoder_layer(hidden, intermediate)
        + norm_of(hidden)
    )
    if vision.flag("vision_use_head", default=True):  # a probe attends over the patches
        total += hidden + encoder_layer(hidden, intermediate) - norm_of(hidden)
    return total


def clip(vision: Config) -> int:
    """With its class token and positions."""
    hidden = hidden_size(vision)
    return (
        hidden  # class embedding
        + patch_inputs(vision) * hidden
        + (patches(vision) + 1) * hidden
        + layer_count(vision, "num_hidden_layers")
        * encoder_layer(hidden, vision.integer("intermediate_size"))
        + 2 * norm_of(hidden)
    )


def pixtral(vision: Config) -> int:
    """Gated layers without biases, and no positions that are learned."""
    hidden = hidden_size(vision)
    layer = encoder_layer(
        hidden, vision.integer("intermediate_size"),
        attention_biases=0, gated=True, mlp_bias=False, norm_bias=False,
    )  # fmt: skip
    return patch_inputs(vision) * hidden + hidden + layer_count(vision, "num_hidden_layers") * layer


def encoder(top: Config, kind: str, defaults: Mapping[str, Any]) -> tuple[int, Config]:
    """The vision encoder of a wrapper that may hold any of several (LLaVA, Mistral 3).

    `kind` with `defaults` is what the wrapper's class builds where the config does not say.
    """
    raw = top.child("vision_config")
    stated = raw.text("model_type", default="") if raw else ""
    if stated:
        kind, defaults = stated, _ENCODER_DEFAULTS.get(stated, {})
    vision = read_part(top, "vision_config", defaults)
    if kind == "clip_vision_model":
        return clip(vision), vision
    if kind == "siglip_vision_model":
        return siglip(vision, patches(vision)), vision
    if kind == "pixtral":
        return pixtral(vision), vision
    raise UnsupportedModelError(
        f"a {kind!r} vision tower is not supported", source=top.source,
        field="vision_config.model_type",
    )  # fmt: skip
