"""Engine profiles by name: configs/engines/<id>.toml -> `Engine`. Checked in the tests."""

from __future__ import annotations

import tomllib
from functools import lru_cache

from vperf.errors import UnknownNameError
from vperf.hardware.engine import Engine
from vperf.sources.catalog import data_dir
from vperf.units import parse_seconds


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
    return Engine(
        id=file["id"],
        name=file["name"],
        host_s_per_step=parse_seconds(file["host_time_per_step"]),
        launch_s=parse_seconds(file["launch_time"]),
        memory_utilization=float(file["memory_utilization"]),
        max_batched_tokens=int(file["max_batched_tokens"]),
        request_s=parse_seconds(file["request_time"]),
        admission_steps=float(file["admission_steps"]),
        source=file["source"],
        checked=file["checked"],
    )
