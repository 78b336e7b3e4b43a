"""model + GPU + engine + workload -> Estimate: the answer as a plain frozen value.

Both commands and the Python API return what is defined here; `Estimate.to_dict()` is the contract
of `--json` (schema "vperf/estimate/1"). Not here: finding a model or a GPU by name (sources/),
and printing (report/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Bound = Literal["compute", "memory", "latency"]
Constants = Literal["measured", "generic", "datasheet"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model as the answer reports it. Counts are elements, sizes bytes."""

    id: str
    source: Literal["bundled", "hub", "local", "gguf", "stdin"]
    architecture: str
    parameters: int
    """Everything a checkpoint of this config stores, vision tower included."""
    active_parameters: int
    weight_bytes: float
    kv_bytes_per_token: float
    """One more token in every layer's cache, before any window is full."""
    quantization: str
    kv_cache_dtype: str
    max_context_tokens: int | None
    """The context the model was made for; None when its config does not say."""


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The GPU as the answer reports it."""

    id: str
    name: str
    count: int
    memory_bytes: float
    memory_bandwidth_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]
    constants: Constants
    """Where the constants behind `expected` come from."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked for: every sequence of the batch has the same lengths."""

    batch_size: int
    input_tokens: int
    output_tokens: int
    concurrency: int
    engine: str
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    data_parallel: int = 1


@dataclass(frozen=True, slots=True)
class Speed:
    """The five figures of an answer; rates count all sequences unless they say per user."""

    ttft_s: float
    prefill_tokens_per_s: float
    tpot_s: float
    decode_tokens_per_s: float
    decode_tokens_per_s_per_user: float


@dataclass(frozen=True, slots=True)
class Expected(Speed):
    """Speed with the range in which about 80 % of measurements fall.

    `low` and `high` bound each figure itself: `low.ttft_s` is the shortest time to expect,
    `high.decode_tokens_per_s` the highest rate.
    """

    low: Speed
    high: Speed


@dataclass(frozen=True, slots=True)
class OpTime:
    """One row of the op table: an op of the step, all its layers together."""

    name: str
    kind: str
    count: int
    """How many times the step runs it."""
    shape: str
    flops: float
    """FLOPs, bytes and times are of all `count` runs together."""
    bytes: float
    compute_s: float
    memory_s: float
    limit_s: float
    expected_s: float
    bound: Bound
    share: float
    """Of the step's expected time, 0 to 1."""


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Prefill, or one decode step at `context_tokens`."""

    context_tokens: int
    """Tokens in the cache before the step."""
    limit_s: float
    expected_s: float
    overhead_s: float
    """The part of expected_s that no matmul or attention explains: element-wise kernels, host."""
    flops: float
    bytes: float
    """Weights and KV cache the step must read."""
    bound: Bound
    """What bounds the limit of the phase."""
    ops: tuple[OpTime, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Does it fit, and how far could it grow. Bytes of one GPU."""

    weight_bytes: float
    kv_cache_bytes: float
    """For the whole batch at input + output tokens; recurrent state included."""
    other_bytes: float
    """Activations and what the engine keeps free (its --gpu-memory-utilization)."""
    total_bytes: float
    capacity_bytes: float
    fits: bool
    max_context_tokens: int
    """Longest context at this batch size, up to the model's own maximum; 0 if nothing fits."""
    max_batch_size: int
    """Most sequences of input + output tokens; 0 if nothing fits."""


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """Decode speed (all sequences) with `context_tokens` in every sequence's cache."""

    context_tokens: int
    limit_decode_tokens_per_s: float
    expected_decode_tokens_per_s: float
    fits: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """The whole answer. Every figure the command line prints is read from here."""

    model: ModelFacts
    gpu: GpuFacts
    workload: Workload
    limit: Speed
    expected: Expected
    memory: Memory
    prefill: PhaseTimes
    decode: PhaseTimes
    """One decode step in the middle of the output."""
    depth: tuple[DepthPoint, ...]
    assumptions: tuple[str, ...]
    not_modelled: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        raise NotImplementedError
