"""The command line's runner, from its own tests."""

from tests.cli.conftest import vperf

__all__ = ["vperf"]
