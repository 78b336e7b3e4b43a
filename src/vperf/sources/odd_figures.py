"""Figures of a user's card that no card has: as a rule a unit is wrong, TB/s typed as GB/s.

They are taken as they are, for a card may be imagined, and said. Not here: what a file may hold at
all (gpu_keys.py), and which unit is which (units.py).
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.hardware.gpu import Gpu
from vperf.notes import Note

_RELATIONS: tuple[tuple[str, Callable[[Gpu], float | None], float, float, str, str], ...] = (
    ("memory size over bandwidth", lambda gpu: gpu.memory_bytes / gpu.memory_bandwidth,
     0.5e-3, 20.0, "s", "0.014 to 0.5 s"),
    ("peak over memory bandwidth",
     lambda gpu: max(gpu.peak_flop_per_s.values(), default=0.0) / gpu.memory_bandwidth,
     0.5, 2e4, "FLOP/B", "20 to 3,800 FLOP/B"),
    ("cache over memory", lambda gpu: gpu.l2_bytes / gpu.memory_bytes, 0.0, 0.5, "", "under 0.01"),
    ("peer link over memory bandwidth",
     lambda gpu: gpu.link.bytes_per_s / gpu.memory_bandwidth if gpu.link else None,
     1e-4, 2.0, "", "0.006 to 0.25"),
    ("rated clock", lambda gpu: gpu.rated_clock_hz, 50e6, 10e9, "Hz", "0.9 to 3.5 GHz"),
    ("power", lambda gpu: gpu.tdp_w, 1.0, 20e3, "W", "25 to 1,400 W"),
)  # fmt: skip
"""What is related; the least and the most that is plausible, 20 times and more beyond the cards of
the catalogue (read 2026-12-01), which the last column has."""


def odd_figures(gpu: Gpu) -> tuple[Note, ...]:
    """What is said of a card's figures: nothing, where they are plausible together."""
    found = []
    for what, of, least, most, unit, usual in _RELATIONS:
        value = of(gpu)
        if value is not None and not least <= value <= most:
            shown = f"{value:.3g} {unit}".rstrip()
            found.append(Note("card_odd", what=what, shown=shown, usual=usual))
    return tuple(found)
