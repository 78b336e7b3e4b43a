"""One model in huggingface_hub's cache on the disk: found, read, and written.

Not here: when the disk is asked instead of the Hub (__init__.py).
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from vperf.errors import HubError, InputError, VperfError
from vperf.files import is_file, is_inside, read_bytes, write_bytes_atomically
from vperf.sources import safetensors
from vperf.sources.hub.refusals import json_object
from vperf.sources.safetensors import StoredTensors

CONFIG = "config.json"
MAX_BODY_BYTES = 64 * 10**6
"""The largest real config.json is under 1 MB, the largest shard index about 10 MB."""

COMMIT = re.compile(r"[0-9A-Za-z]{7,64}")


class Cache:
    """One model in huggingface_hub's cache, in its documented layout.

    Read and written by hand, because importing huggingface_hub takes longer than an answer from
    the cache should; the tests hold the layout against huggingface_hub's own.
    """

    def __init__(self, model_id: str, revision: str) -> None:
        self.model_id = model_id
        self.revision = revision
        self.root = cache_root()
        self.folder = self.root / f"models--{model_id.replace('/', '--')}"

    @property
    def commit(self) -> str:
        """The commit the revision last pointed at; the revision itself if it is a commit."""
        try:
            commit = (self.folder / "refs" / self.revision).read_text("utf-8").strip()
        except (OSError, ValueError):
            return self.revision
        return commit if COMMIT.fullmatch(commit) else self.revision

    @property
    def snapshot(self) -> Path:
        """The directory of that commit's files."""
        return self.folder / "snapshots" / self.commit

    def path(self, name: str) -> Path | None:
        """Where a cached file is, None where it is not cached."""
        path = self.snapshot / name
        return path if is_inside(name) and is_file(path) else None

    def is_known_absent(self, name: str) -> bool:
        """Whether the Hub has said that this commit lacks the file."""
        return is_file(self.folder / ".no_exist" / self.commit / name)

    def load(self, name: str) -> dict[str, object]:
        """A cached JSON file."""
        path = self.snapshot / name
        try:
            return json_object(read_bytes(path, limit=MAX_BODY_BYTES), str(path), "the cache")
        except InputError as error:
            raise HubError(
                f"{path}: {error.message}", hint="check its permissions, or remove it"
            ) from error

    def age(self) -> str:
        """ "the cached copy of 2026-02-03 (commit 531c80e)"."""
        day = time.strftime("%Y-%m-%d", time.gmtime((self.snapshot / CONFIG).stat().st_mtime))
        return f"the cached copy of {day} (commit {self.commit[:7]})"

    def stored(self) -> StoredTensors | None:
        """From the headers of the weights, where they have been downloaded."""
        if not os.path.isdir(self.snapshot):
            return None
        with suppress(VperfError):
            return safetensors.read_directory(self.snapshot)
        return None

    def save(self, name: str, body: bytes, commit: str | None) -> tuple[str, ...]:
        """Keep a file; returns a warning where the disk does not want it."""
        if commit is None:
            return ()
        try:
            _write(self.folder / "snapshots" / commit / name, body)
            if self.revision != commit:
                _write(self.folder / "refs" / self.revision, commit.encode())
        except OSError as error:
            return (f"the answer could not be cached in {self.root}: {error.strerror or error}",)
        return ()

    def mark_absent(self, name: str, commit: str | None) -> None:
        """Remember that this commit lacks a file, so that it is asked for once."""
        if commit is not None:
            try:
                _write(self.folder / ".no_exist" / commit / name, b"")
            except OSError:
                return  # it is asked for again


def cache_root() -> Path:
    """huggingface_hub's cache, from the environment as it is now."""
    environment = os.environ
    home = environment.get("HF_HOME") or os.path.join(
        environment.get("XDG_CACHE_HOME") or os.path.join("~", ".cache"), "huggingface"
    )
    root = (
        environment.get("HF_HUB_CACHE")
        or environment.get("HUGGINGFACE_HUB_CACHE")
        or os.path.join(home, "hub")
    )
    return Path(os.path.expandvars(os.path.expanduser(root)))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: others may read the cache at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(path, content)
