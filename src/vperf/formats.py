"""Number formats: bits per stored element with its scales, and the pipe that computes with it.

One row a format. What-if names (`--quantization fp8`) and a checkpoint's own quantization
(model/quantization.py) both end here. Not here: how fast a pipe is (hardware/, timing/).
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from dataclasses import replace

from vperf.errors import InputError, UnknownNameError
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """One way a card may multiply a format: the pipe used, what the card must have for it."""

    pipe: str
    activation_bits: int
    """Below 16 the activations are quantized on the fly."""
    needs: str = ""
    """A pipe the card must have; `pipe` itself when empty."""

    @property
    def required(self) -> str:
        """The pipe that decides whether a card can take this path."""
        return self.needs or self.pipe


_FLOAT16 = (Path("bf16", 16), Path("fp16", 16), Path("fp32", 16))
"""16-bit arithmetic: cards without bf16 (Turing, Volta) run fp16, Pascal computes in fp32."""


INT8_PATH = Path("int8", 8)
"""What CPU kernels take for all weights below 16 bits."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one weight (or cache) element is stored and multiplied.

    A weight [out, in] takes `out * in * bits` for its elements and `scale_bits` for every block of
    `block_out x block_in` elements (0: the whole axis shares one).
    """

    name: str
    bits: float
    paths: tuple[Path, ...] = _FLOAT16
    """Preferred first; a card takes the first it can."""
    scale_bits: float = 0.0
    """Scale and zero point of one block, together."""
    block_in: int = 0
    block_out: int = 1
    summary: str = ""
    index_bits: float = 0.0
    """Per input feature, once a weight: GPTQ's g_idx, AWQ's pre-quantization scales."""
    tensor_bits: float = 0.0
    """Once a weight: NVFP4's second scale, the scale of static activations."""
    any_path: bool = False
    """Engines take whichever path is the faster (llama.cpp); else the first that a card has."""
    codebook: bool = False
    """Weights are looked up in groups in a table too large for a register (llama.cpp's IQ1 to
    IQ3)."""
    narrow: Format | None = None
    """What stands in for it where a row is not whole blocks (llama-quant's fallbacks)."""

    def __hash__(self) -> int:
        """By name: formats are looked up for every op, and hashing every field is slow."""
        return hash(self.name)

    def stored_bytes(self, out_features: int, in_features: int, count: int = 1) -> float:
        """Bytes of `count` weights [out, in] with their scales and zero points."""
        elements = out_features * in_features * self.bits
        if self.scale_bits:
            blocks_in = math.ceil(in_features / self.block_in) if self.block_in else 1
            blocks_out = math.ceil(out_features / self.block_out) if self.block_out else 1
            elements += blocks_in * blocks_out * self.scale_bits
        elements += in_features * self.index_bits + self.tensor_bits
        return count * elements / 8

    def of_rows(self, in_features: int) -> Format:
        """This format, or what stands in for it where a row of a weight is not whole blocks."""
        if self.narrow is None or in_features % self.block_in == 0:
            return self
        return self.narrow.of_rows(in_features)

    @property
    def multiplies_fp8(self) -> bool:
        """Weights in 8 bits and multiplied so by cards with fp8: fp8 and mxfp8, not fp8_w8a16."""
        return self.bits == 8 and self.paths[0].pipe == "fp8"

    @property
    def nested(self) -> bool:
        """llama.cpp's K- and i-quants, whose blocks have blocks with scales of their own."""
        return self.block_in == 256

    @property
    def bytes_per_element(self) -> float:
        """Of a long row, scales included: what a cache or a back-of-envelope count needs."""
        per_block = (
            self.scale_bits / (self.block_in * max(1, self.block_out)) if self.block_in else 0.0
        )
        return (self.bits + per_block) / 8

    def path(self, pipes: Container[str] | Mapping[str, float]) -> Path:
        """The way a card with these compute pipes (and their rates) multiplies this format.

        Raises InputError when the card has no pipe that could.
        """
        taken = (path for path in self.paths if path.required in pipes and path.pipe in pipes)
        if self.any_path and isinstance(pipes, Mapping):
            best = max(taken, key=lambda path: pipes[path.pipe], default=None)
        else:
            best = next(taken, None)
        if best is not None:
            return best
        wanted = ", ".join(path.pipe for path in self.paths)
        raise InputError(
            f"the GPU has no compute peak that can multiply {self.name} (needs one of {wanted})",
            field="peak",
        )


