"""Engine profiles by name: configs/engines/<id>.toml -> `Engine`. Checked in the tests.

Not here: what a profile means (hardware/engine.py).
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Any

from vperf.errors import UnknownNameError
from vperf.hardware.engine import Engine, Kernels
from vperf.sources.catalog import data_dir
from vperf.units import parse_seconds

_SECONDS = {
    "host_time_per_step": "host_s_per_step",
    "host_time_per_sequence": "host_s_per_sequence",
    "launch_time": "launch_s",
    "request_time": "request_s",
    "request_time_per_token": "request_s_per_token",
    "eager_host_time_per_step": "eager_host_s_per_step",
    "eager_launch_time": "eager_launch_s",
    "quantize_time_per_element": "quantize_s_per_element",
}
"""Keys that hold a time as text; all others are fields of `Engine` by their own names."""


def engine_names() -> tuple[str, ...]:
    """Ids of every engine."""
    return tuple(sorted(file.stem for file in (data_dir() / "engines").glob("*.toml")))


@lru_cache(maxsize=16)
def load_engine(name: str) -> Engine:
    """An engine by id, in any case. Raises UnknownNameError."""
    key = name.strip().lower()
    if key not in engine_names():
        raise UnknownNameError("engine", name, hint=f"known: {', '.join(engine_names())}")
    file = tomllib.loads((data_dir() / "engines" / f"{key}.toml").read_text("utf-8"))
    fields: dict[str, Any] = {
        _SECONDS.get(key, key): parse_seconds(value) if key in _SECONDS else _frozen(value)
        for key, value in file.items()
    }
    fields["on"] = {name: Kernels(**table) for name, table in file.get("on", {}).items()}
    return Engine(**fields)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
