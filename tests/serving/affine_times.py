"""Step times that are exactly affine, and schedulers of engines: what scheduler tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vperf.hardware.scheduler import Scheduler
from vperf.serving.scheduler import Chunk


@dataclass(frozen=True)
class AffineTimes:
    """A model of a few constants: seconds of a step, a sequence, a cached and a prompt token."""

    step_s: float = 5e-3
    sequence_s: float = 2e-5
    context_s: float = 1e-8
    prompt_s: float = 2e-5
    pair_s: float = 1e-10

    def decode(self, sequences: int) -> tuple[float, float]:
        return self.step_s + self.sequence_s * sequences, self.context_s

    def mixed(self, sequences: int, context_tokens: float, chunks: Sequence[Chunk]) -> float:
        base, slope = self.decode(sequences)
        prompts = sum(
            self.prompt_s * new + self.pair_s * new * (past + new / 2) for new, past in chunks
        )
        return base + slope * context_tokens + prompts


SCHEDULERS = {
    "vllm": Scheduler(admission_steps=3, frontend_s=5e-4, frontend_s_per_token=4e-6),
    "vllm synchronous": Scheduler(admission_steps=0, transit_s=2e-3),
    "sglang": Scheduler(policy="prefill_first", admission_steps=3, receive_interval=10),
    "trtllm": Scheduler(
        max_sequences=2048, splits_prompts=False, admission_steps=2, wait_steps=6, wait_share=0.5,
        reserves_output=True, transit_s=2e-2,
    ),
    "llama.cpp": Scheduler(max_batched_tokens=2048, max_sequences=4, admission_steps=0),
}  # fmt: skip
