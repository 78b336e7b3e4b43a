"""`vperf plan`: read the options, ask the Python API once, write once.

Not here: the search (explore/plan.py) and its layout (report/plan.py).
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
  vperf plan -m Qwen/Qwen3-32B -g h100-sxm,l40s --ttft 500ms --tpot 20ms \\
      --request-rate 5 --input-len 4000 --output-len 500 --max-gpus 16
  vperf plan -m qwen3-32b -g h100,h200 -q auto,fp8 --tpot 15ms \\
      --max-concurrency 64 --price h100=2.50 --price h200=3.50
  vperf plan -m deepseek-v3 -g h200 --ttft 2s --tpot 40ms --request-rate 10 \\
      --max-gpus 32 --engine vllm,sglang,trtllm
  vperf plan -m llama-3.3-70b-instruct -g h100 --ttft 1s --tpot 25ms \\
      --request-rate 20 --max-gpus 32 --disaggregate
  vperf plan -m qwen3-8b -g all-nvidia --tpot 10ms -o front.svg

--gpu, -q, --kv-cache-dtype, --engine, --max-model-len, --tp, --pp, --ep, --dp,
--pcp and --dcp repeat or take commas; of --tp, --pp, --ep and --dp that are not
given, powers of two are tried. -q auto is what the checkpoint holds. A replica
has room for one sequence of --max-model-len. Without a load, the users of one
replica are chosen too.

Exit codes: 0 answered, 1 no deployment meets the targets, 2 wrong usage or
input, 3 the Hub could not be reached.
"""

_MANY = (
    "gpu", "quantization", "kv_cache_dtype", "engine", "max_model_len", "tp", "pp", "ep", "dp",
    "pcp", "dcp",
)  # fmt: skip
_OTHERWISE = ("batch_size", "gpus_per_node", *OTHER_CARDS)
"""What no served load can be combined with, and what bounds a replica here."""


def _target(flag: str, what: str) -> Any:
    return typer.Option(
        flag, metavar="TIME", help=f'Longest {what} allowed, as "500ms"; p99:500ms.'
    )


@scenario_options(many=_MANY, without=_OTHERWISE)
@output.answers(plots=True)
def plan(
    *,
    typed: ScenarioOptions,
    ttft: Annotated[str | None, _target("--ttft", "time to first token")] = None,
    tpot: Annotated[str | None, _target("--tpot", "time per output token")] = None,
    e2e: Annotated[str | None, _target("--e2e", "time of a whole request")] = None,
    conservative: Annotated[
        bool, typer.Option("--conservative", help="Targets hold at the slow end of the range.")
    ] = False,
    max_gpus: Annotated[
        int, typer.Option("--max-gpus", metavar="N", help="GPUs of all replicas.")
    ] = 8,
    gpus_per_node: Annotated[
        int | None,
        typer.Option(
            "--gpus-per-node", metavar="N", help="GPUs of a node. [8, or those of the link]"
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="Best is gpus (fewest), cost, latency or throughput. [cost with prices, or gpus]",
        ),
    ] = None,
    disaggregate: Annotated[
        bool,
        typer.Option("--disaggregate", help="Try separate pools for prefill and decode too."),
    ] = False,
    kv_link: Annotated[
        str | None,
        typer.Option(
            "--kv-link",
            metavar="RATE",
            help="Link of a GPU between pools. [its peer link in a node, 50 GB/s beyond]",
        ),
    ] = None,
    price: many.Price = None,
    prices: many.PriceFile = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the front too.")] = False,
    out: output.Out,
) -> None:
    """The cheapest or smallest deployment that meets targets.

    Tries GPUs, weights, engines, ways to divide the model, replicas and users.
    """
    output.refuse_plot(plot, out.form)
    given: dict[str, Any] = many.options_of(typed)

    from vperf.explore.plan import plan as plan_all
    from vperf.report import plan as report

    with Progress() as progress:
        answer = plan_all(
            given.pop("model"), given.pop("gpu", None), ttft=ttft, tpot=tpot, e2e=e2e,
            conservative=conservative, max_gpus=max_gpus, gpus_per_node=gpus_per_node,
            by=by,  # type: ignore[arg-type]
            disaggregate=disaggregate, kv_link=kv_link, prices=many.prices_of(price, prices),
            tick=progress, **given,
        )  # fmt: skip
    out.emit(report.report(answer, plot=plot))
    if answer.winner is None:
        raise typer.Exit(1)
