"""llama.cpp's file types as what-if: which ggml type llama-quantize gives each weight.

Q4_K_M and its like are recipes, not formats: half of attn_v and ffn_down get more bits, the output
matrix Q6_K, norms and routers stay fp32. Source: llama_tensor_get_type_impl and
tensor_allows_quantization in llama.cpp src/llama-quant.cpp (commit 007dbbf), without --pure and
--tensor-type. An importance matrix is taken to be given for the IQ types alone: most of them demand
one, and published Q files mostly differ from each other by more than it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from vperf.formats import (
    CACHE_FORMATS,
    FP16,
    FP32,
    GGML_MXFP4,
    IQ2_S,
    IQ2_XXS,
    IQ3_S,
    IQ3_XXS,
    MIXES,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_0,
    Format,
    Mix,
)  # fmt: skip
from vperf.model.quantization.places import split_layer
from vperf.model.quantization.scheme import Kind, Scheme
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.model import Model

Category = Literal[
    "embedding", "output", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up",
    "ffn_down", "other", "kept",
]  # fmt: skip
"""tensor_category; attn_v stands for fused QKV too, "kept" for what is never quantized."""


@dataclass(frozen=True, slots=True)
class TypedScheme(Scheme):
    """A scheme that has a format for every module by name."""

    table: Mapping[str, Format] = field(default_factory=dict, repr=False)

    def weight(self, module: str, kind: Kind = "linear") -> Format:
        """The format of the module; the default where none is listed."""
        return self.table.get(module, self.default)

    def of_layer(self, layer: int) -> int:
        """A recipe counts layers."""
        return layer


@dataclass(frozen=True, slots=True)
class Census(Scheme):
    """A scheme that remembers what it is asked for: the modules that a model has."""

    modules: dict[str, Kind] = field(default_factory=dict)

    def weight(self, module: str, kind: Kind = "linear") -> Format:
        """The default; the module is remembered."""
        self.modules[module] = kind
        return self.default

    def of_layer(self, layer: int) -> int:
        """Every layer is to be asked for."""
        return layer


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the recipes ask of a model."""

    layers: int
    experts: int
    group: int
    """Query heads per KV head of the first layer (n_gqa)."""
    falcon: bool
    is_70b: bool
    tied: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """One weight and where it stands among its like."""

    category: Category
    index: int
    """Of its layer, or its number among its like: what llama-quant calls i_layer."""
    count: int


def mixed(mix: Mix, base: Scheme, census: Census, model: Model) -> Scheme:
    """`model`, read once with `census`, as llama-quantize would write it."""
    shape = _shape(model)
    places = _places(census.modules, shape, model.model_type)
    table = {name: _type(mix, place, shape) for name, place in places.items()}
    return TypedScheme(
        mix.name,
        FP16,
        base.cache or CACHE_FORMATS["fp16"],
        vector_bytes=4.0,
        table=table,
    )


def _shape(model: Model) -> _Shape:
    blocks = [block for _, kind in model.kinds for block in kind.blocks]
    heads = next((block for block in blocks if hasattr(block, "heads")), None)
    queries = getattr(heads, "heads", 1)
    kv_heads = getattr(heads, "kv_heads", 1)  # MLA: one latent for all heads
    group = queries // max(1, queries if kv_heads is None else kv_heads)
    return _Shape(
        model.layer_count,
        max((getattr(block, "experts", 1) for block in blocks), default=1),
        group,
        model.model_type == "falcon",
        model.layer_count == 80 and group > 1 and model.model_type in ("llama", "qwen2"),
        model.tied,
    )


# --- What a module is --------------------------------------------------------------------------

_FUSED_QKV = frozenset({
    "phi3", "falcon", "gpt2", "gpt_bigcode", "bloom", "gpt_neox", "chatglm", "qwen", "dbrx", "mpt",
})  # fmt: skip
"""Architectures whose GGUF files keep one attn_qkv matrix."""

_LEAVES: dict[str, Category] = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
    "in_proj_qkv": "attn_v", "in_proj_qkvz": "attn_v",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}  # fmt: skip


