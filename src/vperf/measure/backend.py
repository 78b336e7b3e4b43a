"""What measuring asks of a backend. No torch here: tests run everything else against a fake.

Not here: what is measured (rates.py, constants.py, step.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from vperf.errors import VperfError
from vperf.model.ops import Op
from vperf.values import dataclass

Kind = Literal["cuda", "rocm", "mps", "cpu"]


class CannotRunError(VperfError):
    """This backend has no kernel for an op; the message says why."""


class OutOfMemoryError(VperfError):
    """The op does not fit into the free memory of the device."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one run, over several repetitions."""

    best_s: float
    median_s: float


@dataclass(frozen=True, slots=True)
class Launch:
    """Host time of one small kernel, launched one by one and inside a CUDA graph."""

    eager_s: float
    graph_s: float | None
    """None where there are no graphs."""


@dataclass(frozen=True, slots=True)
class Device:
    """The device as the framework describes it; None where it does not say."""

    kind: Kind
    name: str
    count: int
    memory_bytes: float
    framework: str
    """As "PyTorch 2.9.1"."""
    sm_count: int | None = None
    l2_bytes: float | None = None
    memory_bandwidth: float | None = None
    """Memory clock x bus width."""
    max_clock_hz: float | None = None
    compute_capability: str = ""

    @property
    def graphs(self) -> bool:
        """Whether work can be captured once and replayed without the host."""
        return self.kind in ("cuda", "rocm")


class Backend(Protocol):
    """Runs what it is told on random data and says how long it took."""

    @property
    def device(self) -> Device:
        """What it runs on."""

    def time(self, ops: Sequence[Op], *, quantize: bool = True) -> Timing:
        """Seconds of the ops in a row, none of their weights or caches in the L2 beforehand.

        `quantize`: 8- and 4-bit matmuls start from 16-bit activations. Raises CannotRunError,
        OutOfMemoryError.
        """

    def bench(self, op: Op) -> Timing:
        """One large op, alone, with pauses: the highest rate a benchmark shows."""

    def sustained(self, op: Op, seconds: float) -> Timing:
        """One op over and over for about so long: warm, at the clock it settles to."""

    def copy(self, size_bytes: float) -> Timing:
        """One copy of so many bytes, which reads and writes each of them."""

    def launch(self) -> Launch:
        """What a small kernel costs the host."""

    def all_reduce(self, ranks: int, sizes_bytes: Sequence[int]) -> tuple[float, ...]:
        """Seconds of an all-reduce of each size among so many cards; empty if it cannot run."""

    def keep_busy(self, seconds: float) -> None:
        """Start work that takes about so long, and return at once where the device can."""

    def notes(self) -> tuple[str, ...]:
        """What the user should know of how it was timed."""
