"""Engine profiles of configs/engines: TOML in, frozen Engine out."""

from __future__ import annotations

import tomllib
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, ValidationError

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.engine import Engine
from vperf.sources.catalog import data_dir
from vperf.units import parse_seconds


class _EngineFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    name: str
    host_time_per_step: str
    launch_time: str
    memory_utilization: float
    max_batched_tokens: int
    source: str
    checked: str


def engine_names() -> tuple[str, ...]:
    """Ids of every engine."""
    return tuple(sorted(file.stem for file in (data_dir() / "engines").glob("*.toml")))


@lru_cache(maxsize=16)
def load_engine(name: str) -> Engine:
    """An engine by id, in any case. Raises UnknownNameError."""
    key = name.strip().lower()
    if key not in engine_names():
        raise UnknownNameError("engine", name, hint=f"known: {', '.join(engine_names())}")
    file = data_dir() / "engines" / f"{key}.toml"
    try:
        data = _EngineFile.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise InputError(str(error), source=file.name) from error
    return Engine(
        data.id,
        data.name,
        parse_seconds(data.host_time_per_step),
        parse_seconds(data.launch_time),
        data.memory_utilization,
        data.max_batched_tokens,
        data.source,
        data.checked,
    )
