"""What a model is made of, for a person to look at: kinds of layers, parameters by part, formats.

Everything is read off the same blocks that give the ops and the count. Not here: printing.
"""

from __future__ import annotations

from vperf.model.model import LayerKind, Model
from vperf.model.ops import Linear
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class LayerRow:
    """Equal layers."""

    count: int
    mechanisms: tuple[str, ...]
    """In words, in order."""
    parameters: int
    """Of one of them."""
    kv_elements_per_token: int
    state_bytes: float
    """Recurrent state of one sequence in one of them."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A model by its parts. Counts are parameters of the whole model."""

    layers: tuple[LayerRow, ...]
    encoder: tuple[LayerRow, ...]
    """Of an encoder-decoder: the layers that read the prompt."""
    parts: tuple[tuple[str, int], ...]
    """(part, parameters); they add up to the model's parameters."""
    bytes_by_format: tuple[tuple[str, float], ...]
    """Weights by number format, scales included, the largest first; they add up to its bytes."""
    tied_head: bool
    """The LM head is the embedding: stored once, no part of its own."""
    mtp_layers: int
    """Multi-token-prediction modules, not in any figure here."""
    mtp_parameters: int | None
    """Of all of them; None where their shape is not known."""
    config_keys: tuple[str, ...]
    """What was read of the text model's config."""
    defaults: tuple[str, ...]
    """What the config left to its class, and what else was assumed in reading it."""


def anatomy(model: Model) -> Anatomy:
    """The parts of a model."""
    parts: dict[str, int] = {"embedding": model.embedding.parameters}
    formats: dict[str, float] = {}

    def stored(linear: Linear, count: int) -> None:
        name = linear.format.name
        formats[name] = formats.get(name, 0.0) + count * linear.stored_bytes

    stored(model.embedding, 1)
    for table in model.lookups:
        parts["lookup tables"] = parts.get("lookup tables", 0) + table.parameters
        stored(table, 1)
    for count, kind in model.stored_kinds:
        parts["norms and other vectors"] = (
            parts.get("norms and other vectors", 0) + count * kind.vectors
        )
        for block in kind.blocks:
            part = block.part
            for n, linear in block.linears:
                name = "experts" if n > 1 else part
                parts[name] = parts.get(name, 0) + count * n * linear.parameters
                stored(linear, count * n)
    if model.head and not model.tied:
        parts["LM head"] = model.head.parameters
        stored(model.head, 1)
    parts["norms and other vectors"] += model.other_parameters
    if model.tower_parameters:
        parts["vision or audio tower"] = model.tower_parameters
    vectors = parts["norms and other vectors"]
    small = f"vectors, {8 * model.vector_bytes:g} bit"
    formats[small] = formats.get(small, 0.0) + model.vector_bytes * vectors
    if model.tower_parameters:
        formats["tower, 16 bit"] = 2.0 * model.tower_parameters
    return Anatomy(
        layers=tuple(_row(count, kind) for count, kind in model.kinds),
        encoder=tuple(_row(count, kind) for count, kind in model.encoder),
        parts=tuple((name, n) for name, n in parts.items() if n),
        bytes_by_format=tuple(
            sorted(((name, n) for name, n in formats.items() if n), key=lambda item: -item[1])
        ),
        tied_head=model.head is not None and model.tied,
        mtp_layers=model.mtp_layers,
        mtp_parameters=model.mtp_parameters,
        config_keys=model.config_keys,
        defaults=model.assumptions,
    )


def _row(count: int, kind: LayerKind) -> LayerRow:
    return LayerRow(
        count,
        tuple(block.in_words() for block in kind.blocks),
        kind.parameters,
        sum(block.cache_elements for block in kind.blocks),
        sum(block.state_bytes for block in kind.blocks),
    )
