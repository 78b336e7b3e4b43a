"""bitsandbytes (nf4, fp4, int8) and bitnet.

Sources: transformers BitsAndBytesConfig and BitNetQuantConfig; Dettmers et al. 2023 (QLoRA),
section 3: a 32-bit scale per 64 elements, or quantized again to 8 bits with a 32-bit one per 256
of those: 4.5 or 4.127 bits per weight.
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import BF16, INT8, NF4, Format, Path
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields
from vperf.model.quantization.scheme import ALL, Reading, Rule

_CODEBOOK_BITS = 16 * 32
_NESTED_CODEBOOK_BITS = 256 * 32


def read_bitsandbytes(config: Config, default: Format) -> Reading:
    """quant_method bitsandbytes: load_in_4bit or load_in_8bit."""
    four = config.flag("load_in_4bit", "_load_in_4bit", default=False)
    eight = config.flag("load_in_8bit", "_load_in_8bit", default=False)
    if four == eight:
        which = "both" if four else "neither"
        raise config.error(f"{which} of load_in_4bit and load_in_8bit is set", "load_in_4bit")
    skipped = Rule(default, fields.names(config, "llm_int8_skip_modules"), ALL)
    if eight:
        if config.flag("llm_int8_has_fp16_weight", default=False):
            raise fields.unsupported(config, "llm_int8_has_fp16_weight", "int8 with fp16 weights")
        return Reading("bitsandbytes int8", (skipped, Rule(replace(INT8, name="bnb_int8"))))
    kind = config.text("bnb_4bit_quant_type", default="fp4")
    if kind not in ("nf4", "fp4"):
        raise fields.unsupported(config, "bnb_4bit_quant_type", f"4-bit type {kind!r}")
    fmt = replace(
        NF4,
        name="nf4" if kind == "nf4" else "bnb_fp4",
        tensor_bits=_CODEBOOK_BITS,
        summary=f"bitsandbytes {kind}, a 32-bit scale per 64",
    )
    nested = config.flag("bnb_4bit_use_double_quant", default=False)
    if nested:
        fmt = replace(
            fmt,
            name=f"{fmt.name}_dq",
            scale_bits=8 + 32 / 256,
            tensor_bits=_CODEBOOK_BITS + _NESTED_CODEBOOK_BITS,
            summary=f"bitsandbytes {kind}, an 8-bit scale per 64",
        )
    return Reading(
        f"bitsandbytes {kind}" + (" (double quantized)" if nested else ""), (skipped, Rule(fmt))
    )


def read_bitnet(config: Config, default: Format) -> Reading:
    """quant_method bitnet: ternary weights, four to a byte, int8 activations."""
    mode = config.text("quantization_mode", default="offline")
    if mode not in ("offline", "online"):
        raise fields.unsupported(config, "quantization_mode", f"bitnet mode {mode!r}")
    if mode == "online":  # the bf16 master weights, made ternary as they are used
        return Reading(
            default.name, (), assumptions=("bitnet 'online': weights are stored in 16 bit",)
        )
    fmt = Format(
        "bitnet", 2, (Path("int8", 8), *BF16.paths), tensor_bits=16,
        summary="ternary weights in 2 bits, int8 activations",
    )  # fmt: skip
    kept = Rule(default, fields.names(config, "modules_to_not_convert"), ALL)
    return Reading("bitnet (ternary)", (kept, Rule(fmt)))
