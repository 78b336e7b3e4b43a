"""What commands of many settings share: which options repeat, prices, rows as they come.

Not here: the options themselves (scenario_of_result.py) and what is done with them (explore/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from vperf.cli.progress import Progress
from vperf.cli.scenario_options import ScenarioOptions, missing_model
from vperf.errors import InputError
from vperf.scenario import OPTIONS

MANY = tuple(name for name, option in OPTIONS.items() if option.repeats)
"""Options that may have several values, and as numbers ranges."""

Price = Annotated[
    list[str] | None,
    typer.Option(
        "--price", metavar="GPU=USD", help="$ per GPU-hour, as h100-sxm=2.50; repeatable."
    ),
]
PriceFile = Annotated[
    Path | None,
    typer.Option("--prices", metavar="FILE", help="TOML of prices: lines as h100-sxm = 2.50."),
]

T = TypeVar("T")


def options_of(typed: ScenarioOptions, *, all_else: bool = False) -> dict[str, Any]:
    """What was typed, as options of explore's functions: a value or a list each.

    `all_else`: of models and GPUs, one may be left out and then is all of them.
    """
    options = typed.options()
    card = "gpu" in options or "gpu_file" in options
    if all_else:
        if "model" not in options and not card:
            raise InputError("give --model, --gpu or both")
        return options
    if "model" not in options:
        raise missing_model()
    if not card:
        raise InputError("--gpu is missing", hint="'vperf gpus' lists them; or --gpu all")
    return options


def prices_of(given: list[str] | None, file: Path | None) -> dict[str, float] | None:
    """All prices; those of --price go before those of the file."""
    if not given and file is None:
        return None
    from vperf.explore.prices import load_prices, parse_prices
    from vperf.explore.prices import prices_of as by_id

    stored = by_id(load_prices(file)) if file else {}
    return {**stored, **by_id(parse_prices(given or []))}


def begun(rows: Iterator[T]) -> Iterator[T]:
    """The rows, the first of which is there: what is wrong with all is known before any output."""
    return chain([next(rows)], rows)


def counted(rows: Iterable[T], count: int, progress: Progress) -> Iterator[T]:
    """The rows, each of which moves the bar on."""
    for number, row in enumerate(rows, 1):
        progress(number, count)
        yield row
    progress.clear()
