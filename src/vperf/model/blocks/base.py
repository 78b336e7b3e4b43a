"""What every mechanism answers, and how modules get their number formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Literal, Protocol, Self, cast

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.cache import EVERY_TOKEN, Span
from vperf.model.ops import Coordinates, Linear, Work

ModuleKind = Literal["linear", "expert", "embedding", "head", "router", "conv"]

WeightFormat = Callable[[str, ModuleKind], Format]
"""The number format of the weight of a module, by its full name in the checkpoint."""


class Block(Protocol):
    """One mechanism of a layer. Values compare equal when they do the same work.

    What most mechanisms do not have (experts, a cache, a state) is answered with nothing here.
    """

    __slots__ = ()

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """Every weight matrix with how many like it there are (experts)."""

    @property
    def vectors(self) -> int:
        """Parameters outside of matrices: norms, sinks, biases of packed experts."""

    @property
    def idle_parameters(self) -> int:
        """Parameters that one token does not use: the experts it is not routed to."""
        return 0

    @property
    def unread_parameters(self) -> int:
        """Parameters that no text token reads: layers that only an image or an encoder feeds."""
        return 0

    @property
    def cache_elements(self) -> int:
        """Cache elements that one more token adds before any window is full."""
        return 0

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """What tensor parallelism must divide evenly: (how many, of what)."""
        return ()

    def routed_elements(self, ways: int) -> float:
        """What a token's routed experts write on one of so many ranks before they are summed."""
        return 0.0

    @property
    def favours_experts(self) -> bool:
        """Whether its router favours some experts over others."""
        return False

    @property
    def expert_split(self) -> tuple[int, int]:
        """(experts, width of one), which expert and tensor parallelism divide; (0, 0): none."""
        return 0, 0

    @property
    def whole(self) -> bool:
        """Whether every rank holds and computes all of it."""
        return False

    @property
    def joins_residual(self) -> bool:
        """Whether it has a norm and adds to the residual stream: then ranks sum their outputs."""
        return not self.whole

    @property
    def summed_inside(self) -> int:
        """16-bit elements a token that ranks which divide it sum before its output is there."""
        return 0

    def copied(self, ways: int) -> Self:
        """As `ways` ranks hold it together: what divides into fewer parts is there more often."""
        block = cast("Any", self)
        held = {field.name: getattr(self, field.name) for field in fields(block)}
        copies = {name: _copied(value, ways) for name, value in held.items()}
        changed = {name: copy for name, copy in copies.items() if copy != held[name]}
        return cast("Self", replace(block, **changed)) if changed else self

    @property
    def cache_heads(self) -> int:
        """Heads that tensor parallelism can divide the cache by; a latent has one."""
        return 1

    @property
    def cache_spans(self) -> tuple[Span, ...]:
        """For which tokens the cache holds `cache_elements`: the last ones, under a window."""
        return EVERY_TOKEN if self.cache_elements else ()

    def cached_tokens(self, context: int) -> int:
        """How many of `context` tokens that are."""
        return sum(span.entries(context) for span in self.cache_spans)

    @property
    def state_bytes(self) -> float:
        """Recurrent state of one sequence, whatever its length."""
        return 0.0

    @property
    def index_spans(self) -> tuple[tuple[float, Span], ...]:
        """(bytes, for which tokens) of keys that an indexer keeps beside the cache, in a format of
        their own (sparse.py)."""
        return ()

    @property
    def elementwise_launches(self) -> int:
        """Small kernels it runs a step: a norm with its residual add; rotary with the cache write,
        or the activation. A helper that has none of its own runs inside of others' kernels.
        """
        return 2 if self.joins_residual else 0

    @property
    def elementwise_elements(self) -> int:
        """16-bit elements per token that its small kernels read and write (rotary, activation)."""
        return 0

    @property
    def reads_both_ways(self) -> bool:
        """Whether it is the attention of an encoder's layer."""
        return False

    @property
    def windows(self) -> tuple[int, ...]:
        """Contexts at which the growth of the work with context has a kink."""
        return ()

    @property
    def part(self) -> str:
        """Which part of a model its weights are counted as (anatomy.py)."""
        if self.cache_elements:
            return "attention"
        return "recurrent and other mixers" if self.state_bytes else "other projections"

    def in_words(self) -> str:
        """What it is, for a person; without words of its own it is called by its class."""
        name = type(self).__name__
        return "".join(f" {c.lower()}" if c.isupper() else c for c in name).lstrip()

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """The work of `step`."""


def _copied(value: Any, ways: int) -> Any:
    """A block's field with its weights copied; what holds none is given back as it is."""
    if isinstance(value, tuple):
        return tuple(_copied(item, ways) for item in value)
    return value.copied(ways) if hasattr(value, "copied") else value


class Scope:
    """Names and formats of the modules under a prefix: `scope.linear("q_proj", 2560, 4096)`."""

    __slots__ = ("formats", "prefix", "vector_bytes")

    def __init__(self, prefix: str, formats: WeightFormat, vector_bytes: float = 2.0) -> None:
        self.prefix = prefix
        self.formats = formats
        self.vector_bytes = vector_bytes

    def child(self, name: str) -> Scope:
        """The scope of a submodule."""
        prefix = f"{self.prefix}.{name}" if self.prefix else name
        return Scope(prefix, self.formats, self.vector_bytes)

    def linear(
        self,
        name: str,
        in_features: int,
        out_features: int,
        *,
        bias: bool = False,
        kind: ModuleKind = "linear",
        parts: int | None = None,
    ) -> Linear:
        """A weight [out, in] of this scope; its op is called by the last parts of its name.

        `parts` as in Linear; every rank has a router whole.
        """
        full = f"{self.prefix}.{name}" if self.prefix else name
        format = self.formats(full, kind).of_rows(in_features)
        if kind == "router":
            parts = 1
        return Linear(name, in_features, out_features, format, bias, parts, self.vector_bytes)
