"""The card of a scenario: by name or from a file, with what is given instead of its figures.

Not here: unlike cards and the host beside them (places.py), and datasheets (sources/gpus.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from vperf.errors import InputError, UnknownNameError, check_count
from vperf.hardware.gpu import Gpu
from vperf.resolve.engine import places_layers
from vperf.resolve.figures import check_options
from vperf.scenario import Scenario
from vperf.sources.gpus import BESIDE, load_gpu, several
from vperf.spelling import flag
from vperf.timing.step import Card
from vperf.units import parse_bandwidth
from vperf.values import dataclass


def resolve_gpu(scenario: Scenario) -> Gpu:
    """The card by name or from its file, with the datasheet figures that are given instead."""
    given, file = scenario.gpu, scenario.gpu_file
    if given is not None and file is not None:
        raise InputError(
            f"{flag('gpu')} cannot be combined with {flag('gpu_file')}: give one of them"
        )
    if given is None and file is None:
        raise InputError(
            f"{flag('gpu')} is missing", hint=f"'vperf gpus' lists them; or {flag('gpu_file')}"
        )
    if file is not None:
        from vperf.sources.gpus import load_gpu_file  # noqa: PLC0415  (imports pydantic)

        gpu = load_gpu_file(file)
    else:
        gpu = gpu_named(given)
    peaks = peaks_of(scenario.peak)
    if scenario.memory_bandwidth is None and scenario.memory is None and not peaks:
        return gpu
    from vperf.sources.gpu_override import override  # noqa: PLC0415  (seldom asked for)

    return override(gpu, scenario.memory_bandwidth, scenario.memory, peaks)


def joined(gpu: Gpu, scenario: Scenario) -> Gpu:
    """The card as the scenario says that it reaches others."""
    if (access := scenario.peer_access) is not None:
        if access not in ("yes", "no"):
            raise InputError(f"must be yes or no, not {access!r}", field="peer-access")
        gpu = replace(gpu, peer_access=access == "yes")
    if scenario.gpus_per_node is not None:
        check_count("gpus-per-node", scenario.gpus_per_node, 1)
        gpu = replace(gpu, gpus_per_node=scenario.gpus_per_node)
    if scenario.node_link is not None:
        gpu = replace(gpu, node_bytes_per_s=parse_bandwidth(scenario.node_link, "GB/s"))
    return gpu


def cpu_alone(card: Card, host: Gpu | None, scenario: Scenario) -> Card:
    """A host as the target itself."""
    engine = card.engine
    if engine.host is None or engine.host.offloads != "layers":
        raise InputError(
            f"{engine.name} on CPUs alone is not modelled",
            field="engine",
            hint=f"{flag('engine')} llama.cpp is",
        )
    if scenario.tp * scenario.pp * scenario.ep * scenario.dp * scenario.pcp > 1:
        raise InputError("several hosts are not understood together", field="tensor-parallel-size")
    gpu = card.gpu
    if scenario.host_memory is not None and host is not None:
        gpu = replace(
            gpu,
            memory_bandwidth=host.memory_bandwidth,
            memory_type=host.memory_type,
            memory_bytes=host.memory_bytes,
        )
    return Card(gpu, engine.on_host())


def gpu_named(gpu: Any) -> Gpu:
    """The card of a name. Raises InputError, UnknownNameError."""
    if isinstance(gpu, Gpu):
        return gpu
    if not isinstance(gpu, str):
        raise InputError(f"must be a name or a Gpu, not {gpu!r}", field="gpu")
    count, card = several(gpu) if BESIDE not in gpu else (1, gpu)
    if count > 1:
        raise InputError(f"one card is asked for, not {count} of {card[:80]}", field="gpu")
    return load_gpu(gpu)


@dataclass(frozen=True, slots=True)
class Cards:
    """So many of one card, as one choice among others."""

    count: int
    gpu: Gpu


def with_count(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options in which a count at the card's name ("2xh100") is what divides the model.

    Raises InputError where tp, pp and dp say another count.
    """
    given = options.get("gpu")
    check_options({name: value for name, value in options.items() if name != "gpu"})
    card: str | Gpu
    if isinstance(given, str) and BESIDE not in given:
        count, card = several(given)
    elif isinstance(given, Cards):
        count, card = given.count, given.gpu
    else:
        return dict(options)
    found = {**options, "gpu": card}
    names = ("tp", "pp", "dp", *(() if options.get("prefill_gpu") else ("pcp",)))
    ways = prod(found.get(way) or 1 for way in names)
    if count in (1, ways):
        return found
    if ways > 1:
        said = "tp x pp x dp x pcp" if (found.get("pcp") or 1) > 1 else "tp x pp x dp"
        raise InputError(f"{count} GPUs are not the {ways} of {said}", field="gpu")
    return {**found, "pp" if places_layers(options) else "tp": count}


def gpus_named(names: Iterable[str | Gpu]) -> tuple[Gpu, ...]:
    """The cards of these names, each once; "all" and "all-VENDOR" are those that ship."""
    found: dict[str, Gpu] = {}
    for name in names:
        for gpu in _group(name):
            found.setdefault(gpu.id, gpu)
    return tuple(found.values())


def cards_named(names: Iterable[str | Gpu]) -> tuple[Gpu | Cards, ...]:
    """The same with counts at their names."""
    found: dict[tuple[int, str], Gpu | Cards] = {}
    for name in names:
        count, card = several(name) if isinstance(name, str) and BESIDE not in name else (1, name)
        for gpu in gpus_named([card]):
            found.setdefault((count, gpu.id), Cards(count, gpu) if count > 1 else gpu)
    return tuple(found.values())


def _group(name: str | Gpu) -> Sequence[Gpu]:
    if not isinstance(name, str):
        return (gpu_named(name),)
    start, dash, vendor = name.strip().lower().partition("-")
    if start != "all" or (dash and not vendor):
        return (gpu_named(name),)
    from vperf.sources.gpus import list_gpus  # noqa: PLC0415  (of tables alone)

    every = list_gpus()
    if not dash:
        return every
    of_vendor = [gpu for gpu in every if gpu.vendor.lower() == vendor]
    if not of_vendor:
        known = sorted({f"all-{gpu.vendor.lower()}" for gpu in every})
        raise UnknownNameError("group of GPUs", name, hint=f"known: all, {', '.join(known)}")
    return of_vendor


def peaks_of(given: Sequence[str]) -> dict[str, str]:
    """Rates in words by compute pipe, from "bf16=250 TFLOPS". Raises InputError."""
    peaks: dict[str, str] = {}
    for text in given:
        pipe, equals, rate = text.partition("=")
        if not (equals and pipe.strip() and rate.strip()):
            raise InputError(f'{text!r} is not like bf16="250 TFLOPS"', source=flag("peak"))
        if pipe.strip().lower() in peaks:
            raise InputError(f"{pipe.strip()} is given twice", source=flag("peak"))
        peaks[pipe.strip().lower()] = rate.strip()
    return peaks
