"""Where to look: commands of the card's maker and of the engine that show a fault.

Not here: which fault is likely (suspects.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vperf.checks.case import Case
from vperf.hardware.commands import switch
from vperf.hardware.gpu import Gpu

_LOOK: Mapping[str, Mapping[str, str]] = {
    "nvidia": {
        "clocks": "nvidia-smi -q -d CLOCK,POWER,PERFORMANCE",
        "topology": "nvidia-smi topo -m",
        "width": "nvidia-smi -q | grep -A 3 'Link Width'",
        "busy": "nvidia-smi",
    },
    "amd": {
        "clocks": "amd-smi metric --clock --power",
        "topology": "amd-smi topology",
        "width": "amd-smi metric --pcie",
        "busy": "amd-smi monitor",
    },
    "apple": {"clocks": "sudo powermetrics --samplers gpu_power", "memory": "sysctl vm.swapusage"},
}
"""Where the maker's own tool shows it."""


class Look(NamedTuple):
    """One step of the checklist."""

    what: str
    command: str
    """Empty where vperf knows none."""


def look(name: str, card: Gpu) -> str:
    """What shows the state of the card; empty where no tool is known."""
    return _LOOK.get(card.vendor.lower(), {}).get(name, "")


def checklist(case: Case) -> Iterator[Look]:
    """What to look at where no fault is telling, the quickest first."""
    card, engine = case.gpu, case.engine
    yield Look("the card under load: clocks, power, heat", look("clocks", card))
    if log := switch(engine, "log"):
        yield Look("what the engine says of graphs, kernels and formats", log)
    if case.at.model.parallel.gpus > 1:
        yield Look("the way between the GPUs", look("topology", card))
        yield Look("the width of their PCIe slots", look("width", card))
    elif busy := look("busy", card):
        yield Look("other programs on the card", busy)
    yield Look("one CPU thread at 100%: the host holds the card up", "top -H")
    if memory := look("memory", card):
        yield Look("memory that is swapped out", memory)
    yield Look("whether the card itself is slow", "vperf measure --quick -o me.toml")
