"""Collectives: all-reduce of tensor parallelism, all-to-all of expert and data parallelism.

    limit     2 S (N - 1) / N over the link for an all-reduce of S bytes; S where the switch can
              add (`Link.adds`: NVLink SHARP); S (N - 1) / N for an all-to-all: what must leave
              each rank
              among more ranks than a node has, also what must leave a node, over a port each
    expected  alpha_N + S / algbw_N, both measured per group size, from the nearest one measured;
              an engine whose kernels start sooner over such a switch has a share of alpha
              over a link that nobody measured, the faster of one shot, in which each rank reads
              the messages of all others, and two: reduced in parts, which are then gathered

Not here: which ops need one (model/rows.py).
"""

from __future__ import annotations

from vperf.hardware.gpu import AllReduce, Gpu
from vperf.model.affine import Q
from vperf.model.ops import Op, Work
from vperf.timing.constants import tensor_cores
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Links:
    """What is taken for all-reduces over a link that nobody measured, from those that were."""

    latency_s: tuple[float, ...]
    """Start of a short one, for each generation of tensor cores."""
    one_shot: float
    """Share of the one-way link at which a rank reads the messages of all others."""
    large_latency_s: float
    two_shot: float
    """Share of the link at which parts are reduced and gathered: 2 (N - 1) / N of the message."""


# What benchmarks/generic_constants.py derives from A100, H100, H200, B200 and B300.
LINKS = Links((5.4e-6, 4.5e-6, 6.7e-6), 0.56, 27e-6, 0.75)

# Over PCIe, shares of one way as algorithm bandwidth: RTX PRO 6000 and L40S, where all ranks meet
# in one root complex (kernel tables of NVIDIA aiconfigurator).
PCIE_UNKNOWN = 15.75e9
"""PCIe 3.0 x16 one way, where a GPU file names neither link nor PCIe; the answer says so."""
_PCIE_SHARE = {2: 0.60, 4: 0.20, 8: 0.12}
_PCIE_LATENCY_S = {2: 5e-6, 4: 13e-6, 8: 25e-6}

# Without peer access NCCL copies every message through the host's memory, rank by rank. Fitted to
# vLLM with 2 and 4 cards of GeForce 30, 40 and 50 (docs/method.md).
_HOST_LATENCY_S, _HOST_HOP_S = 5.7e-6, 5.05e-6
_HOST_SHARE = {2: 0.28, 4: 0.10, 8: 0.115}
_HOST_LARGE = 2.5
"""How much faster large messages go, and how much later they start."""


_NODE_LATENCY_S, _NODE_SHARE = 25e-6, 0.8
"""An exchange between nodes: start and share of the ports' rate (nccl-tests on 400 Gb/s InfiniBand
reach 0.8 to 0.95 of the line; an order of magnitude for small messages, not measured here)."""


def _adds(gpu: Gpu) -> bool:
    # Measured 8-GPU all-reduces on H100 and H200 pass the two-pass bound by up to 4 %: their
    # NVSwitch reduces on the way, every rank sends its message once and receives the sum once.
    return gpu.link is not None and gpu.link.adds


def link_bytes_per_s(gpu: Gpu) -> float:
    """One way between peers: the link where the card has one, PCIe otherwise; inf if unknown."""
    if gpu.link is not None:
        return gpu.link.bytes_per_s
    return gpu.pcie_bytes_per_s or float("inf")


def all_reduce_line(gpu: Gpu, ranks: int) -> AllReduce:
    """Latency and algorithm bandwidth of an all-reduce among `ranks` cards."""
    line, slower = _line(gpu, ranks), gpu.calibration.link if gpu.calibration else 1.0
    if slower == 1.0:
        return line
    return AllReduce(
        line.latency_s * slower, line.bytes_per_s / slower,
        line.large_latency_s * slower, line.large_bytes_per_s / slower, line.scaled,
    )  # fmt: skip


