"""The forward passes of a step, none of which starts before the one before it has ended.

A model that drafts tokens verifies 1 + K of every sequence in one pass, all their logits included,
then drafts K more, one pass of what drafts after another. Not here: how long a pass takes
(compiled.py), what drafting yields (serving/speculative.py).
"""

from __future__ import annotations

from dataclasses import replace

from vperf.model.model import Model
from vperf.model.ops import Role, Step
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Pass:
    """`count` equal forward passes, one after another."""

    step: Step
    count: int = 1
    role: Role = ""
    """draft: of what drafts for the model (Model.draft)."""
    awaited: bool = True
    """Whether the step's tokens need it. One behind them is part of `expected` where engines give
    the tokens out after it, and never of the limit."""

    @property
    def prefix(self) -> str:
        """What its ops are called in front of their own names."""
        return f"{self.role} " if self.role else ""


@dataclass(frozen=True, slots=True)
class Part:
    """Equal passes of a decode step, and what they do where it reads prompts."""

    role: Role
    count: int
    tokens: int
    """Of a sequence."""
    reads_prompts: bool
    outputs: int = 0
    """Of those of a sequence that go through the LM head; 0: all."""


def parts(model: Model) -> tuple[Part, ...]:
    """The passes of a decode step: the model's, then those that draft, kind by kind.

    Whatever drafts reads the prompt too, for a cache of its own: each copy of it in a pass.
    """
    drafter = model.drafter
    if drafter is None:
        return (Part("", 1, 1, reads_prompts=True),)
    own = Part("", 1, 1 + drafter.tokens, reads_prompts=True)
    if drafter.model is None:
        return (own,)
    if drafter.at_once:
        return own, Part("draft", 1, 1, reads_prompts=False, outputs=drafter.outputs)
    reading = min(drafter.depth, drafter.copies)
    # The first pass has one token of each sequence, the others one a branch.
    drafts = [Part("draft", reading, 1, reads_prompts=drafter.reads)]
    if drafter.depth > reading:
        rest = drafter.depth - reading
        drafts.append(Part("draft", rest, drafter.branches, reads_prompts=False))
    return (own, *drafts)


def prefill_passes(model: Model, batch: int, new: int, past: int = 0) -> tuple[Pass, ...]:
    """The passes of a step that reads `new` prompt tokens: the model's, then those that draft.

    The first token does not need these; engines give it out with the drafts (docs/method.md).
    """
    if model.drafter is None:
        return (Pass(Step(batch, new, past)),)
    return tuple(
        Pass(
            Step(batch, new, past) if part.reads_prompts else _tokens(batch, part, past + new),
            part.count, part.role, awaited=not part.role,
        )
        for part in parts(model)
    )  # fmt: skip


def decode_passes(model: Model, batch: int, past: int) -> tuple[Pass, ...]:
    """The passes of one decode step with `past` tokens cached; none of what generates no tokens."""
    if not model.generates:
        return ()
    if model.drafter is None:
        return (Pass(Step(batch, 1, past)),)
    passes: list[Pass] = []
    for part in parts(model):
        step = _tokens(batch, part, past)
        last = passes[-1] if passes else None
        if last and (last.step, last.role) == (step, part.role):
            passes[-1] = replace(last, count=last.count + part.count)
        else:
            passes.append(Pass(step, part.count, part.role))
    return tuple(passes)


def _tokens(batch: int, part: Part, past: int) -> Step:
    """All tokens of a verification, and of a tree's branches, go through the LM head."""
    return Step(batch, part.tokens, past, part.outputs or part.tokens)
