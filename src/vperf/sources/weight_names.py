"""Names of weights as tools and publishers spell them: the format in a name, and what is left.

A name's end says the format of the weights ("Qwen3-8B-FP8", "...-UD-Q4_K_XL.gguf",
"Meta-Llama-3.1-8B-Instruct-quantized.w4a16"); what stands before it names the model. Not here:
llama.cpp's file types (importers/llama_bench.py), which are words in a model's description, and
which models there are (model_named.py).
"""

from __future__ import annotations

import re

from vperf.errors import UnknownNameError
from vperf.formats import PUBLISHED_MIXES, bits_named, format_named
from vperf.values import dataclass

_NAMES = {
    # QuantAlgo of TensorRT-LLM's tensorrt_llm/quantization/mode.py.
    "fp8_per_channel_per_token": "fp8", "fp8_block_scales": "fp8_block", "w4a16_awq": "awq",
    "w4a8_awq": "awq", "w4a16_gptq": "gptq", "w4a16_mxfp4": "mxfp4", "w4a8_mxfp4_fp8": "mxfp4",
    "w4a8_mxfp4_mxfp8": "mxfp4", "w4a8_nvfp4_fp8": "nvfp4",
    # --quantization of vLLM and SGLang.
    "awq_marlin": "awq", "gptq_marlin": "gptq", "modelopt": "fp8_tensor",
    "modelopt_fp8": "fp8_tensor", "modelopt_fp4": "nvfp4", "petit_nvfp4": "nvfp4",
    # --precision of benchmark suites.
    "fp4": "nvfp4",
}  # fmt: skip
_NONE = {"none", "auto", "no_quant", "compressed_tensors", "compressed-tensors", "gguf"}
"""What says nothing of the format: the checkpoint does."""


def quantization_named(name: str | None, notes: list[str]) -> str | None:
    """vperf's name; None where nothing is quantized, or, with a note, where it has no name."""
    key = (name or "none").lower()
    if name is None or key in _NONE:
        return None
    if bits_named(key):
        return key
    try:
        return format_named(_NAMES.get(key, name)).name
    except UnknownNameError:
        notes.append(f"the quantization {name[:100]} is none that vperf names")
        return None


# Model names ---------------------------------------------------------------------------------

_SHARD = r"(?:-\d{5}-of-\d{5})?"
_END = re.compile(
    rf"{_SHARD}\.(?:gguf|safetensors|json)$"
    r"|[-_. :/](?:"
    r"(?:ud[-_]|i1[-_])?(?:i?q\d(?:_\w+?)?|tq\d_\d|mxfp4_moe|kt\d)|ud|i1"  # llama.cpp
    r"|gguf|ggml|mtp|imat(?:rix)?|qat|dwq|mlx|ct|exl[23]|autoround|auto-round|eagle3?"
    r"|(?:fp8|block-?fp8|w8a8-fp8)(?:[-_](?:dynamic|static|block|kv|pertensor|per-tensor|tensor))*"
    r"|nvfp4(?:a16)?|mxfp[48]|fp4|nf4"
    r"|awq(?:[-_](?:int[48]|[48]-?bit))*|gptq(?:[-_](?:int[348]|[348]-?bit|\d+g))*"
    r"|(?:quantized[.-])?w[48]a(?:16|8|4)(?:[-_]g\d+)?|int[48]|hqq"
    r"|(?:unsloth-)?bnb-[48]bit|bnb|\d-?bit(?:-(?:g\d+|dwq|mlx))?|\d(?:\.\d+)?bpw|\dbits?"
    r"|bf16|fp16|f16|fp32|f32|quantized|quant"
    r")$",
    re.IGNORECASE,
)
"""One word at a name's end that says how its weights are stored, or by whom they were made."""

