"""Matrices of their own beside attention and MLP: Gemma 3n's LAuReL, AltUp and per-layer inputs;
what an encoder has before and after its layers.

And `Dormant`: a mechanism that is stored but that no text step runs.
"""

from __future__ import annotations

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block
from vperf.model.ops import Coordinates, Linear, Work, matmul, outputs
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Projections(Block):
    """Matmuls one after another; the weights of one group share their input."""

    name: str
    chain: tuple[tuple[Linear, ...], ...]
    vectors: int = 0
    streams: int = 0
    """Elements that its small kernels read and write besides the matmuls' outputs."""
    rows: int = 1
    """Rows per token: two in Whisper's first convolution, before the second halves them."""
    pooled: bool = False
    """Whether it runs once a sequence, not once a token."""

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return "pooler and scores" if self.pooled else "other projections"

    def in_words(self) -> str:
        """What it is."""
        return f"{self.name.replace('_', ' ')} projections"

    @property
    def whole(self) -> bool:
        """Yes."""
        return True

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """All, in order."""
        return tuple((1, linear) for group in self.chain for linear in group)

    @property
    def elementwise_elements(self) -> int:
        """Every output is read and written once more; so are the streams."""
        if self.pooled:
            return 0
        return 2 * sum(w.out_features for _, w in self.linears) + self.streams

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """A matmul for every group."""
        rows = step.fact(outputs) if self.pooled else step.tokens
        return tuple(
            op
            for group in self.chain
            for name in (f"{self.name}.{group[0].name}",)
            for op in matmul(name, group, self.rows * rows, "whole")
        )


@dataclass(frozen=True, slots=True)
class Dormant(Block):
    """A mechanism that no text step runs: Llama 3.2 Vision skips the layers that attend to an
    image when there is none, and a text's embedding has no use for a masked-LM head."""

    sleeper: Block

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return self.sleeper.part

    def in_words(self) -> str:
        """What it is."""
        return f"not run for text: {self.sleeper.in_words()}"

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """As the mechanism: its weights are in memory."""
        return self.sleeper.divided

    @property
    def joins_residual(self) -> bool:
        """No: it does nothing."""
        return False

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """Those of the mechanism: they are stored."""
        return self.sleeper.linears

    @property
    def vectors(self) -> int:
        """Those of the mechanism."""
        return self.sleeper.vectors

    @property
    def idle_parameters(self) -> int:
        """Of experts, those that no token would be routed to."""
        return self.sleeper.idle_parameters

    @property
    def unread_parameters(self) -> int:
        """All the others."""
        return self.vectors - self.idle_parameters + sum(n * w.parameters for n, w in self.linears)

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """None."""
        return ()
