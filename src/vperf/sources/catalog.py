"""Where the bundled facts live: `configs/` in a checkout, `vperf/configs` in a wheel.

Not here: what the files say (sources/gpus.py, sources/models.py, ...).
"""

from __future__ import annotations

import re
from pathlib import Path

from vperf.errors import VperfError

_PACKAGE = Path(__file__).resolve().parents[1]
_CANDIDATES = (_PACKAGE / "configs", _PACKAGE.parents[1] / "configs")
_PLAIN_ID = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")


def data_dir() -> Path:
    """The directory that holds gpus/, engines/ and models/.

    Raises VperfError when the installation lacks it.
    """
    for candidate in _CANDIDATES:
        if (candidate / "gpus").is_dir():
            return candidate
    raise VperfError(
        f"vperf's bundled configs are missing; looked in {' and '.join(map(str, _CANDIDATES))}",
        hint="reinstall vperf: pip install --force-reinstall vperf",
    )


def is_plain_id(name: str) -> bool:
    """True where `name` is safe as a file's stem: lowercase letters, digits, single -_. inside."""
    return len(name) <= 64 and _PLAIN_ID.fullmatch(name) is not None
