"""The source of vperf as nodes of syntax trees, for tests of how it is written."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import vperf

ROOT = Path(vperf.__file__).parent

Nodes = tuple[ast.AST, ...]


@cache
def modules() -> Mapping[str, Nodes]:
    """Every module by its path inside the package; parsed and walked once a process."""
    return {
        path.relative_to(ROOT).as_posix(): nodes(path.read_text("utf-8"))
        for path in sorted(ROOT.rglob("*.py"))
    }


def nodes(code: str) -> Nodes:
    """All nodes of a text."""
    return tuple(ast.walk(ast.parse(code)))
