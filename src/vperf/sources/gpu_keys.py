"""The keys of a GPU file.

A file (configs/gpus/<id>.toml, or a user's own) says what the vendor publishes (dense rates), what
the driver allows, and apart from both, in [achieved], what was measured, as text with units.

    name aliases                  every spelling that means exactly this card
    default_for, others           vaguer spellings for which this card is the stated default
    vendor architecture compute_capability released tdp
    tensor_cores                  how matmuls are driven: hardware.gpu.TensorCores
    same_die                      the id of a measured card with this one's die, whose constants
                                  stand in for those that nobody measured on this one
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
    engine                        what runs on it where nobody names one; vLLM if not said
    [peak]                        dense FLOP/s per pipe (hardware.gpu.PIPES)
    [link]                        name, bandwidth in one direction; adds: a switch sums what passes
                                  it (NVLink SHARP); domain: how many cards it joins
    [pcie]                        bandwidth in one direction; peer_access: whether the driver lets
                                  cards read each other's memory (no GeForce), true if not said
    [achieved]                    the fields of hardware.gpu.Achieved

Only name, memory.size, memory.bandwidth and one peak are required; of an NVIDIA card tensor_cores,
memory.class and both facts of a link too. Not here: the checks (schema.py), names, and what is
assumed where a file says nothing (gpus.py).
"""

from __future__ import annotations

import datetime
from typing import Any

from vperf.hardware.gpu import (
    MEASURED,
    MEASURED_BANDWIDTHS,
    MEASURED_SECONDS,
    PIPES,
    Confidence,
    MemoryClass,
    TensorCores,
    achieved_key,
)
from vperf.sources.keys import (
    AMOUNT,
    BANDWIDTH,
    BYTES,
    CLOCK,
    POWER,
    RATE,
    SECONDS,
    Each,
    Key,
    Keys,
)

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
    "scaled": Key("scaled", bool),
}


def _constant(name: str) -> Any:
    if name in MEASURED_SECONDS:
        return SECONDS
    return BANDWIDTH if name in MEASURED_BANDWIDTHS else float


ACHIEVED: Keys = {
    "source": Key("source", str, required=True),
    "checked": Key("checked", datetime.date, required=True),
    **{achieved_key(name): Key(name, _constant(name)) for name in MEASURED},
    "flop_per_s": Key("flop_per_s", Each(RATE, (*PIPES, "fp8_block"))),
    "all_reduce": Key("all_reduce", Each(ALL_REDUCE, int)),
}
CALIBRATION: Keys = {
    "memory": Key("memory", float),
    "compute": Key("compute", float),
    "host": Key("host", float),
    "link": Key("link", float),
    "results": Key("results", int),
    "error_before": Key("error_before", AMOUNT),
    "error_after": Key("error_after", AMOUNT),
    "checked": Key("checked", datetime.date),
}
SERVER_FILE: Keys = {
    "base": Key("base", str, required=True),
    "calibration": Key("calibration", CALIBRATION, required=True),
}
"""What `vperf check --calibrate` writes: a card, and factors on what is expected of it."""
GPU_FILE: Keys = {
    "name": Key("name", str, required=True),
    "memory": Key("*", MEMORY, required=True),
    "peak": Key("peak_flop_per_s", Each(RATE, PIPES), required=True),
    "aliases": Key("", list[str]),
    "default_for": Key("", list[str]),
    "others": Key("", list[str]),
    "vendor": Key("vendor", str),
    "engine": Key("engine", str),
    "architecture": Key("architecture", str),
    "compute_capability": Key("compute_capability", str),
    "tensor_cores": Key("tensor_cores", TensorCores, needed_by="NVIDIA"),
    "same_die": Key("same_die", str),
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
