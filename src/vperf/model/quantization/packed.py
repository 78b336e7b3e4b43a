"""AWQ, GPTQ and AutoRound: integers packed in int32 words, a 16-bit scale and a packed zero point
per group, stored whether used or not.

Sources: AutoAWQ WQLinear_GEMM, AutoGPTQ qlinear (qweight, qzeros, scales and g_idx: one int32 per
input feature), intel/auto-round's export formats.
"""

from __future__ import annotations

from collections.abc import Mapping

from vperf.errors import InputError
from vperf.formats import Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.names import BadPatternError, Names
from vperf.model.quantization.scheme import ALL, Reading, Rule

_HEAD = Names(["lm_head"])


def _packed(prefix: str, bits: int, group: int, index_bits: int = 0) -> Format:
    name = prefix if bits == 4 else f"{prefix}_int{bits}"
    return weights.integers(bits, group, zero_point=True, index_bits=index_bits, prefix=name)


def _described(method: str, bits: int, group: int) -> str:
    return f"{method} int{bits} " + (f"g{group}" if group else "per channel")


def _bits(config: Config, *allowed: int) -> int:
    bits = config.integer("bits", "w_bit", "num_bits", maximum=32)
    if bits not in allowed:
        raise fields.unsupported(config, "bits", f"{bits}-bit weights")
    return bits


def read_awq(config: Config, default: Format) -> Reading:
    """quant_method awq: linear layers and experts of the language model; never the head."""
    bits = _bits(config, 4, 8)
    group = fields.group_size(
        config, "group_size" if config.has("group_size") else "q_group_size", default=128
    )
    fmt = _packed("awq", bits, group)
    kept = Rule(default, fields.names(config, "modules_to_not_convert"), ALL)
    return Reading(_described("awq", bits, group), (kept, Rule(fmt, towers=False)))


def read_gptq(config: Config, default: Format) -> Reading:
    """quant_method gptq: as AWQ, with g_idx; the head where `lm_head` says so; `dynamic` rules."""
    layout = config.text("checkpoint_format", default="gptq")
    if layout not in ("gptq", "gptq_v2"):
        raise fields.unsupported(config, "checkpoint_format", f"GPTQ in the {layout!r} layout")
    bits = _bits(config, 2, 3, 4, 8)
    group = fields.group_size(config, default=128)
    fmt = _packed("gptq", bits, group, index_bits=32)
    rules = [Rule(default, fields.names(config, "modules_to_not_convert"), ALL)]
    rules += _dynamic_rules(config, default, bits, group)
    if config.flag("lm_head", default=False):
        rules.append(Rule(fmt, _HEAD))
    only = _only(config)
    rules.append(Rule(fmt, only) if only is not None else Rule(fmt, towers=False))
    return Reading(_described("gptq", bits, group), tuple(rules))


def _only(config: Config) -> Names | None:
    """modules_in_block_to_quantize: a list of names or of lists of names; null means all."""
    value = config.raw("modules_in_block_to_quantize")
    if value is None:
        return None
    field = "modules_in_block_to_quantize"
    if not isinstance(value, list | tuple):
        raise config.error("must be a list", field)
    found: list[str] = []
    for item in value:
        for name in item if isinstance(item, list | tuple) else [item]:
            if not isinstance(name, str) or not name:
                raise config.error("must hold names", field)
            found.append(name)
    return fields.named(config, field, found) if found else None


def _dynamic_rules(config: Config, default: Format, bits: int, group: int) -> list[Rule]:
    """GPTQModel's `dynamic`: {"-:regex": {}} leaves modules alone, "+:regex" changes their bits."""
    dynamic = config.child("dynamic")
    rules: list[Rule] = []
    for pattern in sorted(dynamic.keys(), key=str) if dynamic else ():
        assert dynamic is not None
        text = str(pattern)
        negative = text.startswith("-:")
        try:
            where = Names(regexes=[text[2:] if text[:2] in ("-:", "+:") else text])
        except BadPatternError as error:
            raise dynamic.error(str(error), text) from error
        if negative:
            rules.append(Rule(default, where, ALL))
            continue
        value = dynamic.raw(pattern)
        if not isinstance(value, Mapping):
            raise dynamic.error("must be an object", text)
        change = Config(value, config.source, f"{dynamic.path}.{text}")
        other = _bits(change, 2, 3, 4, 8) if change.has("bits") else bits
        size = fields.group_size(change, default=group) if change.has("group_size") else group
        rules.append(Rule(_packed("gptq", other, size, index_bits=32), where))
    # What is left alone comes first: GPTQModel asks for negative matches before positive ones.
    return sorted(rules, key=lambda rule: rule.format is not default)


def read_auto_round(config: Config, default: Format) -> Reading:
    """quant_method auto-round: GPTQ or AWQ packing, per-module changes in extra_config."""
    kind = config.text("data_type", default="int")
    if kind != "int":
        raise fields.unsupported(config, "data_type", f"AutoRound data_type {kind!r}")
    act = config.optional_integer("act_bits", maximum=32) or 16
    if act < 16:
        raise fields.unsupported(config, "act_bits", f"AutoRound with {act}-bit activations")
    bits = _bits(config, 2, 3, 4, 8)
    group = fields.group_size(config, default=128)
    rules: list[Rule] = []
    for name, extra in fields.objects(config, "extra_config"):
        if not name:
            raise InputError(
                "holds an empty name", source=config.source, field=f"{config.path}.extra_config"
            )
        other = extra.optional_integer("bits", maximum=32) or bits
        size = fields.group_size(extra, default=group) if extra.has("group_size") else group
        if other >= 16:
            rules.append(Rule(default, fields.named(config, "extra_config", [name]), ALL))
            continue
        if other not in (2, 3, 4, 8):
            raise fields.unsupported(extra, "bits", f"{other}-bit weights")
        fmt = _packed("autoround", other, size)
        rules.append(Rule(fmt, fields.named(config, "extra_config", [name])))
    rules.append(Rule(_packed("autoround", bits, group), towers=False))
    return Reading(_described("auto-round", bits, group), tuple(rules))
