"""`vperf engines [NAME]`: list the engines that ship and the user's own, or show one.

Not here: what an engine's screen says (report/engines.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from vperf.cli import options, output

EPILOG = """\
Examples:

\b
  vperf engines
  vperf engines vllm
  vperf engines vllm@0.10
  vperf engines "LM Studio" --json
"""


@output.answers(listing=True)
def engines(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="An engine to show (as --engine), perhaps as it was: vllm@0.10.",
            autocompletion=options.complete_engine,
        ),
    ] = None,
    *,
    out: output.Out,
) -> None:
    """List the engines that ship, or show one with its sources.

    An engine's file holds its host times, its scheduler, its memory share and the
    commands that start and measure it.
    """
    from vperf.report import engines as report
    from vperf.sources.engines import broken_engine_files, list_engines, load_engine

    if name is not None:
        out.emit(report.report_of(load_engine(name)))
        return
    for error in broken_engine_files():
        output.complain(f"warning: {error}\n")
    out.emit(report.report(list_engines()))
