"""The forward passes of a step, none of which starts before the one before it has ended.

A model that drafts tokens verifies 1 + K of every sequence in one pass, all their logits included,
then drafts K more, one pass of a module after another. Not here: how long a pass takes
(compiled.py), what drafting yields (serving/speculative.py).
"""

from __future__ import annotations

from vperf.model.model import Model
from vperf.model.ops import Role, Step
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Pass:
    """`count` equal forward passes, one after another."""

    step: Step
    count: int = 1
    role: Role = ""
    """draft: of a module of the model that drafts (Model.draft)."""
    awaited: bool = True
    """Whether the step's tokens need it. One behind them is part of `expected` where engines give
    the tokens out after it, and never of the limit."""

    @property
    def prefix(self) -> str:
        """What its ops are called in front of their own names."""
        return f"{self.role} " if self.role else ""


def prefill_passes(model: Model, batch: int, new: int, past: int = 0) -> tuple[Pass, ...]:
    """The passes of a step that reads `new` prompt tokens: the model's, then those that draft.

    Every module that drafts reads the prompt too, for a cache of its own, and each such pass is a
    draft. The first token does not need them; engines give it out with the drafts
    (docs/method.md).
    """
    prompt = Step(batch, new, past)
    drafts = model.draft_tokens
    if not drafts or model.draft is None:
        return (Pass(prompt),)
    reading = min(drafts, model.mtp_layers)
    passes = (
        Pass(prompt),
        Pass(prompt, reading, "draft", awaited=False),
        Pass(Step(batch, 1, past + new), drafts - reading, "draft", awaited=False),
    )
    return passes if drafts > reading else passes[:2]


def decode_passes(model: Model, batch: int, past: int) -> tuple[Pass, ...]:
    """The passes of one decode step with `past` tokens cached; none of what generates no tokens."""
    if not model.generates:
        return ()
    drafts = model.draft_tokens
    if not drafts or model.draft is None:
        return (Pass(Step(batch, 1, past)),)
    return (
        Pass(Step(batch, 1 + drafts, past, 1 + drafts)),
        Pass(Step(batch, 1, past), drafts, "draft"),
    )
