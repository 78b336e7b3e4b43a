"""Images, sounds and frames: how many tokens they become, and the tower that encodes them.

Each wrapper's rule is that of its published processor (transformers 5.24, preprocessor_config.json
of the reference checkpoints, read 2026-12-01), its layers those that towers.py counts; one that is
not here is refused. A tower's patches see each other both ways, all of an image or of a window. Not
here: decoding and resizing on the host, which no model describes; parameters (towers.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from vperf.errors import InputError
from vperf.formats import BF16, Format
from vperf.model import towers
from vperf.model.affine import Q
from vperf.model.blocks.base import Block
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.encoder_decoder import EncoderAttention
from vperf.model.blocks.gqa import hidden_size
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Coordinates, Linear, Work, matmul
from vperf.spelling import flag
from vperf.values import dataclass


class Encoded(NamedTuple):
    """What one image, clip or video is for its tower and for the text model."""

    sequences: int
    """Tiles, windows of sound, pairs of frames: each by itself."""
    patches: int
    """Of each, as the tower's layers see them."""
    tokens: int
    """Of the prompt, all together."""


class Media(NamedTuple):
    """What a request holds beside its text."""

    width: int = 0
    height: int = 0
    seconds: float = 0.0
    frames: int = 0
    """Of a video."""


Rule = Callable[[Media], Encoded]


@dataclass(frozen=True, slots=True)
class Encoder:
    """A tower: its layers as a model, and its rule."""

    model: Model
    images: Rule | None = None
    audio: Rule | None = None
    video: Rule | None = None


@dataclass(frozen=True, slots=True)
class Merger(Block):
    """A projector behind the layers: matmuls one after another, on a share of the patches' rows."""

    chain: tuple[Linear, ...]
    share: float
    """Of the patches."""

    @property
    def whole(self) -> bool:
        """Yes."""
        return True

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """All, in order."""
        return tuple((1, linear) for linear in self.chain)

    @property
    def vectors(self) -> int:
        """None that count."""
        return 0

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """A matmul for each."""
        rows = self.share * step.tokens
        return tuple(
            op for w in self.chain for op in matmul(f"projector.{w.name}", (w,), rows, "whole")
        )


def _linear(name: str, inputs: int, outputs: int, *, bias: bool = True) -> Linear:
    return Linear(name, inputs, outputs, BF16, bias)


class _Shape(NamedTuple):
    """Layers of a tower."""

    hidden: int
    layers: int
    intermediate: int
    heads: int
    gated: bool = False
    kv_width: int = 0
    head_dim: int = 0
    """0: the width, divided over the heads."""
    whole_layers: int | None = None
    """That see all patches, where the others see a window; None: all do."""
    reach: int = 0


def _tower(text: Model, shape: _Shape, patch: tuple[Linear, ...], *projectors: Merger) -> Model:
    """The tower as a model that generates nothing."""

    def layer(reach: int | None) -> LayerKind:
        hidden, dim = shape.hidden, shape.head_dim or shape.hidden // shape.heads
        queries = shape.heads * dim
        kv = shape.kv_width or queries
        attention = EncoderAttention(
            shape.heads, dim,
            (_linear("q", hidden, queries), _linear("k", hidden, kv), _linear("v", hidden, kv)),
            _linear("o", queries, hidden), 0, kv // dim, reach, "",
        )  # fmt: skip
        names = ("gate", "up") if shape.gated else ("up",)
        mlp = DenseMlp(
            tuple(_linear(name, hidden, shape.intermediate) for name in names),
            _linear("down", shape.intermediate, hidden),
        )
        return LayerKind((attention, mlp), 4 * hidden)

    seeing_all = shape.layers if shape.whole_layers is None else shape.whole_layers
    kinds = [(seeing_all, layer(None))] if seeing_all else []
    if shape.layers > seeing_all:
        kinds.append((shape.layers - seeing_all, layer(shape.reach)))
    embedded: tuple[Block, ...] = (Projections("patches", (patch,)),) if patch else ()
    outside = (*embedded, *projectors)
    return replace(
        text, model_type="tower", hidden=shape.hidden, kinds=tuple(kinds), head=None, tied=False,
        embedding=Linear("embed_tokens", 0, 0), other_parameters=0, tower_parameters=0,
        lookups=(), outside=outside, encoder=(), mtp_layers=0, mtp=None, drafter=None, lora=None,
        generates=False, assumptions=(), max_context_tokens=None,
    )  # fmt: skip


