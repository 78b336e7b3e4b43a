"""`vperf compare`: read the options, ask the Python API once, write once.

Not here: the order of the rows (explore/compare.py) and their layout (report/compare.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated, Any

import typer

from vperf.cli import many, output
from vperf.cli.progress import Progress
from vperf.cli.scenario_options import ScenarioOptions, scenario_options
from vperf.scenario import OTHER_CARDS

EPILOG = """\
Examples:

\b
  vperf compare --model Qwen/Qwen3-32B --gpu all --top 10
  vperf compare -m qwen3-32b -g h100,h200,b200 -q auto,fp8 --tp 1,2,4
  vperf compare -m qwen3-8b -g all-apple --engine llama.cpp -q q4_k_m
  vperf compare -m qwen3-32b -g h100-sxm,l40s --tp 1,2 --batch-size 32 \\
      --price h100-sxm=2.50 --price l40s=0.90 --by cost
  vperf compare -m qwen3-8b,llama-3.1-8b-instruct -g rtx-5090 --csv

Every option of an estimate repeats or takes commas; numbers take ranges too, as
--batch-size 1..64 (doubling). --gpu all is every GPU, all-nvidia every one of NVIDIA.
-q auto is what the checkpoint holds.

Exit codes: 0 answered, 2 wrong usage or input, 3 the Hub could not be reached.
"""


@scenario_options(many=many.MANY, without=OTHER_CARDS)
@output.answers(listing=True, records=True)
def compare(
    *,
    typed: ScenarioOptions,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="Best first by decode, ttft, throughput, cost, energy or fits.",
        ),
    ] = "decode",
    top: Annotated[
        int | None, typer.Option("--top", min=1, metavar="N", help="Show the best N. [all]")
    ] = None,
    price: many.Price = None,
    prices: many.PriceFile = None,
    out: output.Out,
) -> None:
    """Models, GPUs and settings in one table, the best first.

    Fits or not, limit and expected decode speed, TTFT, $ per million tokens, tokens per joule.
    """
    given: dict[str, Any] = many.options_of(typed)

    from vperf.explore.compare import compare as compare_all
    from vperf.report import compare as report

    with Progress() as progress:
        answer = compare_all(
            given.pop("model"), given.pop("gpu", None), by=by,  # type: ignore[arg-type]
            prices=many.prices_of(price, prices), top=top, tick=progress, **given,
        )  # fmt: skip
    out.emit(report.report(answer))