def _places(modules: Mapping[str, Kind], shape: _Shape, model_type: str) -> dict[str, _Place]:
    """Every module of the text model by category, numbered within it."""
    seen: dict[tuple[Category, int | None], int] = {}
    numbers: dict[Category, int] = {}
    found: dict[str, tuple[Category, int, int]] = {}
    for name, kind in modules.items():
        if name.startswith("mtp."):
            continue
        _, layer, rest = split_layer(name)
        category = _category(name, rest, kind, model_type in _FUSED_QKV)
        key = (category, layer)
        if key not in seen:  # q, k and v of one attn_qkv count once, as do shared experts
            seen[key] = numbers.get(category, 0)
            numbers[category] = seen[key] + 1
        found[name] = (category, seen[key], layer or 0)
    return {
        name: _Place(
            category,
            layer if shape.experts > 1 and category.startswith("ffn") else number,
            numbers[category] if category == "attn_v" else shape.layers,
        )
        for name, (category, number, layer) in found.items()
    }


_KEPT_LEAVES = frozenset({"per_layer_model_projection", "b_proj", "conv1d", "embed_positions"})
_KEPT_PARTS = ("laurel.", "altup")


def _category(name: str, rest: str, kind: Kind, fused: bool) -> Category:
    leaf = name.rpartition(".")[2]
    if (
        kind in ("router", "conv")
        or leaf in _KEPT_LEAVES
        or any(part in name for part in _KEPT_PARTS)
    ):
        return "kept"
    if kind == "head":
        return "output"
    if kind == "embedding":
        return "embedding"
    if leaf == "gate_proj" and "attn" in rest:  # an output gate: attn_gate
        return "other"
    if fused and leaf in ("q_proj", "k_proj", "v_proj"):
        return "attn_v"
    return _LEAVES.get(leaf, "other")


# --- The recipes -------------------------------------------------------------------------------


def _type(mix: Mix, place: _Place, shape: _Shape) -> Format:
    """llama_tensor_get_type_impl: the type of one weight, before its rows are looked at."""
    name, category = mix.name, place.category
    if category == "kept":
        return FP32
    if category == "output" or (shape.tied and category == "embedding"):
        return _output(mix, shape)
    if (rest := _BESIDE_MXFP4.get(name)) is not None:
        return GGML_MXFP4 if category.startswith("ffn") and shape.experts > 1 else rest
    if name in _LOW_BITS:
        return _low_bit(mix, place, shape)
    recipe = _RECIPES.get(category)
    return mix.base if recipe is None else recipe(name, place, shape) or mix.base


_BESIDE_MXFP4 = {"mxfp4_moe": Q8_0, "mxfp4_f16": FP16}
"""What the weights are that are not experts'; files called F16 of a checkpoint whose experts are in
mxfp4 have those as they are, which is no file type of llama.cpp's own."""
_LOW_BITS = frozenset({"iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq1_s", "iq1_m"})


def _output(mix: Mix, shape: _Shape) -> Format:
    if (beside := _BESIDE_MXFP4.get(mix.name)) is not None:
        return beside
    if shape.falcon:
        return Q8_0
    if mix.name in _LOW_BITS or mix.name == "iq3_xxs":
        return Q5_K
    return mix.base if mix.base == Q8_0 else Q6_K


def _more_bits(place: _Place) -> bool:
    """use_more_bits: the first and last eighth of the layers, and every third between."""
    i, n = place.index, place.count
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def _embedding(name: str, place: _Place, shape: _Shape) -> Format | None:
    if name == "iq3_xxs":
        return IQ3_S
    return Q4_K if name in ("tq1_0", "tq2_0") else None


def _attn_v(name: str, place: _Place, shape: _Shape) -> Format | None:
    grouped = shape.group >= 4
    chosen: Format | None = None
    match name:
        case "q2_k":
            chosen = Q4_K if grouped else Q3_K
        case "q3_k_m":
            chosen = Q5_K if place.index < 2 else Q4_K
        case "q3_k_l":
            chosen = Q5_K
        case "iq3_m":
            chosen = Q4_K
        case "q2_k_s" | "iq3_xxs" | "iq3_xs" | "iq3_s" if grouped:
            chosen = Q4_K
        case "iq4_nl" | "iq4_xs" if grouped:
            chosen = Q5_K
        case "q4_k_m" | "q5_k_m" if _more_bits(place):
            chosen = Q6_K
        case "q4_k_s" if place.index < 4:
            chosen = Q5_K
    if shape.is_70b and (chosen or MIXES[name].base) in (Q3_K, Q4_K):
        chosen = Q5_K
    return Q8_0 if shape.experts == 8 else chosen


