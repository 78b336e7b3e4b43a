"""Engines by name: configs/engines/<id>.toml, or a user's own -> `Engine`.

`name@version` is an engine as it was in that version, where its file says what has changed since.
A user's file is checked when it is used, the bundled ones in the tests. Not here: its keys
(engine_keys.py) and what a profile means (hardware/engine.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.engine import Engine, Kernels, Launch
from vperf.hardware.host import HostUse
from vperf.hardware.scheduler import Scheduler, SmallCards
from vperf.sources.catalog import Files, files_of
from vperf.sources.engine_keys import ENGINE_FILE
from vperf.sources.keys import read


def engine_names() -> tuple[str, ...]:
    """Ids of every engine, sorted; reads no file."""
    return files_of("engines").ids


def list_engines() -> tuple[Engine, ...]:
    """Every engine, by id; the user's broken files are left out (`broken_engine_files`)."""
    return files_of("engines").usable(load_engine)


def broken_engine_files() -> tuple[InputError, ...]:
    """What is wrong with the user's own files that cannot be used."""
    return tuple(files_of("engines").broken(ENGINE_FILE))


def other_names(engine_id: str) -> tuple[str, ...]:
    """Its aliases, and the programs that run it."""
    file = files_of("engines").table(engine_id, ENGINE_FILE)
    return (*file.get("aliases", ()), *file.get("run_by", ()))


def load_engine(name: str) -> Engine:
    """An engine by id, name or alias, in any case, perhaps as it was: "vllm@0.12".

    A program that runs another engine is taken as that, and its name says so. Raises
    UnknownNameError; InputError for a version that is none, or a user's file that cannot be used.
    """
    return _load(name, files_of("engines"))


def engine_id(name: str) -> str | None:
    """The id of an engine by any of its names; None if there is none."""
    try:
        return load_engine(name).id
    except UnknownNameError:
        return None


@lru_cache(maxsize=64)
def _load(typed: str, files: Files) -> Engine:
    name, at, version = typed.strip().partition("@")
    plain = name.lower()
    as_of = _version(version, typed) if at else ()
    if files.path(plain):
        return _engine(plain, files.table(plain, ENGINE_FILE), version, as_of)
    wanted = _key(name)
    for engine_id in files.ids if wanted else ():
        try:
            file = files.table(engine_id, ENGINE_FILE)
        except InputError:  # that of a broken file is told when its id is used
            continue
        if wanted in _keys([engine_id, file["name"], *file.get("aliases", ())]):
            return _engine(engine_id, file, version, as_of)
        if wanted in _keys(file.get("run_by", ())):
            engine = _engine(engine_id, file, version, as_of)
            return replace(engine, name=f"{engine.name} (run by {name})")
    raise UnknownNameError("engine", typed[:80], hint=f"known: {', '.join(files.ids)}")


def _engine(engine_id: str, file: Mapping[str, Any], version: str, as_of: _Version) -> Engine:
    found = read(ENGINE_FILE, file)
    launch, bench = found.pop("launch", None), found.pop("bench", {})
    facts = found.pop("scheduler")
    small = facts.pop("small_cards", None)
    versions = found.pop("versions", ())
    host = found.pop("host", None)
    if as_of:
        found["name"] += f" {version}"
        ages = {_version(each.pop("before"), engine_id): each for each in versions}
        for before in sorted(ages, reverse=True):
            for name, value in ages[before].items() if as_of < before else ():
                of_host = host is not None and name in _OF_HOST
                (facts if name in _OF_SCHEDULER else host if of_host else found)[name] = value
    kernels = found.pop("kernels_on", {})
    return Engine(
        id=engine_id,
        scheduler=Scheduler(**facts),
        small_cards=_small_cards(small) if small else None,
        kernels_on={name: Kernels(**table) for name, table in kernels.items()},
        host=HostUse(**host) if host else None,
        launch=Launch(**launch) if launch else None,
        bench=bench.get("words", ()),
        **found,
    )


_OF_SCHEDULER = frozenset(each.name for each in fields(Scheduler))
_OF_HOST = frozenset(each.name for each in fields(HostUse))


def _small_cards(facts: dict[str, Any]) -> SmallCards:
    return SmallCards(facts.pop("memory_below_bytes"), frozenset(facts.pop("cards", ())), facts)


_Version = tuple[int, ...]
_LONGEST = 9
"""Digits of a part of a version."""


def _version(text: str, name: str) -> _Version:
    # A release may be "v0.12", a build of llama.cpp "b6200".
    parts = text.removeprefix("v").removeprefix("b").split(".")
    if not all(part.isdecimal() and len(part) < _LONGEST for part in parts):
        raise InputError(
            f"{name!r} has no version such as 0.12 or b6200 after the @", field="engine"
        )
    return tuple(map(int, parts))


def _key(name: str) -> str:
    """Case, separators and signs do not count: "TensorRT-LLM" is "tensorrt_llm"."""
    return re.sub(r"[\W_]", "", name.lower())


def _keys(names: Iterable[str]) -> set[str]:
    return set(map(_key, names))
