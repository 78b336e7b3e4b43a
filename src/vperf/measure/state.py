"""The card's state around a measurement, and what in it makes the measurement worth less.

Only reads: no setting is changed. Not here: asking the driver (sources/local_gpu.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vperf.sources.local_gpu import LocalCard, Reading, read_cards
from vperf.values import dataclass

_BUSY = 0.10
_USED_BYTES = 1.5e9
_CAP = 0.99


@dataclass(frozen=True, slots=True)
class Watched:
    """A card before, under load, and after; `card` None where no tool knows it."""

    card: LocalCard | None
    before: Reading
    loaded: tuple[Reading, ...]
    after: Reading


class Watch:
    """Takes readings of one card; every one is empty where no tool answers."""

    def __init__(
        self, name: str, index: int = 0, cards: Callable[[], Sequence[LocalCard]] = read_cards
    ) -> None:
        self._cards = cards
        self._name = name
        self._index = index
        self.card = self._read()
        self._before = self.card.now if self.card else Reading()
        self._loaded: list[Reading] = []

    def _read(self) -> LocalCard | None:
        """The card of that name; of several, or where tools name it otherwise, by its place."""
        cards = self._cards()
        same = [card for card in cards if self._name in (card.name, *card.names)] or list(cards)
        return same[min(self._index, len(same) - 1)] if same else None

    def under_load(self) -> None:
        """Remember how the card is now, while it works."""
        card = self._read()
        if card is not None:
            self._loaded.append(card.now)

    def ended(self) -> Watched:
        """With the last reading."""
        card = self._read()
        return Watched(
            self.card, self._before, tuple(self._loaded), card.now if card else Reading()
        )


def warnings_of(watched: Watched, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What the user should know of the card; `facts` is its catalogue file, empty if unknown."""
    card, before = watched.card, watched.before
    if card is None:
        return ()
    lines = []
    if before.processes:
        who = "another program uses" if before.processes == 1 else (
            f"{before.processes} other programs use"
        )  # fmt: skip
        lines.append(f"{who} the GPU: what was measured is what they left")
    elif (before.utilization or 0.0) > _BUSY:
        lines.append(f"the GPU was {before.utilization:.0%} busy before the measurement")
    elif before.processes is None and (before.memory_used_bytes or 0.0) > _USED_BYTES:
        used = (before.memory_used_bytes or 0.0) / 1e9
        lines.append(f"{used:.1f} GB of the GPU's memory were in use before the measurement")
    reasons = dict.fromkeys(reason for reading in watched.loaded for reason in reading.throttle)
    if reasons:
        lines.append(f"the clock was held back under load: {', '.join(reasons)}")
    cap, default = card.power_cap_w, card.power_default_w
    if cap is not None and default is not None and cap < _CAP * default:
        lines.append(f"power cap {cap:.0f} W, below the card's default of {default:.0f} W")
    lines += _pcie(watched, card, facts.get("pcie", {}))
    return tuple(lines)


def _pcie(watched: Watched, card: LocalCard, pcie: Mapping[str, Any]) -> list[str]:
    """The best link seen (an idle one is slower) against what card and machine allow."""
    readings = (watched.before, *watched.loaded, watched.after)
    generation = max((r.pcie_generation or 0 for r in readings), default=0)
    lanes = max((r.pcie_lanes or 0 for r in readings), default=0)
    most_generation = pcie.get("generation") or card.pcie_generation or 0
    most_lanes = pcie.get("lanes") or card.pcie_lanes or 0
    if not (generation and lanes):
        return []
    if generation >= most_generation and lanes >= most_lanes:
        return []
    return [
        f"PCIe {generation}.0 x{lanes} under load, the card has "
        f"{most_generation or generation}.0 x{most_lanes or lanes}"
    ]
