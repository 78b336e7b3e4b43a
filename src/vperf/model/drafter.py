"""What drafts tokens that a model verifies in one pass: modules of its own, a model, a look-up.

A chain of `depth` drafts is one token after another; a tree has more nodes than its depth, all of
which are verified together. Not here: how many of them are accepted (serving/speculative.py), the
passes of a step (timing/passes.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.blocks.base import Block
    from vperf.model.model import Model

Method = Literal["mtp", "draft_model", "eagle", "eagle3", "ngram", "diffusion"]


class Checkpoint(NamedTuple):
    """A checkpoint that drafts, read for the model that it drafts for."""

    id: str
    model: Model
    joins: Block | None = None


@dataclass(frozen=True, slots=True)
class Drafter:
    """The drafts of one step."""

    method: Method
    depth: int
    """Drafts one behind another: passes of what drafts them."""
    tokens: int
    """Drafts that a step verifies: of a chain its depth, of a tree its nodes."""
    branches: int = 1
    """Tokens of a sequence in each pass behind the first one."""
    model: Model | None = None
    """One pass, its head included; None: the drafts are looked up in the text."""
    copies: int = 1
    """How many like it are loaded, each with weights and a cache of its own."""
    joins: Block | None = None
    """What the verified tokens pass through on their way to it: EAGLE-3 joins hidden states."""
    id: str = ""
    """Of a checkpoint of its own."""

    @property
    def rank_weight_bytes(self) -> float:
        """Bytes on one GPU: all of it is on the last stage of a pipeline."""
        if self.model is None:
            return 0.0
        stage = replace(self.model, parallel=replace(self.model.parallel, pipeline=1))
        joins = self.joins.linears if self.joins else ()
        return self.copies * stage.rank_weight_bytes + sum(n * w.stored_bytes for n, w in joins)

    @property
    def rank_cache_bytes_per_token(self) -> float:
        """Bytes of cache on one GPU that one more token adds before any window is full."""
        if self.model is None:
            return 0.0
        stage = replace(self.model, parallel=replace(self.model.parallel, pipeline=1))
        return self.copies * (stage.rank_cache_bytes(2) - stage.rank_cache_bytes(1))
