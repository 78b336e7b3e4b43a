"""Options are coerced without pydantic, by an attribute of Typer that may go."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from vperf.cli.coercion import _Plain, simplify
from vperf.cli.main import COMMANDS, build

from .conftest import Run


def commands() -> list[Any]:
    root = typer.main.get_command(build(("estimate",)))
    simplify(root)
    return list(root.commands.values())  # type: ignore[attr-defined]


def test_this_typer_keeps_the_attribute_that_coercion_takes_the_place_of() -> None:
    """Where it is gone, every start costs a pydantic adapter an option: look at coercion.py."""
    (estimate,) = commands()
    coerced = [
        p.name for p in estimate.params if isinstance(getattr(p, "_runtime_param", 0), _Plain)
    ]
    assert {"model", "gpu", "input_len", "request_rate", "peak", "cuda_graphs"} <= set(coerced)


@pytest.mark.parametrize("name", COMMANDS)
def test_h_is_help(vperf: Run, name: str) -> None:
    short, long = vperf(name, "-h"), vperf(name, "--help")
    assert short.code == 0
    assert short.out == long.out
