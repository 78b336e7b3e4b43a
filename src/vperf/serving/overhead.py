"""What a card and an engine take of the memory beside weights and cache.

    visible     what the driver lets a program have; of a Mac, what Metal recommends
    activations of the step that the engine profiles at start, or of the sampler behind it, the
                larger: as many tokens as it ever batches (without a budget: as the prompts have),
                the residual stream three times, the widest pair of layer outputs and what the
                activation makes of them, what the experts of a token write, 16 bit each; logits of
                as many sequences as it ever runs, 16 bytes each, 39 where they are sorted
    graphs      of CUDA, captured for every batch size, a layer after the other, twice for experts;
                where the engine's share counts them
    padding     of experts in mxfp4 to whole tiles of the kernel
    exchange    NCCL's buffers where GPUs work together

An engine's share covers all of it (vLLM), weights and cache alone, so that what it leaves must hold
the rest (SGLang, whose share is of what is free once the GPUs have met), or what is free once the
weights are there (TensorRT-LLM). Calibrated on what engines log when they start (docs/method.md).
Not here: whether it fits (memory.py).
"""

from __future__ import annotations

from vperf.formats import MXFP4
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.hardware.scheduler import UNBOUNDED_TOKENS
from vperf.model.model import Model
from vperf.values import dataclass

_DRIVER_BYTES, _DRIVER_SHARE = 0.38e9, 0.0025
"""What CUDA sees less than nvidia-smi shows: 0.4 GB of an RTX 3090, 0.5 of an H100, 0.8 of a B200
(torch.cuda.mem_get_info against memory.total)."""
_METAL_SMALL, _METAL_SMALL_SHARE = 27 * 2**30, (2 / 3) / 0.75
"""A Mac's memory is the three quarters of it that macOS lets a GPU use (configs/gpus, --gpu local);
Macs up to 36 GB give two thirds (recommendedMaxWorkingSetSize)."""
_PROFILED_SEQUENCES = 1024
"""Whose logits a profile run holds at most: vLLM's largest default of --max-num-seqs."""
_LOGIT_BYTES, _SORTED_LOGIT_BYTES = 16.0, 39.0
"""16-bit logits, their fp32 copy and what sampling makes of them: vLLM logs a peak of 3.0 GiB for
Qwen3-8B and 5.7 for Qwen3.5-35B-A3B on H100 (pull request 48037, issue 50722; 2026). Where PyTorch
sorts them: 4.76 GiB for Llama-3.1-8B, 5.56 for Qwen3-0.6B, 7.38 for gpt-oss-20b (vLLM 0.11 on H100,
llm-d-benchmark's config_explorer, 2025), 38.4 to 38.9 bytes of each."""
_GRAPH_BYTES = 10e6
"""Of a dense layer: 0.31 GiB of Qwen2.5-7B (vLLM 0.22), 0.23 of Llama-3.1-8B (0.31)."""
_TILE = 256
"""Inputs that vLLM's kernels for experts in mxfp4 take at a time: of gpt-oss-120b 64.4 GiB are
loaded on H100 (66.0 for Marlin's) and 13.5 of gpt-oss-20b, stored are 60.8 and 12.8
(llm-d-benchmark, vLLM 0.11; issue 23278; 2025)."""
_EXPERT_GRAPHS = 2.0
"""Kernels of a layer with experts over those of a dense one: vLLM captures 37 MB a layer of
Qwen3.5-35B-A3B (issue 50722), 10 of Llama-3.1-8B."""
_BEGUN_BYTES, _MET_BYTES = 0.5e9, 1.9e9
"""A CUDA context, and what the GPUs of a node take to meet, of which SGLang's share is none: its
log says 1.8 to 2.0 GiB of H200 (sgl-project/sglang pull request 11716, 2025-10)."""
_NCCL_BYTES = 0.4e9
"""Beside 0.16 GiB of one GPU alone, vLLM logs 0.2 to 1 GiB of memory outside of PyTorch."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bytes of one GPU."""

    driver_bytes: float
    """Not to be had by any program."""
    activation_bytes: float
    graph_bytes: float
    exchange_bytes: float
    left_bytes: float
    """Left alone by the engine's share, beyond what of it holds the above."""
    padding_bytes: float = 0.0
    """Of weights as loaded, beyond what is stored."""
    prompt_token_bytes: float = 0.0
    """Activations of each prompt token of a step, where the engine sets nothing aside for them."""

    @property
    def total_bytes(self) -> float:
        """Neither weights nor cache."""
        return (
            self.driver_bytes + self.activation_bytes + self.graph_bytes
            + self.exchange_bytes + self.left_bytes + self.padding_bytes
        )  # fmt: skip


def visible_bytes(gpu: Gpu) -> float:
    """What a program can have of the card's memory."""
    if gpu.memory_class == "Apple":
        return gpu.memory_bytes * (_METAL_SMALL_SHARE if gpu.memory_bytes <= _METAL_SMALL else 1.0)
    if gpu.vendor != "NVIDIA" or gpu.memory_class == "unified":
        return gpu.memory_bytes
    return gpu.memory_bytes * (1 - _DRIVER_SHARE) - _DRIVER_BYTES


def overhead(model: Model, gpu: Gpu, engine: Engine, share: float | None = None) -> Overhead:
    """Of a GPU that runs its part of `model` under `engine`, which takes this share of it."""
    visible = visible_bytes(gpu)
    parallel = model.parallel
    ways = parallel.tensor
    tokens, token_bytes = engine.max_batched_tokens, 0.0
    wide = 3 * model.hidden + 1.5 * model.widest_output / ways
    each = 2.0 * (wide + model.routed_elements(ways))
    if tokens == UNBOUNDED_TOKENS:
        tokens, token_bytes = 0, each
    rows = min(_PROFILED_SEQUENCES, engine.scheduler.max_sequences) * (1 + model.draft_tokens)
    vocabulary = model.head.out_features if model.head else 0
    logit = _SORTED_LOGIT_BYTES if engine.sorts_logits else _LOGIT_BYTES
    activations = max(tokens * each / parallel.prefill, logit * rows * vocabulary)
    layers = model.layer_count / parallel.pipeline * (_EXPERT_GRAPHS if model.has_experts else 1)
    graphs = _GRAPH_BYTES * layers if engine.cuda_graphs and engine.counts_graphs else 0.0
    exchange = _NCCL_BYTES if parallel.gpus > 1 else 0.0
    padding = _padding_bytes(model) if engine.pads_experts else 0.0
    needs = activations + graphs + exchange + padding
    left = 1.0 - (engine.memory_utilization if share is None else share)
    if engine.share_of == "all":
        left_bytes = left * visible
    elif engine.share_of == "weights and cache":
        begun = _BEGUN_BYTES + (_MET_BYTES if parallel.gpus > 1 else 0.0)
        left_bytes = max(0.0, begun + left * (visible - begun) - needs)
    else:
        left_bytes = left * max(0.0, visible - model.rank_weight_bytes - needs)
    return Overhead(
        gpu.memory_bytes - visible, activations, graphs, exchange, left_bytes, padding, token_bytes
    )


def _padding_bytes(model: Model) -> float:
    """What experts in mxfp4 take of one GPU beyond what they are stored as."""
    stored = sum(
        count * number * linear.stored_bytes
        for count, kind in model.stored_kinds
        for block in kind.blocks
        for number, linear in block.linears
        if linear.format is MXFP4
    )
    if not stored:
        return 0.0
    whole = -(-model.hidden // _TILE) * _TILE / model.hidden
    return (whole - 1.0) * stored * model.rank_weight_bytes / model.weight_bytes
