"""Importers of other packages, found through entry points."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vperf.checks.importers import formats, read_results
from vperf.errors import VperfError

MODULE = """
from vperf.checks.importers.recognise import JsonFormat
from vperf.checks.result import Result, Setup

def read(record):
    yield Result("stopwatch", record.where, Setup(), tpot_s=record.metric("ms_per_word", 1e-3))

FORMATS = (JsonFormat("stopwatch", ("stopwatch_version", "ms_per_word"), read),)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package on the path with one entry point, as pip would install it."""
    info = tmp_path / "stopwatch_vperf-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stopwatch-vperf\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vperf.importers]\nstopwatch = stopwatch_vperf\n")
    (tmp_path / "stopwatch_vperf.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    formats.cache_clear()
    yield tmp_path
    formats.cache_clear()
    sys.modules.pop("stopwatch_vperf", None)


def test_a_package_adds_a_format_by_an_entry_point(package: Path) -> None:
    path = package / "result.json"
    path.write_text('{"stopwatch_version": 1, "ms_per_word": 12.5}')
    (result,) = read_results(path)
    assert (result.tool, result.tpot_s) == ("stopwatch", 0.0125)


@pytest.mark.parametrize("text", ["1 / 0", "FORMATS = (1,)"])
def test_a_package_that_cannot_be_loaded_is_named(package: Path, text: str) -> None:
    (package / "stopwatch_vperf.py").write_text(text)
    with pytest.raises(VperfError, match="importer 'stopwatch' of stopwatch-vperf"):
        read_results(package / "stopwatch_vperf.py")