_FP8 = (Path("fp8", 8), *_FLOAT16)
_INT8 = (Path("int8", 8), *_FLOAT16)
# Blackwell multiplies mxfp4 weights with mxfp8 activations at the fp8 rate (gpt-oss in vLLM and
# TensorRT-LLM); before it the weights are unpacked to 16 bit.
_MXFP4 = (Path("mxfp4", 4), Path("fp8", 8, needs="fp4"), *_FLOAT16)

FP32 = Format("fp32", 32, (Path("tf32", 32), Path("fp32", 32)), summary="32-bit float")
BF16 = Format("bf16", 16, summary="bfloat16")
FP16 = Format(
    "fp16", 16, (Path("fp16", 16), Path("bf16", 16), Path("fp32", 16)), summary="IEEE half"
)
FP8 = Format("fp8", 8, _FP8, 32, summary="fp8 weights and activations, a scale per output channel")
FP8_TENSOR = Format("fp8_tensor", 8, _FP8, 32, 0, 0, "fp8, one scale per tensor")
FP8_BLOCK = Format(
    "fp8_block", 8, _FP8, 32, 128, 128, "fp8, a scale per 128 x 128 block (DeepSeek)"
)
FP8_WEIGHT_ONLY = Format("fp8_w8a16", 8, _FLOAT16, 32, summary="fp8 weights, 16-bit arithmetic")
MXFP8 = Format("mxfp8", 8, _FP8, 8, 32, summary="fp8, an 8-bit scale per 32")
INT8 = Format("int8", 8, _INT8, 32, summary="int8 weights and activations (W8A8)")
INT8_WEIGHT_ONLY = Format("int8_w8a16", 8, _FLOAT16, 16, summary="int8 weights, 16-bit arithmetic")
INT4 = Format(
    "int4", 4, _FLOAT16, 16, 128, summary="int4 weights, 16-bit arithmetic, a scale per 128"
)
AWQ = Format("awq", 4, _FLOAT16, 20, 128, summary="int4 weights, scale and zero point per 128")
GPTQ = Format("gptq", 4, _FLOAT16, 20, 128, summary="int4 weights, scale and zero point per 128")
NF4 = Format("nf4", 4, _FLOAT16, 32, 64, summary="bitsandbytes NormalFloat4, a scale per 64")
MXFP4 = Format("mxfp4", 4, _MXFP4, 8, 32, summary="fp4, an 8-bit scale per 32 (gpt-oss)")
NVFP4 = Format("nvfp4", 4, (Path("fp4", 4), *_FLOAT16), 8, 16, summary="fp4, an fp8 scale per 16")

# --- ggml ---------------------------------------------------------------------------------------
#
# Rows of blocks, each with its scales inside: (elements, bytes) a block from ggml's own table,
# GGML_QUANT_SIZES of gguf-py/gguf/constants.py 0.19 (block_q4_K and others in ggml-common.h).
# llama.cpp multiplies them with activations quantized to q8_1 in the int8 pipe (MMQ, and MMVQ for
# single rows) or unpacks them to 16 bit for cuBLAS, whichever is the faster on the card.


def _ggml(
    name: str, block: int, size: int, narrow: Format | None = None, *, codebook: bool = False
) -> Format:
    return Format(
        name, 8 * size / block, _INT8, block_in=block, any_path=True, narrow=narrow,
        codebook=codebook,
        summary=f"ggml, {size} bytes per {block}",
    )  # fmt: skip


