"""Images of their own size, in as many patches as they have: Qwen-VL, MiniMax-M3, Kimi, Gemma 4,
Mistral 3.

Not here: images in tiles or of one size (tiles.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from vperf.errors import InputError
from vperf.model import towers
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.model import Model
from vperf.model.vision.parts import (
    Encoded,
    Encoder,
    Media,
    Merger,
    Rule,
    Shape,
    linear,
    shape_of,
    tower_of,
    unknown,
)


def _resized(width: int, height: int, unit: int, least: int, most: int) -> tuple[int, int]:
    """Sides as multiples of `unit` whose area is within bounds (smart_resize)."""
    if max(width, height) > 200 * min(width, height):
        raise InputError("is longer than 200 times its width", field="image")
    wide, high = (max(unit, round(side / unit) * unit) for side in (width, height))
    if wide * high > most:
        by = math.sqrt(width * height / most)
        wide, high = (max(unit, math.floor(side / by / unit) * unit) for side in (width, height))
    elif wide * high < least:
        by = math.sqrt(least / (width * height))
        wide, high = (math.ceil(side * by / unit) * unit for side in (width, height))
    return wide, high


def _native(patch: int, merge: int, least: int, most: int) -> Rule:
    """An image of its own size, within bounds."""

    def image(of: Media) -> Encoded:
        wide, high = _resized(of.width, of.height, patch * merge, least, most)
        patches = (wide // patch) * (high // patch)
        return Encoded(1, patches, patches // merge**2)

    return image


def _frame_pairs(patch: int, merge: int, least: int, most: int) -> Rule:
    """Qwen2-VL, 2.5-VL: each frame is resized as an image is; two of them become patches."""

    def video(of: Media) -> Encoded:
        wide, high = _resized(of.width, of.height, patch * merge, least, most)
        patches = (wide // patch) * (high // patch)
        pairs = max(1, math.ceil(of.frames / 2))
        return Encoded(pairs, patches, pairs * patches // merge**2)

    return video


_VIDEO_FRAMES = 4, 768
_VIDEO_PIXELS = 4096, 25_165_824
"""Of all frames together (video_preprocessor_config.json of the Qwen3-VL checkpoints)."""
_STAMP = 7
"""Tokens around the frames of a pair beside the digits of its second: <12.5 seconds> and the start
and the end of what is seen."""


def _stamped_pairs(patch: int, merge: int) -> Rule:
    """Qwen3-VL: all frames share one budget of pixels; each pair has its time in words."""
    unit, (least, most) = patch * merge, _VIDEO_PIXELS

    def side(length: float, by: float, rounds: Callable[[float], int]) -> int:
        return max(unit, rounds(length * by / unit) * unit)

    def video(of: Media) -> Encoded:
        frames = min(max(of.frames, _VIDEO_FRAMES[0]), _VIDEO_FRAMES[1])
        larger = max(1.0, unit / of.width, unit / of.height)
        size = int(of.width * larger), int(of.height * larger)
        wide, high = (side(each, 1.0, round) for each in size)
        pixels = 2 * round(frames / 2) * wide * high
        if pixels > most:
            by = math.sqrt(most / (frames * size[0] * size[1]))
            wide, high = (side(each, by, math.floor) for each in size)
        elif pixels < least:
            by = math.sqrt(least / (frames * size[0] * size[1]))
            wide, high = (side(each, by, math.ceil) for each in size)
        patches = (wide // patch) * (high // patch)
        pairs = math.ceil(frames / 2)
        digits = sum(len(str(int((2 * n + 0.5) * of.seconds / frames))) for n in range(pairs))
        return Encoded(pairs, patches, pairs * (patches // merge**2 + _STAMP) + digits)

    return video


def qwen(top: Config, text: Model, kind: str) -> Encoder:
    """Qwen2-VL to Qwen3.5: windows in some layers of 2.5, deepstack's mergers in 3."""
    defaults = {
        "qwen2_vl": towers.QWEN2_VL | {"num_heads": 16},
        "qwen2_5_vl": towers.QWEN25_VL | {"window_size": 112},
    }.get(kind, towers.QWEN3_VL | {"num_heads": 16})  # fmt: skip
    vision = towers.read_part(top, "vision_config", defaults)
    second = kind == "qwen2_vl"
    hidden = vision.integer("embed_dim") if second else hidden_size(vision)
    patch, merge = vision.integer("patch_size"), vision.integer("spatial_merge_size")
    intermediate = (
        int(hidden * vision.number("mlp_ratio")) if second else vision.integer("intermediate_size")
    )
    layers = vision.integer("depth", maximum=4096)
    whole, reach = None, 0
    if kind == "qwen2_5_vl":
        listed = vision.integers("fullatt_block_indexes")
        whole = len(listed if listed is not None else (7, 15, 23, 31))
        side = vision.integer("window_size") // patch
        reach = max(0, (side * side - 1) // 2)
    shape = Shape(hidden, layers, intermediate, vision.integer("num_heads"), kind == "qwen2_5_vl",
                   whole_layers=whole, reach=reach)  # fmt: skip
    merged = hidden * merge**2
    chain = (linear("fc1", merged, merged), linear("fc2", merged, text.hidden))
    taps = 0
    if kind.startswith("qwen3_vl"):
        found = vision.integers("deepstack_visual_indexes")
        taps = len(found if found is not None else (8, 16, 24))
    projector = Merger(chain * (1 + taps), 1 / merge**2)
    inputs = 3 * patch * patch * vision.integer("temporal_patch_size")
    model = tower_of(text, shape, (linear("embed", inputs, hidden),), projector)
    if kind in {"qwen2_vl", "qwen2_5_vl"}:
        image = _native(patch, merge, 3136, 12_845_056)
        return Encoder(model, image, video=_frame_pairs(patch, merge, 3136, 602_112))
    image = _native(patch, merge, 65_536, 16_777_216)
    return Encoder(model, image, video=_stamped_pairs(patch, merge))


def minimax_m3(top: Config, text: Model, kind: str) -> Encoder:
    """MiniMax-M3: as Qwen2-VL, with a projector before and one after patches are merged."""
    vision = towers.read_part(top, "vision_config", towers.MINIMAX_M3 | {"num_attention_heads": 16})
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    merge, width = vision.integer("spatial_merge_size"), text.hidden
    middle = top.optional_integer("projector_hidden_size") or 6144
    inputs = 3 * patch * patch * vision.integer("temporal_patch_size")
    model = tower_of(
        text, shape_of(vision, hidden), (linear("embed", inputs, hidden, bias=False),),
        Merger((linear("fc1", hidden, middle), linear("fc2", middle, width)), 1.0),
        Merger((linear("fc3", width * merge**2, middle), linear("fc4", middle, width)),
               1 / merge**2),
    )  # fmt: skip
    return Encoder(model, _native(patch, merge, 3136, 451_584))


_MOON_SIDE, _MOON_PATCHES = 512, 16_384
"""Patches of a side, and of all (patch_limit_on_one_side and in_patch_limit of media_proc_cfg in
Kimi-K2.5's preprocessor_config.json, as Modular's MAX and sgl-project's model gateway read it)."""


def moon_vit(top: Config, text: Model, kind: str) -> Encoder:
    """Kimi-K2.5: the image's own size, never enlarged, filled up to whole merged patches."""
    vision = towers.read_part(top, "vision_config", towers.MOON_VIT | {"num_attention_heads": 16})
    hidden = vision.integer("vt_hidden_size", "hidden_size")
    patch = vision.integer("patch_size")
    down, across = towers.pair(vision, "merge_kernel_size")
    merged = hidden * down * across
    shape = Shape(
        hidden, vision.integer("vt_num_hidden_layers", "num_hidden_layers", maximum=4096),
        vision.integer("vt_intermediate_size", "intermediate_size"),
        vision.integer("vt_num_attention_heads", "num_attention_heads"),
    )  # fmt: skip
    chain = (linear("fc1", merged, merged), linear("fc2", merged, text.hidden))
    model = tower_of(text, shape, (linear("embed", 3 * patch * patch, hidden),),
                   Merger(chain, 1 / (down * across)))  # fmt: skip

    def image(of: Media) -> Encoded:
        sides = of.width, of.height
        count = math.prod(max(1, side // patch) for side in sides)
        longest = _MOON_SIDE * patch
        by = min(1.0, math.sqrt(_MOON_PATCHES / count), *(longest / side for side in sides))
        wide, high = (min(max(1, int(side * by)), longest) for side in sides)
        tokens = math.ceil(wide / (across * patch)) * math.ceil(high / (down * patch))
        return Encoded(1, tokens * down * across, tokens)

    return Encoder(model, image)


def gemma4(top: Config, text: Model, kind: str) -> Encoder:
    """Gemma 4: as large as its budget of tokens allows, patches pooled 3 x 3."""
    if not top.has("vision_config"):
        raise unknown(top, kind)
    vision = towers.read_part(
        top, "vision_config", towers.GEMMA4_VISION | {"pooling_kernel_size": 3}
    )
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    pooled, dim = vision.integer("pooling_kernel_size"), vision.integer("head_dim")
    most = top.optional_integer("vision_soft_tokens_per_image") or 280
    shape = shape_of(vision, hidden)._replace(
        gated=True, head_dim=dim, kv_width=vision.integer("num_key_value_heads") * dim,
    )  # fmt: skip
    model = tower_of(
        text, shape, (linear("embed", 3 * patch * patch, hidden, bias=False),),
        Merger((linear("fc", hidden, text.hidden, bias=False),), 1 / pooled**2),
    )  # fmt: skip
    unit = pooled * patch

    def image(of: Media) -> Encoded:
        by = math.sqrt(most * unit * unit / (of.width * of.height))
        wide, high = (math.floor(by * side / unit) for side in (of.width, of.height))
        if not wide and not high:
            raise InputError(f"{of.width}x{of.height} is too small", field="image")
        if not high:
            wide, high = min(of.width // of.height, most), 1
        elif not wide:
            wide, high = 1, min(of.height // of.width, most)
        return Encoded(1, wide * high * pooled**2, wide * high)

    return Encoder(model, image)


def mistral3(top: Config, text: Model, kind: str) -> Encoder:
    """Pixtral: the image's own size, its longer side cut; a token ends each row."""
    defaults = towers.PIXTRAL | {
        "patch_size": 14, "num_attention_heads": 16, "image_size": 1540,
    }  # fmt: skip
    vision = towers.read_part(top, "vision_config", defaults)
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    merge = top.optional_integer("spatial_merge_size") or 2
    longest, unit = vision.integer("image_size"), patch * merge
    chain = (
        linear("merge", hidden * merge**2, hidden, bias=False),
        linear("fc1", hidden, text.hidden), linear("fc2", text.hidden, text.hidden),
    )  # fmt: skip
    shape = shape_of(vision, hidden)._replace(gated=True)
    model = tower_of(text, shape, (linear("embed", 3 * patch * patch, hidden, bias=False),),
                   Merger(chain, 1 / merge**2))  # fmt: skip

    def image(of: Media) -> Encoded:
        by = max(1.0, of.width / longest, of.height / longest)
        wide, high = (max(1, math.ceil(math.floor(s / by) / unit)) for s in (of.width, of.height))
        return Encoded(1, wide * high * merge**2, high * (wide + 1))

    return Encoder(model, image)
