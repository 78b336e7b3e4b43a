"""Where files of facts live: those that ship, and above them the user's own.

What ships is in `configs/` of a checkout, `vperf/configs` of a wheel. The user's own files are in
the same folders of the config directory: $VPERF_CONFIG_DIR, else $XDG_CONFIG_HOME/vperf,
%APPDATA%/vperf on Windows, ~/.config/vperf. A file there stands before one that ships.
Not here: what the files say (gpus.py, engines.py, workloads.py, models.py).
"""

from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from vperf.errors import InputError, VperfError, install
from vperf.files import read_toml
from vperf.sources.keys import Keys

_PACKAGE = Path(__file__).resolve().parents[1]
_CANDIDATES = (_PACKAGE / "configs", _PACKAGE.parents[1] / "configs")
_PLAIN_ID = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
MAX_OWN_BYTES = 1 << 20
"""Of one of the user's files; the largest that ships has 4 kB."""

Kind = Literal["gpus", "hosts", "engines", "workloads"]
Found = TypeVar("Found")


def data_dir() -> Path:
    """The directory that holds gpus/, engines/ and models/.

    Raises VperfError when the installation lacks it.
    """
    for candidate in _CANDIDATES:
        if (candidate / "gpus").is_dir():
            return candidate
    raise VperfError(
        f"vperf's bundled configs are missing; looked in {' and '.join(map(str, _CANDIDATES))}",
        hint=f"reinstall vperf: {install('vperf')} --force-reinstall",
    )


def config_dir() -> Path:
    """The directory of the user's own files, whether it is there or not."""
    return Path(_config_dir())


def _config_dir() -> str:
    environment = os.environ
    if given := environment.get("VPERF_CONFIG_DIR"):
        return os.path.expanduser(given)
    home = environment.get("XDG_CONFIG_HOME") or (
        environment.get("APPDATA") if sys.platform == "win32" else None
    )
    return os.path.join(home or os.path.expanduser("~/.config"), "vperf")


def is_plain_id(name: str) -> bool:
    """True where `name` is safe as a file's stem: lowercase letters, digits, single -_. inside."""
    return len(name) <= 64 and _PLAIN_ID.fullmatch(name) is not None


def files_of(kind: Kind) -> Files:
    """The files of one kind; the user's are listed once for each directory they are in."""
    return _files(kind, _config_dir())


@lru_cache(maxsize=64)
def _files(kind: Kind, own: str) -> Files:
    return Files(data_dir() / kind, Path(own, kind))


class Files:
    """TOML files by id, which is their name: those that ship and the user's own."""

    def __init__(self, shipped: Path, own_folder: Path) -> None:
        self.shipped = shipped
        self.own_folder = own_folder
        self._checked: dict[str, Mapping[str, Any]] = {}

    @cached_property
    def own(self) -> Mapping[str, Path]:
        """The user's own."""
        try:
            names = sorted(os.listdir(self.own_folder))
        except OSError:
            return {}
        stems = ((name.lower().removesuffix(".toml"), name) for name in names)
        return {stem: self.own_folder / name for stem, name in stems if stem != name.lower()}

    def path(self, file_id: str) -> Path | None:
        """Of the file with this id, in lower case; None if there is none."""
        if file_id in self.own:
            return self.own[file_id]
        path = self.shipped / f"{file_id}.toml"
        return path if is_plain_id(file_id) and path.is_file() else None

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All of them, sorted; no file is read."""
        shipped = (name[:-5] for name in os.listdir(self.shipped) if name.endswith(".toml"))
        return tuple(sorted({*shipped, *self.own}))

    def table(self, file_id: str, keys: Keys) -> Mapping[str, Any]:
        """What a file says; the user's is checked. Raises InputError naming file and field."""
        if file_id not in self.own:
            with suppress(OSError):  # a wheel has them as JSON too: a parser of TOML takes 7 ms
                return read_back((self.shipped / f"{file_id}.json").read_bytes())
            return read_toml(self.shipped / f"{file_id}.toml")
        if file_id not in self._checked:
            self._checked[file_id] = checked_file(self.own[file_id], keys)
        return self._checked[file_id]

    def usable(self, load: Callable[[str], Found]) -> tuple[Found, ...]:
        """All of them as `load` reads each, by id; the user's broken ones are left out."""
        found = []
        for file_id in self.ids:
            try:
                found.append(load(file_id))
            except InputError:
                if file_id not in self.own:
                    raise
        return tuple(found)

    @cached_property
    def shipped_tables(self) -> Mapping[str, Mapping[str, Any]]:
        """Those that ship, where a wheel has them in one file: TOML takes ten times as long."""
        index = self.shipped.with_suffix(".json")
        return json.loads(index.read_bytes()) if index.is_file() else {}

    def broken(self, keys: Keys) -> Iterator[InputError]:
        """What is wrong with each of the user's files that cannot be used."""
        for file_id in self.own:
            try:
                self.table(file_id, keys)
            except InputError as error:
                yield error


def as_json(path: Path) -> bytes:
    """A TOML file as a wheel has it, dates marked."""
    return json.dumps(read_toml(path), default=lambda date: {_DATE: str(date)}).encode()


def read_back(text: bytes) -> Mapping[str, Any]:
    """What the TOML file said."""
    found: Mapping[str, Any] = json.loads(text, object_hook=_dated)
    return found


_DATE = "toml date"


def _dated(found: dict[str, Any]) -> Any:
    return datetime.date.fromisoformat(found[_DATE]) if _DATE in found else found


def checked_file(
    path: str | Path, keys: Keys | Callable[[Mapping[str, Any]], Keys]
) -> Mapping[str, Any]:
    """What a user's file says; read once: a pipe has nothing more to say.

    `keys` may be chosen by what it holds. Raises InputError naming file and field.
    """
    from vperf.sources.schema import check_file  # noqa: PLC0415  (imports pydantic)

    data = read_toml(path, limit=MAX_OWN_BYTES)
    check_file(data, keys(data) if callable(keys) else keys, str(path))
    return data
