"""Vision and audio towers: how many parameters a multimodal wrapper holds beside its text model.

A tower is stored, and computes only when an image or a sound comes in; a text step never reads it.
Each function follows the transformers class (release 5.23) that its name says; counts are checked
in the tests. Not here: what encoding an image costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vperf.errors import UnsupportedModelError
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.tower import Tower


def _part(top: Config, name: str, defaults: Mapping[str, Any]) -> Config:
    """A part's own object; a wrapper that leaves it out means the class's defaults throughout."""
    part = top.child(name)
    return (part or Config({}, top.source, name)).with_defaults(defaults)


def _tower(parameters: int, *parts: Config) -> Tower:
    lines = []
    for part in parts:
        listed = ", ".join(f"{name} {value}" for name, value in sorted(part.defaults_used.items()))
        if listed:
            lines.append(f"not in {part.path}, taken from the model class's defaults: {listed}")
    return Tower(parameters, tuple(lines))


# --- Pieces -----------------------------------------------------------------------------------


def _linear(inputs: int, outputs: int, bias: bool = True) -> int:
    return outputs * (inputs + bias)


def _norm(width: int, bias: bool = True) -> int:
    return width * (1 + bias)


def _layer(
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
        2 * _norm(hidden, norm_bias)
        + 2 * hidden * hidden + 2 * hidden * kv + biases
        + ups * _linear(hidden, intermediate, mlp_bias) + _linear(intermediate, hidden, mlp_bias)
    )  # fmt: skip


def _pair(config: Config, name: str) -> tuple[int, int]:
    """Height and width: one integer (336) or two ([448, 448])."""
    if isinstance(config.raw(name), list | tuple):
        pair = config.integers(name, minimum=1) or ()
        if len(pair) != 2:
            raise config.error(f"must be one or two integers, not {len(pair)}", name)
        return pair[0], pair[1]
    side = config.integer(name)
    return side, side


def _patches(config: Config) -> int:
    """Patches of an image of the size the positions are learned for."""
    (height, width), (down, across) = _pair(config, "image_size"), _pair(config, "patch_size")
    return (height // down) * (width // across)


def _patch_inputs(config: Config) -> int:
    """Values of one patch: height x width x RGB."""
    down, across = _pair(config, "patch_size")
    return down * across * (config.optional_integer("num_channels", "in_channels", "in_chans") or 3)


def _layer_count(config: Config, *names: str) -> int:
    return config.integer(*names, minimum=0, maximum=4096)


def _feature_layers(top: Config) -> int:
    """How many layers' outputs the projector sees side by side (vision_feature_layer)."""
    chosen = top.raw("vision_feature_layer")
    return max(1, len(chosen)) if isinstance(chosen, list | tuple) else 1


# --- Encoders, by their own model_type --------------------------------------------------------

_SIGLIP = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224,
    "patch_size": 16, "num_patches": 256, "vision_use_head": True,
}  # fmt: skip
_CLIP = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224,
    "patch_size": 32,
}  # fmt: skip
_CLIP_LARGE_336 = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 336,
    "patch_size": 14,
}  # fmt: skip
_PIXTRAL = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "patch_size": 16,
}  # fmt: skip
_ENCODER_DEFAULTS = {
    "clip_vision_model": _CLIP, "siglip_vision_model": _SIGLIP, "pixtral": _PIXTRAL,
}  # fmt: skip


def _siglip(vision: Config, positions: int) -> int:
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    layers = _layer_count(vision, "num_hidden_layers")
    total = (
        _linear(_patch_inputs(vision), hidden)
        + positions * hidden
        + layers * _layer(hidden, intermediate)
        + _norm(hidden)
    )
    if vision.flag("vision_use_head", default=True):  # a probe attends over the patches
        total += hidden + _layer(hidden, intermediate) - _norm(hidden)
    return total


def _clip(vision: Config) -> int:
    hidden = hidden_size(vision)
    return (
        hidden  # class embedding
        + _patch_inputs(vision) * hidden
        + (_patches(vision) + 1) * hidden
        + _layer_count(vision, "num_hidden_layers")
        * _layer(hidden, vision.integer("intermediate_size"))
        + 2 * _norm(hidden)
    )


def _pixtral(vision: Config) -> int:
    hidden = hidden_size(vision)
    layer = _layer(
        hidden, vision.integer("intermediate_size"),
        attention_biases=0, gated=True, mlp_bias=False, norm_bias=False,
    )  # fmt: skip
    return (
        _patch_inputs(vision) * hidden + hidden + _layer_count(vision, "num_hidden_layers") * layer
    )


