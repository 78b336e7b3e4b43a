"""What the driver of this machine's card says now, where the result is graded on `--gpu local`.

    clock held back    power cap, temperature, power brake
    power cap          below the card's default
    slot               fewer PCIe lanes than card and machine allow
    programs           more than one on the card

A card under load whose clock is high rules low clocks out; an idle one rules out nothing. Only
reads. Not here: asking the driver (sources/local_gpu.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.checks.case import Suspect
from vperf.checks.looks import look
from vperf.hardware.gpu import Gpu
from vperf.sources.gpus import LOCAL
from vperf.sources.local_gpu import LocalCard, read_cards

_CAPPED = 0.95
"""Share of the usual power limit below which a card is held down."""
_BUSY, _FAST = 0.5, 0.9
"""Shares of time and of the highest clock of a card that works as it should."""


def card_of(gpu: str | Gpu | None) -> LocalCard | None:
    """The card in this machine, where that is what was named."""
    if gpu != LOCAL:
        return None
    return next(iter(read_cards()), None)


def seen_on(card: LocalCard, gpu: Gpu, *, several: bool) -> Iterator[Suspect]:
    """What on the card itself makes a run slow."""
    now, cap, usual = card.now, card.power_cap_w, card.power_default_w
    command = look("clocks", gpu)
    if now.throttle:
        yield Suspect(
            "clocks", "suspect", f"the card's clock is held back: {', '.join(now.throttle)}",
            f"{card.tool} says so now", command=command, odds=0.85,
        )  # fmt: skip
    elif cap is not None and usual is not None and cap < _CAPPED * usual:
        yield Suspect(
            "clocks", "suspect", f"the card's power is capped at {cap:.0f} W, not {usual:.0f} W",
            f"{card.tool} says so now", command=command, odds=0.75,
        )  # fmt: skip
    lanes, most = now.pcie_lanes, card.pcie_lanes
    if several and lanes and most and lanes < most:
        yield Suspect(
            "pcie-width", "suspect", f"the card's slot has {lanes} PCIe lanes, not {most}",
            f"{card.tool} says so now", command=look("width", gpu), odds=0.8,
        )  # fmt: skip
    if (now.processes or 0) > 1:
        yield Suspect(
            "busy", "suspect", f"{now.processes} programs use the card",
            f"{card.tool} says so now", command=look("busy", gpu), odds=0.6,
        )  # fmt: skip


def runs_fast(card: LocalCard) -> bool:
    """Whether it works now, at a clock that nothing holds back."""
    now = card.now
    if now.throttle or not now.sm_clock_hz or not card.sm_clock_hz:
        return False
    return (now.utilization or 0.0) > _BUSY and now.sm_clock_hz > _FAST * card.sm_clock_hz
