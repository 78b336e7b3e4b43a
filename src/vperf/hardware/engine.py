"""An inference engine as a frozen value: what a step costs beyond its kernels.

Not here: reading TOML (sources/engines.py) and any time of a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """Facts of one engine, well configured (full CUDA graphs, asynchronous scheduling)."""

    id: str
    name: str
    host_s_per_step: float
    """Time of a step that the GPU waits for the host: scheduling, sampling, detokenizing."""
    launch_s: float
    """One small element-wise kernel in a CUDA graph."""
    memory_utilization: float
    """Share of GPU memory the engine takes (vLLM's --gpu-memory-utilization)."""
    max_batched_tokens: int
    """Tokens of one prefill step: sizes the activation buffers."""
    request_s: float
    """A request's way through the server outside of its steps: HTTP, tokenizer, first output."""
    admission_steps: float
    """Steps that a request waits before its prefill starts: scheduling runs ahead of the GPU."""
    source: str = ""
    checked: str = ""
