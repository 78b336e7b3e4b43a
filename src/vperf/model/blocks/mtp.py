"""Multi-token prediction: a small module drafts the token after next (DeepSeek-V3 and later).

One module is a decoder layer of its own behind a projection of [embedding, hidden state]; it shares
the model's embedding and LM head (some files store copies). Not part of a model's parameters.
"""

from __future__ import annotations

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.ops import Coordinates, Linear, Work, matmul
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class DraftInput(Block):
    """Joins the embedding of the last token with the hidden state: 2 hidden -> hidden."""

    projection: Linear
    vectors: int = 0

    @property
    def whole(self) -> bool:
        """Yes."""
        return True

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """The projection."""
        return ((1, self.projection),)

    @property
    def elementwise_elements(self) -> int:
        """Two norms and the concatenation."""
        return 2 * self.projection.in_features

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """The projection."""
        return matmul("mtp_proj", (self.projection,), step.tokens, "whole")


def build(scope: Scope, hidden: int, extra: int = 0) -> DraftInput:
    """With the norms of the embedding, of the hidden state and of the output; `extra`: others."""
    return DraftInput(scope.linear("eh_proj", 2 * hidden, hidden), 3 * hidden + extra)
