"""A GPU as a frozen value: datasheet facts, and apart from them what was measured on it.

Peaks and achieved rates stand side by side and are never multiplied here; they meet in timing/.
Not here: reading TOML (sources/gpus.py) and any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields, replace
from typing import Any, Literal

from vperf.notes import Note
from vperf.values import dataclass

PIPES = (
    "fp32",
    "tf32",
    "bf16",
    "fp16",
    "fp16_acc16",
    "fp8",
    "fp8_acc16",
    "mxfp8",
    "int8",
    "fp4",
    "mxfp4",
    "int4",
)
"""Compute pipes a peak may be given for. Dense, fp32 (or int32) accumulation unless `_acc16`.

`mxfp8` is the block-scaled 8-bit multiply: GeForce RTX 50 runs it at twice its plain `fp8` rate,
so the limit of a block-scaled fp8 matmul needs it.
"""

NODE = 8
"""GPUs of a node where nothing says otherwise."""

Confidence = Literal["high", "medium", "low"]

TensorCores = Literal["none", "mma", "wgmma", "tcgen05"]
"""By the instruction that drives them. mma: a warp multiplies and waits (up to Ada, GeForce and RTX
PRO Blackwell). wgmma: four warps start a multiply that runs beside them (Hopper). tcgen05: one
thread starts it, sums stay in tensor memory (B200, B300, Thor). none: other vendors, and Pascal.
"""

MemoryClass = Literal["HBM", "GDDR", "unified", "Apple", "DDR"]
"""What memory is built as. unified: LPDDR shared with the CPU, but for Apple's. DDR: modules of a
host, whose CPUs compute."""


@dataclass(frozen=True, slots=True)
class Link:
    """How a GPU reaches its peers: bytes per second in one direction."""

    name: str
    bytes_per_s: float
    adds: bool = False
    """The switch sums what passes it (SHARP): a rank sends its message once."""
    domain: int | None = None
    """GPUs it joins; None where the file does not say."""


@dataclass(frozen=True, slots=True)
class AllReduce:
    """One group size of an all-reduce: the smaller of two lines `latency + bytes / rate`.

    One-shot kernels start fast, two-shot ones (and NCCL) move more (docs/method.md).
    """

    latency_s: float
    bytes_per_s: float
    large_latency_s: float = 0.0
    large_bytes_per_s: float = 0.0
    """Of large messages; 0: there is one line only."""
    scaled: bool = False
    """From another card's, by the rates of their links; else measured on this one."""

    def seconds(self, message_bytes: float) -> float:
        """Time of one all-reduce of so many bytes."""
        small = self.latency_s + message_bytes / self.bytes_per_s
        if not self.large_bytes_per_s:
            return small
        return min(small, self.large_latency_s + message_bytes / self.large_bytes_per_s)


@dataclass(frozen=True, slots=True)
class Achieved:
    """What was measured on the card; None where nobody measured (docs/method.md).

    `flop_per_s` holds the sustained large-matmul rate by pipe ("bf16", "fp8", "fp8_block", "fp4");
    `memory_bandwidth` the stream of one matmul's weights in bytes/s; the rest are the small
    constants of the forms. The end of a constant's name says what it is: `_s` seconds, `_bandwidth`
    bytes/s, `_efficiency` a share; files, screens and checks follow from the fields here.
    """

    flop_per_s: Mapping[str, float] = field(default_factory=dict)
    memory_bandwidth: float | None = None
    stream_bandwidth: float | None = None
    """At which decode attention reads a 16-bit cache, and grouped experts their weights."""
    gemm_latency_s: float | None = None
    """t_gemm: launch gap, DRAM ramp and tail of one cold GEMM."""
    quantize_latency_s: float | None = None
    """t_quant: the kernel that quantizes activations to 8 bits."""
    quantize4_latency_s: float | None = None
    """t_quant of 4-bit activations."""
    prefill_efficiency: float | None = None
    """eta of flash attention in prefill."""
    prefill_block_s: float | None = None
    """tau_p: one thread block's latency in prefill attention, beyond its work."""
    prefill_latency_s: float | None = None
    """t_ap."""
    decode_latency_s: float | None = None
    """t_ad."""
    decode_block_s: float | None = None
    """tau: one thread block's latency in decode attention."""
    moe_latency_s: float | None = None
    """t_moe."""
    moe_block_latency_s: float | None = None
    """The same of fp8 with block scales, which takes more kernels."""
    moe_efficiency: float | None = None
    """r_moe: grouped over dense GEMM rate."""
    moe_block_efficiency: float | None = None
    """The same of fp8 with block scales."""
    moe_unpack_efficiency: float | None = None
    """The same of weights unpacked to 16 bit."""
    mla_efficiency: float | None = None
    """Absorbed MLA over dense GEMM rate."""
    cache8_bandwidth: float | None = None
    """At which decode attention reads an fp8 cache; as stream_bandwidth where it is not less."""
    all_reduce: Mapping[int, AllReduce] = field(default_factory=dict)
    source: str = ""
    checked: str = ""

    def with_streams(self, scale: float | None) -> Achieved:
        """Times so much from memory; None: without its streams."""
        streams: dict[str, Any] = {}
        for name in MEASURED_BANDWIDTHS:
            rate = getattr(self, name)
            streams[name] = rate * scale if rate and scale else None
        return replace(self, **streams)


MEASURED = tuple(each.name for each in fields(Achieved) if each.default is None)
"""The constants of `Achieved` that are one number, in its order."""


