"""The Scheme: which number format every weight of a checkpoint is stored in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from vperf.formats import Format
from vperf.model.quantization.names import Names, Place, place_of, split_layer

Kind = Literal["linear", "expert", "embedding", "head", "router", "conv"]

LINEAR: frozenset[Kind] = frozenset({"linear", "expert"})
EXPERTS: frozenset[Kind] = frozenset({"expert"})
ALL: frozenset[Kind] = frozenset({"linear", "expert", "embedding", "head", "router", "conv"})

_BY_LEAF: dict[str, Kind] = {
    "lm_head": "head", "embed_out": "head", "embed_tokens": "embedding", "wte": "embedding",
    "gate": "router", "router": "router", "conv1d": "conv",
}  # fmt: skip

# Small linear layers that no checkpoint seen quantizes, listed or not: DeepSeek-V3's MTP input
# projection and V3.2's indexer head weights (16 bit in the files, plain nn.Linear in the engines).
_NEVER = frozenset({"eh_proj", "weights_proj", "indexers_proj"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a scheme: these modules are in this format. The first that fits decides."""

    format: Format
    names: Names | None = None
    """None: every module of the kinds."""
    kinds: frozenset[Kind] = LINEAR
    towers: bool = True
    """Whether the vision and audio parts are meant too."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one dialect understood of a quantization config."""

    name: str
    rules: tuple[Rule, ...]
    cache: Format | None = None
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a checkpoint stores its weights and wants its cache, and what had to be assumed."""

    name: str
    default: Format
    """Of every tensor no rule names: embeddings, norms, biases, routers."""
    cache: Format | None = None
    """Of the KV cache, where the checkpoint asks for one."""
    assumptions: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    layers: int | None = None
    """num_hidden_layers: layers.N from there on are the MTP layers, listed as either."""
    flat_experts: bool = False
    _known: dict[tuple[str, str], Format] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def weight(self, module: str, kind: Kind = "linear") -> Format:
        """The format of the weight of a module, e.g. "model.layers.3.self_attn.q_proj".

        Rules for whole classes of layers reach "linear" and "expert"; the other kinds are
        quantized only where a rule names the module itself (GPTQ's lm_head, ModelOpt's).
        """
        found = self._known.get((module, kind))
        if found is None:
            found = self._known[(module, kind)] = self._resolve(module, kind)
        return found

    def _resolve(self, module: str, kind: Kind) -> Format:
        if not self.rules:
            return self.default
        leaf = module.rpartition(".")[2]
        if kind == "linear":
            kind = _BY_LEAF.get(leaf, "expert" if ".experts." in module else kind)
        places = self._places(module, kind)
        for rule in self.rules:
            if _applies(rule, places, kind, leaf):
                return rule.format
        return self.default

    def _places(self, module: str, kind: Kind) -> Collection[tuple[Place, int | None]]:
        head, layer, rest = split_layer(module)
        place = place_of(head, rest, layer is not None, self.flat_experts and kind == "expert")
        if layer is None or not self.layers:
            return [(place, layer)]
        if place.tower == "mtp":  # GLM-5 lists its MTP layer as model.layers.78
            return [(place, layer), (place_of("layers.", rest, True), self.layers + layer)]
        if place.tower == "" and layer >= self.layers:
            mtp = place_of("mtp.layers.", rest, True)
            return [(place, layer), (mtp, layer - self.layers)]
        return [(place, layer)]


def _applies(
    rule: Rule, places: Collection[tuple[Place, int | None]], kind: Kind, leaf: str
) -> bool:
    if rule.names is None:
        if kind not in rule.kinds or leaf in _NEVER:
            return False
        return rule.towers or all(place.tower in ("", "mtp", "encoder") for place, _ in places)
    # A list reaches a router, an embedding or the head only where it names that very module.
    whole = kind not in rule.kinds
    return any(rule.names.cover(place, layer, whole=whole) for place, layer in places)
