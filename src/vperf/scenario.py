"""What an estimate is asked: every option with its default, once, for all commands and functions.

Not here: checking values against a model (api.py, estimate.py), and how the command line spells
them (cli/scenario_options.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.serving.lengths import Lengths

ModelLike = str | Path | Mapping[str, Any] | ModelConfig
"""A Hub id, a shipped name, a path, "-" for standard input, or a config: as a dict, or as found."""


INPUT_LEN, OUTPUT_LEN = 1024, 128
"""Where neither lengths nor a workload are given."""


class Options(TypedDict, total=False):
    """The keywords of `vperf.estimate`: the fields of Scenario after model and gpu."""

    input_len: int
    output_len: int
    batch_size: int
    quantization: str | None
    kv_cache_dtype: str | None
    max_model_len: int | None
    engine: str | Engine
    tp: int
    pp: int
    ep: int
    dp: int
    max_concurrency: int | None
    request_rate: float | None
    prefix_cache_hit: float
    num_prompts: int | None
    burstiness: float | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    trace: str | Path | None
    sessions: int | None
    think_time: str | float | None
    metric_percentiles: str | None
    cuda_graphs: bool
    speculative: str | None
    draft_tokens: int | None
    acceptance: float | None
    image_tokens: int
    workload: str | Path | Lengths | None
    peer_access: bool | None
    gpus_per_node: int | None
    node_link: str | float | None
    gpu_memory_utilization: float | None
    revision: str | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. Lengths are tokens of each request; None leaves it to model or engine."""

    model: ModelLike
    gpu: str | Gpu
    input_len: int = INPUT_LEN
    output_len: int = OUTPUT_LEN
    batch_size: int = 1
    """Equal requests that start together."""
    quantization: str | None = None
    """What-if over the weights that the checkpoint holds."""
    kv_cache_dtype: str | None = None
    max_model_len: int | None = None
    engine: str | Engine = "vllm"
    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp: int = 1
    """Attention groups; tp x pp x dp GPUs."""
    max_concurrency: int | None = None
    """A served load: users in a closed loop."""
    request_rate: float | None = None
    """A served load: requests per second, in an open loop."""
    prefix_cache_hit: float = 0.0
    num_prompts: int | None = None
    """Requests of the simulated run; None: ten for each user, a thousand at a rate."""
    burstiness: float | None = None
    """Shape of the gamma distribution of gaps at a rate: 1 is Poisson, inf constant."""
    max_num_seqs: int | None = None
    """Sequences that the engine admits at a time; None: its own default."""
    max_num_batched_tokens: int | None = None
    """Tokens of one step of the engine; None: its own default."""
    trace: str | Path | None = None
    """A served load: a file of requests with their times."""
    sessions: int | None = None
    """A served load: users whose prompts hold all that was said before."""
    think_time: str | float | None = None
    """Between an answer and a session's next prompt, as "5 s" or in seconds."""
    metric_percentiles: str | None = None
    """Percentiles to report, as "50,99.9"."""
    cuda_graphs: bool = True
    speculative: str | None = None
    draft_tokens: int | None = None
    acceptance: float | None = None
    image_tokens: int = 0
    """Tokens that the images of a request add to its prompt."""
    workload: str | Path | Lengths | None = None
    """The lengths by name or as a file, in place of input_len and output_len."""
    peer_access: bool | None = None
    """Whether cards read each other's memory, over PCIe or a bridge; None: as the card's file says."""
    gpus_per_node: int | None = None
    """None: 8, or as many as the card's link joins."""
    node_link: str | float | None = None
    """One way from a GPU to other nodes, as "50 GB/s" or in bytes/s; None: 50 GB/s."""
    gpu_memory_utilization: float | None = None
    """Share of GPU memory that the engine takes; None: its own default."""
    revision: str | None = None

    @property
    def served(self) -> bool:
        """Whether it asks for a load of many requests rather than for one batch."""
        loads = (self.max_concurrency, self.request_rate, self.trace, self.sessions)
        return any(each is not None for each in loads)
