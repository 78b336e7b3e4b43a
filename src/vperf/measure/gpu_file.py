"""A measured card as a GPU file: the catalogue's facts of it, and [achieved] from here.

Of a card that the catalogue lacks, the driver's facts; peaks are never taken from a measurement,
so they must be given, or filled in by hand: the file then says which. Not here: the keys
(sources/gpu_keys.py), reading one (sources/gpus.py).
"""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vperf.hardware.gpu import MEASURED, TensorCores, achieved_key
from vperf.measure.card import CardMeasurement
from vperf.sources.gpu_keys import ACHIEVED
from vperf.sources.gpus import gpu_table
from vperf.sources.keys import BANDWIDTH, BYTES, CLOCK, POWER, RATE, written
from vperf.units import format_rate, parse_frequency
from vperf.values import dataclass
from vperf.version import __version__

_NAMES_ONLY = ("aliases", "default_for", "others")
"""Keys by which the catalogue finds a card; a file is found by its path."""

_TENSOR_CORES: Mapping[str, TensorCores] = {
    **dict.fromkeys(("7.0", "7.5", "8.0", "8.6", "8.7", "8.9", "12.0", "12.1"), "mma"),
    "9.0": "wgmma",
    **dict.fromkeys(("10.0", "10.3", "11.0"), "tcgen05"),
}
"""By compute capability ("Target ISA notes" of the PTX ISA 9.2, read 2026-12-01)."""


@dataclass(frozen=True, slots=True)
class GpuFileText:
    """The text, and the keys still to be filled in before --gpu takes it."""

    text: str
    missing: tuple[str, ...]


def gpu_file(measured: CardMeasurement, *, today: datetime.date) -> GpuFileText:
    """The file of a measured card."""
    table = _known(measured) if measured.gpu else _unknown(measured, today)
    datasheet = measured.datasheet
    if datasheet.memory_bandwidth is not None:
        bandwidth = BANDWIDTH.write(datasheet.memory_bandwidth)
        if table["memory"].get("bandwidth") != bandwidth:
            table["memory"].pop("gbit_per_pin", None)  # which another clock does not have
        table["memory"]["bandwidth"] = bandwidth
    table["peak"] = {pipe: RATE.write(peak) for pipe, peak in datasheet.peaks.items()}
    table["achieved"] = _achieved(measured, today)
    if measured.launch is not None:
        graph = measured.launch.graph_s
        line = f"A small kernel costs the host {measured.launch.eager_s * 1e6:.2g} us"
        line += f", {graph * 1e6:.2g} us in a CUDA graph." if graph is not None else "."
        table["notes"] = [*table.get("notes", []), line]
    missing = tuple(
        key
        for key, there in (
            ("memory.bandwidth", "bandwidth" in table["memory"]),
            ("peak", bool(table.get("peak"))),
        )
        if not there
    )
    return GpuFileText(_text(table, _to_fill_in(measured, missing)), missing)


def origin(measured: CardMeasurement, today: datetime.date) -> str:
    """ "vperf measure 0.1 on 2026-11-23: driver 570.124, PyTorch 2.9.1, Linux 6.8"."""
    card = measured.watched.card
    facts = [f"driver {card.driver}" if card and card.driver else "", measured.device.framework]
    facts.append(f"{platform.system()} {platform.release()}")
    return f"vperf measure {__version__} on {today}: {', '.join(fact for fact in facts if fact)}"


def _known(measured: CardMeasurement) -> dict[str, Any]:
    """The catalogue's file with the driver's figures."""
    gpu = measured.gpu
    assert gpu is not None
    table = {k: v for k, v in gpu_table(gpu.id).items() if k not in _NAMES_ONLY}
    table["memory"] = {**table["memory"], "size": BYTES.write(gpu.memory_bytes)}
    table["memory"].pop("assumption", None)  # of a size that the driver has said
    compute = dict(table.get("compute", {}))
    if "limit_clock" not in compute or gpu.max_clock_hz > parse_frequency(compute["limit_clock"]):
        compute.pop("limit_clock", None)
        compute["max_clock"] = CLOCK.write(gpu.max_clock_hz)
    table["compute"] = compute
    if gpu.tdp_w is not None:
        table["tdp"] = POWER.write(gpu.tdp_w)
    table["assumptions"] = list(map(str, gpu.assumptions))
    return table


def _unknown(measured: CardMeasurement, today: datetime.date) -> dict[str, Any]:
    """What the driver knows of a card that the catalogue lacks."""
    device = measured.device
    cores = _TENSOR_CORES.get(device.compute_capability)
    compute: dict[str, Any] = {"sms": device.sm_count} if device.sm_count else {}
    if device.max_clock_hz:
        compute["rated_clock"] = CLOCK.write(device.max_clock_hz)
    if device.l2_bytes:
        compute["l2"] = BYTES.write(device.l2_bytes)
    return {
        "name": device.name,
        "compute_capability": device.compute_capability,
        **({"tensor_cores": cores} if cores else {}),
        "source": f"{device.framework}; peaks and bandwidth as given by the user",
        "checked": today,
        "confidence": "low",
        "assumptions": [
            f"{device.name}: not in the catalogue; facts from {device.framework}, peaks as given"
        ],
        "memory": {"size": BYTES.write(device.memory_bytes)},
        "compute": compute,
    }


def _achieved(measured: CardMeasurement, today: datetime.date) -> dict[str, Any]:
    """[achieved]: the catalogue's constants stay where nothing was measured, and that is said."""
    achieved, before = measured.achieved, measured.gpu.achieved if measured.gpu else None
    here, rates = set(measured.values), achieved.flop_per_s
    constants = {name: getattr(achieved, name) for name in MEASURED}
    kept = [
        achieved_key(n) for n, there in constants.items() if there is not None and n not in here
    ]
    kept += [pipe for pipe in rates if f"flop_per_s.{pipe}" not in here]
    kept += [f"all_reduce {n}" for n in achieved.all_reduce if n not in measured.all_reduce]
    source = origin(measured, today)
    if kept and before is not None:
        source += f"; not measured here: {', '.join(kept)} ({before.source})"
    lines = {ranks: asdict(line) for ranks, line in achieved.all_reduce.items()}
    fields = {**constants, "flop_per_s": rates, "all_reduce": lines}
    return written(ACHIEVED, {"source": source, "checked": today, **fields})


def _to_fill_in(measured: CardMeasurement, missing: tuple[str, ...]) -> list[str]:
    """Comment lines that say what the user's datasheet must add."""
    if not missing:
        return []
    lines = ["Not usable yet. From the datasheet of the card, dense rates, fill in:"]
    if "memory.bandwidth" in missing:
        lines.append('  [memory] bandwidth = "... GB/s"')
    if "peak" in missing:
        rates = [f"{r.pipe} {format_rate(r.highest)}" for r in measured.matmuls]
        lines.append('  [peak] bf16 = "... TFLOPS", and each other format the card multiplies')
        if rates:
            lines.append(f"  (none can be below what was measured: {', '.join(rates)})")
    lines.append("or give them to vperf measure: --peak bf16=..., --memory-bandwidth ...")
    return lines


# TOML ----------------------------------------------------------------------------------------


def _text(table: Mapping[str, Any], comments: list[str]) -> str:
    """TOML: plain values first, then one [table] after another."""
    lines = [f"# {line}" for line in comments]
    _write(table, (), lines)
    return "\n".join(lines) + "\n"


def _write(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if path and (plain or not table):
        lines += ["", f"[{'.'.join(path)}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            _write(value, (*path, _key(key)), lines)


def _key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "")
    return key if bare.isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str):
        # A JSON string is a TOML one, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value)
