"""Wrappers that see: towers of images with their projectors.

Each function follows the transformers class (release 5.23) that its name says. Not here: Gemma 4's
(gemma4.py), and wrappers that hear (sounds.py).
"""

from __future__ import annotations

from vperf.errors import UnsupportedModelError
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.tower import Tower
from vperf.model.towers.encoders import (
    CLIP_LARGE_336,
    PIXTRAL,
    SIGLIP,
    clip,
    encoder,
    siglip,
)
from vperf.model.towers.pieces import (
    encoder_layer,
    feature_layers,
    layer_count,
    linear,
    norm_of,
    pair,
    patch_inputs,
    patches,
    read_part,
    tower_of,
    video_patch_inputs,
)


def gemma3(top: Config, text: Config) -> Tower:
    """SigLIP, pooled, then one matrix into the text model."""
    vision = read_part(top, "vision_config", SIGLIP)
    hidden = hidden_size(vision)
    return tower_of(siglip(vision, patches(vision)) + hidden * hidden_size(text) + hidden, vision)


def paligemma(top: Config, text: Config) -> Tower:
    """SigLIP and one matrix with a bias."""
    vision = read_part(top, "vision_config", SIGLIP)
    width = top.optional_integer("projection_dim") or 2048
    project = linear(hidden_size(vision), width)
    return tower_of(siglip(vision, patches(vision)) + project, vision)


def llava(top: Config, text: Config) -> Tower:
    """CLIP (or SigLIP, Pixtral) and a two-layer projector."""
    named = top.raw("mm_vision_tower")
    if not top.has("vision_config") and named is not None:
        return _original_llava(top, text, named)
    parameters, vision = encoder(top, "clip_vision_model", CLIP_LARGE_336)
    width, bias = hidden_size(text), top.flag("multimodal_projector_bias", default=True)
    inputs = hidden_size(vision) * feature_layers(top)
    return tower_of(parameters + linear(inputs, width, bias) + linear(width, width, bias), vision)


_ORIGINAL_LLAVA_TOWERS = {
    "openai/clip-vit-large-patch14-336": CLIP_LARGE_336,
    "openai/clip-vit-large-patch14": CLIP_LARGE_336 | {"image_size": 224},
}


def _original_llava(top: Config, text: Config, named: object) -> Tower:
    """liuhaotian/llava names its tower instead of describing it."""
    known = _ORIGINAL_LLAVA_TOWERS.get(named) if isinstance(named, str) else None
    if known is None:
        raise UnsupportedModelError(
            f"vision tower {named!r} is not known", source=top.source, field="mm_vision_tower"
        )
    projector = top.text("mm_projector_type", default="linear")
    width, inputs = hidden_size(text), known["hidden_size"]
    layers = {"linear": 1, "mlp2x_gelu": 2}.get(projector)
    if layers is None:
        raise UnsupportedModelError(
            f"projector {projector!r} is not known", source=top.source, field="mm_projector_type"
        )
    project = linear(inputs, width) + (layers - 1) * linear(width, width)
    return Tower(clip(Config(known, top.source)) + project, (f"vision tower counted as {named}",))


def mistral3(top: Config, text: Config) -> Tower:
    """Pixtral, 2x2 patches merged into one, a two-layer projector."""
    parameters, vision = encoder(top, "pixtral", PIXTRAL | {"patch_size": 14})
    hidden, width = hidden_size(vision), hidden_size(text)
    merge = top.optional_integer("spatial_merge_size") or 2
    bias = top.flag("multimodal_projector_bias", default=False)
    project = (
        hidden + hidden * merge**2 * hidden
        + linear(hidden * feature_layers(top), width, bias) + linear(width, width, bias)
    )  # fmt: skip
    return tower_of(parameters + project, vision)


