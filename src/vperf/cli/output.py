"""Writing an answer, once: to standard output or a file, in the form that was asked for.

    screen    rich, laid out for a person: short on a terminal, whole with -v, in pipes and files
    json csv jsonl markdown    for programs, sheets and issues
    plot      a chart in a file

`@answers()` gives a command the options of all forms in place of its parameter `out`, and `emit`
writes the answer. A form is a row of FORMS and a case of `emit`.
Not here: what the answer says (report/).
"""

# Imports wait for the form that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TextIO, assert_never

import typer

from vperf.cli.command import parameters_but, with_parameters
from vperf.errors import InputError
from vperf.files import open_atomically
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.report.forms import Report

Form = Literal["screen", "json", "jsonl", "csv", "markdown", "plot"]
Styles = Literal["none", "plain", "color"]


class _Form(NamedTuple):
    """How a form is asked for."""

    suffixes: tuple[str, ...]
    help: str
    """Of its flag; empty: the suffix alone asks for it."""


FORMS: Mapping[Form, _Form] = {
    "json": _Form((".json",), "Print JSON, and nothing else."),
    "jsonl": _Form((".jsonl",), "Print one JSON object a row."),
    "csv": _Form((".csv",), "Print CSV: SI base units, unrounded."),
    "markdown": _Form((".md",), "Print Markdown, to paste into an issue."),
    "plot": _Form((".svg", ".png", ".html"), ""),
}
_WHENS = ("auto", "always", "never")
_PLAIN_TERMINALS = ("dumb", "linux")
"""Terminals without the glyphs of a plot: the Linux console has no braille."""
_PIPE, _FORCED = 80, 120
"""Columns where no terminal says how many: in a pipe, and in a log that shows colours."""


@dataclass(frozen=True)
class Out:
    """Where an answer goes, and how."""

    form: Form = "screen"
    file: Path | None = None
    theme: str = "auto"
    verbose: bool = False
    brief: bool = False
    color: str = "auto"

    @property
    def full(self) -> bool:
        """Whether all is said: with -v, and where it is no terminal, unless --brief."""
        return self.verbose or not (self.brief or (self.file is None and sys.stdout.isatty()))

    @property
    def to_people(self) -> bool:
        """Whether sentences are read, and not data."""
        return self.form in ("screen", "markdown")

    def emit(self, report: Report) -> None:
        """Write the answer in its form. The one place that knows all of them."""
        match self.form:
            case "screen":
                from vperf.report import screen

                look = screen.Look(
                    width(), self.full, styles(sys.stdout, self.color), not unicode(sys.stdout)
                )
                stream(screen.parts(report.document(), look))
            case "json":
                from vperf.report import to_json

                stream(to_json.parts(report.data()), self.file)
            case "jsonl":
                from vperf.report import to_json

                assert report.records is not None
                stream(to_json.lines(report.records()), self.file)
            case "csv":
                from vperf.report import to_csv

                stream(to_csv.lines(report.rows()), self.file)
            case "markdown":
                from vperf.report import markdown

                stream(markdown.parts(report.document(), full=not self.brief), self.file)
            case "plot":
                from vperf.report.chart_file import write_chart

                assert report.chart is not None
                assert self.file is not None
                write_chart(report.chart(), self.file, self.theme)
            case _:
                assert_never(self.form)


def answers(
    *,
    plots: bool = False,
    records: bool = False,
    file: bool = True,
    listing: bool = False,
    cards: bool = False,
) -> Callable[..., Any]:
    """A command with the options of all forms in place of its parameter `out`, an Out.

    `plots`: a file may hold its chart; `records`: it has JSON lines; `file` False: its -o is
    another; `cards`: its -o may be a GPU file, which the command writes itself; `listing`: -v shows
    the whole list, and is called --all too.
    """
    forms = [form for form in FORMS if form != "plot" and (records or form != "jsonl")]
    own = [_flag(f"--{form}", text=FORMS[form].help) for form in forms]
    if file:
        suffixes = "a plot (.svg, .png, .html) or the data (.json, .csv, .md)"
        only = "its suffix .json, .csv or .md chooses the format"
        own.append(
            _text("output_file", Path | None, None, "--output", "-o", metavar="FILE",
                  help=f"Write to FILE: {suffixes}." if plots else f"Write to FILE; {only}.")
        )  # fmt: skip
    if plots:
        own.append(
            _text("theme", str, "auto", "--theme", metavar="THEME",
                  help="Colours of a plot in a file: light, dark or auto, as its reader prefers.")
        )  # fmt: skip
    own += [
        _flag("--verbose", "-v", *(("--all",) if listing else ()),
              text="Show the whole list." if listing else "Show all: what it rests on, too."),
        _flag("--brief", text="Show the short page, in pipes and files too."),
        _text("color", str, "auto", "--color", metavar="WHEN", help="auto, always or never.",
              show_default=False),
    ]  # fmt: skip

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        def run(**values: Any) -> None:
            given = {parameter.name: values.pop(parameter.name) for parameter in own}
            command(out=_out(given, cards=cards), **values)

        return with_parameters(run, command, [*parameters_but("out", command), *own])

    return wrap


def _flag(*names: str, text: str) -> inspect.Parameter:
    return inspect.Parameter(
        names[0].strip("-"), inspect.Parameter.KEYWORD_ONLY, default=False,
        annotation=Annotated[bool, typer.Option(*names, help=text)],
    )  # fmt: skip


