"""What a tower is made of: its layers, its projectors, the rule of its tokens.

A tower's patches see each other both ways, all of an image or of a window. Not here: each wrapper's
layers and rule (native.py, tiles.py, sound.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from vperf.errors import InputError
from vperf.formats import BF16, Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.encoder_decoder import EncoderAttention
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Coordinates, Linear, Work, matmul
from vperf.spelling import flag
from vperf.values import dataclass


class Encoded(NamedTuple):
    """What one image, clip or video is for its tower and for the text model."""

    sequences: int
    """Tiles, windows of sound, pairs of frames: each by itself."""
    patches: int
    """Of each, as the tower's layers see them."""
    tokens: int
    """Of the prompt, all together."""


class Media(NamedTuple):
    """What a request holds beside its text."""

    width: int = 0
    height: int = 0
    seconds: float = 0.0
    frames: int = 0
    """Of a video."""


Rule = Callable[[Media], Encoded]


@dataclass(frozen=True, slots=True)
class Encoder:
    """A tower: its layers as a model, and its rule."""

    model: Model
    images: Rule | None = None
    audio: Rule | None = None
    video: Rule | None = None


@dataclass(frozen=True, slots=True)
class Merger(Block):
    """A projector behind the layers: matmuls one after another, on a share of the patches' rows."""

    chain: tuple[Linear, ...]
    share: float
    """Of the patches."""

    @property
    def whole(self) -> bool:
        """Yes."""
        return True

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """All, in order."""
        return tuple((1, linear) for linear in self.chain)

    @property
    def vectors(self) -> int:
        """None that count."""
        return 0

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """A matmul for each."""
        rows = self.share * step.tokens
        return tuple(
            op for w in self.chain for op in matmul(f"projector.{w.name}", (w,), rows, "whole")
        )


def linear(name: str, inputs: int, outputs: int, *, bias: bool = True) -> Linear:
    """A matrix in 16 bit, as towers are kept."""
    return Linear(name, inputs, outputs, BF16, bias)


class Shape(NamedTuple):
    """Layers of a tower."""

    hidden: int
    layers: int
    intermediate: int
    heads: int
    gated: bool = False
    kv_width: int = 0
    head_dim: int = 0
    """0: the width, divided over the heads."""
    whole_layers: int | None = None
    """That see all patches, where the others see a window; None: all do."""
    reach: int = 0


def tower_of(text: Model, shape: Shape, patch: tuple[Linear, ...], *projectors: Merger) -> Model:
    """The tower as a model that generates nothing."""

    def layer(reach: int | None) -> LayerKind:
        hidden, dim = shape.hidden, shape.head_dim or shape.hidden // shape.heads
        queries = shape.heads * dim
        kv = shape.kv_width or queries
        attention = EncoderAttention(
            shape.heads, dim,
            (linear("q", hidden, queries), linear("k", hidden, kv), linear("v", hidden, kv)),
            linear("o", queries, hidden), 0, kv // dim, reach, "",
        )  # fmt: skip
        names = ("gate", "up") if shape.gated else ("up",)
        mlp = DenseMlp(
            tuple(linear(name, hidden, shape.intermediate) for name in names),
            linear("down", shape.intermediate, hidden),
        )
        return LayerKind((attention, mlp), 4 * hidden)

    seeing_all = shape.layers if shape.whole_layers is None else shape.whole_layers
    kinds = [(seeing_all, layer(None))] if seeing_all else []
    if shape.layers > seeing_all:
        kinds.append((shape.layers - seeing_all, layer(shape.reach)))
    embedded: tuple[Block, ...] = (Projections("patches", (patch,)),) if patch else ()
    outside = (*embedded, *projectors)
    return replace(
        text, model_type="tower", hidden=shape.hidden, kinds=tuple(kinds), head=None, tied=False,
        embedding=Linear("embed_tokens", 0, 0), other_parameters=0, tower_parameters=0,
        lookups=(), outside=outside, encoder=(), mtp_layers=0, mtp=None, drafter=None, lora=None,
        generates=False, assumptions=(), max_context_tokens=None,
    )  # fmt: skip


def shape_of(vision: Config, hidden: int) -> Shape:
    """The layers of an encoder under the usual keys."""
    return Shape(
        hidden, vision.integer("num_hidden_layers", maximum=4096),
        vision.integer("intermediate_size"), vision.integer("num_attention_heads"),
    )  # fmt: skip


def unknown(config: Config, kind: str) -> InputError:
    """That a wrapper's rule is not known here."""
    return InputError(
        f"how model_type {kind!r} makes tokens of images or sounds is not known here",
        source=config.source, hint=f"{flag('image_tokens')} takes their number",
    )  # fmt: skip
