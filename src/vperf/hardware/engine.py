"""An inference engine as a frozen value: what a step costs beyond its kernels, and kernels that
are its own.

Not here: reading TOML (sources/engines.py) and any time of a kernel (timing/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Literal, NamedTuple

from vperf.hardware.gpu import Calibration
from vperf.hardware.host import HostUse
from vperf.hardware.scheduler import Scheduler, SmallCards
from vperf.values import dataclass

Spread = tuple[float, float]
"""Percentiles of measured / expected, the fast end first."""
ShareOf = Literal["all", "weights and cache", "free"]
"""all: everything the engine takes is within the share (vLLM). weights and cache: these alone, so
that what is left must hold activations and graphs (SGLang). free: the cache takes the share of what
is free once the rest is there (TensorRT-LLM)."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """An engine's own kernels on one architecture, beside those the constants are of."""

    latency: float = 1.0
    """Factor on what a kernel takes beyond its work."""
    stream: float = 1.0
    """Share of the memory stream."""
    compute: float = 1.0
    """Share of the matmul rates."""
    wide: float = 1.0
    """The same of 16-bit weights outside of experts."""
    cache: float = 1.0
    """Share of the stream at which decode attention reads its cache."""
    vector: float = 1.0
    """Share of the products that a vector kernel makes a clock."""
    sinks: float = 1.0
    """Share of the attention rates, of prefill and of the cache's stream, that attention with sinks
    has: there is no flash attention with sinks for every architecture."""
    experts: float = 1.0
    """Factor on `latency` of grouped kernels."""
    blocks: float = 1.0
    """Factor on `latency` of kernels for weights with block scales: those that quantize their
    activations, and grouped ones."""


SAME_KERNELS = Kernels()


class Launch(NamedTuple):
    """How a server is started: templates that hardware/commands.py fills."""

    words: tuple[str | Mapping[str, str], ...]
    names: Mapping[str, Mapping[str, str]] = {}
    """What the engine calls the formats of a value."""
    file: Mapping[str, Any] | None = None
    """name, flag and options of a YAML file."""


