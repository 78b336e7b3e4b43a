"""How a checkpoint's weights are stored, tensor by tensor, from its own words.

`read_scheme` reads quantization_config (config.json, wherever it nests) and hf_quant_config.json;
`what_if` answers --quantization. One file a dialect, listed in dialects.py; names.py matches module
names. A method that is not understood is refused, never approximated. Not here: what a format
costs (formats.py), whether a card can multiply it (hardware/).
"""

from __future__ import annotations

from collections.abc import Mapping

from vperf.errors import InputError
from vperf.formats import BF16, FP16, MLX, UNQUANTIZED, Format
from vperf.model.checkpoint import Config
from vperf.model.quantization.scheme import LINEAR, Kind, Rule, Scheme

__all__ = ["Kind", "Scheme", "read_scheme", "what_if"]

_NESTS = (
    "text_config", "llm_config", "language_config", "thinker_config", "language_model",
)  # fmt: skip

_DTYPES: dict[str, Format] = {
    "bfloat16": BF16, "bf16": BF16, "float16": FP16, "fp16": FP16, "half": FP16,
}  # fmt: skip
_WIDE = frozenset({"float32", "fp32", "float", "float64"})
_NARROW = frozenset({"float8_e4m3fn", "float8_e5m2", "fp8", "float8", "uint8", "int8", "auto"})


def read_scheme(
    config: Mapping[str, object],
    hf_quant_config: Mapping[str, object] | None = None,
    *,
    source: str,
) -> Scheme:
    """What config.json (parsed) and hf_quant_config.json say the weights are stored in.

    Raises UnsupportedModelError for a quantization that is not understood and InputError for
    values that cannot be; both name the field.
    """
    if not isinstance(config, Mapping):
        raise InputError("must hold a JSON object", source=source)
    top = Config(config, source)
    nests = _nests(top)
    default, notes = _dtype(nests)
    hf = _hf_part(hf_quant_config, source)
    own = next((part for nest in nests if (part := _own_part(nest)) is not None), None)
    places = [*nests, own] if own is not None else nests  # DeepSeek-V4 top, V4.1 in own
    fp4 = next((place for place in places if place.has("expert_dtype")), None)
    if own is None and hf is None and fp4 is None:
        return Scheme(default.name, default, assumptions=notes)
    from vperf.model.quantization import dialects  # noqa: PLC0415  (most models are not quantized)

    reading = dialects.read(own, hf, default)
    if fp4 is not None:
        reading = dialects.read_experts(fp4, reading)
    if reading is None:
        return Scheme(default.name, default, assumptions=notes)
    layers = next((n for nest in nests if (n := _layers(nest)) is not None), None)
    kind = top.raw("model_type")
    return Scheme(
        reading.name,
        default,
        reading.cache,
        (*notes, *reading.assumptions),
        reading.rules,
        layers,
        flat_experts=isinstance(kind, str) and kind.startswith("gemma4"),
    )


def what_if(format: Format, base: Scheme) -> Scheme:
    """--quantization: linear layers and experts in `format`; 16-bit formats hold everything."""
    if format.name in UNQUANTIZED:
        return Scheme(format.name, format, base.cache)
    notes = tuple(note for note in base.assumptions if "dtype" in note)
    kinds: frozenset[Kind] = LINEAR | {"embedding", "head"} if format.name in MLX else LINEAR
    rules = (Rule(format, kinds=kinds, towers=False),)
    return Scheme(format.name, base.default, base.cache, notes, rules)


def _nests(top: Config) -> list[Config]:
    """The config and the objects within it that may hold the language model's own."""
    found = [top]
    for parent in (top, *(_objects(top, _NESTS))):
        found += [child for child in _objects(parent, _NESTS) if child.path not in
                  {other.path for other in found}]  # fmt: skip
    return found


def _objects(parent: Config, names: tuple[str, ...]) -> list[Config]:
    found = []
    for name in names:
        if isinstance(parent.raw(name), Mapping):
            child = parent.child(name)
            assert child is not None
            found.append(child)
    return found


def _own_part(nest: Config) -> Config | None:
    for field in ("quantization_config", "compression_config", "quantization"):
        part = nest.child(field)
        if part is not None and part.keys():
            return part
    return None


def _hf_part(hf: Mapping[str, object] | None, source: str) -> Config | None:
    """The "quantization" object of hf_quant_config.json."""
    if hf is None:
        return None
    if not isinstance(hf, Mapping):
        raise InputError("must hold a JSON object", source=source, field="hf_quant_config.json")
    outer = Config(hf, source, "hf_quant_config.json")
    inner = outer.child("quantization")
    if inner is None:
        raise outer.error("missing; it is needed", "quantization")
    return inner if inner.keys() else None


def _layers(nest: Config) -> int | None:
    value = nest.raw("num_hidden_layers")
    ok = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if ok else None


def _dtype(nests: list[Config]) -> tuple[Format, tuple[str, ...]]:
    """The format of what is not quantized, and what had to be assumed about it."""
    for nest in nests:
        name = nest.text("dtype", "torch_dtype", default="").lower().removeprefix("torch.")
        if not name or name in _NARROW:
            continue
        if name in _DTYPES:
            return _DTYPES[name], ()
        if name in _WIDE:
            return BF16, (f"dtype is {name}: engines load it in 16 bit, so taken as bf16",)
        raise nest.error(f"{name[:40]!r} is not a dtype vperf knows", "dtype")
    return BF16, ("the config names no 16-bit dtype: bf16 assumed",)
