"""Quantizations as engines spell them -> the names that --quantization takes.

Not here: llama.cpp's file types (llama_bench.py), which are words in a model's description.
"""

from __future__ import annotations

from vperf.errors import UnknownNameError
from vperf.formats import format_named

_NAMES = {
    # QuantAlgo of TensorRT-LLM's tensorrt_llm/quantization/mode.py.
    "fp8_per_channel_per_token": "fp8", "fp8_block_scales": "fp8_block", "w4a16_awq": "awq",
    "w4a8_awq": "awq", "w4a16_gptq": "gptq", "w4a16_mxfp4": "mxfp4", "w4a8_mxfp4_fp8": "mxfp4",
    "w4a8_mxfp4_mxfp8": "mxfp4", "w4a8_nvfp4_fp8": "nvfp4",
    # --quantization of vLLM and SGLang.
    "awq_marlin": "awq", "gptq_marlin": "gptq", "modelopt": "fp8_tensor",
    "modelopt_fp8": "fp8_tensor", "modelopt_fp4": "nvfp4", "petit_nvfp4": "nvfp4",
}  # fmt: skip
_NONE = {"none", "auto", "no_quant"}


def quantization_named(name: str | None, notes: list[str]) -> str | None:
    """vperf's name; None where nothing is quantized, or, with a note, where it has no name."""
    key = (name or "none").lower()
    if name is None or key in _NONE:
        return None
    try:
        return format_named(_NAMES.get(key, name)).name
    except UnknownNameError:
        notes.append(f"the quantization {name[:100]} is none that vperf names")
        return None
