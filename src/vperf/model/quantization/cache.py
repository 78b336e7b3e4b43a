"""The KV cache format that a checkpoint asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vperf.formats import CACHE_FORMATS, NVFP4, Format
from vperf.model.checkpoint import Config
from vperf.model.quantization import fields

_BY_NAME: dict[str, Format | None] = {
    "": None, "none": None, "auto": None, "static": CACHE_FORMATS["fp8"],
    "fp8": CACHE_FORMATS["fp8"], "fp8_e4m3": CACHE_FORMATS["fp8"], "e4m3": CACHE_FORMATS["fp8"],
    "int8": CACHE_FORMATS["int8"], "nvfp4": replace(NVFP4, paths=CACHE_FORMATS["fp8"].paths),
}  # fmt: skip
"""kv_cache_quant_algo of ModelOpt; "FP8" bare in Qwen3-32B-FP8-Static; "static" in AutoFP8."""


def read_cache(config: Config, *names: str) -> Format | None:
    """The first of these fields that asks for a format: a name, or {num_bits, type}."""
    for name in names:
        value = config.raw(name)
        if value is None:
            continue
        if isinstance(value, Mapping):
            return _from_scheme(config, name)
        word = config.text(name).lower()
        if word not in _BY_NAME:
            raise fields.unsupported(config, name, f"KV cache format {word!r}")
        if _BY_NAME[word] is not None:
            return _BY_NAME[word]
    return None


def _from_scheme(config: Config, name: str) -> Format | None:
    scheme = config.child(name)
    assert scheme is not None
    if not scheme.keys():
        return None
    bits = scheme.integer("num_bits", maximum=64)
    kind = scheme.text("type", default="float")
    if bits >= 16:
        return None
    found = {(8, "float"): "fp8", (8, "int"): "int8", (4, "float"): "nvfp4"}.get((bits, kind))
    if found is None:
        raise fields.unsupported(scheme, "num_bits", f"a {bits}-bit {kind} KV cache")
    return _BY_NAME[found]