# --- Qwen-VL: patches of the image's own size, merged ------------------------------------------


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


def _qwen(top: Config, text: Model, kind: str) -> Encoder:
    defaults = {
        "qwen2_vl": towers._QWEN2_VL | {"num_heads": 16},
        "qwen2_5_vl": towers._QWEN25_VL | {"window_size": 112},
    }.get(kind, towers._QWEN3_VL | {"num_heads": 16})  # fmt: skip
    vision = towers._part(top, "vision_config", defaults)
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
    shape = _Shape(hidden, layers, intermediate, vision.integer("num_heads"), kind == "qwen2_5_vl",
                   whole_layers=whole, reach=reach)  # fmt: skip
    merged = hidden * merge**2
    chain = (_linear("fc1", merged, merged), _linear("fc2", merged, text.hidden))
    taps = 0
    if kind.startswith("qwen3_vl"):
        found = vision.integers("deepstack_visual_indexes")
        taps = len(found if found is not None else (8, 16, 24))
    projector = Merger(chain * (1 + taps), 1 / merge**2)
    inputs = 3 * patch * patch * vision.integer("temporal_patch_size")
    model = _tower(text, shape, (_linear("embed", inputs, hidden),), projector)
    if kind in {"qwen2_vl", "qwen2_5_vl"}:
        image = _native(patch, merge, 3136, 12_845_056)
        return Encoder(model, image, video=_frame_pairs(patch, merge, 3136, 602_112))
    image = _native(patch, merge, 65_536, 16_777_216)
    return Encoder(model, image, video=_stamped_pairs(patch, merge))


def _minimax_m3(top: Config, text: Model, kind: str) -> Encoder:
    """MiniMax-M3: as Qwen2-VL, with a projector before and one after patches are merged."""
    vision = towers._part(top, "vision_config", towers._MINIMAX_M3 | {"num_attention_heads": 16})
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    merge, width = vision.integer("spatial_merge_size"), text.hidden
    middle = top.optional_integer("projector_hidden_size") or 6144
    inputs = 3 * patch * patch * vision.integer("temporal_patch_size")
    model = _tower(
        text, _shape_of(vision, hidden), (_linear("embed", inputs, hidden, bias=False),),
        Merger((_linear("fc1", hidden, middle), _linear("fc2", middle, width)), 1.0),
        Merger((_linear("fc3", width * merge**2, middle), _linear("fc4", middle, width)),
               1 / merge**2),
    )  # fmt: skip
    return Encoder(model, _native(patch, merge, 3136, 451_584))


_MOON_SIDE, _MOON_PATCHES = 512, 16_384
"""Patches of a side, and of all (patch_limit_on_one_side and in_patch_limit of media_proc_cfg in
Kimi-K2.5's preprocessor_config.json, as Modular's MAX and sgl-project's model gateway read it)."""