def _encoder(top: Config, kind: str, defaults: Mapping[str, Any]) -> tuple[int, Config]:
    """The vision encoder of a wrapper that may hold any of several (LLaVA, Mistral 3).

    `kind` with `defaults` is what the wrapper's class builds where the config does not say.
    """
    raw = top.child("vision_config")
    stated = raw.text("model_type", default="") if raw else ""
    if stated:
        kind, defaults = stated, _ENCODER_DEFAULTS.get(stated, {})
    vision = _part(top, "vision_config", defaults)
    if kind == "clip_vision_model":
        return _clip(vision), vision
    if kind == "siglip_vision_model":
        return _siglip(vision, _patches(vision)), vision
    if kind == "pixtral":
        return _pixtral(vision), vision
    raise UnsupportedModelError(
        f"a {kind!r} vision tower is not supported", source=top.source,
        field="vision_config.model_type",
    )  # fmt: skip


# --- Wrappers: towers with their projectors ---------------------------------------------------


def gemma3(top: Config, text: Config) -> Tower:
    """SigLIP, pooled, then one matrix into the text model."""
    vision = _part(top, "vision_config", _SIGLIP)
    hidden = hidden_size(vision)
    return _tower(_siglip(vision, _patches(vision)) + hidden * hidden_size(text) + hidden, vision)


def paligemma(top: Config, text: Config) -> Tower:
    """SigLIP and one matrix with a bias."""
    vision = _part(top, "vision_config", _SIGLIP)
    width = top.optional_integer("projection_dim") or 2048
    project = _linear(hidden_size(vision), width)
    return _tower(_siglip(vision, _patches(vision)) + project, vision)


def llava(top: Config, text: Config) -> Tower:
    """CLIP (or SigLIP, Pixtral) and a two-layer projector."""
    named = top.raw("mm_vision_tower")
    if not top.has("vision_config") and named is not None:
        return _original_llava(top, text, named)
    parameters, vision = _encoder(top, "clip_vision_model", _CLIP_LARGE_336)
    width, bias = hidden_size(text), top.flag("multimodal_projector_bias", default=True)
    inputs = hidden_size(vision) * _feature_layers(top)
    return _tower(parameters + _linear(inputs, width, bias) + _linear(width, width, bias), vision)


