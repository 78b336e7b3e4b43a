"""A card with an engine, and what a step on them is said to take: op by op, and in total.

Not here: how long it takes (compiled.py).
"""

from __future__ import annotations

from typing import Any, Literal

from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.timing.constants import Constants, constants_of
from vperf.timing.limit import Limits
from vperf.values import dataclass

Bound = Literal["compute", "memory", "link"]
"""The side of the roofline; link: between GPUs, with more than one of them."""


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
    """Weights and cache that come from memory, and activations in and out."""
    compute_s: float
    memory_s: float
    limit_s: float
    expected_s: float
    bound: Bound
    share: float
    """Of the step's expected time, 0 to 1."""
    pipe: str = ""
    """The compute pipe whose peak `compute_s` is at; "" without FLOPs."""
    place: str = ""
    """Of several places, the one it runs on: a card, the host, or the link between."""

    @property
    def of_limit(self) -> float:
        """limit / expected: 1 where nothing but the roofline takes time."""
        return self.limit_s / self.expected_s if self.expected_s else 1.0

    def to_dict(self) -> dict[str, Any]:
        """The fields, and `of_limit`."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "of_limit": self.of_limit}


@dataclass(frozen=True, slots=True)
class PlaceTime:
    """What one place takes of a step: all its ops together."""

    place: str
    bytes: float
    """Weights and cache that it must read; of the link, what crosses it."""
    limit_s: float
    expected_s: float
    share: float
    """Of the step's expected time, 0 to 1."""


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Prefill, or one decode step at `context_tokens`."""

    context_tokens: int
    """Tokens in the cache before the step."""
    limit_s: float
    ceiling_s: float
    """The limit, were tokens routed to all experts alike: MBU and bytes are of that."""
    expected_s: float
    overhead_s: float
    """Time of the step that the GPU waits for the host; in expected_s, in no op."""
    flops: float
    bytes: float
    """Weights and KV cache the step must read."""
    bound: Bound
    """What bounds the limit of the phase."""
    ops: tuple[OpTime, ...]
    places: tuple[PlaceTime, ...] = ()
    """Of several places, what each takes of the step; empty where all is on the cards."""

    @property
    def of_limit(self) -> float:
        """limit / expected of the step."""
        return self.limit_s / self.expected_s if self.expected_s else 1.0


class Card:
    """A card and an engine with everything needed to time a step on them."""

    __slots__ = ("constants", "engine", "gpu", "limits")

    def __init__(self, gpu: Gpu, engine: Engine) -> None:
        self.gpu = gpu
        self.engine = engine
        self.constants: Constants = constants_of(gpu, engine)
        self.limits = Limits(gpu)
