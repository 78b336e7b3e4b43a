"""Writing an answer, once: to standard output or a file, in the form that was asked for.

Not here: what the answer says (report/).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TextIO

from vperf.errors import InputError

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
    plots: bool = False,
    jsonl: bool | None = None,
) -> Form:
    """The one form that flags and the file's suffix agree on; InputError where they do not.

    `plots`: the command has a chart, which a file may hold. `jsonl` None: it has no JSON lines.
    """
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
    return by_suffix or "table"


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
