"""The source of vperf as syntax trees, for tests of how it is written; parsed once a process."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import vperf

ROOT = Path(vperf.__file__).parent


@cache
def trees() -> Mapping[str, ast.Module]:
    """Every module by its path inside the package."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(ROOT.rglob("*.py"))
    }
