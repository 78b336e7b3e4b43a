"""The `vperf` command: its sub-commands, and the one place where errors become exit codes.

    0 answered    1 the answer is no    2 wrong usage or input
    3 the Hub could not be reached or refused
    70 a bug in vperf    130 interrupted

Not here: what a sub-command does (one file each).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

gc.set_threshold(100_000)  # a start makes much and drops nothing: a tenth of it was looking

import typer  # noqa: E402

from vperf.cli import output  # noqa: E402
from vperf.cli.coercion import HELP, simplify  # noqa: E402
from vperf.cli.command import Command  # noqa: E402
from vperf.errors import VperfError  # noqa: E402

_USAGE = 2
_BUG = 70
_INTERRUPTED = 130

_EPILOG = """\
Examples:

\b
  vperf napkin
  vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000
  vperf estimate -m llama-3.1-8b-instruct -g h100 --ops
  vperf check result.json --gpu h100
  vperf compare -m qwen3-32b -g all-nvidia --by decode
  vperf fit -m qwen3-32b -g rtx-4090
  vperf roofline -m qwen3-8b -g h100 -o roofline.svg
  vperf gpus
  vperf models
  vperf engines

Each command has its own --help with more.
"""

COMMANDS = (
    "napkin",
    "estimate",
    "check",
    "measure",
    "compare",
    "sweep",
    "fit",
    "plan",
    "roofline",
    "gpus",
    "models",
    "engines",
    "workloads",
    "mcp",
)
"""Each is a function of that name in the file of that name, with its EPILOG."""


def _version(wanted: bool) -> None:
    if wanted:
        from vperf import __version__

        output.write(f"vperf {__version__}\n")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        output.write(context.get_help() + "\n")


def build(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The application with the sub-commands of these names."""
    app = typer.Typer(
        name="vperf",
        help="How fast can this model run on that GPU, and what bounds it?",
        epilog=_EPILOG,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": list(HELP), "max_content_width": 80},
    )
    app.callback(invoke_without_command=True)(_root)
    for name in names:
        module = import_module(f"vperf.cli.{name}")
        app.command(name, cls=Command, epilog=module.EPILOG)(getattr(module, name))
    return app


@cache
def _built(names: tuple[str, ...]) -> Any:
    """The command of these sub-commands; a process that runs several builds each once."""
    command = typer.main.get_command(build(names))
    simplify(command)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing but an answer goes to stdout."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    _open_streams()
    # Building a command costs milliseconds: the one that is named is built alone, or none.
    named = [name for name in arguments[:1] if name in COMMANDS]
    needed = () if arguments in (["--version"], ["-V"]) else named or COMMANDS
    command = _built(tuple(needed))
    code: object
    try:
        code = command.main(args=arguments, prog_name="vperf", standalone_mode=False)
    except SystemExit as stop:  # shell completion, and help into a closed pipe
        code = stop.code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        output.discard(sys.stdout)
        code = 0
    except OSError as error:
        what = str(error.filename)
        if error.filename is None:  # help or completion into a full disk
            output.discard(sys.stdout)
            what = "cannot write"
        code = _fail(f"{what}: {error.strerror or error}", "", _USAGE)
    except Exception as error:
        code = _explain(error)
    return code if isinstance(code, int) else 0


def _open_streams() -> None:
    """Where a caller closed a standard stream, Python has none: it is empty, or nobody reads it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _explain(error: Exception) -> int:
    """Say on stderr what went wrong, in one line; return the exit code."""
    if isinstance(error, VperfError):
        return _fail(error.message, error.hint, error.exit_code)
    # Click's usage errors, which newer Typers define themselves, have no public base class.
    message = getattr(error, "format_message", None)
    if callable(message):
        command = getattr(getattr(error, "ctx", None), "command_path", "vperf")
        every = "--help" if command == "vperf" else "--help-all"
        return _fail(str(message()), f"'{command} {every}' shows all options", _USAGE)
    if os.environ.get("VPERF_DEBUG"):
        raise error
    what = "this is a bug in vperf; please report it with what VPERF_DEBUG=1 prints"
    return _fail(f"{type(error).__name__}: {error}", what, _BUG)


def _fail(message: str, hint: str, code: int) -> int:
    """One line on stderr; the code."""
    output.complain_of(message, hint)
    return code
