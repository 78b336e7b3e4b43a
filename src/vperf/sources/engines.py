"""Engines by name: configs/engines/<id>.toml, or a user's own -> `Engine`.

A user's file is checked when it is used, the bundled ones in the tests. Not here: its keys
(engine_keys.py) and what a profile means (hardware/engine.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.engine import Engine, Launch
from vperf.sources.catalog import Files, files_of
from vperf.sources.engine_keys import ENGINE_FILE
from vperf.sources.keys import read


def engine_names() -> tuple[str, ...]:
    """Ids of every engine, sorted; reads no file."""
    return files_of("engines").ids


def load_engine(name: str) -> Engine:
    """An engine by id, name or alias, in any case.

    A program that runs another engine is taken as that, and its name says so. Raises
    UnknownNameError; InputError for a user's file that cannot be used.
    """
    return _load(name, files_of("engines"))


def engine_id(name: str) -> str | None:
    """The id of an engine by any of its names; None if there is none."""
    try:
        return load_engine(name).id
    except UnknownNameError:
        return None


@lru_cache(maxsize=64)
def _load(name: str, files: Files) -> Engine:
    plain = name.strip().lower()
    if files.path(plain):
        return _engine(plain, files.table(plain, ENGINE_FILE))
    wanted = _key(name)
    for engine_id in files.ids if wanted else ():
        try:
            file = files.table(engine_id, ENGINE_FILE)
        except InputError:  # that of a broken file is told when its id is used
            continue
        if wanted in _keys([engine_id, file["name"], *file.get("aliases", ())]):
            return _engine(engine_id, file)
        if wanted in _keys(file.get("run_by", ())):
            engine = _engine(engine_id, file)
            return replace(engine, name=f"{engine.name} (run by {name.strip()})")
    raise UnknownNameError("engine", name[:80], hint=f"known: {', '.join(files.ids)}")


def _engine(engine_id: str, file: Mapping[str, Any]) -> Engine:
    found = read(ENGINE_FILE, file)
    launch, bench = found.pop("launch", None), found.pop("bench", {})
    return Engine(
        id=engine_id,
        launch=Launch(**launch) if launch else None,
        bench=bench.get("words", ()),
        **found,
    )


def _key(name: str) -> str:
    """Case, separators and signs do not count: "TensorRT-LLM" is "tensorrt_llm"."""
    return re.sub(r"[\W_]", "", name.lower())


def _keys(names: Iterable[str]) -> set[str]:
    return set(map(_key, names))
