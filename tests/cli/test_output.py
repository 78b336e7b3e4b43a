"""Where colours, glyphs and rich go: what the environment and the stream say."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping

import pytest

from vperf.cli import output

from .conftest import Run, one_line

ASK = ("estimate", "-m", "qwen3-8b", "-g", "h100")
_ALL = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "TERM", "COLUMNS")


class Stream(io.TextIOWrapper):
    def __init__(self, *, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "environment", "styles"),
    [
        (True, {}, "color"),
        (False, {}, "none"),
        (True, {"NO_COLOR": "1"}, "plain"),
        (True, {"NO_COLOR": ""}, "color"),
        (False, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, "none"),
        (False, {"FORCE_COLOR": "1"}, "color"),
        (False, {"FORCE_COLOR": "0"}, "none"),
        (False, {"CLICOLOR_FORCE": "1"}, "color"),
        (False, {"GITHUB_ACTIONS": "true"}, "color"),
        (True, {"TERM": "dumb"}, "none"),
        (True, {"TERM": "linux"}, "none"),
    ],
)
def test_styles_are_what_stream_and_environment_allow(
    terminal: bool, environment: Mapping[str, str], styles: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in _ALL:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Stream(terminal=terminal)
    assert output.styles(stream) == styles
    assert output.styles(stream, "always") == "color"
    assert output.styles(stream, "never") == "none"


def test_a_log_with_colours_is_120_wide_and_a_pipe_80(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _ALL:
        monkeypatch.delenv(name, raising=False)
    assert output.width() == 80
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert output.width() == 120
    monkeypatch.setenv("COLUMNS", "97")
    assert output.width() == 97


def test_what_a_stream_cannot_encode_is_said_in_ascii() -> None:
    stream = Stream(terminal=False, encoding="ascii")
    assert output.printable("13 µs · ✗ 模\n", stream) == "13 us - x ?\n"
    assert output.printable("13 µs ✗\n", Stream(terminal=False)) == "13 µs ✗\n"


def test_brief_is_the_short_page_and_verbose_the_whole(vperf: Run) -> None:
    whole, short = vperf(*ASK).out, vperf(*ASK, "--brief").out
    assert len(short.splitlines()) <= 22
    assert len(whole.splitlines()) <= 45
    assert vperf(*ASK, "-v").out == whole
    assert "--brief" in one_line(vperf(*ASK, "-v", "--brief"))


def test_a_colour_that_is_no_choice_is_refused(vperf: Run) -> None:
    assert "auto, always, never" in one_line(vperf(*ASK, "--color", "blue"))
    assert "\x1b[" in vperf(*ASK, "--color", "always").out
    assert "\x1b" not in vperf(*ASK, "--color", "never").out


@pytest.mark.parametrize("form", ["--json", "--csv", "--markdown"])
def test_rich_is_imported_for_a_screen_alone(form: str) -> None:
    code = (
        "import sys; from vperf.cli.main import main; main(sys.argv[1:]); "
        "sys.exit(any(name.partition('.')[0] == 'rich' for name in sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "napkin", form], check=False, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr


def test_a_start_imports_neither_pages_nor_simulations_for_the_data_of_a_batch() -> None:
    unwanted = ("vperf.report.document", "vperf.report.format", "vperf.serving.simulation",
                "vperf.serving.load", "vperf.speeds.load", "vperf.sources.model_named",
                "vperf.model.gguf", "vperf.hardware.commands", "pydantic", "rich")  # fmt: skip
    code = (
        "import sys; from vperf.cli.main import main; main(sys.argv[1:]); "
        f"sys.exit(' '.join(name for name in {unwanted!r} if name in sys.modules) or 0)"
    )
    words = [sys.executable, "-c", code, *ASK, "--json"]
    ran = subprocess.run(words, check=False, capture_output=True, text=True)
    assert ran.stderr == ""
    assert ran.returncode == 0


@pytest.mark.parametrize(
    "command", ["napkin", "gpus h100", "models qwen3-8b", "fit -m qwen3-8b -g h100",
                "compare -m qwen3-8b -g h100,l40s"],
)  # fmt: skip
def test_every_command_has_every_form(vperf: Run, command: str) -> None:
    for form, start in (("--json", "{"), ("--markdown", "**"), ("--csv", "")):
        ran = vperf(*command.split(), form)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(start)
        assert form != "--csv" or "," in ran.out.splitlines()[0]


@pytest.mark.parametrize(
    "asked",
    [
        ("gpt-oss-120b", "rtx-5090", "--n-cpu-moe", "24"),
        ("qwen3-32b", "rtx-5090+2xrtx-3090", "-q", "q4_k_m"),
        ("bge-large-en-v1.5", "l4"),
        ("qwen3-8b", "h100", "--max-concurrency", "64"),
    ],
)
def test_a_short_page_leaves_its_first_line_on_the_screen(
    vperf: Run, asked: tuple[str, ...]
) -> None:
    assert len(vperf("estimate", *asked, "--brief").out.splitlines()) <= 22