QWEN2_VL = {
    "depth": 32, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
QWEN25_VL = {
    "depth": 32, "hidden_size": 3584, "intermediate_size": 3420, "out_hidden_size": 3584,
    "num_heads": 16, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
QWEN3_VL = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "out_hidden_size": 3584,
    "num_position_embeddings": 2304, "patch_size": 16, "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}  # fmt: skip


def qwen2_vl(top: Config, text: Config) -> Tower:
    """Qwen2-VL: `embed_dim` is the width of the tower, `hidden_size` that of the text model."""
    vision = read_part(top, "vision_config", QWEN2_VL)
    width = vision.integer("embed_dim")
    intermediate = int(width * vision.number("mlp_ratio"))
    merged = width * vision.integer("spatial_merge_size") ** 2
    return tower_of(
        video_patch_inputs(vision) * width
        + layer_count(vision, "depth") * encoder_layer(width, intermediate)
        + norm_of(width) + linear(merged, merged) + linear(merged, hidden_size(vision)),
        vision,
    )  # fmt: skip


def _qwen25_vl(vision: Config, kv_width: int) -> int:
    width = hidden_size(vision)
    merged = width * vision.integer("spatial_merge_size") ** 2
    layer = encoder_layer(
        width, vision.integer("intermediate_size"), kv_width=kv_width, gated=True, norm_bias=False
    )
    return (
        video_patch_inputs(vision) * width
        + layer_count(vision, "depth") * layer
        + width + linear(merged, merged) + linear(merged, vision.integer("out_hidden_size"))
    )  # fmt: skip


def qwen2_5_vl(top: Config, text: Config) -> Tower:
    """Qwen2.5-VL: RMSNorm and a gated MLP."""
    vision = read_part(top, "vision_config", QWEN25_VL)
    return tower_of(_qwen25_vl(vision, hidden_size(vision)), vision)


def exaone4_5(top: Config, text: Config) -> Tower:
    """Qwen2.5-VL's tower with grouped KV heads."""
    vision = read_part(top, "vision_config", QWEN25_VL | {"num_key_value_heads": 8})
    width, heads = hidden_size(vision), vision.integer("num_heads")
    kv_width = width // heads * vision.integer("num_key_value_heads")
    return tower_of(_qwen25_vl(vision, kv_width), vision)


def qwen3_vl(top: Config, text: Config) -> Tower:
    """Qwen3-VL: deepstack, a merger more for every layer it taps."""
    vision = read_part(top, "vision_config", QWEN3_VL)
    if not vision.has("deepstack_visual_indexes"):
        vision = read_part(
            top, "vision_config", QWEN3_VL | {"deepstack_visual_indexes": [8, 16, 24]}
        )
    return _qwen3_vl(vision, len(vision.integers("deepstack_visual_indexes") or ()))


def qwen3_5(top: Config, text: Config) -> Tower:
    """Qwen3.5: Qwen3-VL's tower without deepstack, whatever the config lists."""
    return _qwen3_vl(read_part(top, "vision_config", QWEN3_VL), 0)


def _qwen3_vl(vision: Config, taps: int) -> Tower:
    width = hidden_size(vision)
    merged = width * vision.integer("spatial_merge_size") ** 2
    project = linear(merged, merged) + linear(merged, vision.integer("out_hidden_size"))
    return tower_of(
        linear(video_patch_inputs(vision), width)
        + vision.integer("num_position_embeddings") * width
        + layer_count(vision, "depth") * encoder_layer(width, vision.integer("intermediate_size"))
        + norm_of(width) + project + taps * (norm_of(merged) + project),
        vision,
    )  # fmt: skip


INTERNVL = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "image_size": (448, 448), "patch_size": (14, 14),
}  # fmt: skip


def internvl(top: Config, text: Config) -> Tower:
    """InternViT with layer scales, pixels unshuffled, a normed two-layer projector."""
    vision = read_part(top, "vision_config", INTERNVL)
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    norm_bias = vision.text("norm_type", default="layer_norm") == "layer_norm"
    layer = (
        encoder_layer(hidden, intermediate, attention_biases=0, norm_bias=norm_bias) + 3 * hidden
    )
    if vision.flag("attention_bias", default=False):
        layer += 3 * hidden
    if vision.flag("use_qk_norm", default=False):
        layer += 2 * hidden
    positions = vision.flag("use_absolute_position_embeddings", default=True)
    ratio = top.number("downsample_ratio", default=0.5)
    if not 0.01 <= ratio <= 1:
        raise top.error("must be between 0.01 and 1", "downsample_ratio")
    merged, width = hidden * int(1 / ratio) ** 2, hidden_size(text)
    return tower_of(
        hidden + linear(patch_inputs(vision), hidden)
        + ((patches(vision) + 1) * hidden if positions else 0)
        + (hidden if vision.flag("use_mask_token", default=False) else 0)
        + layer_count(vision, "num_hidden_layers") * layer
        + (0 if vision.flag("use_mean_pooling", default=True) else norm_of(hidden))
        + norm_of(merged) + linear(merged, width) + linear(width, width),
        vision,
    )  # fmt: skip


LLAMA4 = {
    "hidden_size": 768, "intermediate_size": 5632, "num_hidden_layers": 34, "image_size": 448,
    "patch_size": 14, "vision_output_dim": 7680, "projector_input_dim": 4096,
    "projector_output_dim": 4096,
}  # fmt: skip


def llama4(top: Config, text: Config) -> Tower:
    """Llama 4: class token, learned positions, pixel shuffle with its own MLP."""
    vision = read_part(top, "vision_config", LLAMA4)
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    out = vision.integer("projector_output_dim")
    return tower_of(
        hidden * (1 + patches(vision) + 1) + patch_inputs(vision) * hidden
        + 2 * norm_of(hidden)
        + layer_count(vision, "num_hidden_layers") * encoder_layer(hidden, intermediate)
        + intermediate * vision.integer("projector_input_dim") + out * out
        + vision.integer("vision_output_dim") * hidden_size(text),
        vision,
    )  # fmt: skip


_MLLAMA = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
    "num_global_layers": 8, "image_size": 448, "patch_size": 14, "max_num_tiles": 4,
    "vision_output_dim": 7680,
}  # fmt: skip