_ORIGINAL_LLAVA_TOWERS = {
    "openai/clip-vit-large-patch14-336": _CLIP_LARGE_336,
    "openai/clip-vit-large-patch14": _CLIP_LARGE_336 | {"image_size": 224},
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
    project = _linear(inputs, width) + (layers - 1) * _linear(width, width)
    return Tower(_clip(Config(known, top.source)) + project, (f"vision tower counted as {named}",))


def mistral3(top: Config, text: Config) -> Tower:
    """Pixtral, 2x2 patches merged into one, a two-layer projector."""
    parameters, vision = _encoder(top, "pixtral", _PIXTRAL | {"patch_size": 14})
    hidden, width = hidden_size(vision), hidden_size(text)
    merge = top.optional_integer("spatial_merge_size") or 2
    bias = top.flag("multimodal_projector_bias", default=False)
    project = (
        hidden + hidden * merge**2 * hidden
        + _linear(hidden * _feature_layers(top), width, bias) + _linear(width, width, bias)
    )  # fmt: skip
    return _tower(parameters + project, vision)


_QWEN2_VL = {
    "depth": 32, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_QWEN25_VL = {
    "depth": 32, "hidden_size": 3584, "intermediate_size": 3420, "out_hidden_size": 3584,
    "num_heads": 16, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_QWEN3_VL = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "out_hidden_size": 3584,
    "num_position_embeddings": 2304, "patch_size": 16, "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}  # fmt: skip


def _video_patch_inputs(vision: Config) -> int:
    return _patch_inputs(vision) * vision.integer("temporal_patch_size")


def qwen2_vl(top: Config, text: Config) -> Tower:
    """Qwen2-VL: `embed_dim` is the width of the tower, `hidden_size` that of the text model."""
    vision = _part(top, "vision_config", _QWEN2_VL)
    width = vision.integer("embed_dim")
    intermediate = int(width * vision.number("mlp_ratio"))
    merged = width * vision.integer("spatial_merge_size") ** 2
    return _tower(
        _video_patch_inputs(vision) * width
        + _layer_count(vision, "depth") * _layer(width, intermediate)
        + _norm(width) + _linear(merged, merged) + _linear(merged, hidden_size(vision)),
        vision,
    )  # fmt: skip


def _qwen25_vl(vision: Config, kv_width: int) -> int:
    width = hidden_size(vision)
    merged = width * vision.integer("spatial_merge_size") ** 2
    layer = _layer(
        width, vision.integer("intermediate_size"), kv_width=kv_width, gated=True, norm_bias=False
    )
    return (
        _video_patch_inputs(vision) * width
        + _layer_count(vision, "depth") * layer
        + width + _linear(merged, merged) + _linear(merged, vision.integer("out_hidden_size"))
    )  # fmt: skip


def qwen2_5_vl(top: Config, text: Config) -> Tower:
    """Qwen2.5-VL: RMSNorm and a gated MLP."""
    vision = _part(top, "vision_config", _QWEN25_VL)
    return _tower(_qwen25_vl(vision, hidden_size(vision)), vision)


def exaone4_5(top: Config, text: Config) -> Tower:
    """Qwen2.5-VL's tower with grouped KV heads."""
    vision = _part(top, "vision_config", _QWEN25_VL | {"num_key_value_heads": 8})
    width, heads = hidden_size(vision), vision.integer("num_heads")
    kv_width = width // heads * vision.integer("num_key_value_heads")
    return _tower(_qwen25_vl(vision, kv_width), vision)


def qwen3_vl(top: Config, text: Config) -> Tower:
    """Qwen3-VL: deepstack, a merger more for every layer it taps."""
    vision = _part(top, "vision_config", _QWEN3_VL)
    if not vision.has("deepstack_visual_indexes"):
        vision = _part(top, "vision_config", _QWEN3_VL | {"deepstack_visual_indexes": [8, 16, 24]})
    return _qwen3_vl(vision, len(vision.integers("deepstack_visual_indexes") or ()))


def qwen3_5(top: Config, text: Config) -> Tower:
    """Qwen3.5: Qwen3-VL's tower without deepstack, whatever the config lists."""
    return _qwen3_vl(_part(top, "vision_config", _QWEN3_VL), 0)


def _qwen3_vl(vision: Config, taps: int) -> Tower:
    width = hidden_size(vision)
    merged = width * vision.integer("spatial_merge_size") ** 2
    project = _linear(merged, merged) + _linear(merged, vision.integer("out_hidden_size"))
    return _tower(
        _linear(_video_patch_inputs(vision), width)
        + vision.integer("num_position_embeddings") * width
        + _layer_count(vision, "depth") * _layer(width, vision.integer("intermediate_size"))
        + _norm(width) + project + taps * (_norm(merged) + project),
        vision,
    )  # fmt: skip


_INTERNVL = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "image_size": (448, 448), "patch_size": (14, 14),
}  # fmt: skip


def internvl(top: Config, text: Config) -> Tower:
    """InternViT with layer scales, pixels unshuffled, a normed two-layer projector."""
    vision = _part(top, "vision_config", _INTERNVL)
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    norm_bias = vision.text("norm_type", default="layer_norm") == "layer_norm"
    layer = _layer(hidden, intermediate, attention_biases=0, norm_bias=norm_bias) + 3 * hidden
    if vision.flag("attention_bias", default=False):
        layer += 3 * hidden
    if vision.flag("use_qk_norm", default=False):
        layer += 2 * hidden
    positions = vision.flag("use_absolute_position_embeddings", default=True)
    ratio = top.number("downsample_ratio", default=0.5)
    if not 0.01 <= ratio <= 1:
        raise top.error("must be between 0.01 and 1", "downsample_ratio")
    merged, width = hidden * int(1 / ratio) ** 2, hidden_size(text)
    return _tower(
        hidden + _linear(_patch_inputs(vision), hidden)
        + ((_patches(vision) + 1) * hidden if positions else 0)
        + (hidden if vision.flag("use_mask_token", default=False) else 0)
        + _layer_count(vision, "num_hidden_layers") * layer
        + (0 if vision.flag("use_mean_pooling", default=True) else _norm(hidden))
        + _norm(merged) + _linear(merged, width) + _linear(width, width),
        vision,
    )  # fmt: skip


_LLAMA4 = {
    "hidden_size": 768, "intermediate_size": 5632, "num_hidden_layers": 34, "image_size": 448,
    "patch_size": 14, "vision_output_dim": 7680, "projector_input_dim": 4096,
    "projector_output_dim": 4096,
}  # fmt: skip


def llama4(top: Config, text: Config) -> Tower:
    """Llama 4: class token, learned positions, pixel shuffle with its own MLP."""
    vision = _part(top, "vision_config", _LLAMA4)
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    out = vision.integer("projector_output_dim")
    return _tower(
        hidden * (1 + _patches(vision) + 1) + _patch_inputs(vision) * hidden
        + 2 * _norm(hidden)
        + _layer_count(vision, "num_hidden_layers") * _layer(hidden, intermediate)
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
    vision = _part(top, "vision_config", _MLLAMA)
    hidden, intermediate = hidden_size(vision), vision.integer("intermediate_size")
    ratios = vision.raw("supported_aspect_ratios")
    shapes = (len(ratios) if isinstance(ratios, list) else 8) + 1
    tiles, positions = vision.integer("max_num_tiles"), _patches(vision) + 1
    layer = _layer(hidden, intermediate, attention_biases=0)
    total = (
        hidden + _patch_inputs(vision) * hidden  # class token, patches
        + 1 + positions * hidden + shapes * tiles * positions * hidden  # gated positions, tiles
        + 2 * (1 + shapes * tiles * hidden)  # before and after
        + 2 * _norm(hidden)
        + _layer_count(vision, "num_hidden_layers") * layer
        + _layer_count(vision, "num_global_layers") * (layer + 2)
        + _linear(vision.integer("vision_output_dim"), hidden_size(text))
    )  # fmt: skip
    return _tower(total, vision)


_WHISPER_ENCODER = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_mel_bins": 128,
    "max_source_positions": 1500,
}  # fmt: skip


def voxtral(top: Config, text: Config) -> Tower:
    """Whisper's encoder, four frames side by side into a two-layer projector."""
    audio = _part(top, "audio_config", _WHISPER_ENCODER)
    hidden, intermediate = hidden_size(audio), audio.integer("intermediate_size")
    layers, width = _layer_count(audio, "num_hidden_layers"), hidden_size(text)
    encoder = _whisper_encoder(audio, hidden, intermediate, layers)
    return _tower(encoder + intermediate * width + width * width, audio)


_REALTIME_ENCODER = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_mel_bins": 128,
    "num_attention_heads": 32, "head_dim": 64,
}  # fmt: skip


def voxtral_realtime(top: Config, text: Config) -> Tower:
    """A causal encoder of Llama's layers with some biases behind two convolutions."""
    audio = _part(top, "audio_config", _REALTIME_ENCODER)
    hidden, width = hidden_size(audio), hidden_size(text)
    heads, dim = audio.integer("num_attention_heads"), audio.integer("head_dim")
    kv_width = (audio.optional_integer("num_key_value_heads") or heads) * dim
    intermediate = audio.integer("intermediate_size")
    layer = (
        2 * _norm(hidden, bias=False)
        + _linear(hidden, heads * dim) + _linear(hidden, kv_width, bias=False)
        + _linear(hidden, kv_width) + _linear(heads * dim, hidden)
        + 2 * _linear(hidden, intermediate, bias=False) + _linear(intermediate, hidden)
    )  # fmt: skip
    frames = hidden * top.with_defaults({"downsample_factor": 4}).integer("downsample_factor")
    return _tower(
        _linear(3 * audio.integer("num_mel_bins"), hidden) + _linear(3 * hidden, hidden)
        + _layer_count(audio, "num_hidden_layers") * layer + _norm(hidden, bias=False)
        + frames * width + width * width,
        audio,
    )  # fmt: skip


def _whisper_encoder(audio: Config, hidden: int, intermediate: int, layers: int) -> int:
    return (
        _linear(3 * audio.integer("num_mel_bins"), hidden) + _linear(3 * hidden, hidden)
        + audio.integer("max_source_positions") * hidden
        + layers * _layer(hidden, intermediate, attention_biases=3)
        + _norm(hidden)
    )  # fmt: skip


def audio_flamingo(top: Config, text: Config) -> Tower:
    """Whisper's encoder, a projector of two layers."""
    audio = _part(top, "audio_config", _WHISPER_ENCODER)
    hidden, width = hidden_size(audio), hidden_size(text)
    encoder = _whisper_encoder(
        audio, hidden, audio.integer("intermediate_size"), _layer_count(audio, "num_hidden_layers")
    )
    bias = top.flag("projector_bias", default=True)
    return _tower(encoder + _linear(hidden, width, bias) + _linear(width, width, bias), audio)


def qwen2_audio(top: Config, text: Config) -> Tower:
    """Whisper's encoder under Whisper's own key names, one matrix into the text model."""
    defaults = {
        "d_model": 1280, "encoder_ffn_dim": 5120, "encoder_layers": 32, "num_mel_bins": 128,
        "max_source_positions": 1500,
    }  # fmt: skip
    audio = _part(top, "audio_config", defaults)
    hidden = audio.integer("d_model")
    encoder = _whisper_encoder(
        audio, hidden, audio.integer("encoder_ffn_dim"), _layer_count(audio, "encoder_layers")
    )
    return _tower(encoder + _linear(hidden, hidden_size(text)), audio)


def lfm2_vl(top: Config, text: Config) -> Tower:
    """SigLIP 2 with a table of `num_patches` positions, pixels unshuffled, a projector."""
    vision = _part(top, "vision_config", _SIGLIP)
    factor = top.optional_integer("downsample_factor") or 2
    merged = hidden_size(vision) * factor**2
    middle = top.optional_integer("projector_hidden_size") or 2560
    bias = top.flag("projector_bias", default=True)
    norm = _norm(merged) if top.flag("projector_use_layernorm", default=True) else 0
    return _tower(
        _siglip(vision, vision.integer("num_patches"))
        + norm + _linear(merged, middle, bias) + _linear(middle, hidden_size(text), bias),
        vision,
    )  # fmt: skip


_MOON_VIT = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14,
    "pos_emb_height": 64, "pos_emb_width": 64, "merge_kernel_size": (2, 2),
}  # fmt: skip


