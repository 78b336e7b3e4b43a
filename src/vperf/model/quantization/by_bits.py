"""Dialects that say how many bits a weight has: HQQ, AQLM, ExLlamaV2 and V3, Quanto, EETQ.

All are weight-only: unpacked to 16 bit by the matmul. Sources: hqq's BaseQuantizeConfig and
transformers' HqqConfig (a 16-bit scale and zero point a group); Egiazarian et al. 2024 (AQLM, arXiv
2401.06118: codes, codebooks, a 16-bit scale an output row); exllamav2 and exllamav3 conversion,
whose `bits` are the average of the linear layers, scales included; optimum-quanto's qint4 (groups
of 128) and qint8.
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import BF16, FP8_WEIGHT_ONLY, INT8_WEIGHT_ONLY, Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.names import Names
from vperf.model.quantization.scheme import ALL, Reading, Rule

_HEAD = Names(["lm_head"])


def _kept(config: Config, default: Format, *keys: str) -> Rule:
    names: list[str] = []
    for key in keys:
        names += fields.strings(config, key) if config.has(key) else []
    return Rule(default, fields.named(config, keys[0], names), ALL)


def _average(method: str, bits: float) -> Format:
    """So many bits a weight, scales included."""
    return Format(f"{method}_{bits:g}bpw", bits, BF16.paths, summary=f"{bits:g} bits a weight")


def read_hqq(config: Config, default: Format) -> Reading:
    """quant_method hqq: one setting for all linear layers, or one by name of module."""
    inner = config.child("quant_config") or config
    whole = inner.child("weight_quant_params")
    rules: list[Rule] = [_kept(config, default, "skip_modules")]
    if whole is not None:
        bits, group = _hqq(whole)
        rules.append(Rule(_hqq_format(bits, group), towers=False))
        return Reading(f"hqq int{bits} g{group}", tuple(rules))
    formats: list[Format] = []
    for name in sorted(map(str, inner.keys())):
        part = inner.child(name)
        params = part and (part.child("weight_quant_params") or part)
        if params is None or not params.has("nbits"):
            raise fields.unsupported(inner, name, "an HQQ setting without nbits")
        formats.append(_hqq_format(*_hqq(params)))
        rules.append(Rule(formats[-1], fields.named(inner, name, [name])))
    if not formats:
        raise config.error("holds no setting", "quant_config")
    return Reading(f"hqq {weights.mixture(formats)}", tuple(rules))


def _hqq(params: Config) -> tuple[int, int]:
    bits = params.integer("nbits", maximum=16)
    if bits not in (1, 2, 3, 4, 5, 6, 8):
        raise fields.unsupported(params, "nbits", f"{bits}-bit weights")
    return bits, fields.group_size(params, default=64)


def _hqq_format(bits: int, group: int) -> Format:
    # 3 bits: ten to an int32; 5 and 6 bits a byte each (hqq's BitPack).
    stored = {3: 3.2, 5: 8.0, 6: 8.0}.get(bits, float(bits))
    plain = weights.integers(bits, group, scale_bits=32, stored_bits=stored)
    return replace(plain, name=f"hqq_int{bits}_g{group}")


def read_aqlm(config: Config, default: Format) -> Reading:
    """quant_method aqlm: a group of weights is the sum of entries of codebooks."""
    code = config.integer("nbits_per_codebook", maximum=16)
    books = config.integer("num_codebooks", maximum=64)
    inner = config.integer("in_group_size", maximum=1024)
    outer = config.integer("out_group_size", maximum=1024)
    group = inner * outer
    fmt = Format(
        f"aqlm_{books}x{code}_g{group}", books * code / group, BF16.paths, scale_bits=16,
        tensor_bits=16.0 * books * 2**code * group,
        summary=f"AQLM, {books} codebooks of {code} bits over groups of {group}",
    )  # fmt: skip
    kept = _kept(config, default, "linear_weights_not_to_quantize")
    name = f"aqlm {books}x{code} over {group}"
    return Reading(name, (kept, Rule(fmt, towers=False)))


def read_exllama(config: Config, default: Format) -> Reading:
    """quant_method exl2 or exl3: average bits of the linear layers, bits of the head."""
    method = config.text("quant_method").lower()
    bits = config.number("bits")
    if not 1 <= bits <= 8.5:
        raise config.error("must be between 1 and 8.5", "bits")
    rules = [Rule(_average(method, bits), towers=False)]
    head = config.number("head_bits", default=16.0)
    if head < 16:
        rules.append(Rule(_average(method, head), _HEAD))
    note = f"{method} states an average of {bits:g} bits: each layer is counted with it"
    return Reading(f"{method} {bits:g} bpw", tuple(rules), None, (note,))


def read_quanto(config: Config, default: Format) -> Reading:
    """quant_method quanto: int8, float8 or groups of 128 for fewer bits; activations in 16 bit."""
    if config.raw("activations") not in (None, "none"):
        raise fields.unsupported(config, "activations", "quanto with quantized activations")
    kind = config.text("weights", default="int8").removeprefix("q")
    formats = {
        "int8": INT8_WEIGHT_ONLY,
        "float8": replace(FP8_WEIGHT_ONLY, scale_bits=16),
        "int4": replace(weights.integers(4, 128, scale_bits=32), name="quanto_int4"),
        "int2": replace(weights.integers(2, 128, scale_bits=32), name="quanto_int2"),
    }
    if kind not in formats:
        raise fields.unsupported(config, "weights", f"quanto {kind[:40]!r}")
    kept = _kept(config, default, "modules_to_not_convert")
    return Reading(f"quanto {kind}", (kept, Rule(formats[kind], towers=False)))


def read_eetq(config: Config, default: Format) -> Reading:
    """quant_method eetq: int8 with a scale a channel."""
    kept = _kept(config, default, "modules_to_not_convert")
    return Reading("eetq int8", (kept, Rule(INT8_WEIGHT_ONLY, towers=False)))