def mllama(top: Config, text: Config) -> Tower:
    """Llama 3.2 Vision: tiles by aspect ratio, gated global layers, one biased projector."""
    vision = read_part(top, "vision_config", _MLLAMA)
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    ratios = vision.raw("supported_aspect_ratios")
    shapes = (len(ratios) if isinstance(ratios, list) else 8) + 1
    tiles, positions = vision.integer("max_num_tiles"), patches(vision) + 1
    layer = encoder_layer(hidden, intermediate, attention_biases=0)
    total = (
        hidden + patch_inputs(vision) * hidden  # class token, patches
        + 1 + positions * hidden + shapes * tiles * positions * hidden  # gated positions, tiles
        + 2 * (1 + shapes * tiles * hidden)  # before and after
        + 2 * norm_of(hidden)
        + layer_count(vision, "num_hidden_layers") * layer
        + layer_count(vision, "num_global_layers") * (layer + 2)
        + linear(vision.integer("vision_output_dim"), hidden_size(text))
    )  # fmt: skip
    return tower_of(total, vision)


def lfm2_vl(top: Config, text: Config) -> Tower:
    """SigLIP 2 with a table of `num_patches` positions, pixels unshuffled, a projector."""
    vision = read_part(top, "vision_config", SIGLIP)
    factor = top.optional_integer("downsample_factor") or 2
    merged = hidden_size(vision) * factor**2
    middle = top.optional_integer("projector_hidden_size") or 2560
    bias = top.flag("projector_bias", default=True)
    norm = norm_of(merged) if top.flag("projector_use_layernorm", default=True) else 0
    return tower_of(
        siglip(vision, vision.integer("num_patches"))
        + norm + linear(merged, middle, bias) + linear(middle, hidden_size(text), bias),
        vision,
    )  # fmt: skip


MOON_VIT = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14,
    "pos_emb_height": 64, "pos_emb_width": 64, "merge_kernel_size": (2, 2),
}  # fmt: skip


def kimi_k25(top: Config, text: Config) -> Tower:
    """MoonViT: a learned grid of positions, patches merged 2 x 2 before the projector."""
    vision = read_part(top, "vision_config", MOON_VIT)
    hidden = vision.integer("vt_hidden_size", "hidden_size")
    intermediate = vision.integer("vt_intermediate_size", "intermediate_size")
    grid = vision.integer("init_pos_emb_height", "pos_emb_height") * vision.integer(
        "init_pos_emb_width", "pos_emb_width"
    )
    down, across = pair(vision, "merge_kernel_size")
    merged = hidden * down * across
    normed = (
        vision.optional_integer("mm_hidden_size")
        or top.optional_integer("projection_hidden_size")
        or hidden
    )
    return tower_of(
        linear(patch_inputs(vision), hidden) + grid * hidden
        + layer_count(vision, "vt_num_hidden_layers", "num_hidden_layers")
        * encoder_layer(hidden, intermediate)
        + norm_of(hidden)
        + norm_of(normed) + linear(merged, merged) + linear(merged, hidden_size(text)),
        vision,
    )  # fmt: skip


MINIMAX_M3 = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "patch_size": 14,
    "temporal_patch_size": 2, "spatial_merge_size": 2,
}  # fmt: skip


def minimax_m3_vl(top: Config, text: Config) -> Tower:
    """CLIP without positions; one projector before and one after patches are merged."""
    vision = read_part(top, "vision_config", MINIMAX_M3)
    hidden, width = hidden_size(vision), hidden_size(text)
    middle = top.optional_integer("projector_hidden_size") or 6144
    merge = vision.integer("spatial_merge_size") ** 2
    return tower_of(
        video_patch_inputs(vision) * hidden + norm_of(hidden)
        + layer_count(vision, "num_hidden_layers")
        * encoder_layer(hidden, vision.integer("intermediate_size"))
        + linear(hidden, middle) + linear(middle, width)
        + linear(width * merge, middle) + linear(middle, width),
        vision,
    )  # fmt: skip
