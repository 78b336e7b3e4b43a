"""A user's text and TOML files: read, or an InputError that names the file.

Not here: what a file says (gpus.py, workloads.py, ...), and files that ship (catalog.py).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from vperf.errors import InputError


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file. Raises InputError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text file"
        raise InputError(f"cannot be read: {reason}", source=str(path)) from None


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The tables of a TOML text; `source` is what errors call it. Raises InputError."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"not valid TOML: {error}", source=source) from None
