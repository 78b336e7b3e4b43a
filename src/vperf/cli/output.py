"""Writing an answer, once: to standard output or a file, in the form that was asked for.

Not here: what the answer says (report/).
"""

# Imports wait for the form that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO, TypeVar

from vperf.errors import InputError

if TYPE_CHECKING:
    from vperf.report.chart import Chart

Form = Literal["table", "json", "jsonl", "csv", "markdown", "plot"]
_SUFFIXES: dict[str, Form] = {".json": "json", ".csv": "csv", ".md": "markdown"}
_PLOTS = (".svg", ".png", ".html")
_PLAIN_TERMINALS = ("dumb", "linux")
"""Terminals without the glyphs of a plot: the Linux console has no braille."""


def choose(
    *,
    json: bool = False,
    csv: bool = False,
    markdown: bool = False,
    output: Path | None = None,
    theme: str | None = None,
    jsonl: bool | None = None,
) -> Form:
    """The one form that flags and the file's suffix agree on; InputError where they do not.

    `theme` None: the command has no chart for a file to hold. `jsonl` None: it has no JSON lines.
    A chart that could not be written is an error now, not after the work.
    """
    plots = theme is not None
    flags: dict[Form, bool] = {"json": json, "jsonl": bool(jsonl), "csv": csv, "markdown": markdown}
    asked = [form for form, given in flags.items() if given]
    if len(asked) > 1:
        names = " and ".join(f"--{form}" for form in asked)
        raise InputError(f"{names} cannot be combined: give one of them")
    by_suffix = _SUFFIXES.get(output.suffix.lower()) if output else None
    if output and plots and output.suffix.lower() in _PLOTS:
        by_suffix = "plot"
    if output and jsonl is not None and output.suffix.lower() == ".jsonl":
        by_suffix = "jsonl"
    if asked:
        if by_suffix and by_suffix != asked[0]:
            raise InputError(f"--{asked[0]} contradicts the suffix of {output}", source="--output")
        return asked[0]
    if output and by_suffix is None:
        raise InputError(
            f"{output} does not say which format",
            source="--output",
            hint=f"end it in {'.svg, .png, .html, ' if plots else ''}.json, .csv or .md, "
            "or add --json, --csv or --markdown",
        )
    if by_suffix == "plot" and output is not None:
        from vperf.report.chart_file import check_plot

        check_plot(output, theme or "auto")
    return by_suffix or "table"


class Answer(Protocol):
    """What has a JSON contract."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values under its schema."""


Given_contra = TypeVar("Given_contra", bound=Answer, contravariant=True)


class Report(Protocol[Given_contra]):
    """A file of report/ about one kind of answer."""

    def csv(self, answer: Given_contra, /) -> str:
        """Its rows."""

    def markdown(self, answer: Given_contra, /) -> str:
        """What the screen says."""

    @property
    def render(self) -> Callable[..., str]:
        """The screen, of an answer, `width`, `color` and what else its command gives."""


def rendered(answer: Given_contra, form: Form, report: Report[Given_contra], **more: Any) -> str:
    """The answer as text in its form; `more` is for the screen alone."""
    if form == "json":
        from vperf.report import to_json as report_json

        return report_json.dump(answer.to_dict())
    if form == "csv":
        return report.csv(answer)
    if form == "markdown":
        return report.markdown(answer)
    return report.render(answer, width=width(), color=color(sys.stdout), **more)


def drawn(chart: Chart) -> str:
    """A chart as the terminal can show it."""
    from vperf.report.chart_terminal import render_terminal

    return render_terminal(chart, width(), unicode(sys.stdout), color(sys.stdout))


def write_plot(chart: Chart, output: Path, theme: str) -> None:
    """A chart into a file that `choose` has found fit for it."""
    from vperf.report.chart_file import write_chart

    write_chart(chart, output, theme)


def check_plot(plot: bool, form: Form) -> None:
    """InputError where --plot asks for a drawing in a form that has none."""
    if plot and form not in ("table", "plot"):
        raise InputError(f"--plot and {form} cannot be combined",
                         hint="--plot draws on the screen, -o FILE.svg in a file")  # fmt: skip


def write(text: str, output: Path | None = None, *, option: str = "--output") -> None:
    """`text` to the file, or to standard output; a reader that left early is no error."""
    stream((text,), output, option=option)


def stream(parts: Iterable[str], output: Path | None = None, *, option: str = "--output") -> None:
    """The same of a text that comes in parts, each written when it is there."""
    if output is not None:
        _to_file(parts, output, "w", option)
        return
    try:
        for part in parts:
            print(printable(part, sys.stdout), end="", flush=True)
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        raise InputError(f"cannot write the answer: {error.strerror or error}") from None


def append(text: str, output: Path, *, option: str) -> None:
    """`text` to the end of a file."""
    _to_file((text,), output, "a", option)


def _to_file(parts: Iterable[str], output: Path, mode: Literal["w", "a"], option: str) -> None:
    try:
        with output.open(mode, encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(parts)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {output}: {reason}", source=option) from None


def complain(text: str) -> None:
    """`text` to standard error, whoever reads it or not."""
    try:
        print(printable(text, sys.stderr), end="", file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def complain_of(message: str, hint: str) -> None:
    """One line on standard error: what is wrong, and what to do."""
    from vperf.report.format import clean

    what = clean(message.strip().removesuffix("."), 500)
    line = f"error: {what}; {clean(hint)}" if hint else f"error: {what}"
    if color(sys.stderr):
        line = f"\x1b[31m{line}\x1b[0m"
    complain(f"{line}\n")


def printable(text: str, stream: TextIO) -> str:
    """`text` with "?" for what the stream's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def discard(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere, so that Python's exit does not complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def color(stream: TextIO) -> bool:
    """ANSI only on a terminal that understands it, and never with NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def unicode(stream: TextIO) -> bool:
    """Whether lines and braille can be shown: by the stream's encoding and by the terminal."""
    if os.environ.get("TERM") in _PLAIN_TERMINALS:
        return False
    try:
        "\u28ff\u2502\u25cf".encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def width() -> int:
    """COLUMNS, else the terminal's width, else 80."""
    return shutil.get_terminal_size((80, 24)).columns
