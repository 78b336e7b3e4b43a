"""Speeds with what they rest on, and the range around what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vperf.answer import Expected, SimulatedRun, Speed
from vperf.hardware.engine import Spread
from vperf.timing.compiled import Seconds
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.serving.load import Served


@dataclass(frozen=True, slots=True)
class Pace:
    """The speeds of a workload, and what they rest on."""

    limit: Speed
    ceiling: Speed
    """The limit at even routing."""
    expected: Expected
    running: int
    """Sequences that decode at a time."""
    held: int
    """Those whose cache is held at full length."""
    gain: float
    """Tokens that a step yields."""
    step: Seconds | None = None
    """Of a batch, the mean decode step of the output; with drafts, verification and drafts."""
    served: Served | None = None
    """What a load settles to; of a finite run, its rate and its times."""
    simulated: SimulatedRun | None = None
    """The finite run that `expected` is of."""


def speed_of(ttft_s: float, tpot_s: float, tokens: int, sequences: float) -> Speed:
    """Of times in which so many prompt tokens are read, and so many sequences decode."""
    if not tpot_s:  # what generates no tokens decodes none, in no time
        return Speed(ttft_s, tokens / ttft_s, 0.0, 0.0, 0.0)
    return Speed(ttft_s, tokens / ttft_s, tpot_s, sequences / tpot_s, 1 / tpot_s)


def with_range(
    limit: Speed,
    ttft_s: float,
    tpot_s: float,
    tokens: int,
    sequences: float,
    *,
    ttft_spread: Spread,
    tpot_spread: Spread,
) -> Expected:
    """Expected speed with its range; the fast end of the range stops at the limit."""
    low, high = ttft_spread
    ttft_low, ttft_high = max(ttft_s * low, limit.ttft_s), ttft_s * high
    ttft, tpot = max(ttft_s, limit.ttft_s), max(tpot_s, limit.tpot_s)
    if not tpot:
        return Expected(
            ttft, tokens / ttft, 0.0, 0.0, 0.0,
            Speed(ttft_low, tokens / ttft_high, 0.0, 0.0, 0.0),
            Speed(ttft_high, tokens / ttft_low, 0.0, 0.0, 0.0),
        )  # fmt: skip
    low, high = tpot_spread
    tpot_low, tpot_high = max(tpot_s * low, limit.tpot_s), tpot_s * high
    return Expected(
        ttft, tokens / ttft, tpot, sequences / tpot, 1 / tpot,
        Speed(ttft_low, tokens / ttft_high, tpot_low, sequences / tpot_high, 1 / tpot_high),
        Speed(ttft_high, tokens / ttft_low, tpot_high, sequences / tpot_low, 1 / tpot_low),
    )  # fmt: skip
