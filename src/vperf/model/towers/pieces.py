"""Pieces of towers: how many parameters a matrix, a norm, a layer of an encoder has.

Not here: whole encoders (encoders.py) and the wrappers around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vperf.model.checkpoint import Config
from vperf.model.tower import Tower


def read_part(top: Config, name: str, defaults: Mapping[str, Any]) -> Config:
    """A part's own object; a wrapper that leaves it out means the class's defaults throughout."""
    part = top.child(name)
    return (part or Config({}, top.source, name)).with_defaults(defaults)


def tower_of(parameters: int, *parts: Config) -> Tower:
    """A tower, with what its parts left to their classes' defaults."""
    lines = []
    for part in parts:
        listed = ", ".join(f"{name} {value}" for name, value in sorted(part.defaults_used.items()))
        if listed:
            lines.append(f"not in {part.path}, taken from the model class's defaults: {listed}")
    return Tower(parameters, tuple(lines))


# --- Pieces -----------------------------------------------------------------------------------


def linear(inputs: int, outputs: int, bias: bool = True) -> int:
    """A matrix with its bias."""
    return outputs * (inputs + bias)


def norm_of(width: int, bias: bool = True) -> int:
    """A norm's weight and bias."""
    return width * (1 + bias)


def encoder_layer(
    hidden: int,
    intermediate: int,
    *,
    attention_biases: int = 4,
    kv_width: int = 0,
    gated: bool = False,
    mlp_bias: bool = True,
    norm_bias: bool = True,
) -> int:
    """An encoder layer: two norms, attention (`attention_biases` of q, k, v, o have one), MLP."""
    kv = kv_width or hidden
    biases = {0: 0, 1: hidden, 3: 2 * hidden + kv, 4: 2 * hidden + 2 * kv}[attention_biases]
    ups = 2 if gated else 1
    return (
        2 * norm_of(hidden, norm_bias)
        + 2 * hidden * hidden + 2 * hidden * kv + biases
        + ups * linear(hidden, intermediate, mlp_bias) + linear(intermediate, hidden, mlp_bias)
    )  # fmt: skip


def pair(config: Config, name: str) -> tuple[int, int]:
    """Height and width: one integer (336) or two ([448, 448])."""
    if isinstance(config.raw(name), list | tuple):
        pair = config.integers(name, minimum=1) or ()
        if len(pair) != 2:
            raise config.error(f"must be one or two integers, not {len(pair)}", name)
        return pair[0], pair[1]
    side = config.integer(name)
    return side, side


def patches(config: Config) -> int:
    """Patches of an image of the size the positions are learned for."""
    (height, width), (down, across) = pair(config, "image_size"), pair(config, "patch_size")
    return (height // down) * (width // across)


def patch_inputs(config: Config) -> int:
    """Values of one patch: height x width x RGB."""
    down, across = pair(config, "patch_size")
    return down * across * (config.optional_integer("num_channels", "in_channels", "in_chans") or 3)


def layer_count(config: Config, *names: str) -> int:
    """Layers, under the first of the names that is there."""
    return config.integer(*names, minimum=0, maximum=4096)


def feature_layers(top: Config) -> int:
    """How many layers' outputs the projector sees side by side (vision_feature_layer)."""
    chosen = top.raw("vision_feature_layer")
    return max(1, len(chosen)) if isinstance(chosen, list | tuple) else 1


def video_patch_inputs(vision: Config) -> int:
    """Values of one patch of so many frames."""
    return patch_inputs(vision) * vision.integer("temporal_patch_size")
