"""What vperf takes for a card that nobody measured, from those that were: and how many there are.

The rule behind `vperf.timing.constants.GENERIC` (a test holds the two together), and the same
without one card, so that its constants can be guessed from the others' alone. Medians throughout:
of rates as shares of the card's own peak; of the rest over the cards with the same generation of
tensor cores, or over all where none of that generation has the constant.
"""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vperf.hardware.gpu import MEASURED as MEASURED_CONSTANTS
from vperf.hardware.gpu import Achieved, Gpu
from vperf.sources.catalog import data_dir
from vperf.sources.engines import engine_names
from vperf.sources.gpus import list_gpus, load_gpu
from vperf.timing.collectives import LINKS, Links
from vperf.timing.constants import GENERIC, TENSOR_CORES, Generic, tensor_cores

MEASURED = (
    "a100-sxm", "h100-sxm", "h200-sxm", "b200-sxm", "b300-sxm", "l40s", "rtx-pro-6000-server",
)  # fmt: skip


def measured_cards(hidden: str = "") -> list[Gpu]:
    """The cards with every constant, but one."""
    return [load_gpu(name) for name in MEASURED if name != hidden]


def derive(cards: Sequence[Gpu]) -> Generic:
    """The rule."""
    known = [(gpu, gpu.achieved) for gpu in cards if gpu.achieved is not None]

    def median(value: Callable[[Gpu, Achieved], float | None], digits: int = 2) -> float:
        values = [found for gpu, achieved in known if (found := value(gpu, achieved)) is not None]
        return _rounded(statistics.median(values), digits)

    def share(pipe: str) -> float:
        peak = "fp8" if pipe == "fp8_block" else pipe
        return median(
            lambda gpu, achieved: (
                achieved.flop_per_s[pipe] / gpu.peak_flop_per_s[peak]
                if pipe in achieved.flop_per_s
                else None
            )
        )

    def of_hbm(value: float | None, base: float | None, gpu: Gpu) -> float | None:
        hbm = gpu.memory_class == "HBM"
        return value / base if hbm and value and base else None

    def by_kind(name: str) -> tuple[float, ...]:
        kinds: list[list[float]] = [[] for _ in TENSOR_CORES]
        for gpu, achieved in known:
            value = getattr(achieved, name)
            if value is not None:
                kinds[tensor_cores(gpu)].append(value)
        either = [value for kind in kinds for value in kind]
        return tuple(_rounded(statistics.median(kind or either)) for kind in kinds)

    return replace(
        GENERIC,
        compute_fraction={pipe: share(pipe) for pipe in GENERIC.compute_fraction},
        bandwidth_fraction={
            **GENERIC.bandwidth_fraction,
            "HBM": median(lambda g, a: of_hbm(a.memory_bandwidth, g.memory_bandwidth, g)),
        },
        stream_ratio=median(lambda g, a: of_hbm(a.stream_bandwidth, a.memory_bandwidth, g), 3),
        others={name: by_kind(name) for name in GENERIC.others},
    )


def derive_links(cards: Sequence[Gpu]) -> Links:
    """The rule for all-reduces: medians over the cards and sizes of a group."""
    kinds: list[list[float]] = [[] for _ in TENSOR_CORES]
    one_shot, starts, two_shot = [], [], []
    for gpu in cards:
        if gpu.link is None or gpu.achieved is None:
            continue
        for ranks, line in gpu.achieved.all_reduce.items():
            kinds[tensor_cores(gpu)].append(line.latency_s)
            one_shot.append(line.bytes_per_s * (ranks - 1) / gpu.link.bytes_per_s)
            if line.large_bytes_per_s:
                passes = 2 * (ranks - 1) / ranks
                starts.append(line.large_latency_s)
                two_shot.append(line.large_bytes_per_s * passes / gpu.link.bytes_per_s)
    either = [value for kind in kinds for value in kind]
    return Links(
        tuple(_rounded(statistics.median(kind or either)) for kind in kinds),
        *(_rounded(statistics.median(values)) for values in (one_shot, starts, two_shot)),
    )


def _rounded(value: float, digits: int = 2) -> float:
    return float(f"{value:.{digits - 1}e}")


def count_constants() -> dict[str, float]:
    """How many constants there are: of each measured card, of its all-reduce, engines, for all."""
    per_card, links = [], []
    for gpu in measured_cards():
        achieved = gpu.achieved or Achieved()
        single = [
            name
            for name in Achieved.__dataclass_fields__
            if name not in ("flop_per_s", "all_reduce", "source", "checked")
        ]
        per_card.append(
            len(achieved.flop_per_s) + sum(getattr(achieved, name) is not None for name in single)
        )
        links.append(
            sum(4 if line.large_bytes_per_s else 2 for line in achieved.all_reduce.values())
        )
    engines = [
        _leaves(tomllib.loads((data_dir() / "engines" / f"{name}.toml").read_text("utf-8")))
        for name in engine_names()
    ]
    generic = len(GENERIC.compute_fraction) + len(GENERIC.bandwidth_fraction) + 1
    generic += len(TENSOR_CORES) * len(GENERIC.others)
    generic += len(LINKS.latency_s) + 3
    generic += sum(
        len(own.others) + len(own.compute_fraction) + (own.latency != 1.0)
        + (own.bandwidth_fraction is not None)
        for own in GENERIC.generations.values()
    )  # fmt: skip
    others = [gpu for gpu in list_gpus() if gpu.achieved and gpu.id not in
              {card.id for card in measured_cards()}]  # fmt: skip
    return {
        "measured cards": len(per_card),
        "per measured card, mean": statistics.fmean(per_card),
        "of those cards in all": sum(per_card),
        "of their all-reduces in all": sum(links),
        "other cards with measured rates": len(others),
        "of other cards in all": sum(map(_rates, others)),
        "engines": len(engines),
        "per engine, mean": statistics.fmean(engines),
        "of engines in all": sum(engines),
        "generic, for every other card": generic,
    }


def _rates(gpu: Gpu) -> int:
    """Constants of a card whose rates alone were measured."""
    achieved = gpu.achieved or Achieved()
    single = [name for name in MEASURED_CONSTANTS if getattr(achieved, name) is not None]
    lines = sum(4 if line.large_bytes_per_s else 2 for line in achieved.all_reduce.values())
    return len(achieved.flop_per_s) + len(single) + lines


def _leaves(value: Any) -> int:
    """Quantities in a file of an engine, in all its tables; names, words and switches are none."""
    if isinstance(value, Mapping):
        return sum(map(_leaves, value.values()))
    if isinstance(value, list):
        return sum(map(_leaves, value))
    if isinstance(value, str):
        number, _, unit = value.partition(" ")
        return int(bool(unit) and number.replace(".", "").isdigit() and len(unit) < 4)
    return int(isinstance(value, int | float) and not isinstance(value, bool))
