"""TorchAO: quant_type is a name, or {"default": {"_type": "Int4WeightOnlyConfig", "_data": {...}}}.

Source: torchao/core/config.py (config_to_dict) and quantization/quant_api.py for the defaults;
transformers TorchAoConfig.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vperf.formats import Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.scheme import ALL, Kind, Reading, Rule

_NAMES = {
    "int4_weight_only": "Int4WeightOnlyConfig",
    "int8_weight_only": "Int8WeightOnlyConfig",
    "int8_dynamic_activation_int8_weight": "Int8DynamicActivationInt8WeightConfig",
    "int8_dynamic_activation_int4_weight": "Int8DynamicActivationInt4WeightConfig",
    "float8_weight_only": "Float8WeightOnlyConfig",
    "float8_dynamic_activation_float8_weight": "Float8DynamicActivationFloat8WeightConfig",
}
_PER_MODULE = ("FqnToConfig", "ModuleFqnToConfig")
_INTX_BITS = {f"int{bits}": bits for bits in range(1, 9)}


def read_torchao(config: Config, default: Format) -> Reading:
    """quant_method torchao."""
    rules = [Rule(default, fields.names(config, "modules_to_not_convert"), ALL)]
    formats: list[Format] = []
    if isinstance(config.raw("quant_type"), str):
        name = config.text("quant_type")
        full = _NAMES.get(name)
        if full is None:
            raise fields.unsupported(config, "quant_type", f"quant_type {name!r}")
        fmt = _format(full, config.child("quant_type_kwargs"), config, "quant_type")
        formats.append(fmt)
        rules.append(Rule(fmt))
    else:
        outer = config.child("quant_type")
        inner = outer.child("default") if outer is not None else None
        if inner is None:
            raise config.error("missing; it is needed", "quant_type")
        rules += _typed_rules(inner, default, formats)
    kinds: frozenset[Kind] = frozenset({"embedding", "head"})
    if formats and config.flag("include_input_output_embeddings", default=False):
        rules.append(Rule(formats[-1], None, kinds))
    if not formats:
        raise fields.unsupported(config, "quant_type", "TorchAO without a weight scheme")
    return Reading(f"torchao {weights.mixture(formats)}", tuple(rules))


def _typed_rules(config: Config, default: Format, formats: list[Format]) -> list[Rule]:
    kind = config.text("_type")
    if kind not in _PER_MODULE:
        fmt = _format(kind, config.child("_data"), config, "_type")
        formats.append(fmt)
        return [Rule(fmt)]
    data = config.child("_data")
    table = (data.child("fqn_to_config") or data.child("module_fqn_to_config")) if data else None
    if table is None:
        raise config.error("holds no fqn_to_config", "_data")
    rules: list[Rule] = []
    last: list[Rule] = []
    for name in sorted(table.keys(), key=str):
        entry = table.child(name) if table.has(name) else None
        fmt = default
        if entry is not None:
            fmt = _format(entry.text("_type"), entry.child("_data"), entry, "_type")
            formats.append(fmt)
        if name == "_default":
            if entry is not None:
                last.append(Rule(fmt))
        elif not name:
            raise table.error("holds an empty name", "")
        else:
            where = fields.named(table, name, [name])
            rules.append(Rule(fmt, where, ALL if entry is None else Rule(fmt).kinds))
    return rules + last


_BUILDERS: dict[str, Callable[[Config], Format]] = {
    # Tile-packed: a 16-bit scale and a 16-bit zero point per group.
    "Int4WeightOnlyConfig": lambda data: weights.integers(
        4, fields.group_size(data, default=128), scale_bits=32
    ),
    "Int8WeightOnlyConfig": lambda data: weights.integers(8, fields.group_size(data, default=0)),
    "Int8DynamicActivationInt8WeightConfig": lambda data: weights.integers(8, 0, pipe="int8"),
    "Int8DynamicActivationInt4WeightConfig": lambda data: weights.integers(
        4, fields.group_size(data, default=32), pipe="int8"
    ),
    "Float8WeightOnlyConfig": lambda data: weights.fp8("channel", weight_only=True),
    "Float8DynamicActivationFloat8WeightConfig": lambda data: weights.fp8(
        _float8_granularity(data)
    ),
    # The unpacked layout keeps int8 containers; the packed one is for CPUs.
    "IntxWeightOnlyConfig": lambda data: weights.integers(
        _intx_bits(data), _intx_group(data), stored_bits=8
    ),
    "Int8DynamicActivationIntxWeightConfig": lambda data: weights.integers(
        _intx_bits(data), _intx_group(data), pipe="int8", stored_bits=8
    ),
}


def _format(kind: str, data: Config | None, config: Config, field: str) -> Format:
    build = _BUILDERS.get(kind)
    if build is None:
        raise fields.unsupported(config, field, f"TorchAO {kind!r}")
    return build(data or Config({}, config.source, config.path))


def _float8_granularity(data: Config) -> str:
    value = data.raw("granularity")
    while isinstance(value, list | tuple) and value:
        value = value[0]
    if isinstance(value, Mapping):
        value = value.get("_type")
    return "channel" if value == "PerRow" else "tensor"


def _intx_bits(data: Config) -> int:
    value = data.raw("weight_dtype")
    if isinstance(value, Mapping):
        value = value.get("_data")
    if value is None:
        return 8
    if not isinstance(value, str) or value.removeprefix("torch.") not in _INTX_BITS:
        raise fields.unsupported(data, "weight_dtype", f"weight_dtype {value!r}")
    return _INTX_BITS[value.removeprefix("torch.")]


def _intx_group(data: Config) -> int:
    value = data.raw("granularity") or data.raw("weight_granularity")
    if value is None:
        return 0
    if not isinstance(value, Mapping):
        raise data.error("must be an object", "granularity")
    shape = Config(value, data.source, f"{data.path}.granularity")
    if shape.text("_type", default="") == "PerAxis":
        return 0
    inner = shape.child("_data")
    if inner is None:
        raise shape.error("missing; it is needed", "_data")
    return fields.group_size(inner)
