"""Engine profiles by name: configs/engines/<id>.toml -> `Engine`. Checked in the tests.

`name@version` is an engine as it was in that version, where its file says what has changed since.
Not here: what a profile means (hardware/engine.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.engine import Engine, Kernels
from vperf.hardware.scheduler import Scheduler, SmallCards
from vperf.sources.catalog import data_dir
from vperf.units import parse_bytes, parse_seconds

_SECONDS = {
    "host_time_per_step": "host_s_per_step",
    "host_time_per_sequence": "host_s_per_sequence",
    "launch_time": "launch_s",
    "eager_host_time_per_step": "eager_host_s_per_step",
    "eager_launch_time": "eager_launch_s",
    "quantize_time_per_element": "quantize_s_per_element",
    "frontend_time": "frontend_s",
    "frontend_time_per_token": "frontend_s_per_token",
    "transit_time": "transit_s",
    "prompt_step_time": "prompt_step_s",
}
"""Keys that hold a time as text; all others are fields of `Engine` and of its `Scheduler` by their
own names, but for the tables `small_cards` and `versions`."""


def engine_names() -> tuple[str, ...]:
    """Ids of every engine."""
    return tuple(sorted(file.stem for file in (data_dir() / "engines").glob("*.toml")))


@lru_cache(maxsize=32)
def load_engine(name: str) -> Engine:
    """An engine by id, in any case, perhaps as it was: "vllm@0.12".

    Raises UnknownNameError; InputError for a version that is none.
    """
    key, at, version = name.strip().lower().partition("@")
    if key not in engine_names():
        raise UnknownNameError("engine", name, hint=f"known: {', '.join(engine_names())}")
    file = tomllib.loads((data_dir() / "engines" / f"{key}.toml").read_text("utf-8"))
    facts = file.pop("scheduler")
    versions = file.pop("versions", [])
    small = facts.pop("small_cards", None)
    if at:
        wanted = _version(version, name)
        for each in versions:
            if wanted < _version(each["before"], name):
                facts |= {key: value for key, value in each.items() if key != "before"}
                break
        file["name"] = f"{file['name']} {version}"
    kernels = {name: Kernels(**table) for name, table in file.pop("kernels_on", {}).items()}
    engine = Engine(**_fields(file), scheduler=Scheduler(**_fields(facts)), kernels_on=kernels)
    return engine if small is None else replace(engine, small_cards=_small_cards(small))


def _version(text: str, name: str) -> tuple[int, ...]:
    parts = text.split(".")
    if not all(part.isdecimal() and len(part) < _LONGEST for part in parts):
        raise InputError(f"{name!r} has no version such as 0.12 after the @", field="engine")
    return tuple(map(int, parts))


_LONGEST = 9
"""Digits of a part of a version."""


def _fields(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _SECONDS.get(key, key): parse_seconds(value) if key in _SECONDS else _frozen(value)
        for key, value in table.items()
    }


def _small_cards(table: Mapping[str, Any]) -> SmallCards:
    facts = {key: value for key, value in table.items() if key not in ("memory_below", "cards")}
    cards = frozenset(table.get("cards", ()))
    return SmallCards(parse_bytes(table["memory_below"]), cards, _fields(facts))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
