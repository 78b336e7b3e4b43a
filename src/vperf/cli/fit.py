"""`vperf fit`: read the options, ask the Python API once, write once.

Not here: what takes the memory (explore/fit.py) and its layout (report/fit.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from vperf.cli import many, output
from vperf.cli.scenario_options import ScenarioOptions, scenario_options
from vperf.scenario import ACCEPTED, ELSEWHERE, MEDIA

EPILOG = """\
Examples:

\b
  vperf fit qwen3-32b rtx-4090
  vperf fit -m qwen3-32b -g h100 --context 32768 --users 16
  vperf fit -m qwen3-32b                      # on which GPUs?
  vperf fit -g rtx-4090 -q int4               # which models?
  vperf fit -m deepseek-v3 -g h200 --tp 8 --gpu-memory-utilization 0.95
  vperf fit -m gpt-oss-120b -g rtx-4090 --host-memory "96 GB DDR5-6000 x2"

Exit codes: 0 it fits (of several: answered), 1 it does not, 2 wrong usage or input,
3 the Hub could not be reached.
"""

_OF_A_LOAD = (
    "input_len", "output_len", "batch_size", "workload", "max_concurrency", "request_rate",
    "prefix_cache_hit", "cuda_graphs", "image_tokens", "texts_per_request", *MEDIA, *ACCEPTED,
    *ELSEWHERE,
)  # fmt: skip


@scenario_options(many=[name for name in many.MANY if name not in _OF_A_LOAD], without=_OF_A_LOAD)
@output.answers(listing=True, records=True)
def fit(
    *,
    typed: ScenarioOptions,
    context: Annotated[
        int | None,
        typer.Option(
            "--context",
            "--ctx-size",
            "-c",
            min=1,
            metavar="TOKENS",
            help="Tokens each user holds, prompt and answer. [8192]",
        ),
    ] = None,
    users: Annotated[
        int,
        typer.Option("--users", "--max-concurrency", min=1, metavar="N", help="Users at a time."),
    ] = 1,
    out: output.Out,
) -> None:
    """Will it run? Memory, context, users, what makes it fit.

    Without --gpu on all GPUs, without --model all models that ship. Exit code 1 where one model
    does not fit on one card.
    """  # fmt: skip
    given = many.options_of(typed, all_else=True)

    from vperf.explore.fit import fit as fit_all
    from vperf.report import fit as report

    answer = fit_all(
        given.pop("model", None), given.pop("gpu", None), context=context, users=users, **given
    )
    out.emit(report.report(answer))
    if len(answer.rooms) == 1 and not answer.fitting:
        raise typer.Exit(1)
