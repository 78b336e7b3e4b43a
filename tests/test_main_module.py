"""`python -m vperf`: an interrupt while modules still load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pytest

from vperf.__main__ import run


class _Interrupt(MetaPathFinder):
    def find_spec(self, fullname: str, *_: Any) -> None:
        if fullname == "vperf.cli.main":
            raise KeyboardInterrupt


def test_an_interrupt_while_modules_load_exits_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "vperf.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Interrupt(), *sys.meta_path])
    assert run() == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_before_vperf_is_loaded_ends_it_as_a_signal_does() -> None:
    code = """
import signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "vperf":
            signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
from vperf_command import run
run()
"""
    ran = subprocess.run((sys.executable, "-c", code), capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (-signal.SIGINT, b"", b"")
