"""AMD Quark: global_quant_config, layer_quant_config by glob, exclude.

A tensor spec is {dtype, qscheme, group_size, scale_format, symmetric}; `weight` may be a list for
two-stage schemes. Source: quark's exported config.json (amd/*-MXFP4, amd/*-FP8-KV), vLLM
quantization/quark.
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import BF16, MXFP4, Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.cache import read_cache
from vperf.model.quantization.scheme import ALL, Reading, Rule

_FP8 = frozenset({"fp8_e4m3", "fp8_e5m2", "fp8"})
_INTS = {"int8": 8, "uint8": 8, "int4": 4, "uint4": 4}
_PIPES = {"fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "fp8": "fp8", "int8": "int8", "fp4": "fp4"}
_FP6 = frozenset({"fp6_e2m3", "fp6_e3m2"})


def read_quark(config: Config, default: Format) -> Reading:
    """quant_method quark."""
    if any(True for _ in fields.objects(config, "layer_type_quant_config")):
        for kind, _ in fields.objects(config, "layer_type_quant_config"):
            raise fields.unsupported(
                config, "layer_type_quant_config", f"a scheme for class {kind!r}"
            )
    rules = [Rule(default, fields.names(config, "exclude"), ALL)]
    formats: list[Format] = []
    for glob, layer in fields.objects(config, "layer_quant_config"):
        if not glob:
            raise config.error("holds an empty name", "layer_quant_config")
        fmt = _spec_format(layer)
        rules.append(Rule(fmt or default, fields.named(config, "layer_quant_config", [glob])))
        if fmt is not None:
            formats.append(fmt)
    overall = config.child("global_quant_config")
    fmt = _spec_format(overall) if overall is not None else None
    if fmt is not None:
        formats.append(fmt)
        rules.append(Rule(fmt))
    if not formats:
        raise fields.unsupported(config, "global_quant_config", "Quark without a weight scheme")
    return Reading(f"quark {weights.mixture(formats)}", tuple(rules), _cache(config))


def _cache(config: Config) -> Format | None:
    """kv_cache_quant_config {"*k_proj": {output_tensors: {dtype}}}."""
    for _, layer in fields.objects(config, "kv_cache_quant_config"):
        outputs = layer.child("output_tensors")
        if outputs is not None and outputs.has("dtype"):
            return read_cache(outputs, "dtype")
    return None


def _spec_format(layer: Config) -> Format | None:
    """The Format of a {weight, input_tensors} pair; None when weights are left alone."""
    value = layer.raw("weight")
    if isinstance(value, list | tuple):
        raise fields.unsupported(layer, "weight", "a two-stage weight scheme")
    weight = layer.child("weight")
    if weight is None:
        return None
    kind = weight.text("dtype")
    inputs = layer.child("input_tensors")
    pipe: str | None = None
    if inputs is not None and inputs.has("dtype"):
        act = inputs.text("dtype")
        pipe = _PIPES.get(act)
        if pipe is None and act not in ("float16", "bfloat16") and act not in _FP6:
            raise fields.unsupported(inputs, "dtype", f"activations in {act!r}")
    scheme = weight.text("qscheme", default="per_tensor")
    group = fields.group_size(weight, default=0)
    one_byte = weight.text("scale_format", default="") == "e8m0"
    if kind in _FP8:
        if scheme in ("per_tensor", "per_channel"):
            return weights.fp8(scheme[4:], weight_only=pipe is None, static=_static(inputs))
        if scheme == "per_group" and one_byte and group:
            return weights.computing(weights.mxfp8(group=group), pipe)
    elif kind in ("fp4", "mxfp4") and scheme == "per_group" and group in (0, 32):
        return weights.mxfp4(pipe=pipe)
    elif kind in _FP6 and scheme == "per_group":
        return replace(
            MXFP4, name="mxfp6", bits=6, paths=BF16.paths, summary="fp6, an 8-bit scale per 32"
        )
    elif kind in _INTS and scheme in ("per_tensor", "per_channel", "per_group"):
        if scheme == "per_group" and not group:
            raise weight.error("missing; it is needed", "group_size")
        zero = not weight.flag("symmetric", default=not kind.startswith("u"))
        fmt = weights.integers(
            _INTS[kind], group if scheme == "per_group" else 0, zero_point=zero, pipe=pipe
        )
        return replace(fmt, block_out=0) if scheme == "per_tensor" else fmt
    raise fields.unsupported(weight, "dtype", f"Quark {kind!r} by {scheme!r}")


def _static(inputs: Config | None) -> bool:
    return inputs is not None and inputs.raw("is_dynamic") is False