MEASURED_BANDWIDTHS = tuple(name for name in MEASURED if name.endswith("_bandwidth"))
"""Those of them that are streams from the card's memory."""
MEASURED_SECONDS = frozenset(name for name in MEASURED if name.endswith("_s"))
"""Those that are times."""


def achieved_key(constant: str) -> str:
    """What a constant of `Achieved` is called in a file, where times are text with their unit."""
    return constant.removesuffix("_s")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What results of one server have over what is expected of it: factors that carry over to its
    other settings."""

    base: str
    """The card of the catalogue, or its file."""
    memory: float = 1.0
    """On the streams from memory."""
    compute: float = 1.0
    """On the matmul rates."""
    host: float = 1.0
    """On the engine's host time, of a step and of each sequence."""
    link: float = 1.0
    """On the time of an all-reduce."""
    results: int = 0
    error_before: float = 0.0
    """Mean of |expected / measured - 1| over the times they are of."""
    error_after: float = 0.0
    checked: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator. SI units; `peak_flop_per_s` is dense, at the rated clock."""

    id: str
    name: str
    vendor: str
    architecture: str
    compute_capability: str
    memory_bytes: float
    """What the driver shows to a program, after ECC and reservations."""
    memory_bandwidth: float
    peak_flop_per_s: Mapping[str, float]
    sm_count: int
    rated_clock_hz: float
    """The clock at which the peaks are quoted."""
    max_clock_hz: float
    """The highest clock a matmul can run at; above the rated one on GeForce and RTX PRO."""
    l2_bytes: float
    """The cache all SMs share: L2, or the Infinity Cache behind it."""
    link: Link | None
    """Peer link (NVLink, Infinity Fabric); None where peers talk over PCIe."""
    pcie_bytes_per_s: float | None
    tdp_w: float | None
    achieved: Achieved | None
    memory_type: str = ""
    """As the vendor calls it: "HBM3e", "GDDR7"."""
    memory_class: MemoryClass = "unified"
    tensor_cores: TensorCores = "none"
    assumptions: tuple[Note, ...] = ()
    """Said with every answer: an ambiguous name's default, an override, ..."""
    origin: str = ""
    """The user's own file; empty for what ships."""
    source: str = ""
    checked: str = ""
    confidence: Confidence = "medium"
    notes: tuple[str, ...] = ()
    exp_per_clock: float = 16.0
    """Exponentials per SM and clock: what bounds the softmax of flash attention."""
    calibration: Calibration | None = None
    """Of the server that it is in; no limit and no datasheet figure changes with it."""
    same_die: str = ""
    """Another card, of which the die and all its constants were measured."""
    of_die: Achieved | None = None
    """What was measured on that one, as it would be here: where `achieved` has nothing."""
    peer_access: bool = True
    """Cards read each other's memory, over a link or PCIe. GeForce drivers do not let them, so that
    engines switch their own all-reduce off and NCCL copies through the host."""
    gpus_per_node: int | None = None
    """As the user says; None: 8, or more where a link joins more."""
    engine: str = ""
    """What runs on it where nobody names an engine; empty: the default of all."""
    sockets: int = 1
    """Of a host: CPUs, each with an equal part of its memory."""
    beside: tuple[Gpu, ...] = ()
    """Of several cards that have layers of their own, all of them; the facts here are the first's.
    """
    node_bytes_per_s: float = 50e9
    """One way from a GPU to another node: a 400 Gb/s port of InfiniBand or RoCE for each GPU, as in
    HGX and DGX machines."""

    @property
    def node_size(self) -> int:
        """GPUs that reach each other without the network between nodes."""
        if self.gpus_per_node is not None:
            return self.gpus_per_node
        return max(NODE, (self.link and self.link.domain) or 0)

    @property
    def is_host(self) -> bool:
        """Whether it is the CPUs of a machine."""
        return self.memory_class == "DDR"

    @property
    def cards(self) -> tuple[Gpu, ...]:
        """All of those that have layers of their own; itself alone where they share them."""
        return self.beside or (self,)

    @property
    def boost(self) -> float:
        """How far above the rated clock the card can run; 1.0 for datacenter cards."""
        return max(1.0, self.max_clock_hz / self.rated_clock_hz)

    def with_bandwidth(self, bytes_per_s: float) -> Gpu:
        """The card with another datasheet bandwidth; what was measured keeps its share of it."""
        scale = bytes_per_s / self.memory_bandwidth
        return replace(
            self,
            memory_bandwidth=bytes_per_s,
            achieved=self.achieved and self.achieved.with_streams(scale),
            of_die=self.of_die and self.of_die.with_streams(scale),
        )

    def with_same_die(self, measured: Gpu) -> Gpu:
        """The card with the constants of another that has its die.

        Times and shares are the die's. Matmul rates keep their share of the peak, at whatever clock
        that is. Streams keep their share of the datasheet's bandwidth where both have the same HBM:
        what ECC takes of GDDR is a setting (on in an L40S, off in an RTX 6000 Ada).
        """
        known = measured.achieved
        if known is None:
            return replace(self, same_die=measured.id)
        peaks, others = self.peak_flop_per_s, measured.peak_flop_per_s
        shares = {}
        for kind, rate in known.flop_per_s.items():
            pipe = "fp8" if kind == "fp8_block" else kind
            if pipe in peaks and pipe in others:
                shares[kind] = rate * peaks[pipe] / others[pipe]
        same_memory = self.memory_class == "HBM" and self.memory_type == measured.memory_type
        scale = self.memory_bandwidth / measured.memory_bandwidth if same_memory else None
        found = replace(known.with_streams(scale), flop_per_s=shares, all_reduce={})
        return replace(self, same_die=measured.id, of_die=found)