def _line(gpu: Gpu, ranks: int) -> AllReduce:
    if not gpu.peer_access:
        return _through_host(gpu, ranks)
    measured = gpu.achieved.all_reduce if gpu.achieved else {}
    if measured:
        return measured[min(measured, key=lambda n: (abs(n - ranks), -n))]
    if gpu.link is not None and ranks <= (gpu.link.domain or ranks):
        others, link = max(1, ranks - 1), gpu.link.bytes_per_s
        return AllReduce(
            LINKS.latency_s[tensor_cores(gpu)], LINKS.one_shot * link / others,
            LINKS.large_latency_s, LINKS.two_shot * link * (others + 1) / (2 * others),
        )  # fmt: skip
    nearest = min(_PCIE_SHARE, key=lambda n: (abs(n - ranks), -n))
    pcie = gpu.pcie_bytes_per_s or PCIE_UNKNOWN
    return AllReduce(_PCIE_LATENCY_S[nearest], pcie * _PCIE_SHARE[nearest])


def _through_host(gpu: Gpu, ranks: int) -> AllReduce:
    latency = _HOST_LATENCY_S + _HOST_HOP_S * 2 * (ranks - 1)
    nearest = min(_HOST_SHARE, key=lambda n: (abs(n - ranks), -n))
    rate = (gpu.pcie_bytes_per_s or PCIE_UNKNOWN) * _HOST_SHARE[nearest]
    return AllReduce(latency, rate, _HOST_LARGE * latency, _HOST_LARGE * rate)


def _inside(gpu: Gpu, ranks: int) -> tuple[int, int]:
    """Ranks of one node, and how many nodes there are."""
    local = min(ranks, gpu.node_size)
    return local, -(-ranks // local)


def limit_s(work: Work[Q], gpu: Gpu) -> Q | float:
    """The least time one exchange takes: what must leave a rank, and what must leave its node."""
    (ranks,) = work.shape
    assert isinstance(ranks, int)
    local, nodes = _inside(gpu, ranks)
    if work.kind == "allreduce":
        leaves = (local - 1) / local  # of the message, once
        leaves = min(2.0 * leaves, 1.0) if _adds(gpu) else 2.0 * leaves
        beyond = 1.0 / local if nodes > 1 else 0.0  # networks may add too
    else:
        leaves, beyond = (local - 1) / ranks, (ranks - local) / ranks
    slowest = max(leaves / link_bytes_per_s(gpu), beyond / gpu.node_bytes_per_s)
    return work.input_elements * (2.0 * slowest)


def expected_lines(
    work: Work[Q], gpu: Gpu, latency_share: float = 1.0
) -> tuple[Q | float, Q | float | None]:
    """What one exchange takes in a CUDA graph, the fewer of one or two lines of its bytes;
    `latency_share`: the engine's on links whose switch adds. Between nodes every rank sends its
    part over its own port, before or after the exchange inside."""
    (ranks,) = work.shape
    assert isinstance(ranks, int)
    local, nodes = _inside(gpu, ranks)
    line = all_reduce_line(gpu, local)
    latency = line.latency_s * (latency_share if _adds(gpu) else 1.0)
    # In an all-to-all every rank sends (N - 1) / N once, at the rate of an all-reduce's two passes.
    reduces = work.kind == "allreduce"
    passes = 1.0 if reduces else (local - 1) / ranks / 2.0
    between = 2.0 * (nodes - 1) / nodes / local if reduces else (ranks - local) / ranks
    rate = _NODE_SHARE * gpu.node_bytes_per_s
    late = _NODE_LATENCY_S * (nodes > 1)
    moved = work.input_elements * (2.0 * passes)
    sent = work.input_elements * (2.0 * between / rate)
    small = moved / line.bytes_per_s + sent + (latency + late)
    if not line.large_bytes_per_s:
        return small, None
    return small, moved / line.large_bytes_per_s + sent + (line.large_latency_s + late)


def expected_s(op: Op, gpu: Gpu, latency_share: float = 1.0) -> float:
    """The same of an exchange of known size, never below its limit."""
    small, large = expected_lines(op, gpu, latency_share)
    return max(small if large is None else min(small, large), limit_s(op, gpu))
