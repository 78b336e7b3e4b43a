"""compressed-tensors (llm-compressor, RedHatAI, Kimi-K2.5, Llama-4-FP8).

config_groups map targets (class names, module names, re: regexes) to a weights scheme
{num_bits, type, strategy, group_size, symmetric, actorder} and an input_activations one (null:
weight-only). Source: compressed_tensors/quantization/quant_args.py and
compressors of release 0.20.1 (2026-11): words of 32 bit are packed densely at any width, scales of
fp8 blocks are 16 bit, and lm_head is a Linear like others unless the ignore list names it.
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.cache import read_cache
from vperf.model.quantization.scheme import ALL, Kind, Reading, Rule

_CLASSES: dict[str, frozenset[Kind]] = {
    "Linear": frozenset({"linear", "expert"}),
    "LinearBase": frozenset({"linear", "expert"}),
    "Conv1D": frozenset({"linear"}),
    "Embedding": frozenset({"embedding"}),
    "FusedMoE": frozenset({"expert"}),
    "MoE": frozenset({"expert"}),
    "ParallelLMHead": frozenset({"head"}),
}
_UNPACKED = frozenset({"int-quantized", "naive-quantized", "float-quantized"})
_FORMATS = _UNPACKED | {
    "", "pack-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mxfp6-pack-quantized",
    "mixed-precision", "mxfp8-quantized",
}  # fmt: skip
# What compressed-tensors calls activation "type" and bits -> the pipe that multiplies them.
_PIPES = {
    ("float", 8): "fp8", ("int", 8): "int8", ("float", 4): "fp4", ("float", 6): "fp8",
}  # fmt: skip


def read_compressed_tensors(config: Config, default: Format) -> Reading:
    """quant_method compressed-tensors."""
    sparsity = config.child("sparsity_config")
    if sparsity is not None and sparsity.keys():
        kind = sparsity.text("format", default="dense")
        if kind != "dense":
            raise fields.unsupported(sparsity, "format", f"sparsity format {kind!r}")
    rules, formats = group_rules(config)
    ignored = fields.strings(config, "ignore")
    cache = read_cache(config, "kv_cache_scheme")
    if not formats:
        return Reading(default.name, (), cache)
    kept = Rule(default, fields.named(config, "ignore", ignored), ALL)
    if any("head" in name for name in ignored):
        return Reading(weights.mixture(formats), (kept, *rules), cache)
    head = [
        replace(rule, kinds=rule.kinds | {"head"}) if "linear" in rule.kinds and not rule.names
        else rule
        for rule in rules
    ]  # fmt: skip
    note = "the checkpoint's ignore list does not name lm_head: an untied one is quantized"
    return Reading(weights.mixture(formats), (kept, *head), cache, (note,))


def group_rules(config: Config) -> tuple[list[Rule], list[Format]]:
    """The rules of config_groups, those that name modules first (as vLLM matches them)."""
    named: list[Rule] = []
    classes: list[Rule] = []
    formats: list[Format] = []
    for _, group in fields.objects(config, "config_groups"):
        fmt = _group_format(group, config.text("format", default=""))
        if fmt is None:
            continue
        formats.append(fmt)
        targets = fields.strings(group, "targets") if group.has("targets") else ["Linear"]
        modules = [name for name in targets if not _is_class(name)]
        if modules:
            named.append(Rule(fmt, fields.named(group, "targets", modules)))
        for name in targets:
            if _is_class(name):
                kinds = _CLASSES.get(name)
                if kinds is None and name.endswith("Linear"):
                    kinds = _CLASSES["Linear"]
                if kinds is None:
                    raise fields.unsupported(group, "targets", f"module class {name!r}")
                classes.append(Rule(fmt, None, kinds))
    return named + classes, formats


def _is_class(name: str) -> bool:
    return name[:1].isupper() and name.replace("_", "").isalnum()


def _group_format(group: Config, inherited: str) -> Format | None:
    scheme = group.child("weights")
    if scheme is None:
        return None  # activations or outputs only
    stored = group.text("format", default=inherited)
    if stored not in _FORMATS:
        raise fields.unsupported(group, "format", f"format {stored!r}")
    return scheme_format(scheme, group.child("input_activations"), stored)


def scheme_format(scheme: Config, inputs: Config | None, stored: str = "") -> Format:
    """The Format of a {num_bits, type, strategy, group_size, ...} of weights and of inputs."""
    bits = scheme.integer("num_bits", maximum=16)
    kind = scheme.text("type", default="int")
    group = fields.group_size(scheme, default=0)
    strategy = scheme.text("strategy", default="group" if group else "tensor")
    pipe = _activation_pipe(inputs)
    static = inputs is not None and inputs.raw("dynamic") is False
    if strategy == "channel":
        group = 0
    found: Format | None = None
    if kind == "float" and bits == 8:
        found = _fp8(
            scheme, strategy, group, pipe=pipe, static=static, mx=stored == "mxfp8-quantized"
        )
    elif kind == "float" and bits == 6 and strategy == "group" and group == 32:
        found = weights.mxfp6(pipe)
    elif kind == "float" and bits == 4:
        if "mxfp4" in stored or group == 32:
            found = weights.mxfp4(pipe=pipe)
        elif strategy in ("tensor_group", "group") and group == 16:
            found = weights.nvfp4(weight_only=pipe is None, pipe=pipe or "fp4")
    elif kind == "int" and strategy in ("group", "channel", "tensor"):
        found = _integers(scheme, bits, group if strategy == "group" else 0, pipe, stored)
        if strategy == "tensor":
            found = replace(found, block_out=0)
    if found is None:
        raise fields.unsupported(scheme, "strategy", f"{bits}-bit {kind} weights by {strategy!r}")
    return found


def _fp8(
    scheme: Config, strategy: str, group: int, *, pipe: str | None, static: bool, mx: bool
) -> Format | None:
    if mx or (strategy == "group" and group == 32):
        return weights.computing(weights.mxfp8(), pipe)
    if strategy == "block":
        block = scheme.integers("block_structure", minimum=1, maximum=fields.MAX_GROUP)
        if block is None or len(block) != 2:
            raise scheme.error("must hold two sizes", "block_structure")
        sizes = (block[0], block[1])
        return weights.fp8_block(sizes, scale_bits=16, weight_only=pipe is None)
    if strategy == "group" and group:
        return weights.fp8_block((1, group), scale_bits=16, weight_only=pipe is None)
    if strategy in ("tensor", "channel"):
        return weights.fp8(strategy, scale_bits=16, weight_only=pipe is None, static=static)
    return None


def _integers(scheme: Config, bits: int, group: int, pipe: str | None, stored: str) -> Format:
    if bits > 8:
        raise fields.unsupported(scheme, "num_bits", f"{bits}-bit integers")
    container = 8.0 if stored in _UNPACKED else float(bits)
    by_activation = scheme.raw("actorder") in ("group", True)
    return weights.integers(
        bits,
        group,
        zero_point=not scheme.flag("symmetric", default=True),
        stored_bits=container,
        pipe=pipe,
        index_bits=32 if by_activation else 0,
    )


def _activation_pipe(inputs: Config | None) -> str | None:
    if inputs is None or not inputs.keys():
        return None
    bits = inputs.integer("num_bits", maximum=16)
    kind = inputs.text("type", default="int")
    if bits == 16:
        return None
    pipe = _PIPES.get((kind, bits))
    if pipe is None:
        raise fields.unsupported(inputs, "num_bits", f"{bits}-bit {kind} activations")
    return pipe
