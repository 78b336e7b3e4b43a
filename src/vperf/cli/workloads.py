"""`vperf workloads [NAME]`: list the lengths of requests that have a name, or show one.

Not here: what a workload's screen says (report/workloads.py).
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
  vperf workloads
  vperf workloads rag
  vperf workloads ./mine.toml --json
"""


@output.answers(listing=True)
def workloads(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A workload or a file to show (as --workload).",
            autocompletion=options.complete_workload,
        ),
    ] = None,
    *,
    out: output.Out,
) -> None:
    """List the workloads that ship, or show one with its source.

    A workload is how long prompts and answers are, as one length or a distribution.
    """
    from vperf.report import workloads as report
    from vperf.sources.workloads import list_workloads, load_workload

    if name is not None:
        out.emit(report.report_of(load_workload(name)))
    else:
        out.emit(report.report(list_workloads()))
