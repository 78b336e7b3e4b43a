"""`python -m vperf`: an interrupt while modules still load."""

from __future__ import annotations

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
