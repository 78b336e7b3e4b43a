"""The result files of data/: written by hand after each tool's source, figures near real ones."""

from __future__ import annotations

from pathlib import Path

from vperf.checks.importers import read_results
from vperf.checks.result import Result

DATA = Path(__file__).parent / "data"
FILES = tuple(sorted(file.name for file in DATA.iterdir()))


def results(name: str) -> tuple[Result, ...]:
    return read_results(DATA / name)


def result(name: str) -> Result:
    (only,) = results(name)
    return only
