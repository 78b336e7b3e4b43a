"""MLX: `quantization` beside (or instead of) quantization_config, as mlx_lm.convert writes it.

{"bits": 4, "group_size": 64, "mode": "affine"} for every linear layer, embedding and head, with
the modules that differ by name: {"model.layers.0.mlp.down_proj": {"bits": 6, "group_size": 64},
"lm_head": false}. Source: mlx.nn.quantize, mlx_lm.utils.quantize_model. Vision towers stay in 16
bit, as mlx-vlm leaves them.
"""

from __future__ import annotations

from collections.abc import Mapping

from vperf.formats import MLX, Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.scheme import ALL, LINEAR, Kind, Reading, Rule

_KINDS: frozenset[Kind] = LINEAR | {"embedding", "head"}
_SETTINGS = frozenset({"bits", "group_size", "mode", "quant_method", "linear_class"})


def speaks_mlx(config: Config) -> bool:
    """Whether this object, which names no tool, is MLX's."""
    return config.has("bits") and config.has("group_size")


def read_mlx(config: Config, default: Format) -> Reading:
    """Every module's format; modules of the same format are one rule."""
    usual = _format(config, None)
    differing: dict[Format, list[str]] = {}
    for name in sorted(config.keys() - _SETTINGS):
        value = config.raw(name)
        if value is None or value is True:
            continue
        if value is False:
            fmt = default
        elif isinstance(value, Mapping):
            fmt = _format(Config(value, config.source, f"{config.path}.{name}"), config)
        else:
            raise config.error("must be an object, true or false", name)
        if fmt != usual:
            differing.setdefault(fmt, []).append(name)
    rules = [
        Rule(fmt, fields.named(config, names[0], names), ALL) for fmt, names in differing.items()
    ]
    rules.append(Rule(usual, kinds=_KINDS, towers=False))
    return Reading(weights.mixture([usual, *differing]), tuple(rules))


def _format(config: Config, outer: Config | None) -> Format:
    """A module's format; what it does not say is the outer object's."""

    def stated(name: str) -> Config:
        return config if outer is None or config.has(name) else outer

    mode = stated("mode").text("mode", default="affine")
    if mode == "mxfp4":
        return weights.mxfp4(pipe=None)
    if mode == "nvfp4":
        return weights.nvfp4(weight_only=True)
    if mode == "mxfp8":
        return weights.computing(weights.mxfp8(), None)
    if mode != "affine":
        raise fields.unsupported(config, "mode", f"MLX mode {mode!r}")
    bits = stated("bits").integer("bits", maximum=32)
    group = stated("group_size").optional_integer("group_size", maximum=fields.MAX_GROUP) or 64
    for fmt in MLX.values():
        if (fmt.bits, fmt.block_in) == (bits, group):
            return fmt
    raise fields.unsupported(config, "bits", f"MLX with {bits} bits in groups of {group}")
