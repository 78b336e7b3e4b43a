"""Options of the suite itself."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import settings

# A machine that is busy is no fault: no test looks at the clock. Fifty examples find what a hundred
# do, for every run draws others.
settings.register_profile(
    "no clock", settings(settings.default, deadline=None, max_examples=50, database=None)
)
settings.load_profile("no clock")


def pytest_configure(config: pytest.Config) -> None:
    """Where Python is told to keep no bytecode beside the sources, it is kept in pytest's cache:
    else each of the processes that tests start compiles all of vperf anew."""
    cache = getattr(config, "cache", None)  # not there under -p no:cacheprovider
    if sys.dont_write_bytecode and cache is not None:
        prefix = str(cache.mkdir("bytecode"))
        sys.pycache_prefix, sys.dont_write_bytecode = prefix, False
        os.environ["PYTHONPYCACHEPREFIX"] = prefix
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest -n 0 tests/snapshots --renew-snapshots` writes what is printed today."""
    parser.addoption(
        "--renew-snapshots", action="store_true",
        help="write tests/snapshots/outputs anew and print what changed",
    )  # fmt: skip
