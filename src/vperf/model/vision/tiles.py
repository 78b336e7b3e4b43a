"""Images of one size, or cut into tiles of it: Gemma 3, PaliGemma, Llama 4, LLaVA, InternVL.

Not here: images of their own size (native.py).
"""

from __future__ import annotations

import math

from vperf.model import towers
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.model import Model
from vperf.model.vision.parts import (
    Encoded,
    Encoder,
    Media,
    Merger,
    linear,
    shape_of,
    tower_of,
    unknown,
)


def siglip(top: Config, text: Model, kind: str) -> Encoder:
    """Gemma 3 and PaliGemma: one size, pooled or not."""
    vision = towers.read_part(top, "vision_config", towers.SIGLIP | {"num_attention_heads": 12})
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    patches = towers.patches(vision)
    tokens = patches
    if kind == "gemma3":
        tokens = top.optional_integer("mm_tokens_per_image") or 256
    shape = shape_of(vision, hidden)
    projector = Merger((linear("fc", hidden, text.hidden),), tokens / patches)
    model = tower_of(text, shape, (linear("embed", 3 * patch * patch, hidden),), projector)
    return Encoder(model, lambda of: Encoded(1, patches, tokens))


_LLAMA4_TILES = 16


def llama4(top: Config, text: Model, kind: str) -> Encoder:
    """Llama 4: the canvas of up to 16 tiles that shrinks an image least, and all of it in one."""
    vision = towers.read_part(
        top, "vision_config",
        towers.LLAMA4 | {"num_attention_heads": 16, "pixel_shuffle_ratio": 0.5},
    )  # fmt: skip
    hidden, patches = hidden_size(vision), towers.patches(vision)
    side, patch = towers.pair(vision, "image_size")[0], towers.pair(vision, "patch_size")[0]
    share = vision.number("pixel_shuffle_ratio") ** 2
    out = vision.integer("projector_output_dim")
    chain = (
        linear("fc1", vision.integer("intermediate_size"), vision.integer("projector_input_dim"),
                bias=False),
        linear("fc2", out, out, bias=False),
        linear("fc3", vision.integer("vision_output_dim"), text.hidden, bias=False),
    )  # fmt: skip
    model = tower_of(
        text, shape_of(vision, hidden), (linear("embed", 3 * patch * patch, hidden, bias=False),),
        Merger(chain, share * patches / (patches + 1)),
    )  # fmt: skip
    each = round(patches * share)

    def image(of: Media) -> Encoded:
        wide, high = _canvas(of.width, of.height, side)
        tiles = wide * high
        # A token ends each tile, and three are around the whole image.
        tokens = (tiles > 1) * tiles * (each + 1) + each + 3
        return Encoded(tiles + (tiles > 1), patches + 1, tokens)

    return Encoder(model, image)


def _canvas(width: int, height: int, side: int) -> tuple[int, int]:
    """(across, down) tiles: of the canvases that need not shrink the image the one that enlarges
    it least, else the one that shrinks it least; of equals the smaller."""
    grids = [
        (wide, tiles // wide) for tiles in range(1, _LLAMA4_TILES + 1)
        for wide in range(1, tiles + 1) if tiles % wide == 0
    ]  # fmt: skip

    def scale(grid: tuple[int, int]) -> float:
        return min(grid[0] * side / width, grid[1] * side / height)

    enlarging = [scale(grid) for grid in grids if scale(grid) >= 1]
    chosen = min(enlarging) if enlarging else max(map(scale, grids))
    return min((g for g in grids if scale(g) == chosen), key=lambda g: g[0] * g[1])


def clip(top: Config, text: Model, kind: str) -> Encoder:
    """LLaVA 1.5: 336 x 336, the class token left out of the prompt."""
    raw = top.child("vision_config")
    if raw is None or raw.text("model_type", default="clip_vision_model") != "clip_vision_model":
        raise unknown(top, kind)
    vision = towers.read_part(
        top, "vision_config", towers.CLIP_LARGE_336 | {"num_attention_heads": 16}
    )
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    patches = towers.patches(vision)
    chain = (linear("fc1", hidden, text.hidden), linear("fc2", text.hidden, text.hidden))
    shape, taken = shape_of(vision, hidden), top.raw("vision_feature_layer")
    if taken is None:
        taken = -2
    if type(taken) is int and -shape.layers <= taken < 0:  # layers behind it are not run
        shape = shape._replace(layers=shape.layers + 1 + taken)
    model = tower_of(
        text, shape, (linear("embed", 3 * patch * patch, hidden),),
        Merger(chain, patches / (patches + 1)),
    )  # fmt: skip
    return Encoder(model, lambda of: Encoded(1, patches + 1, patches))


_MAX_TILES = 12


def internvl(top: Config, text: Model, kind: str) -> Encoder:
    """InternVL: as many tiles as the aspect ratio asks for, and a thumbnail of all."""
    vision = towers.read_part(top, "vision_config", towers.INTERNVL | {"num_attention_heads": 16})
    hidden = hidden_size(vision)
    patches = towers.patches(vision)
    down, across = towers.pair(vision, "patch_size")
    factor = int(1 / top.number("downsample_ratio", default=0.5)) ** 2
    merged = hidden * factor
    chain = (linear("fc1", merged, text.hidden), linear("fc2", text.hidden, text.hidden))
    model = tower_of(
        text, shape_of(vision, hidden), (linear("embed", 3 * down * across, hidden),),
        Merger(chain, 1 / factor),
    )  # fmt: skip
    side = towers.pair(vision, "image_size")[0]

    def image(of: Media) -> Encoded:
        tiles = _tiles(of.width, of.height, side)
        tiles += tiles > 1
        return Encoded(tiles, patches + 1, tiles * (patches // factor))

    return Encoder(model, image)


def _tiles(width: int, height: int, side: int) -> int:
    """Of the grids up to twelve tiles the one nearest in aspect ratio; of equals the larger one
    where the image has half of its area."""
    grids = sorted(
        {(i, j) for i in range(1, _MAX_TILES + 1) for j in range(1, _MAX_TILES + 1)
         if i * j <= _MAX_TILES},
        key=lambda grid: grid[0] * grid[1],
    )  # fmt: skip
    best, nearest = (1, 1), math.inf
    for wide, high in grids:
        off = abs(width / height - wide / high)
        larger = width * height > 0.5 * side * side * wide * high
        if off < nearest or (off == nearest and larger):
            best, nearest = (wide, high), off
    return best[0] * best[1]
