"""A host: the CPUs of a machine with their memory, as a card of its own, and how an engine uses it.

A host is a `Gpu` whose multiprocessors are cores and whose memory is that of the board, so that all
that times a card times it too. Not here: reading its file (sources/hosts.py) and any time.
"""

from __future__ import annotations

from typing import Literal

from vperf.values import dataclass

Offloads = Literal["layers", "experts", "weights"]
"""What an engine leaves to a host. layers: whole layers, experts, tensors, which its CPUs compute
(llama.cpp). experts: those alone (KTransformers). weights: it lies there and the card reads it over
the link at every step (vLLM)."""

VECTOR_OPERATIONS = 128.0
"""Of a core and clock, in kernels without tiles: two dot products of 8-bit integers in 256 bits.
ggml multiplies 45 to 67 operations a rated clock on Zen 4 with its 256 and on Sapphire and Granite
Rapids with their 512 bits alike (benchmarks/data/offload.csv, rows ik-437 and ik-534)."""


@dataclass(frozen=True, slots=True)
class HostUse:
    """Facts of an engine about the host it runs on."""

    offloads: Offloads
    stream: float = 1.0
    """Share of a host's sustained memory rate at which its kernels read weights."""
    experts_stream: float = 1.0
    """The same of routed experts, against the above."""
    compute: float = 1.0
    """Share of the sustained matmul rate of its cores."""
    tiles: bool = False
    """Its kernels use the matrix tiles of CPUs that have them (AMX)."""
    unpacks_once: bool = False
    """A step looks each weight of a codebook quant up once for all of its tokens; if not, for each
    of them."""
    sockets: float = 1.0
    """Share of the memory rate of sockets beyond the first that it makes use of."""
    crossing_s: float = 0.0
    """From a card to the host, or back: to wait, to copy the activations, to start."""
    link_share: float = 0.82
    """Of the link's rate at which weights come from host memory (llama.cpp.toml)."""
    streams_from: int = 0
    """Tokens of a step from which weights are sent to the card and multiplied there; 0: never."""
    experts_stream_evenly: bool = False
    """Experts are sent only from `streams_from` tokens for each of them."""
