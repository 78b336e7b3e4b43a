"""The Scheme: which number format every weight of a checkpoint is stored in."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from vperf.formats import Format
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.quantization.names import Names, Verdict
    from vperf.model.quantization.places import Place

Kind = Literal["linear", "expert", "embedding", "head", "router", "conv"]

LINEAR: frozenset[Kind] = frozenset({"linear", "expert"})
EXPERTS: frozenset[Kind] = frozenset({"expert"})
ALL: frozenset[Kind] = frozenset({"linear", "expert", "embedding", "head", "router", "conv"})

_BY_LEAF: dict[str, Kind] = {
    "lm_head": "head", "embed_out": "head", "embed_tokens": "embedding", "wte": "embedding",
    "gate": "router", "router": "router", "conv1d": "conv",
}  # fmt: skip


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
    vector_bytes: float = 2.0
    """Of an element outside of matrices; GGUF files keep those in 32 bit."""
    _plans: dict[tuple[Place, str], tuple[Verdict, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def weight(self, module: str, kind: Kind = "linear") -> Format:
        """The format of the weight of a module, e.g. "model.layers.3.self_attn.q_proj".

        Rules for whole classes of layers reach "linear" and "expert"; the other kinds are
        quantized only where a rule names the module itself (GPTQ's lm_head, ModelOpt's).
        """
        if not self.rules:
            return self.default
        # Names are matched for quantized checkpoints only; most are not.
        from vperf.model.quantization.places import place_of, split_layer  # noqa: PLC0415

        head, layer, rest = split_layer(module)
        if kind == "linear":
            leaf = module.removesuffix(".weight").rpartition(".")[2]
            kind = _BY_LEAF.get(leaf, "expert" if ".experts." in rest else kind)
        place = place_of(head, rest, layer is not None, self.flat_experts and kind == "expert")
        places = [(place, layer)]
        if layer is not None and self.layers:
            if place.tower == "mtp":  # GLM-5 lists its MTP layer as model.layers.78
                places.append((place_of("layers.", rest, True), self.layers + layer))
            elif not place.tower and layer >= self.layers:
                places.append((place_of("mtp.layers.", rest, True), layer - self.layers))
        plans = [self._plan(each, kind) for each, _ in places]
        for i, rule in enumerate(self.rules):
            for plan, where in zip(plans, places, strict=True):
                if plan[i].holds(*where):
                    return rule.format
        return self.default

    def of_layer(self, layer: int) -> Hashable:
        """What all formats of a layer of the model follow from: layers of one answer have the same.

        Asked once a layer, where `weight` is asked for each of its modules.
        """
        if not self.rules:
            return None
        named = tuple(rule.names.of_layer(layer) for rule in self.rules if rule.names is not None)
        beyond = layer if self.layers is not None and layer >= self.layers else None
        return beyond, named

    def _plan(self, place: Place, kind: Kind) -> tuple[Verdict, ...]:
        """What each rule says of a place, worked out once for all its layers."""
        plan = self._plans.get((place, kind))
        if plan is None:
            plan = tuple(_verdict(rule, place, kind) for rule in self.rules)
            self._plans[(place, kind)] = plan
        return plan


def _verdict(rule: Rule, place: Place, kind: Kind) -> Verdict:
    from vperf.model.quantization.names import ALWAYS, NEVER  # noqa: PLC0415

    if rule.names is not None:
        # A list reaches a router, an embedding or the head only where it names that very module.
        return rule.names.verdict(place, whole=kind not in rule.kinds)
    reached = rule.towers or place.tower in ("", "mtp", "encoder")
    return ALWAYS if reached and kind in rule.kinds and not _stays_wide(place) else NEVER


def _stays_wide(place: Place) -> bool:
    """Small linear layers no checkpoint quantizes, though their configs list no exception.

    DeepSeek-V3's MTP input projection, V3.2's indexer head weights, V4's compressors except for
    the indexer's query (V4-Pro: 23,169,400,832 fp8 weights = 16384 x its 1,414,146 block scales).
    """
    segments = place.rests[0].split(".")
    if segments[-1] in ("eh_proj", "weights_proj"):
        return True
    return "compressor" in segments and segments[-1] not in ("q_b_proj", "wq_b")