_FORMATS: tuple[tuple[str, str], ...] = (
    (r"nvfp4|\bfp4\b", "nvfp4"), (r"mxfp4_moe", "mxfp4_moe"), (r"mxfp4", "mxfp4"),
    (r"mxfp8", "mxfp8"), (r"fp8[-_]block|block-?fp8", "fp8_block"),
    (r"fp8[-_](?:static|per-?tensor|tensor)", "fp8_tensor"), (r"fp8", "fp8"),
    (r"awq[-_](?:int8|8-?bit)|gptq[-_](?:int8|8-?bit)|w8a16", "int8_w8a16"),
    (r"awq", "awq"), (r"gptq", "gptq"), (r"w4a16|w4a8", "int4"), (r"w8a8", "int8"),
    (r"bnb-8bit", "int8_w8a16"), (r"bnb|\bnf4\b", "nf4"),
)  # fmt: skip
_GGML = re.compile(r"(?<![a-z0-9])(i?q\d(?:_\w+)?|tq\d_\d)(?![a-z0-9])")
_UNQUANTIZED = re.compile(r"(?<![a-z])(?:(b)f16|fp?([13])[62])(?!\d)")
_BITS = re.compile(r"(?<![a-z0-9.])([2345678])-?bits?\b|\bint([48])\b")


@dataclass(frozen=True, slots=True)
class WeightName:
    """A name of weights, taken apart."""

    name: str
    """Without what says the format: what names the model."""
    quantization: str | None
    """vperf's name of the format that the name says; None where it says none."""
    sure: bool
    """False where the name leaves the format open ("4bit" outside MLX, a publisher's own mix)."""


def weight_name(said: str) -> WeightName:
    """Takes "unsloth/Qwen3.6-35B-A3B-GGUF/Qwen3.6-35B-A3B-UD-Q4_K_M.gguf" and the like apart."""
    path = said.strip().rstrip("/").replace("\\", "/")
    name, ends = _strip(path.rsplit("/", 1)[-1])
    quantization, sure = _format_of(ends.lower(), said.lower())
    return WeightName(name, quantization, sure)


def spellings(said: str) -> list[str]:
    """Names that the model may have, the whole first: ids and short names, longest ends last.

    Directories of the Hub's cache ("models--owner--name/snapshots/..."), "owner--name", paths, and
    each name without one more word of its end.
    """
    path = said.strip().rstrip("/").replace("\\", "/")
    found = [said.strip()]
    parts = [part for part in path.split("/") if part]
    for part in parts:
        if "--" in part:
            names = [word for word in part.split("--") if word]
            if names and names[0] in ("models", "datasets"):
                names = names[1:]
            found += ["/".join(names[-2:]), names[-1]] if names else []
    if len(parts) >= 2:
        found.append("/".join(parts[-2:]))
    found += parts[-1:]
    # A file of a repository: owner/name/file.gguf.
    found += ["/".join(parts[-3:-1]), parts[-2]] if len(parts) >= 3 else []
    for whole in list(found):
        name, before = whole, ""
        while name and name != before:
            found.append(name)
            name, before = _END.sub("", name), name
    return list(dict.fromkeys(filter(None, found)))


def _strip(name: str) -> tuple[str, str]:
    """The name without the words at its end that are about its weights; and those words."""
    ends, before = "", ""
    while name != before:
        before, name = name, _END.sub("", name)
        ends = before[len(name) :] + ends
    return (name, ends) if name else (before, "")


def _format_of(ends: str, said: str) -> tuple[str | None, bool]:
    """(vperf's name, whether the words leave no doubt)."""
    if match := _GGML.search(ends):
        known = PUBLISHED_MIXES.get(match[1], match[1])
        try:
            return format_named(known).name, known == match[1] and "ud-" not in said
        except UnknownNameError:
            return None, False
    named = next((name for pattern, name in _FORMATS if re.search(pattern, ends)), None)
    if named is None and (match := _UNQUANTIZED.search(ends)):
        named = {"b": "bf16", "1": "fp16", "3": "fp32"}[match[1] or match[2]]
    if named is not None:
        return named, True
    match = _BITS.search(ends)
    bits = (match[1] or match[2]) if match else ""
    if bits and bits in "234568" and "mlx" in said:
        return f"mlx_q{bits}", True
    guess = {"4": "int4", "8": "int8_w8a16"}.get(bits)
    return guess, guess is None and not re.search(r"exl[23]|bpw|hqq|\bquant|\d-?bit", ends)
