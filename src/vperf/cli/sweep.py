"""`vperf sweep`: read the options, walk the settings once, write as they come.

Not here: the settings and where they turn (explore/sweep.py) and their layout (report/sweep.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated, Any

import typer

from vperf.cli import many, output
from vperf.cli.progress import Progress
from vperf.cli.scenario_options import ScenarioOptions, choices_of, scenario_options
from vperf.errors import InputError
from vperf.scenario import OTHER_CARDS

EPILOG = """\
Examples:

\b
  vperf sweep -m qwen3-32b -g h200 --batch-size 1..256
  vperf sweep -m llama-3.1-8b-instruct -g h100 --context 1024..131072
  vperf sweep -m qwen3-32b -g h100 --tp 2 --max-concurrency 1..256 --plot
  vperf sweep -m qwen3-8b -g rtx-5090 -q auto,fp8,int4 --batch-size 1..128 \\
      -o batch.svg
  vperf sweep -m qwen3-8b -g l40s --input-len 1..32768:log20 --csv

Ranges double: 1..256 is 1, 2, 4, ..., 256. 1..256:x4 quadruples, 1024..8192:+1024
goes in steps, 1..4096:log9 is nine values at equal ratios. Lists take commas and
ranges. Several options vary together, the last fastest.

--context N is one decode step with N tokens cached.

Exit codes: 0 answered, 2 wrong usage or input, 3 the Hub could not be reached.
"""


@scenario_options(many=many.MANY, without=OTHER_CARDS)
@output.answers(plots=True, records=True)
def sweep(
    *,
    typed: ScenarioOptions,
    context: Annotated[
        list[str] | None,
        typer.Option("--context", metavar="TOKENS", help="Tokens cached, instead of lengths."),
    ] = None,
    price: many.Price = None,
    prices: many.PriceFile = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw it instead of listing rows.")] = False,
    y: Annotated[
        str | None,
        typer.Option(
            "--y",
            metavar="WHAT",
            help="What a plot shows: decode, per-user, ttft, tpot or prefill. [decode; over rates "
            "ttft and tpot]",
        ),
    ] = None,
    out: output.Out,
) -> None:
    """Speeds over any option, and where they turn.

    Rows are printed as they are computed; below them the batch from which decode is compute-bound,
    the context at which the KV cache outweighs the weights, and other turns.
    """
    output.refuse_plot(plot, out.form)
    if y is not None:
        from vperf.report.sweep import check_figure

        check_figure(y)
        if not plot and out.form != "plot":
            raise InputError("--y says what a plot shows", hint="add --plot, or -o FILE.svg")
    given: dict[str, Any] = many.options_of(typed)
    if context:
        given["context"] = list(choices_of(context, int, 1, "--context", "TOKENS"))

    from vperf.explore.sweep import Sweeping
    from vperf.report import sweep as report

    sweep = Sweeping(given, many.prices_of(price, prices))
    seen = out.file is None and out.form == "screen" and not plot
    with Progress(quiet=seen) as progress:
        rows = many.counted(many.begun(sweep.rows()), sweep.grid.count, progress)
        out.emit(report.report(sweep, rows, y, plot=plot))