def _moon_vit(top: Config, text: Model, kind: str) -> Encoder:
    """Kimi-K2.5: the image's own size, never enlarged, filled up to whole merged patches."""
    vision = towers._part(top, "vision_config", towers._MOON_VIT | {"num_attention_heads": 16})
    hidden = vision.integer("vt_hidden_size", "hidden_size")
    patch = vision.integer("patch_size")
    down, across = towers._pair(vision, "merge_kernel_size")
    merged = hidden * down * across
    shape = _Shape(
        hidden, vision.integer("vt_num_hidden_layers", "num_hidden_layers", maximum=4096),
        vision.integer("vt_intermediate_size", "intermediate_size"),
        vision.integer("vt_num_attention_heads", "num_attention_heads"),
    )  # fmt: skip
    chain = (_linear("fc1", merged, merged), _linear("fc2", merged, text.hidden))
    model = _tower(text, shape, (_linear("embed", 3 * patch * patch, hidden),),
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


# --- Towers of a fixed size --------------------------------------------------------------------


def _siglip(top: Config, text: Model, kind: str) -> Encoder:
    """Gemma 3 and PaliGemma: one size, pooled or not."""
    vision = towers._part(top, "vision_config", towers._SIGLIP | {"num_attention_heads": 12})
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    patches = towers._patches(vision)
    tokens = patches
    if kind == "gemma3":
        tokens = top.optional_integer("mm_tokens_per_image") or 256
    shape = _shape_of(vision, hidden)
    projector = Merger((_linear("fc", hidden, text.hidden),), tokens / patches)
    model = _tower(text, shape, (_linear("embed", 3 * patch * patch, hidden),), projector)
    return Encoder(model, lambda of: Encoded(1, patches, tokens))


def _gemma4(top: Config, text: Model, kind: str) -> Encoder:
    """Gemma 4: as large as its budget of tokens allows, patches pooled 3 x 3."""
    if not top.has("vision_config"):
        raise _unknown(top, kind)
    vision = towers._part(top, "vision_config", towers._GEMMA4_VISION | {"pooling_kernel_size": 3})
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    pooled, dim = vision.integer("pooling_kernel_size"), vision.integer("head_dim")
    most = top.optional_integer("vision_soft_tokens_per_image") or 280
    shape = _shape_of(vision, hidden)._replace(
        gated=True, head_dim=dim, kv_width=vision.integer("num_key_value_heads") * dim,
    )  # fmt: skip
    model = _tower(
        text, shape, (_linear("embed", 3 * patch * patch, hidden, bias=False),),
        Merger((_linear("fc", hidden, text.hidden, bias=False),), 1 / pooled**2),
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


_LLAMA4_TILES = 16


def _llama4(top: Config, text: Model, kind: str) -> Encoder:
    """Llama 4: the canvas of up to 16 tiles that shrinks an image least, and all of it in one."""
    vision = towers._part(
        top, "vision_config",
        towers._LLAMA4 | {"num_attention_heads": 16, "pixel_shuffle_ratio": 0.5},
    )  # fmt: skip
    hidden, patches = hidden_size(vision), towers._patches(vision)
    side, patch = towers._pair(vision, "image_size")[0], towers._pair(vision, "patch_size")[0]
    share = vision.number("pixel_shuffle_ratio") ** 2
    out = vision.integer("projector_output_dim")
    chain = (
        _linear("fc1", vision.integer("intermediate_size"), vision.integer("projector_input_dim"),
                bias=False),
        _linear("fc2", out, out, bias=False),
        _linear("fc3", vision.integer("vision_output_dim"), text.hidden, bias=False),
    )  # fmt: skip
    model = _tower(
        text, _shape_of(vision, hidden), (_linear("embed", 3 * patch * patch, hidden, bias=False),),
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


def _shape_of(vision: Config, hidden: int) -> _Shape:
    return _Shape(
        hidden, vision.integer("num_hidden_layers", maximum=4096),
        vision.integer("intermediate_size"), vision.integer("num_attention_heads"),
    )  # fmt: skip


def _clip(top: Config, text: Model, kind: str) -> Encoder:
    """LLaVA 1.5: 336 x 336, the class token left out of the prompt."""
    raw = top.child("vision_config")
    if raw is None or raw.text("model_type", default="clip_vision_model") != "clip_vision_model":
        raise _unknown(top, kind)
    vision = towers._part(
        top, "vision_config", towers._CLIP_LARGE_336 | {"num_attention_heads": 16}
    )
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    patches = towers._patches(vision)
    chain = (_linear("fc1", hidden, text.hidden), _linear("fc2", text.hidden, text.hidden))
    shape, taken = _shape_of(vision, hidden), top.raw("vision_feature_layer")
    if taken is None:
        taken = -2
    if type(taken) is int and -shape.layers <= taken < 0:  # layers behind it are not run
        shape = shape._replace(layers=shape.layers + 1 + taken)
    model = _tower(
        text, shape, (_linear("embed", 3 * patch * patch, hidden),),
        Merger(chain, patches / (patches + 1)),
    )  # fmt: skip
    return Encoder(model, lambda of: Encoded(1, patches + 1, patches))


def _mistral3(top: Config, text: Model, kind: str) -> Encoder:
    """Pixtral: the image's own size, its longer side cut; a token ends each row."""
    defaults = towers._PIXTRAL | {
        "patch_size": 14, "num_attention_heads": 16, "image_size": 1540,
    }  # fmt: skip
    vision = towers._part(top, "vision_config", defaults)
    hidden, patch = hidden_size(vision), vision.integer("patch_size")
    merge = top.optional_integer("spatial_merge_size") or 2
    longest, unit = vision.integer("image_size"), patch * merge
    chain = (
        _linear("merge", hidden * merge**2, hidden, bias=False),
        _linear("fc1", hidden, text.hidden), _linear("fc2", text.hidden, text.hidden),
    )  # fmt: skip
    shape = _shape_of(vision, hidden)._replace(gated=True)
    model = _tower(text, shape, (_linear("embed", 3 * patch * patch, hidden, bias=False),),
                   Merger(chain, 1 / merge**2))  # fmt: skip

    def image(of: Media) -> Encoded:
        by = max(1.0, of.width / longest, of.height / longest)
        wide, high = (max(1, math.ceil(math.floor(s / by) / unit)) for s in (of.width, of.height))
        return Encoded(1, wide * high * merge**2, high * (wide + 1))

    return Encoder(model, image)


_MAX_TILES = 12


def _internvl(top: Config, text: Model, kind: str) -> Encoder:
    """InternVL: as many tiles as the aspect ratio asks for, and a thumbnail of all."""
    vision = towers._part(top, "vision_config", towers._INTERNVL | {"num_attention_heads": 16})
    hidden = hidden_size(vision)
    patches = towers._patches(vision)
    down, across = towers._pair(vision, "patch_size")
    factor = int(1 / top.number("downsample_ratio", default=0.5)) ** 2
    merged = hidden * factor
    chain = (_linear("fc1", merged, text.hidden), _linear("fc2", text.hidden, text.hidden))
    model = _tower(
        text, _shape_of(vision, hidden), (_linear("embed", 3 * down * across, hidden),),
        Merger(chain, 1 / factor),
    )  # fmt: skip
    side = towers._pair(vision, "image_size")[0]

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


# --- Sound: Whisper's encoder ------------------------------------------------------------------

WINDOW_S = 30.0


def _whisper(top: Config, text: Model, kind: str) -> Encoder:
    """Windows of 30 s, each 1,500 positions; so many of them side by side become a token."""
    own = towers._WHISPER_ENCODER
    if kind == "qwen2_audio":
        own = {"d_model": 1280, "encoder_ffn_dim": 5120, "encoder_layers": 32, "num_mel_bins": 128,
               "max_source_positions": 1500}  # fmt: skip
    audio = towers._part(top, "audio_config", own | {"num_attention_heads": 20,
                                                     "encoder_attention_heads": 20})  # fmt: skip
    hidden = audio.integer("d_model", "hidden_size")
    positions = audio.integer("max_source_positions")
    shape = _Shape(
        hidden, audio.integer("encoder_layers", "num_hidden_layers", maximum=4096),
        audio.integer("encoder_ffn_dim", "intermediate_size"),
        audio.integer("encoder_attention_heads", "num_attention_heads"),
    )  # fmt: skip
    together = 4 if kind == "voxtral" else 2
    width = hidden * together if kind == "voxtral" else hidden
    chain: tuple[Linear, ...] = (_linear("fc1", width, text.hidden),)
    if kind != "qwen2_audio":
        chain = (*chain, _linear("fc2", text.hidden, text.hidden))
    # The first convolution has twice as many rows as there are positions.
    convolutions = (
        _linear("conv1", 2 * 3 * audio.integer("num_mel_bins"), hidden),
        _linear("conv2", 3 * hidden, hidden),
    )
    model = _tower(text, shape, (), Merger(chain, 1 / together))
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


_READERS: dict[str, Callable[[Config, Model, str], Encoder]] = {
    **dict.fromkeys(
        ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"), _qwen
    ),
    "gemma3": _siglip, "paligemma": _siglip, "llava": _clip, "mistral3": _mistral3,
    "internvl": _internvl, "gemma4": _gemma4, "llama4": _llama4, "kimi_k25": _moon_vit,
    "minimax_m3_vl": _minimax_m3,
    "voxtral": _whisper, "qwen2_audio": _whisper, "audioflamingo3": _whisper,
}  # fmt: skip


def read_media(config: Config, text: Model) -> Encoder:
    """The tower of a wrapper. Raises UnsupportedModelError where its rule is not known here."""
    kind = config.text("model_type", default="")
    reader = _READERS.get(kind)
    if reader is None:
        raise _unknown(config, kind)
    return reader(config, text, kind)


def _unknown(config: Config, kind: str) -> InputError:
    return InputError(
        f"how model_type {kind!r} makes tokens of images or sounds is not known here",
        source=config.source, hint=f"{flag('image_tokens')} takes their number",
    )  # fmt: skip
