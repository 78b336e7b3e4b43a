"""`vperf models [NAME]`: list the models that ship, or show one.

Not here: what a model's screen says (report/models.py).
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
  vperf models
  vperf models qwen3
  vperf models qwen3-4b-instruct-2507
  vperf models ./my-checkpoint --json
"""


@output.answers(listing=True)
def models(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A model to show (as --model), or a part of the ids to list.",
            autocompletion=options.complete_model,
        ),
    ] = None,
    *,
    out: output.Out,
) -> None:
    """List the models that ship, or show one with its source.

    An id, or its unique last part, shows one; a part of ids lists all that have it.
    """
    from vperf import api
    from vperf.errors import UnknownNameError
    from vperf.report import models as report
    from vperf.sources.models import load_model_config, shipped

    listed = shipped()
    part = (name or "").strip().lower()
    having = tuple(model for model in listed if part and part in model.id.lower())
    try:
        shown = None
        if name is not None and (not having or load_model_config(name).spelled is None):
            shown = api.describe(name)
    except UnknownNameError:
        if not having:
            raise
    listed = having if name is not None and shown is None else listed
    if shown is None:
        out.emit(report.report(listed))
        return
    facts, parts = shown
    file = next((model for model in listed if model.id == facts.id), None)
    out.emit(report.report_of(facts, parts, file))
