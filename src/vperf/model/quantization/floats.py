"""fp8 (DeepSeek, Qwen, Mistral, AutoFP8), fbgemm_fp8, mxfp8, gpt-oss's mxfp4 and DeepSeek-V4's fp4
experts.

Sources: transformers FineGrainedFP8Config, FbgemmFp8Config and Mxfp4Config; vLLM
quantization/fp8.py (a checkpoint without weight_block_size has one scale per tensor).
"""

from __future__ import annotations

from vperf.formats import FP8, Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields, weights
from vperf.model.quantization.cache import read_cache
from vperf.model.quantization.scheme import ALL, EXPERTS, Reading, Rule

_IGNORED = ("modules_to_not_convert", "ignored_layers")
_FP8_FORMATS = frozenset({"e4m3", "e5m2", "float8_e4m3fn", "float8_e5m2", "fp8_e4m3"})


def read_fp8(config: Config, default: Format) -> Reading:
    """quant_method fp8: blocks of weight_block_size, or one scale per tensor when null."""
    fmt = fp8_format(config)
    kept = Rule(default, fields.names(config, *_IGNORED), ALL)
    return Reading(weights.label(fmt), (kept, Rule(fmt)), read_cache(config, "kv_cache_scheme"))


def fp8_format(config: Config, *, scale_bits: int = 32) -> Format:
    """The fp8 format of a FineGrainedFP8Config."""
    kind = config.text("fmt", default="e4m3")
    if kind not in _FP8_FORMATS:
        raise fields.unsupported(config, "fmt", f"fp8 format {kind!r}")
    block = config.integers("weight_block_size", minimum=1, maximum=fields.MAX_GROUP)
    if block is None:  # Devstral-2 (null), AutoFP8 (missing)
        scheme = config.text("activation_scheme", default="dynamic")
        if scheme not in {"dynamic", "static"}:
            raise fields.unsupported(config, "activation_scheme", f"fp8 by {scheme!r} scales")
        return weights.fp8("tensor", static=scheme == "static")
    if len(block) != 2:
        raise config.error("must hold two sizes", "weight_block_size")
    # DeepSeek-V3.2 rounds its scales to ue8m0 but stores them in 32 bits; a row of 32 is mxfp8.
    if block[0] == 1 and config.text("scale_fmt", default="") == "ue8m0":
        scale_bits = 8
    return weights.fp8_block((block[0], block[1]), scale_bits=scale_bits)


def with_fp4_experts(reading: Reading | None) -> Reading:
    """expert_dtype fp4 (DeepSeek-V4): experts in mxfp4, every scale in one byte (ue8m0)."""
    fp4 = weights.mxfp4()
    experts = Rule(fp4, None, EXPERTS)
    if reading is None:
        return Reading("mxfp4 experts", (experts,))
    named = tuple(rule for rule in reading.rules if rule.names is not None)
    classes = tuple(
        Rule(_one_byte_scales(rule.format), None, rule.kinds)
        for rule in reading.rules
        if rule.names is None
    )
    return Reading(
        f"mxfp4 experts + {reading.name}",
        (*named, experts, *classes),
        reading.cache,
        reading.assumptions,
    )


def _one_byte_scales(fmt: Format) -> Format:
    if fmt.name.startswith("fp8_block"):
        return weights.fp8_block((fmt.block_out, fmt.block_in), scale_bits=8)
    return fmt


def read_fbgemm(config: Config, default: Format) -> Reading:
    """fbgemm_fp8 (Llama-3.1-405B-FP8): an fp32 scale per row, dynamic activations."""
    kept = Rule(default, fields.names(config, *_IGNORED), ALL)
    return Reading("fbgemm fp8 (per channel)", (kept, Rule(FP8)))


def read_mxfp8(config: Config, default: Format) -> Reading:
    """quant_method mxfp8: every linear layer, a one-byte scale per 32."""
    kept = Rule(default, fields.names(config, *_IGNORED), ALL)
    return Reading("mxfp8", (kept, Rule(weights.mxfp8())))


def read_mxfp4(config: Config, default: Format) -> Reading:
    """quant_method mxfp4 (gpt-oss): the experts and nothing else."""
    kept = Rule(default, fields.names(config, *_IGNORED), ALL)
    return Reading("mxfp4", (kept, Rule(weights.mxfp4(), None, EXPERTS)))
