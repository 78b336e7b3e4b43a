"""`vperf estimate`: read the options, ask the Python API once, write once.

Not here: any arithmetic, and any sentence of the answer (report/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vperf.cli import options, output
from vperf.cli.scenario_options import ScenarioOptions, scenario_options

if TYPE_CHECKING:
    from vperf.answer import Estimate

EPILOG = """\
Examples:

\b
  vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000
  vperf estimate -m llama-3.1-8b-instruct -g h100 --input-len 4096 --ops
  vperf estimate -m qwen3-32b -g "RTX 4090" -q int4 --batch-size 8 --json
  vperf estimate -m llama-3.3-70b-instruct -g h100 --tp 4 -q fp8
  vperf estimate -m deepseek-v3 -g h200 --tp 8 --speculative mtp \\
      --acceptance 0.85
  vperf estimate -m qwen3-32b -g h100 --tp 2 --max-concurrency 64
  vperf estimate -m ./my-checkpoint -g h200 -o answer.md
  vperf estimate -m - -g b200 < config.json
  vperf estimate -m qwen3-8b -g rtx-4090 --memory-bandwidth "1.5 TB/s" \\
      --memory "48 GB" --peak bf16="250 TFLOPS"

limit is the datasheet's speed of light, which no correct measurement beats;
expected is what a well-tuned engine reaches, with the range of most measurements.

Exit codes: 0 answered, 2 wrong usage or input, 3 the Hub could not be reached.
"""


@scenario_options()
def estimate(
    *,
    typed: ScenarioOptions,
    ops: Annotated[
        bool, typer.Option("--ops", help="Add the table of both phases, op by op.")
    ] = False,
    json: options.Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the op tables as CSV.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, to paste into an issue.")
    ] = False,
    output_file: options.Output = None,
) -> None:
    """How fast a model runs on a GPU: TTFT, prefill and decode speed.

    Each figure twice, as limit and as expected; what bounds it; whether it fits.
    """
    form = output.choose(json=json, csv=csv, markdown=markdown, output=output_file)
    scenario = typed.scenario()

    from vperf import api

    answer = api.ask(scenario)
    output.write(_rendered(answer, form, ops), output_file)


def _rendered(answer: Estimate, form: output.Form, ops: bool) -> str:
    # One of these is imported: a start costs what it uses.
    if form == "json":
        from vperf.report import to_json as report_json

        return report_json.render(answer)
    if form == "csv":
        from vperf.report import to_csv as report_csv

        return report_csv.render(answer)
    if form == "markdown":
        from vperf.report import markdown as report_markdown

        return report_markdown.render(answer, ops=ops)
    from vperf.report import table

    return table.render(answer, ops=ops, width=output.width(), color=output.color(sys.stdout))
