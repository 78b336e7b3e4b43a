"""Which GPUs a name may mean: read off the heads of their files, or a wheel's index of them.

No TOML is parsed on the way from a name to the few files that quote it. Not here: what a file says
of its card, and which of several is meant (gpus.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from vperf.errors import InputError, UnknownNameError
from vperf.files import read_bytes, read_toml
from vperf.sources.catalog import MAX_OWN_BYTES, Files
from vperf.sources.spellings import loose_key
from vperf.spelling import flag

_QUOTED = re.compile(rb'"([^"\n]*)"')


def candidates(loose: bytes, files: Files) -> list[str]:
    """Ids whose file quotes the name before its first table; no TOML is parsed for this."""
    line = b"\n" + loose + b"\n"
    return [gpu_id for gpu_id, spellings in _spellings(files) if line in spellings]


@lru_cache(maxsize=8)
def _spellings(files: Files) -> tuple[tuple[str, bytes], ...]:
    """Every id with the loose keys of what its file quotes before its first table, a line each."""
    try:
        index = (files.shipped.parent / "gpus.index").read_bytes()
    except OSError:  # a checkout has none
        index = index_of(files.shipped)
    found = {}
    for line in index.splitlines():
        stem, _, keys = line.partition(b"\t")
        found[stem.decode()] = keys.replace(b"\t", b"\n")
    for gpu_id, path in files.own.items():
        found[gpu_id] = b"\n".join(_keys_in(gpu_id, path))
    return tuple(found.items())


def index_of(folder: Path) -> bytes:
    """A line for each GPU file of a folder: its id and all its keys, between tabs."""
    lines = (
        b"\t".join([path.stem.encode(), *_keys_in(path.stem, path)])
        for path in sorted(folder.glob("*.toml"))
    )
    return b"\n".join(lines)


def tables_of(folder: Path) -> bytes:
    """All GPU files of a folder in one; their dates are text."""
    tables = {path.stem: read_toml(path) for path in sorted(folder.glob("*.toml"))}
    return json.dumps(tables, default=str).encode()


def _keys_in(gpu_id: str, path: Path) -> list[bytes]:
    """Loose keys between empty ones, so that each has a mark on both sides."""
    lines = b"\n".join([b"", gpu_id.encode(), *_QUOTED.findall(_head(path)), b""])
    return loose_key(lines).split(b"\n")


def _head(path: Path) -> bytes:
    """A file before its first table; nothing of one that cannot be read."""
    try:
        data = read_bytes(path, limit=MAX_OWN_BYTES)
    except InputError:
        return b""
    return data.partition(b"\n[")[0]


@lru_cache(maxsize=8)
def names_of(files: Files) -> Mapping[str, tuple[str, ...]]:
    """Every id with itself and the names that its file has."""
    found = {}
    for gpu_id in files.ids:
        path = files.path(gpu_id)
        named = _head(path).partition(b"\nvendor")[0] if path else b""
        texts = (text.decode("utf-8", "ignore") for text in _QUOTED.findall(named))
        found[gpu_id] = (gpu_id, *texts)
    return found


def unknown_gpu(name: str, files: Files) -> UnknownNameError:
    """The error of a name that no card has, with those spelled alike."""
    shown = name if len(name) <= 80 else f"{name[:77]}..."
    return UnknownNameError(
        "GPU", shown, lambda: _nearest(name, files),
        hint=f"'vperf gpus' lists all; {flag('gpu')} FILE.toml is your own",
    )  # fmt: skip


def _nearest(name: str, files: Files) -> list[str]:
    """The ids that contain the name first, then those that are spelled alike."""
    import difflib  # noqa: PLC0415  (only on the way to an error)

    loose, spelled = loose_key(name)[:64].decode(), _ids_by_spelling(files)
    starting = [spelled[key] for key in spelled if len(loose) > 1 and key.startswith(loose)]
    inside = [spelled[key] for key in spelled if len(loose) > 1 and loose in key]
    alike = [spelled[key] for key in difflib.get_close_matches(loose, spelled, n=12, cutoff=0.5)]
    return list(dict.fromkeys([*starting, *inside, *alike]))[:5]


@lru_cache(maxsize=8)
def _ids_by_spelling(files: Files) -> Mapping[str, str]:
    """Ids by the loose keys of id, name and aliases."""
    spelled: dict[str, str] = {}
    for gpu_id, texts in names_of(files).items():
        for text in texts:
            spelled.setdefault(loose_key(text).decode(), gpu_id)
    return spelled
