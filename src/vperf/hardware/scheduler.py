"""How an engine batches requests, as a frozen value: its scheduler, and what its front end costs.

Not here: running it (serving/scheduler.py), and what a step takes (timing/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from vperf.values import dataclass

Policy = Literal["mixed", "prefill_first"]
"""mixed: prompts join decode steps. prefill_first: they have steps of their own, before any
sequence decodes on."""


UNBOUNDED_TOKENS = 1 << 20
"""Of a step: as many as it is given. No budget, so that nothing is set aside for one."""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Facts of an engine and of its launch command; tokens and sequences of one attention group."""

    policy: Policy = "mixed"
    max_batched_tokens: int = 8192
    """Tokens of a step (--max-num-batched-tokens), or UNBOUNDED_TOKENS."""
    max_sequences: int = 1024
    """Sequences admitted at a time (--max-num-seqs); slots of llama.cpp."""
    splits_prompts: bool = True
    """Chunked prefill. Without it a prompt waits for a step that has room for all of it."""
    admission_steps: int = 1
    """Steps that start between a request's being seen and the step it joins. 0: the scheduler waits
    for the GPU, so that a request joins the next step; 1: it prepares a step while one runs."""
    receive_interval: int = 1
    """Decode steps between two looks for new requests (SGLang's --scheduler-recv-interval)."""
    wait_steps: int = 0
    """Decode steps that prompts are held back for company (TensorRT-LLM's batch_wait_timeout_iters)
    unless `wait_share` of the step's tokens waits already (batch_wait_max_tokens_ratio)."""
    wait_share: float = 0.0
    reserves_output: bool = False
    """Cache is taken for the whole output when a request is admitted, so that none is preempted."""
    frontend_s: float = 0.0
    """Of one request after another: HTTP, tokenizer."""
    frontend_s_per_token: float = 0.0
    prompt_step_s: float = 0.0
    """What a step that reads prompts takes of the host beyond any other step."""
    warm_up_s: float = 0.0
    """What the first step with several prompts of a mixture of experts takes beyond any other: it
    has shapes that no request of a warm-up had."""
    transit_s: float = 0.0
    """The rest of the way in and of a token's way out, which requests go side by side."""

    def warm(self) -> Scheduler:
        """The same with nothing to tune."""
        return replace(self, warm_up_s=0.0)

    def of_groups(self, groups: int) -> Scheduler:
        """The schedulers of so many attention groups as one."""
        return replace(
            self,
            max_batched_tokens=groups * self.max_batched_tokens,
            max_sequences=groups * self.max_sequences,
        )


@dataclass(frozen=True, slots=True)
class SmallCards:
    """Cards on which an engine sets its scheduler up otherwise."""

    memory_below_bytes: float
    cards: frozenset[str]
    """Ids of larger ones that it treats alike."""
    facts: Mapping[str, Any]
    """Fields of `Scheduler`."""

    def holds(self, card_id: str, memory_bytes: float) -> bool:
        """Whether a card is one of them."""
        return memory_bytes < self.memory_below_bytes or card_id in self.cards
