"""Attention of encoder-decoders (T5, Whisper): an encoder that sees both ways, and a decoder layer
that attends to itself and to the encoder's output.

The one step without a past, (b, prompt, 0), is the encoder's: it reads the prompt, fills every
decoder layer's cross-attention K and V, and starts the decoder with one token. In all later steps
the context is the prompt plus what was generated: a prompt token holds cross-attention K and V, a
generated one self-attention K and V, both of the same size, so that together they cost what one
attention over the whole context costs.
"""

from __future__ import annotations

from dataclasses import replace

from vperf.formats import BF16, Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block
from vperf.model.blocks.wrapper import Wrapper
from vperf.model.ops import (
    Coordinates,
    Linear,
    Step,
    Work,
    attention,
    both_ways,
    matmul,
    starts,
)
from vperf.values import dataclass


def start(step: Step) -> Step:
    """What the decoder does in `step`: one start token while the encoder reads the prompt."""
    return step if step.past else Step(step.batch, 1, 0)


def _over_prompt(step: Step) -> Step:
    """The start token sees the whole prompt: a decode step over it."""
    return step if step.past else Step(step.batch, 1, step.new)


def parameters(linears: tuple[Linear, ...]) -> int:
    """Of all of them."""
    return sum(linear.parameters for linear in linears)


@dataclass(frozen=True, slots=True)
class EncoderAttention(Block):
    """Positions see each other both ways, all or those near; nothing is cached."""

    heads: int
    head_dim: int
    inputs: tuple[Linear, ...]
    output: Linear
    vectors: int = 0
    kv_heads: int | None = None
    """None: as many as queries."""
    reach: int | None = None
    """So many positions to either side; None: all."""
    half: str = "encoder_"
    """What its ops are called before their own names: "" where there is no decoder."""

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return "attention"

    def in_words(self) -> str:
        """What it is."""
        return f"attention both ways, {self.heads} heads of {self.head_dim}"

    @property
    def reads_both_ways(self) -> bool:
        """It does."""
        return True

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Heads."""
        return ((self.heads, "attention heads"),)

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """q, k, v, o."""
        return tuple((1, linear) for linear in (*self.inputs, self.output))

    def copied(self, ways: int) -> EncoderAttention:
        """With a KV head for every rank."""
        held = Block.copied(self, ways)
        kv_heads = self.kv_heads and max(self.kv_heads, ways)
        return replace(held, kv_heads=kv_heads)

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Projections and attention over the pairs of the prompt."""
        name = "attention" if self.reach is None else "attention[window]"
        core = attention(
            f"{self.half}{name}", step, heads=self.heads, kv_heads=self.kv_heads or self.heads,
            qk_dim=self.head_dim, v_dim=self.head_dim, cache=BF16,
        )  # fmt: skip
        return (
            *matmul(f"{self.half}qkv_proj", self.inputs, step.tokens),
            both_ways(core, step, self.heads, 2 * self.head_dim, self.reach),
            *matmul(f"{self.half}o_proj", (self.output,), step.tokens, "row"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CrossAttention(Block):
    """Self-attention over what was generated, then attention over the encoder's output."""

    heads: int
    head_dim: int
    inputs: tuple[Linear, ...]
    output: Linear
    cross_query: Linear
    cross_inputs: tuple[Linear, ...]
    """K and V of the encoder's output: computed once a prompt."""
    cross_output: Linear
    vectors: int = 0
    kv_heads: int | None = None
    """None: as many as queries."""

    def in_words(self) -> str:
        """What it is."""
        return f"self- and cross-attention {self.heads} heads of {self.head_dim}"

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Heads."""
        return ((self.heads, "attention heads"),)

    @property
    def cache_heads(self) -> int:
        """K and V heads of either attention."""
        return self.kv_heads or self.heads

    def copied(self, ways: int) -> CrossAttention:
        """With a KV head for every rank."""
        held = Block.copied(self, ways)
        return replace(held, kv_heads=self.kv_heads and max(self.kv_heads, ways))

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """q, k, v, o of both attentions."""
        own = (*self.inputs, self.output)
        cross = (self.cross_query, *self.cross_inputs, self.cross_output)
        return tuple((1, linear) for linear in (*own, *cross))

    @property
    def unread_parameters(self) -> int:
        """The K and V of the encoder's output are not computed again."""
        return parameters(self.cross_inputs)

    @property
    def cache_elements(self) -> int:
        """K and V: of a prompt token for one attention, of a generated one for the other."""
        return 2 * self.cache_heads * self.head_dim

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Projections of the new tokens, of the prompt while it is encoded, and attention."""
        rows = step.seen_as(start).tokens
        encodes = (
            matmul("cross_kv_proj", self.cross_inputs, step.tokens) if step.case(starts) else ()
        )
        core = attention(
            "attention[self+cross]",
            step.seen_as(_over_prompt),
            heads=self.heads,
            kv_heads=self.cache_heads,
            qk_dim=self.head_dim,
            v_dim=self.head_dim,
            cache=cache,
        )
        return (
            *matmul("qkv_proj", self.inputs, rows),
            *matmul("o_proj", (self.output,), rows, "row"),
            *matmul("cross_q_proj", (self.cross_query,), rows),
            *encodes,
            replace(core, launches=2.0),
            *matmul("cross_o_proj", (self.cross_output,), rows, "row"),
        )


@dataclass(frozen=True, slots=True)
class DecoderOnly(Wrapper):
    """A decoder layer's MLP: idle but for the start token while the encoder reads the prompt."""

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Those of the mechanism, for the decoder's tokens."""
        return self.inner.ops(step.seen_as(start), cache)