# Fallbacks: tensor_type_fallback in llama.cpp src/llama-quant.cpp.
Q4_0 = _ggml("q4_0", 32, 18, FP16)
Q4_1 = _ggml("q4_1", 32, 20, FP16)
Q5_0 = _ggml("q5_0", 32, 22, FP16)
Q5_1 = _ggml("q5_1", 32, 24, FP16)
Q8_0 = _ggml("q8_0", 32, 34, FP16)
Q8_1 = _ggml("q8_1", 32, 36)
"""Of activations, never in a file; ggml-common.h has 36 bytes where gguf-py says 40."""
Q2_K = _ggml("q2_k", 256, 84, Q4_0)
Q3_K = _ggml("q3_k", 256, 110, Q4_0)
Q4_K = _ggml("q4_k", 256, 144, Q5_0)
Q5_K = _ggml("q5_k", 256, 176, Q5_1)
Q6_K = _ggml("q6_k", 256, 210, Q8_0)
Q8_K = _ggml("q8_k", 256, 292)
IQ4_NL = _ggml("iq4_nl", 32, 18, FP16)
IQ1_S = _ggml("iq1_s", 256, 50, IQ4_NL, codebook=True)
IQ1_M = _ggml("iq1_m", 256, 56, IQ4_NL, codebook=True)
IQ2_XXS = _ggml("iq2_xxs", 256, 66, IQ4_NL, codebook=True)
IQ2_XS = _ggml("iq2_xs", 256, 74, IQ4_NL, codebook=True)
IQ2_S = _ggml("iq2_s", 256, 82, IQ4_NL, codebook=True)
IQ3_XXS = _ggml("iq3_xxs", 256, 98, IQ4_NL, codebook=True)
IQ3_S = _ggml("iq3_s", 256, 110, IQ4_NL, codebook=True)
IQ4_XS = _ggml("iq4_xs", 256, 136, IQ4_NL)
TQ1_0 = _ggml("tq1_0", 256, 54, Q4_0)
TQ2_0 = _ggml("tq2_0", 256, 66, Q4_0)
Q1_0 = _ggml("q1_0", 128, 18)
Q2_0 = _ggml("q2_0", 64, 18, Q4_0)
# On Blackwell llama.cpp multiplies both in the fp4 pipe (ggml-cuda/mma.cuh, block-scaled mma).
GGML_MXFP4 = replace(_ggml("mxfp4", 32, 17), paths=(Path("fp4", 4), *_INT8))
GGML_NVFP4 = replace(_ggml("nvfp4", 64, 36), paths=(Path("fp4", 4), *_INT8))

# --- MLX ----------------------------------------------------------------------------------------
#
# Affine groups with a 16-bit scale and bias each (mlx.core.quantize; mlx-lm converts every linear
# layer, embedding and head), unpacked to 16 bit by the matmul.


def _mlx(bits: int, group: int) -> Format:
    name = f"mlx_q{bits}" if group == 64 else f"mlx_q{bits}_g{group}"
    return Format(
        name, bits, scale_bits=32, block_in=group,
        summary=f"MLX, {bits} bits, scale and bias per {group}",
    )  # fmt: skip


MLX: dict[str, Format] = {
    f.name: f for f in (_mlx(bits, group) for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128))
}
"""Formats of whole models, as mlx_lm.convert makes them."""

GGML_TYPES: dict[int, Format] = {
    0: FP32, 1: FP16, 2: Q4_0, 3: Q4_1, 6: Q5_0, 7: Q5_1, 8: Q8_0, 9: Q8_1, 10: Q2_K, 11: Q3_K,
    12: Q4_K, 13: Q5_K, 14: Q6_K, 15: Q8_K, 16: IQ2_XXS, 17: IQ2_XS, 18: IQ3_XXS, 19: IQ1_S,
    20: IQ4_NL, 21: IQ3_S, 22: IQ2_S, 23: IQ4_XS, 24: Format("i8", 8), 25: Format("i16", 16),
    26: Format("i32", 32), 27: Format("i64", 64), 28: Format("f64", 64, FP32.paths), 29: IQ1_M,
    30: BF16, 34: TQ1_0, 35: TQ2_0, 39: GGML_MXFP4, 40: GGML_NVFP4, 41: Q1_0, 42: Q2_0,
}  # fmt: skip
"""By the number that a GGUF file has for them (enum ggml_type; the gaps were removed)."""


@dataclass(frozen=True, slots=True)
class Mix:
    """A llama.cpp file type: most weights in `base`, the others by model/quantization/ggml.py."""

    name: str
    base: Format
    """Of what its rules name no other type for."""


MIXES: dict[str, Mix] = {
    name: Mix(name, base)
    for base, names in (
        (Q4_0, "q4_0"), (Q4_1, "q4_1"), (Q5_0, "q5_0"), (Q5_1, "q5_1"), (Q8_0, "q8_0"),
        (Q2_K, "q2_k q2_k_s"), (Q3_K, "q3_k_s q3_k_m q3_k_l"), (Q4_K, "q4_k_s q4_k_m"),
        (Q5_K, "q5_k_s q5_k_m"), (Q6_K, "q6_k"), (IQ1_S, "iq1_s"), (IQ1_M, "iq1_m"),
        (IQ2_XXS, "iq2_xxs"), (IQ2_XS, "iq2_xs iq2_s"), (IQ2_S, "iq2_m"), (IQ3_XXS, "iq3_xxs"),
        (IQ3_S, "iq3_xs iq3_s iq3_m"), (IQ4_NL, "iq4_nl"), (IQ4_XS, "iq4_xs"), (TQ1_0, "tq1_0"),
        (TQ2_0, "tq2_0"), (GGML_MXFP4, "mxfp4_moe mxfp4_f16"),
    )
    for name in names.split()
}  # fmt: skip
"""By llama-quantize's names in lower case; llama_ftype_get_default_type in llama-quant.cpp."""

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        FP32, BF16, FP16, FP8, FP8_TENSOR, FP8_BLOCK, FP8_WEIGHT_ONLY, MXFP8, INT8,
        INT8_WEIGHT_ONLY, INT4, AWQ, GPTQ, NF4, MXFP4, NVFP4, *MLX.values(),
    )
}  # fmt: skip