def _text(name: str, kind: Any, default: Any, *flags: str, **declared: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default,
        annotation=Annotated[kind, typer.Option(*flags, **declared)],
    )  # fmt: skip


def _out(given: dict[str, Any], *, cards: bool = False) -> Out:
    file, theme = given.get("output_file"), given.get("theme")
    flags = {form: bool(given.get(form)) for form in FORMS}
    apart = cards and file is not None and file.suffix.lower() == ".toml"
    form = choose(flags, None if apart else file, theme=theme, records="jsonl" in given)
    verbose, brief, when = given["verbose"], given["brief"], given["color"]
    if verbose and brief:
        raise InputError("--verbose and --brief cannot be combined: give one of them")
    if when not in _WHENS:
        raise InputError(f"{when!r} is not one of {', '.join(_WHENS)}", source="--color")
    return Out(form, file, theme or "auto", verbose, brief, when)


def choose(
    flags: Mapping[Form, bool],
    output: Path | None = None,
    *,
    theme: str | None = None,
    records: bool = False,
) -> Form:
    """The one form that flags and the file's suffix agree on; InputError where they do not.

    `theme` None: the command has no chart for a file to hold. `records`: it has JSON lines.
    A chart that could not be written is an error now, not after the work.
    """
    chosen = [form for form, given in flags.items() if given]
    if len(chosen) > 1:
        names = " and ".join(f"--{form}" for form in chosen)
        raise InputError(f"{names} cannot be combined: give one of them")
    known = {
        suffix: form for form, row in FORMS.items() for suffix in row.suffixes
        if (form != "plot" or theme is not None) and (form != "jsonl" or records)
    }  # fmt: skip
    by_suffix = known.get(output.suffix.lower()) if output else None
    if chosen:
        if by_suffix and by_suffix != chosen[0]:
            raise InputError(f"--{chosen[0]} contradicts the suffix of {output}", source="--output")
        return chosen[0]
    if output and by_suffix is None:
        plots = ".svg, .png, .html, " if theme is not None else ""
        raise InputError(
            f"{output} does not say which format",
            source="--output",
            hint=f"end it in {plots}.json, .csv or .md, or add --json, --csv or --markdown",
        )
    if by_suffix == "plot" and output is not None:
        from vperf.report.chart_file import check_plot

        check_plot(output, theme or "auto")
    return by_suffix or "screen"


def refuse_plot(plot: bool, form: Form) -> None:
    """InputError where --plot asks for a drawing in a form that has none."""
    if plot and form not in ("screen", "plot"):
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
    begun = False
    try:
        for part in parts:
            print(printable(part, sys.stdout), end="", flush=True)
            begun = True
    except KeyboardInterrupt:
        if begun:
            complain_of("interrupted: the answer is cut", "")
        raise
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        raise InputError(f"cannot write the answer: {error.strerror or error}") from None


def write_new(text: str, output: Path) -> Path:
    """`text` to a file of that name, or of that name and the first free number: what took minutes
    to make replaces nothing that came meanwhile, and is not lost either."""
    for number in count(1):
        path = output if number == 1 else output.with_stem(f"{output.stem}-{number}")
        try:
            with open_atomically(path, new=True) as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None
        return path
    raise AssertionError


def check_place(output: Path) -> None:
    """Raises InputError, before anything takes minutes, where a file could not be written."""
    folder = output.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        why = "is not writable" if folder.is_dir() else "is no folder"
        raise InputError(f"cannot write {output}: {folder} {why}", source="--output")


def append(text: str, output: Path, *, option: str) -> None:
    """`text` to the end of a file."""
    _to_file((text,), output, "a", option)


def _to_file(parts: Iterable[str], output: Path, mode: Literal["w", "a"], option: str) -> None:
    try:
        if mode == "a":
            with output.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
                file.writelines(parts)
        else:
            with open_atomically(output) as file:
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
    if styles(sys.stderr) == "color":
        line = f"\x1b[31m{line}\x1b[0m"
    complain(f"{line}\n")


def printable(text: str, stream: TextIO) -> str:
    """`text` in what the stream's encoding has: glyphs in ASCII, "?" for the rest."""
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        from vperf.report.format import ASCII

        return text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    return text


def discard(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere, so that Python's exit does not complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def styles(stream: TextIO, when: str = "auto") -> Styles:
    """Whether ANSI goes to a stream: none, bold alone (NO_COLOR), or the 16 colours."""
    if when != "auto":
        return "color" if when == "always" else "none"
    terminal = stream.isatty() and os.environ.get("TERM") not in _PLAIN_TERMINALS
    if sys.platform == "win32" and not any(map(os.environ.get, ("WT_SESSION", "TERM", "ANSICON"))):
        terminal = False  # an old console shows escapes as they are
    if os.environ.get("NO_COLOR"):
        return "plain" if terminal else "none"
    return "color" if terminal or _forced() else "none"


def _forced() -> bool:
    """Whether the environment wants colours where no terminal is, as the logs of GitHub show."""
    values = (os.environ.get(name, "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    return any(value not in ("", "0") for value in values) or (
        os.environ.get("GITHUB_ACTIONS") == "true"
    )


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
    """COLUMNS, else the terminal's width, else 80, or 120 in a log with colours."""
    forced = _forced() and not os.environ.get("NO_COLOR")
    return shutil.get_terminal_size((_FORCED if forced else _PIPE, 24)).columns
