"""What drafts tokens that a model verifies in one pass: modules of its own, a model, a look-up.

A chain of `depth` drafts is one token after another; a tree has more nodes than its depth, all of
which are verified together. Not here: how many of them are accepted (serving/speculative.py), the
passes of a step (timing/passes.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from vperf.model.ops import Linear
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.blocks.base import Block
    from vperf.model.model import LayerKind, Model

ASSISTANTS = frozenset({"gemma4_assistant", "gemma4_unified_assistant"})
"""Model types that draft over the cache of the model they draft for (assistant.py)."""

Method = Literal["mtp", "draft_model", "eagle", "eagle3", "medusa", "ngram", "diffusion"]


class Checkpoint(NamedTuple):
    """A checkpoint that drafts, read for the model that it drafts for."""

    id: str
    model: Model
    joins: Block | None = None
    reads: bool = True
    """As in Drafter; so are the others."""
    at_once: bool = False
    outputs: int = 1


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
    reads: bool = True
    """It reads the prompt too, for a cache of its own; if not, it has none, or the model's."""
    at_once: bool = False
    """One pass makes all drafts in a row."""
    outputs: int = 1
    """Of such a pass: how often it runs its LM head for a sequence."""

    @property
    def passes(self) -> int:
        """Passes of what drafts in a step."""
        return 1 if self.at_once else self.depth

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


def one_pass(
    target: Model,
    hidden: int,
    kinds: tuple[tuple[int, LayerKind], ...],
    head: Linear | None,
    *,
    shares: bool,
) -> Model:
    """One pass of what drafts for `target`; `shares`: the head is the target's, which holds it."""
    return replace(
        target, hidden=hidden, kinds=kinds, embedding=Linear("embed_tokens", 0, 0), head=head,
        tied=shares, other_parameters=hidden, tower_parameters=0, lookups=(), outside=(),
        encoder=(), mtp_layers=0, mtp=None, drafter=None, lora=None, assumptions=(),
    )  # fmt: skip
