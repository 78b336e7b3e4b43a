"""A GGUF header -> Model: architecture, shapes and the type of every tensor are the file's own.

The number of elements that the file holds must be what its architecture implies, or the answer says
so; far apart, it is refused. Not here: reading the file (sources/gguf.py).
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import CACHE_FORMATS, FP16, Format, Mix
from vperf.model.gguf.architectures import config_of
from vperf.model.gguf.header import GgufHeader, GgufTensor
from vperf.model.gguf.tensors import StoredTypes
from vperf.model.model import Model
from vperf.model.read import build_model

__all__ = ["GgufHeader", "GgufTensor", "build_gguf", "config_of"]

_NOT_PARAMETERS = (
    "rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight",
    ".attn_rot_embd.weight", ".layer_output_scale.weight",
)  # fmt: skip
"""Tables and buffers that converters write beside the parameters; some stand in every layer."""

_SCORE_CORRECTION = (".exp_probs_b", ".exp_probs_b.bias")
"""A parameter of some model classes, a buffer of others (DeepSeek-V3)."""

TOLERANCE = 0.005
"""Beyond this share of elements unexplained, the architecture was misread."""

_FILE_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k",
    11: "q3_k_s", 12: "q3_k_m", 13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s",
    17: "q5_k_m", 18: "q6_k", 19: "iq2_xxs", 20: "iq2_xs", 21: "q2_k_s", 22: "iq3_xs",
    23: "iq3_xxs", 24: "iq1_s", 25: "iq4_nl", 26: "iq3_s", 27: "iq3_m", 28: "iq2_s", 29: "iq2_m",
    30: "iq4_xs", 31: "iq1_m", 32: "bf16", 36: "tq1_0", 37: "tq2_0", 38: "mxfp4_moe",
    39: "nvfp4", 40: "q1_0", 41: "q2_0",
}  # fmt: skip
"""general.file_type: enum llama_ftype in llama.cpp's include/llama.h."""


def build_gguf(
    header: GgufHeader,
    *,
    quantization: Format | Mix | None = None,
    cache: Format | None = None,
) -> Model:
    """The model that a GGUF file holds; `quantization` and `cache` are what-ifs over it.

    Raises InputError for metadata that cannot be, UnsupportedModelError for an architecture that is
    not understood or whose parameters are not those of the file.
    """
    scheme = StoredTypes(
        _name(header),
        FP16,
        CACHE_FORMATS["fp16"],  # llama.cpp's default
        (_types(header),),
        vector_bytes=4.0,
        header=header,
    )
    model = build_model(
        config_of(header), source=header.source, quantization=quantization, cache=cache,
        scheme=scheme,
    )  # fmt: skip
    notes = _checked(header, model)
    return replace(model, assumptions=(*model.assumptions, *notes)) if notes else model


def _name(header: GgufHeader) -> str:
    kind = header.metadata.get("general.file_type")
    if isinstance(kind, int) and kind in _FILE_TYPES:
        return _FILE_TYPES[kind]
    return max(_bytes_by_type(header).items(), key=lambda item: item[1], default=("gguf", 0))[0]


def _bytes_by_type(header: GgufHeader) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, tensor in header.tensors.items():
        if not header.is_mtp(name):
            found[tensor.type.name] = found.get(tensor.type.name, 0) + tensor.bytes
    return found


def _types(header: GgufHeader) -> str:
    """ "by bytes the file is q4_k 62 %, q6_k 37 %"; what is below a percent goes unsaid."""
    sizes = _bytes_by_type(header)
    total = max(1, sum(sizes.values()))
    shares = sorted(((size / total, name) for name, size in sizes.items()), reverse=True)
    listed = ", ".join(f"{name} {share:.0%}" for share, name in shares if share >= 0.005)
    return f"number formats tensor by tensor from the file, by bytes: {listed}"


def _checked(header: GgufHeader, model: Model) -> tuple[str, ...]:
    """Compare the file's elements with the model's parameters; what differs is said or refused."""
    notes: list[str] = []
    held, corrections, unread = 0, 0, 0
    if (extra := header.beyond()) is not None:
        raise header.unsupported(f"holds {extra}, but says that it has {header.blocks} blocks")
    for name, tensor in header.tensors.items():
        if name.endswith(_NOT_PARAMETERS) or header.is_mtp(name):
            continue
        if name.endswith(_SCORE_CORRECTION):
            corrections += tensor.elements
        elif _is_superseded(header, name):
            unread += tensor.elements
        else:
            held += tensor.elements
    implied = model.parameters
    if header.mtp_layers:
        notes.append("the file's multi-token-prediction layers are not counted: nothing reads them")
    if unread:
        notes.append(f"the file holds {unread:,} elements that its layers do not use (K and V of "
                     "layers that share a cache, or a second form of kv_b)")  # fmt: skip
    if implied in (held, held + corrections):
        return tuple(notes)
    apart = f"the file holds {held:,} parameters, its architecture implies {implied:,}"
    if abs(held / implied - 1) > TOLERANCE:
        raise header.unsupported(f"{apart}: vperf does not understand it")
    return (*notes, f"{apart}: the difference is not modelled")


def _is_superseded(header: GgufHeader, name: str) -> bool:
    """Tensors that older converters wrote and no layer reads."""
    layer, _, suffix = name.removeprefix("blk.").partition(".")
    if suffix == "attn_kv_b.weight":  # beside the two halves that replaced it
        return f"blk.{layer}.attn_k_b.weight" in header.tensors
    if suffix in ("attn_k.weight", "attn_v.weight", "attn_k_norm.weight"):
        shared = header.number("attention.shared_kv_layers")
        return layer.isdecimal() and shared > 0 and int(layer) >= header.layers - shared
    return False
