"""`vperf roofline`: the ops of an estimate on the roofline of its card.

Not here: any arithmetic (explore/roofline.py), any drawing or sentence (report/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from vperf.cli import output
from vperf.cli.scenario_options import ScenarioOptions, scenario_options
from vperf.scenario import ELSEWHERE

EPILOG = """\
Examples:

\b
  vperf roofline --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000
  vperf roofline -m llama-3.1-8b-instruct -g h100 -q fp8 --batch-size 64
  vperf roofline -m deepseek-v3 -g h200 --tp 8 -o roofline.svg
  vperf roofline -m qwen3-8b -g rtx-4090 -o roofline.png --theme dark
  vperf roofline -m qwen3-8b -g rtx-4090 -o roofline.csv

An op left of the ridge is bounded by memory bandwidth, one right of it by
compute. Plots in files need matplotlib: python -m pip install matplotlib
"""


@scenario_options(without=ELSEWHERE)
@output.answers(plots=True)
def roofline(
    *,
    typed: ScenarioOptions,
    out: output.Out,
) -> None:
    """The ops of prefill and decode on the card's roofline.

    FLOP/byte of each op and the FLOP/s it attains, at the limit and as expected.
    """
    scenario = typed.scenario()

    from vperf.explore.roofline import roofline_of
    from vperf.report import roofline as report

    out.emit(report.report(roofline_of(scenario)))
