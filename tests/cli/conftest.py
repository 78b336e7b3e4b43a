"""Running the command line in this process, as a shell would see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from vperf.cli.main import main

QWEN = "Qwen/Qwen3-4B-Instruct-2507"


@dataclass(frozen=True)
class Ran:
    """What one run left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def vperf(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`vperf("gpus", "--json")` -> exit code, stdout, stderr; no network, 80 columns."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    for name in (
        "VPERF_DEBUG",
        "FORCE_COLOR",
        "CLICOLOR_FORCE",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_OUTPUT",
    ):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def one_line(ran: Ran, code: int = 2) -> str:
    """The one line of an error; fails if the run printed anything that looks like an answer."""
    assert ran.code == code, ran
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert ran.err.endswith("\n")
    assert ran.err.count("\n") == 1
    assert len(ran.err) < 1000
    assert ran.err.removesuffix("\n").isprintable()
    assert "Traceback" not in ran.err
    assert "bug in vperf" not in ran.err
    return ran.err.removeprefix("error: ").removesuffix("\n")
