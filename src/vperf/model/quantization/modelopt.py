"""NVIDIA ModelOpt: quant_algo in quantization_config, in hf_quant_config.json, or in both.

Where both are there they are joined: exclusions add up, quantized_layers decide over config_groups
(Qwen3.6-35B's groups declare 4-bit activations that its W4A16_NVFP4 layers do not have).
Source: modelopt/torch/export/quant_utils.py, vLLM quantization/modelopt.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from vperf.formats import Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.cache import read_cache
from vperf.model.quantization.compressed_tensors import group_rules
from vperf.model.quantization.floats import fp8_format
from vperf.model.quantization.scheme import ALL, Reading, Rule

_AWQ_SCALES = 16
"""pre_quant_scale: one 16-bit factor per input feature."""


def _int4(group: int) -> Format:
    return replace(weights.integers(4, group or 128), index_bits=_AWQ_SCALES)


_ALGORITHMS: dict[str, Callable[[int], Format]] = {
    "FP8": lambda group: weights.fp8("tensor", static=True),
    "FP8_PER_CHANNEL_PER_TOKEN": lambda group: weights.fp8("channel"),
    "FP8_PB_WO": lambda group: weights.fp8_block((128, 128)),
    "FP8_PB_REAL": lambda group: weights.fp8_block((128, 128)),
    "FP8_BLOCK_SCALES": lambda group: weights.fp8_block((128, 128)),
    "FP8_BLOCK": lambda group: weights.fp8_block((128, 128)),
    "MXFP8": lambda group: weights.mxfp8(group=group or 32),
    "NVFP4": lambda group: weights.nvfp4(group=group or 16),
    "NVFP4_AWQ": lambda group: replace(weights.nvfp4(group=group or 16), index_bits=_AWQ_SCALES),
    "W4A16_NVFP4": lambda group: weights.nvfp4(group=group or 16, weight_only=True),
    "NVFP4_W4A16": lambda group: weights.nvfp4(group=group or 16, weight_only=True),
    "W4A8_NVFP4_FP8": lambda group: weights.nvfp4(group=group or 16, pipe="fp8"),
    "MXFP4": lambda group: weights.mxfp4(pipe="fp4"),
    "W4A16_MXFP4": lambda group: weights.mxfp4(pipe=None),
    "W4A8_MXFP4_FP8": lambda group: weights.mxfp4(pipe="fp8"),
    "W4A8_MXFP4_MXFP8": lambda group: weights.mxfp4(pipe="fp8"),
    "W4A16": _int4,
    "W4A16_AWQ": _int4,
    "INT4_AWQ": _int4,
    "W4A8_AWQ": lambda group: replace(
        weights.integers(4, group or 128, pipe="fp8"), index_bits=_AWQ_SCALES
    ),
    "W8A16": lambda group: weights.integers(8, 0),
    "INT8_WO": lambda group: weights.integers(8, 0),
    "INT8_SQ": lambda group: weights.integers(8, 0, pipe="int8", scale_bits=32),
    "W8A8_SQ_PER_CHANNEL": lambda group: weights.integers(8, 0, pipe="int8", scale_bits=32),
}


def speaks_modelopt(config: Config) -> bool:
    """Whether this object (of either file) is ModelOpt's."""
    return config.has("quant_algo") or config.has("quantized_layers")


def read_modelopt(config: Config | None, hf: Config | None, default: Format) -> Reading:
    """ModelOpt's words in config.json and in hf_quant_config.json, together."""
    voices = [voice for voice in (config, hf) if voice is not None]
    cache = None
    for voice in voices:
        cache = cache or read_cache(voice, "kv_cache_scheme", "kv_cache_quant_algo")
    main = next((voice for voice in voices if voice.has("quant_algo")), None)
    algorithm = main.text("quant_algo") if main is not None else ""
    per_layer, formats = _quantized_layers(voices)
    rest: list[Rule] = []
    # DeepSeek-V4-NVFP4: a MIXED_PRECISION part over a block-fp8 checkpoint. Its ignore list is of
    # what stays as it was, so in fp8.
    over_fp8 = (
        config is not None
        and config.raw("quant_method") == "fp8"
        and config.has("weight_block_size")
    )
    if over_fp8 and config is not None:
        base = fp8_format(config)
        rest = [Rule(default, fields.names(config, "modules_to_not_convert"), ALL), Rule(base)]
        formats.append(base)
    elif main is not None and algorithm.upper() not in ("MIXED_PRECISION", "", "NONE"):
        fmt = _algorithm(main, "quant_algo")
        formats.append(fmt)
        rest = [Rule(fmt)]
    elif not per_layer and config is not None and config.has("config_groups"):
        rest, grouped = group_rules(config)
        formats += grouped
    if main is not None and algorithm.upper() == "MIXED_PRECISION" and not per_layer and not rest:
        raise main.error("says MIXED_PRECISION, but quantized_layers lists nothing", "quant_algo")
    if not formats:
        if main is None and cache is None and voices:
            raise fields.unsupported(voices[0], "quant_method", "ModelOpt without a quant_algo")
        return Reading(default.name, (), cache)
    notes: list[str] = []
    ignored = [] if over_fp8 else _ignored(voices, default)
    if not ignored and not per_layer and not over_fp8:
        # Nemotron-3 Super NVFP4 stores 80.4 GB; every linear layer in nvfp4 would be 70.
        notes.append(
            "the quantization config excludes no module: every linear layer taken as "
            f"{formats[0].name}; the stored files may be larger"
        )
    rules = (*per_layer, *ignored, *rest)
    return Reading(weights.mixture(formats), rules, cache, tuple(notes))


def _ignored(voices: list[Config], default: Format) -> list[Rule]:
    entries: list[str] = []
    for voice in voices:
        entries += fields.strings(voice, "ignore", "exclude_modules", "modules_to_not_convert")
    if not entries:
        return []
    return [Rule(default, fields.named(voices[0], "ignore", entries), ALL)]


def _quantized_layers(voices: list[Config]) -> tuple[list[Rule], list[Format]]:
    """One rule per algorithm of quantized_layers {module: {quant_algo, group_size}}."""
    by_scheme: dict[Format, list[str]] = {}
    seen: object = None
    for voice in voices:
        raw = voice.raw("quantized_layers")
        layers = voice.child("quantized_layers")
        if layers is None or raw == seen:
            continue
        seen = raw
        known: dict[tuple[str, str], list[str]] = {}
        for name, layer in raw.items():  # MiniMax-M3 lists 22,422: no Config for each
            if not isinstance(layer, Mapping) or not isinstance(name, str) or not name:
                raise layers.error("must be an object with a name", str(name))
            key = (str(layer.get("quant_algo")), str(layer.get("group_size")))
            found = known.get(key)
            if found is None:
                fmt = _algorithm(Config(layer, voice.source, f"{layers.path}.{name}"), "quant_algo")
                found = known[key] = by_scheme.setdefault(fmt, [])
            found.append(name)
    rules = [
        Rule(fmt, fields.named(voices[0], "quantized_layers", found))
        for fmt, found in by_scheme.items()
    ]
    return rules, list(by_scheme)


def _algorithm(config: Config, field: str) -> Format:
    name = config.text(field)
    build = _ALGORITHMS.get(name.upper())
    if build is None:
        raise fields.unsupported(config, field, f"quant_algo {name!r}")
    return build(fields.group_size(config, default=0))
