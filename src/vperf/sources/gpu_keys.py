"""The keys of a GPU file, written once: for its schema, its reader and its writer.

A file (configs/gpus/<id>.toml, or a user's own) says what the vendor publishes (dense rates), what
the driver allows, and apart from both, in [achieved], what was measured, as text with units.

    name aliases                  every spelling that means exactly this card
    default_for, others           vaguer spellings for which this card is the stated default
    vendor architecture compute_capability released tdp
    tensor_cores                  how matmuls are driven: hardware.gpu.TensorCores
    source checked confidence     where the figures come from, and when they were looked at
    assumptions notes             assumptions are printed under every answer, notes are not
    explain                       figure -> why it does not follow from the rest of the file
    [memory]                      size (what the driver shows), nominal, type, class (what it is
                                  built as: hardware.gpu.MemoryClass), bus_bits, gbit_per_pin,
                                  bandwidth; assumption: one that ends where the size is known
    [compute]                     sms (CUs, cores), l2, last_level_cache, exp_per_clock; clocks:
        rated_clock               at which the peaks are quoted (the tensor clock)
        fp32_clock                at which fp32 is quoted, where that is another one
        max_clock                 the highest the driver allows
        limit_clock               what the limit uses instead of max_clock, on cards where many
                                  measurements show that no matmul beats the rated peak
        ops_per_clock             per SM and pipe: sms x ops_per_clock x rated_clock = peak
    [peak]                        dense FLOP/s per pipe (hardware.gpu.PIPES)
    [link]                        name, bandwidth in one direction; adds: a switch sums what passes
                                  it (NVLink SHARP); domain: how many cards it joins
    [pcie]                        bandwidth in one direction; peer_access: whether the driver lets
                                  cards read each other's memory (no GeForce), true if not said
    [achieved]                    the fields of hardware.gpu.Achieved

Only name, memory.size, memory.bandwidth and one peak are required; of an NVIDIA card tensor_cores,
memory.class and both facts of a link too. Not here: the checks (gpu_schema.py), names, and what is
assumed where a file says nothing (gpus.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vperf.hardware.gpu import (
    MEASURED,
    PIPES,
    Confidence,
    MemoryClass,
    TensorCores,
    achieved_key,
)
from vperf.units import (
    parse_bandwidth,
    parse_bytes,
    parse_frequency,
    parse_power,
    parse_rate,
    parse_seconds,
)


class Unit(NamedTuple):
    """A quantity written with its unit."""

    parse: Callable[[str], float]
    name: str
    scale: float

    def write(self, value: float, digits: int = 6) -> str:
        """The text that `parse` reads."""
        return f"{value / self.scale:.{digits}g} {self.name}"


BYTES = Unit(parse_bytes, "MiB", 2.0**20)
BANDWIDTH = Unit(parse_bandwidth, "GB/s", 1e9)
RATE = Unit(parse_rate, "TFLOPS", 1e12)
CLOCK = Unit(parse_frequency, "MHz", 1e6)
SECONDS = Unit(parse_seconds, "us", 1e-6)
POWER = Unit(parse_power, "W", 1.0)


class Each(NamedTuple):
    """A table whose keys are names: those listed, counts, or any."""

    kind: Any
    names: tuple[str, ...] | type[int] | None = None


class Key(NamedTuple):
    """One key: the field it becomes, its kind, and whether it must be there.

    A kind is a `Unit`, an `Each`, a table of keys, or a plain type. Of field "" nothing becomes;
    "*" gives the fields of the table it holds.
    """

    field: str
    kind: Any
    required: bool = False
    needed_by: str = ""
    """The vendor whose cards must have it."""


Keys = Mapping[str, Key]

MEMORY: Keys = {
    "size": Key("memory_bytes", BYTES, required=True),
    "bandwidth": Key("memory_bandwidth", BANDWIDTH, required=True),
    "nominal": Key("", str),
    "type": Key("memory_type", str),
    "class": Key("memory_class", MemoryClass, needed_by="NVIDIA"),
    "assumption": Key("memory_assumption", str),
    "bus_bits": Key("", int),
    "gbit_per_pin": Key("", float),
}
COMPUTE: Keys = {
    "sms": Key("sm_count", int),
    "rated_clock": Key("rated_clock_hz", CLOCK),
    "fp32_clock": Key("", CLOCK),
    "max_clock": Key("max_clock_hz", CLOCK),
    "limit_clock": Key("max_clock_hz", CLOCK),  # the later of two keys of a field counts
    "max_clock_source": Key("", str),
    "l2": Key("l2_bytes", BYTES),
    "last_level_cache": Key("l2_bytes", BYTES),
    "exp_per_clock": Key("exp_per_clock", float),
    "ops_per_clock": Key("", Each(float, PIPES)),
}
LINK: Keys = {
    "name": Key("name", str, required=True),
    "bandwidth": Key("bytes_per_s", BANDWIDTH, required=True),
    "adds": Key("adds", bool, needed_by="NVIDIA"),
    "domain": Key("domain", int, needed_by="NVIDIA"),
}
PCIE: Keys = {
    "bandwidth": Key("pcie_bytes_per_s", BANDWIDTH, required=True),
    "generation": Key("", int),
    "lanes": Key("", int),
    "peer_access": Key("peer_access", bool),
}
ALL_REDUCE: Keys = {
    "latency": Key("latency_s", SECONDS, required=True),
    "bandwidth": Key("bytes_per_s", BANDWIDTH, required=True),
    "large_latency": Key("large_latency_s", SECONDS),
    "large_bandwidth": Key("large_bytes_per_s", BANDWIDTH),
}


def _constant(name: str) -> Any:
    if name.endswith("_s"):
        return SECONDS
    return BANDWIDTH if name.endswith("_bandwidth") else float


ACHIEVED: Keys = {
    "source": Key("source", str, required=True),
    "checked": Key("checked", datetime.date, required=True),
    **{achieved_key(name): Key(name, _constant(name)) for name in MEASURED},
    "flop_per_s": Key("flop_per_s", Each(RATE, (*PIPES, "fp8_block"))),
    "all_reduce": Key("all_reduce", Each(ALL_REDUCE, int)),
}
GPU_FILE: Keys = {
    "name": Key("name", str, required=True),
    "memory": Key("*", MEMORY, required=True),
    "peak": Key("peak_flop_per_s", Each(RATE, PIPES), required=True),
    "aliases": Key("", list[str]),
    "default_for": Key("", list[str]),
    "others": Key("", list[str]),
    "vendor": Key("vendor", str),
    "architecture": Key("architecture", str),
    "compute_capability": Key("compute_capability", str),
    "tensor_cores": Key("tensor_cores", TensorCores, needed_by="NVIDIA"),
    "released": Key("", int),
    "tdp": Key("tdp_w", POWER),
    "source": Key("source", str),
    "checked": Key("checked", datetime.date),
    "confidence": Key("confidence", Confidence),
    "assumptions": Key("assumptions", list[str]),
    "notes": Key("notes", list[str]),
    "explain": Key("", Each(str)),
    "compute": Key("*", COMPUTE),
    "link": Key("link", LINK),
    "pcie": Key("*", PCIE),
    "achieved": Key("achieved", ACHIEVED),
}


def read(kind: Any, value: Any) -> Any:
    """What a value of a checked file means, in SI units."""
    if isinstance(kind, Unit):
        return kind.parse(value)
    if isinstance(kind, Each):
        return {name: read(kind.kind, each) for name, each in value.items()}
    if isinstance(kind, Mapping):
        found: dict[str, Any] = {}
        for name, key in kind.items():
            if key.field and name in value:
                there = read(key.kind, value[name])
                found.update(there if key.field == "*" else {key.field: there})
        return found
    if kind is datetime.date:
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def written(keys: Keys, fields: Mapping[str, Any], digits: int = 4) -> dict[str, Any]:
    """The table that `read` makes these fields of, without what is None, no quantity or empty."""
    table: dict[str, Any] = {}
    for name, key in keys.items():
        value = fields.get(key.field)
        if value or (value is not None and isinstance(key.kind, type)):
            table[name] = _written(key.kind, value, digits)
    return table


def _written(kind: Any, value: Any, digits: int) -> Any:
    if isinstance(kind, Unit):
        return kind.write(value, digits)
    if isinstance(kind, Each):
        return {str(name): _written(kind.kind, each, digits) for name, each in value.items()}
    if isinstance(kind, Mapping):
        return written(kind, value, digits)
    return float(f"{value:.{digits}g}") if kind is float else value