def kimi_k25(top: Config, text: Config) -> Tower:
    """MoonViT: a learned grid of positions, patches merged 2 x 2 before the projector."""
    vision = _part(top, "vision_config", _MOON_VIT)
    hidden = vision.integer("vt_hidden_size", "hidden_size")
    intermediate = vision.integer("vt_intermediate_size", "intermediate_size")
    grid = vision.integer("init_pos_emb_height", "pos_emb_height") * vision.integer(
        "init_pos_emb_width", "pos_emb_width"
    )
    down, across = _pair(vision, "merge_kernel_size")
    merged = hidden * down * across
    normed = (
        vision.optional_integer("mm_hidden_size")
        or top.optional_integer("projection_hidden_size")
        or hidden
    )
    return _tower(
        _linear(_patch_inputs(vision), hidden) + grid * hidden
        + _layer_count(vision, "vt_num_hidden_layers", "num_hidden_layers")
        * _layer(hidden, intermediate)
        + _norm(hidden)
        + _norm(normed) + _linear(merged, merged) + _linear(merged, hidden_size(text)),
        vision,
    )  # fmt: skip


_MINIMAX_M3 = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "patch_size": 14,
    "temporal_patch_size": 2, "spatial_merge_size": 2,
}  # fmt: skip


def minimax_m3_vl(top: Config, text: Config) -> Tower:
    """CLIP without positions; one projector before and one after patches are merged."""
    vision = _part(top, "vision_config", _MINIMAX_M3)
    hidden, width = hidden_size(vision), hidden_size(text)
    middle = top.optional_integer("projector_hidden_size") or 6144
    merge = vision.integer("spatial_merge_size") ** 2
    return _tower(
        _video_patch_inputs(vision) * hidden + _norm(hidden)
        + _layer_count(vision, "num_hidden_layers")
        * _layer(hidden, vision.integer("intermediate_size"))
        + _linear(hidden, middle) + _linear(middle, width)
        + _linear(width * merge, middle) + _linear(middle, width),
        vision,
    )  # fmt: skip


# --- Gemma 4 ----------------------------------------------------------------------------------

_GEMMA4_VISION = {
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
        vision = _part(top, "vision_config", _GEMMA4_VISION)
        towers.append(_tower(_gemma4_vision(vision, hidden_size(text)), vision))
    if top.has("audio_config"):
        audio = _part(top, "audio_config", _GEMMA4_AUDIO)
        towers.append(_tower(_gemma4_audio(audio, hidden_size(text)), audio))
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
        + _patch_inputs(vision) * hidden
        + _layer_count(vision, "num_hidden_layers") * layer
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
        + _layer_count(audio, "num_hidden_layers") * layer
        + _linear(hidden, out)
        + out * width
    )