def _attn_k(name: str, place: _Place, shape: _Shape) -> Format | None:
    return Q8_0 if shape.experts == 8 else _attn_q(name, place, shape)


def _attn_q(name: str, place: _Place, shape: _Shape) -> Format | None:
    return {"iq3_xs": IQ3_XXS, "iq3_xxs": IQ2_S}.get(name)


def _ffn_down(name: str, place: _Place, shape: _Shape) -> Format | None:
    first_eighth = place.index < place.count // 8
    first_sixteenth = place.index < place.count // 16
    more = _more_bits(place)
    chosen: Format | None = None
    match name:
        case "q2_k":
            chosen = Q3_K
        case "q2_k_s" if first_eighth:
            chosen = Q4_K
        case "q3_k_m" if first_sixteenth:
            chosen = Q5_K
        case "q3_k_m":
            chosen = Q4_K if not shape.falcon or more else Q3_K
        case "q3_k_l":
            chosen = Q4_K if shape.falcon else Q5_K
        case "iq3_m" if first_eighth or (shape.experts == 8 and more):
            chosen = Q4_K
        case "q4_k_m" if shape.falcon:
            chosen = Q6_K if first_sixteenth else Q5_K if more else Q4_K
        case "q4_k_m" | "q5_k_m" if more:
            chosen = Q6_K
        case "q4_k_s" if first_eighth and not shape.falcon:
            chosen = Q5_K
    return chosen


def _attn_output(name: str, place: _Place, shape: _Shape) -> Format | None:
    if shape.falcon:
        return Q4_K if name == "q3_k_l" else None
    if shape.experts == 8:
        return Q5_K if name in _EIGHT_EXPERTS else None
    return {"q2_k": Q3_K, "iq3_xxs": IQ3_S, "q3_k_m": Q4_K, "q3_k_l": Q5_K, "iq3_m": Q4_K}.get(name)


_EIGHT_EXPERTS = frozenset({
    "q2_k", "iq3_xs", "iq3_xxs", "q3_k_s", "q3_k_m", "iq4_nl", "q4_k_s", "q4_k_m", "iq3_s",
    "iq3_m", "iq4_xs",
})  # fmt: skip


def _ffn_inputs(name: str, place: _Place, shape: _Shape) -> Format | None:
    middle = place.count // 8 <= place.index < 7 * place.count // 8
    return IQ3_XXS if name == "iq3_xs" and middle else None


_RECIPES: dict[Category, Callable[[str, _Place, _Shape], Format | None]] = {
    "embedding": _embedding, "attn_v": _attn_v, "attn_k": _attn_k, "attn_q": _attn_q,
    "ffn_down": _ffn_down, "attn_output": _attn_output, "ffn_gate": _ffn_inputs,
    "ffn_up": _ffn_inputs,
}  # fmt: skip


def _low_bit(mix: Mix, place: _Place, shape: _Shape) -> Format:
    """IQ1 and IQ2: a branch of their own."""
    more = IQ3_S if mix.name in ("iq2_s", "iq2_m") else Q2_K
    chosen = mix.base
    match place.category:
        case "embedding":
            chosen = more
        case "attn_v":
            chosen = Q4_K if shape.group >= 4 or shape.experts >= 4 else more
        case "attn_k" if shape.experts == 8:
            chosen = Q4_K
        case "ffn_down" if place.index < shape.layers // 8:
            chosen = more
        case "attn_output" if shape.experts == 8:
            chosen = Q5_K
        case "attn_output" if more == IQ3_S:
            chosen = IQ3_S
        case "attn_output" if mix.name in ("iq1_s", "iq1_m"):
            chosen = IQ2_XXS
    return chosen