FLOATS = ("bf16", "fp16", "fp32")
"""Of weights that nothing quantized."""

_ALIASES = {
    "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32",
    "f32": "fp32", "f16": "fp16", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "w8a8_fp8": "fp8",
    "fp8_block128": "fp8_block", "w8a8": "int8", "w8a8_int8": "int8", "int8_wo": "int8_w8a16",
    "w8a16": "int8_w8a16", "w4a16": "int4", "int4_wo": "int4", "bnb_nf4": "nf4",
    "bitsandbytes": "nf4", "fp4": "nvfp4", "q3_k": "q3_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m",
}  # fmt: skip

PUBLISHED_MIXES = {
    "q2": "q2_k", "q3": "q3_k_m", "q4": "q4_k_m", "q5": "q5_k_m", "q6": "q6_k", "q8": "q8_0",
    "q2_k_xl": "q2_k", "q2_k_l": "q2_k", "q3_k_xl": "q3_k_l", "q4_k_xl": "q4_k_m",
    "q4_k_l": "q4_k_m", "q5_k_xl": "q5_k_m", "q5_k_l": "q5_k_m", "q6_k_xl": "q6_k",
    "q6_k_l": "q6_k", "q8_k_xl": "q8_0", "q8_k_p": "q8_0",
}  # fmt: skip
"""Mixes of publishers that llama-quantize has no name for -> the nearest that it has."""

_BITS = {f"{bits}{gap}bit": bits for bits in (2, 3, 4, 5, 6, 8) for gap in ("", "-", "_")}


def bits_named(name: str) -> int | None:
    """Bits of a weight, where that is all a name says: each engine has its own format of them."""
    return _BITS.get(name.strip().lower())


UNQUANTIZED = frozenset({"fp32", "bf16", "fp16"})
"""Formats that hold the whole model; all others leave embeddings, LM head and routers alone."""


_BITS_A_WEIGHT = r"([1-9]\d?(?:\.\d{1,3})?)_?bpw"
"""As ExLlama's files are named: "3.22bpw"."""


def _key(name: str) -> str:
    key = name.strip().lower().replace("-", "_").removeprefix("ud_")
    return _ALIASES.get(key) or PUBLISHED_MIXES.get(key, key)


def names_gguf(name: str) -> bool:
    """Whether a format's name is that of a GGUF file's, which few engines read."""
    return _key(name) in MIXES


def format_named(name: str) -> Format | Mix:
    """The format a user names with --quantization. Raises UnknownNameError with the nearest."""
    key = _key(name)
    if key in MIXES:
        return MIXES[key]
    if match := re.fullmatch(_BITS_A_WEIGHT, key):
        return Format(key, float(match[1]), summary=f"{match[1]} bits a weight, scales included")
    if key not in FORMATS:
        raise UnknownNameError(
            "quantization", name[:100], _nearest(key, [*FORMATS, *MIXES, *_ALIASES]),
            hint=f"known: {', '.join(f for f in FORMATS if f not in MLX)}, llama.cpp's names "
            "(q4_k_m, q8_0, ...) and MLX's (mlx_q4, mlx_q8_g32, ...)",
        )  # fmt: skip
    return FORMATS[key]


CACHE_FORMATS: dict[str, Format] = {
    "bf16": BF16, "fp16": FP16, "fp32": FP32,
    "fp8": Format("fp8", 8, _FP8), "int8": Format("int8", 8, _INT8),
    **{f.name: f for f in (Q8_0, Q5_1, Q5_0, Q4_1, Q4_0, IQ4_NL)},
}  # fmt: skip


def cache_format_named(name: str) -> Format:
    """The format a user names with --kv-cache-dtype; as vLLM, fp8_e4m3 and fp8_e5m2 are fp8."""
    key = _key(name)
    if key not in CACHE_FORMATS:
        raise UnknownNameError(
            "KV cache dtype", name, hint=f"known: auto, {', '.join(CACHE_FORMATS)}"
        )
    return CACHE_FORMATS[key]


def _nearest(name: str, known: list[str]) -> list[str]:
    import difflib  # noqa: PLC0415  (only on the way to an error)

    return difflib.get_close_matches(name, known, 3, 0.5)