BITS = {
    2: "two_bit", 3: "three_bit", 4: "four_bit", 5: "five_bit", 6: "six_bit", 8: "eight_bit",
}  # fmt: skip
_USUAL_FORMATS = {"four_bit": "int4", "eight_bit": "fp8"}
"""Of engines that load checkpoints of PyTorch."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Facts of one engine, well configured (full CUDA graphs, asynchronous scheduling)."""

    id: str
    name: str
    host_s_per_step: float
    """Time of a step that the GPU waits for the host, however many sequences it has."""
    launch_s: float
    """One small element-wise kernel in a CUDA graph."""
    scheduler: Scheduler
    """How it batches requests, as its server is by default."""
    memory_utilization: float = 1.0
    """Share of GPU memory the engine takes (vLLM's --gpu-memory-utilization)."""
    small_cards: SmallCards | None = None
    ttft_spread: Spread = (0.77, 2.00)
    """measured / expected TTFT under load, 10th and 90th percentile (timing/ranges.py); the default
    is that of all engines together."""
    prefill_spread: Spread | None = None
    """The same of the prefill of one batch, on NVIDIA's cards; None: as all engines'."""
    decode_spread: Spread | None = None
    """The same of a decode step, likewise."""
    host_s_per_sequence: float = 0.0
    """Host time of a step for each of its sequences: to schedule, sample, detokenize and send."""
    draft_s_per_step: float = 0.0
    """What a step that drafts takes beyond its kernels and a plain step's host: sampling and
    checking drafts, building trees, tables between passes."""
    draft_s_per_pass: float = 0.0
    """The same of each of its drafts in a row."""
    share_given: bool = False
    """The user said memory_utilization; else it is the engine's default."""
    share_of: ShareOf = "all"
    """What memory_utilization is a share of, or for."""
    counts_graphs: bool = False
    """CUDA graphs, captured for every batch size, are memory that its cache makes room for."""
    pads_experts: bool = False
    """Experts in mxfp4 are loaded in whole tiles of its kernels."""
    sorts_logits: bool = False
    """Its sampler sorts the logits of all sequences, in PyTorch."""
    cuda_graphs: bool = True
    """Whether a decode step is one launch; if not, the host launches every kernel."""
    eager_host_s_per_step: float = 0.0
    """host_s_per_step without CUDA graphs and asynchronous scheduling."""
    eager_launch_s: float = 0.0
    """Host time of one kernel without CUDA graphs, the framework's calls around it included."""
    all_reduce_latency: float = 1.0
    """Share of the card's all-reduce latency over NVLink 4 and later."""
    fused_quantize: bool = False
    """Activations leave the kernel before a matmul in 8 or 4 bits: no kernel of its own."""
    quantize_kernels: float = 1.0
    """Kernels that quantize one activation tensor with one scale (amax, scale, cast)."""
    quantize_s_per_element: float = 0.0
    """What quantizing an activation takes beyond the 3 bytes it moves."""
    fp8_attention: bool = False
    """Prefill multiplies in fp8 over an fp8 cache; if not, in 16 bit."""
    prefill_share: float = 1.0
    """Share of the card's flash-attention rate that the engine's own prefill kernels reach."""
    fp8_cache: bool = False
    """Checkpoints with fp8 weights run an fp8 cache unless told otherwise."""
    wide_stream: float = 1.0
    """Share of the card's stream at which 16-bit weights are read."""
    narrow_stream: float = 1.0
    """The same of quantized weights, unpacked on the way."""
    nested_stream: float = 1.0
    """The same of llama.cpp's K-quants, whose blocks have blocks with scales of their own."""
    nested_compute: float = 1.0
    """Share of the matmul rate of other weights at which those in nested blocks are multiplied."""
    grouped_compute: float = 1.0
    """Share of the rate of other engines' kernels at which routed experts are multiplied."""
    grouped_cache: float = 1.0
    """Share of the card's stream at which decode attention reads a cache whose heads several query
    heads share."""
    ignores_windows: tuple[str, ...] = ()
    """Model types whose layers all keep and read the whole context, whatever their config says."""
    vector_products_per_clock: float = 0.0
    """Products of quantized weights with up to eight tokens that a multiprocessor makes in a clock,
    where a kernel takes tokens one by one. 0: its kernels for few tokens are those for many."""
    nested_few: float = 1.0
    """Share of its products with few tokens at a time, vectors or one expert's, that it makes
    of weights in nested blocks."""
    encoder_bytes_per_element: float = 2.0
    """Of small kernels in layers that read both ways: where biases, norms and residuals are kernels
    of their own over fp32, several times those of one fused kernel over 16 bit."""
    sums_in_half: bool = False
    """fp16 is multiplied with 16-bit sums, twice as fast on GeForce (llama.cpp's cuBLAS calls)."""
    flash_attention: bool = True
    """Prefill never writes scores to memory; llama.cpp without -fa does."""
    compute_share: Mapping[str, float] = field(default_factory=dict)
    """Share of the card's large-matmul rate by pipe, where the engine's own kernels are slower."""
    kernels_on: Mapping[str, Kernels] = field(default_factory=dict)
    """Where the engine's kernels are not what others run on a card, by its architecture."""
    recurrent_share: float = 0.07
    """Share of the 16-bit rate of a chunked delta rule or state space in prefill."""
    cpu: HostUse | None = None
    """Its kernels are those for the CPUs of a host."""
    host: HostUse | None = None
    """What it leaves to the host, and how; None: nothing."""
    shares_context_cache: bool = False
    """Groups that read other tokens of a prompt keep those alone (prefill context parallelism)."""
    pipelines_prompts: bool = False
    """Cards in a layer split prefill one part of a prompt each at a time (llama.cpp)."""
    launch: Launch | None = None
    bench: tuple[str | Mapping[str, str], ...] = ()
    """The words of the command that measures a server."""
    switches: Mapping[str, str] = field(default_factory=dict)
    """Options that mend a fault or make it faster, by the name of the change."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """Its own formats of weights by their bits ("four_bit"), and a narrower cache."""
    converts: Mapping[str, str] = field(default_factory=dict)
    """What its files make of weights that it does not load as checkpoints store them, by the format
    stored; what is neither named nor of 16 bit it does not load. Empty: it loads checkpoints."""
    source: str = ""
    checked: str = ""

    def weights_of(self, bits: int) -> str | None:
        """Its own format of weights of so many bits; None: it has none."""
        word = BITS[bits]
        return self.formats.get(word, _USUAL_FORMATS.get(word))

    @property
    def max_batched_tokens(self) -> int:
        """Tokens of one step: sizes the activation buffers."""
        return self.scheduler.max_batched_tokens

    def with_scheduler(self, **facts: Any) -> Engine:
        """The same engine with other `facts` of its scheduler."""
        return replace(self, scheduler=replace(self.scheduler, **facts))

    def on(self, card_id: str, memory_bytes: float) -> Engine:
        """The engine as it sets itself up on a card of so much memory."""
        small = self.small_cards
        if small is None or not small.holds(card_id, memory_bytes):
            return self
        return self.with_scheduler(**small.facts)

    def calibrated(self, found: Calibration | None, architecture: str) -> Engine:
        """The engine as it runs on the server of a calibration."""
        if found is None:
            return self
        own = self.kernels_on.get(architecture, SAME_KERNELS)
        kernels = replace(
            own, stream=own.stream * found.memory, compute=own.compute * found.compute
        )
        return replace(
            self,
            kernels_on={**self.kernels_on, architecture: kernels},
            host_s_per_step=self.host_s_per_step * found.host,
            host_s_per_sequence=self.host_s_per_sequence * found.host,
        )

    def without_graphs(self) -> Engine:
        """The same engine that launches every kernel and schedules between steps."""
        return replace(self, cuda_graphs=False, host_s_per_step=self.eager_host_s_per_step)

    def drafting_s(self, depth: int) -> float:
        """What so many drafts in a row take beyond kernels."""
        return self.draft_s_per_step + depth * self.draft_s_per_pass if depth else 0.0

    def on_host(self) -> Engine:
        """The same engine's kernels for CPUs: none of the facts about a card's hold."""
        use = self.host or HostUse("layers")
        return replace(
            self,
            kernels_on={},
            compute_share={},
            wide_stream=use.stream,
            narrow_stream=use.stream,
            nested_stream=use.stream,
            nested_compute=1.0,
            nested_few=1.0,
            grouped_compute=1.0,
            vector_products_per_clock=0.0,
            sums_in_half=False,
            fused_quantize=True,
            cpu=use,
        )

    def overhead_s(
        self, kernels: float, kernel_s: float, sequences: float, *, reads_prompts: bool = False
    ) -> float:
        """What a step of so many kernels and sequences takes beyond the `kernel_s` they run.

        Without CUDA graphs the GPU waits wherever the host launches slower than it computes.
        """
        host = self.host_s_per_step + sequences * self.host_s_per_sequence
        if reads_prompts:
            host += self.scheduler.prompt_step_s
        if self.cuda_graphs:
            return host
        return host + max(0.0, kernels * self.eager_launch_s - kernel_s)
