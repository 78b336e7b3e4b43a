"""`vperf napkin`: read the options, ask the Python API once, write once.

Not here: the arithmetic (vperf.napkin) and its words (report/napkin.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from vperf.cli import options, output
from vperf.cli.scenario_options import option, place, take_places

EPILOG = """\
Examples:

\b
  vperf napkin
  vperf napkin llama-3.1-8b-instruct h100
  vperf napkin -m qwen3-30b-a3b -g rtx-5090 -q int4
  vperf napkin --params 4B --bandwidth "1000 GB/s" --bits 16
"""


@output.answers()
def napkin(
    model_: Annotated[str | None, place("model")] = None,
    gpu_: Annotated[str | None, place("gpu")] = None,
    *,
    model: Annotated[str | None, option("model")] = None,
    gpu: Annotated[str | None, option("gpu")] = None,
    quantization: Annotated[str | None, option("quantization")] = None,
    params: Annotated[
        str | None,
        typer.Option(
            "--params",
            metavar="COUNT",
            help="Parameters read per token, as 4B.",
        ),
    ] = None,
    bandwidth: Annotated[
        str | None,
        typer.Option("--bandwidth", metavar="RATE", help='Memory bandwidth, as "1000 GB/s".'),
    ] = None,
    bits: Annotated[
        float | None,
        typer.Option("--bits", metavar="BITS", help="Bits per parameter, with --params. [16]"),
    ] = None,
    out: output.Out,
) -> None:
    """Decode speed on a napkin: memory bandwidth / model size.

    With the equation, what it ignores and when it fails. Without options: an example.
    """
    taken = take_places({"model": model, "gpu": gpu}, [model_, gpu_])
    model, gpu = taken.get("model", model), taken.get("gpu", gpu)
    options.refuse_empty(
        model=model, gpu=gpu, quantization=quantization, params=params, bandwidth=bandwidth
    )

    from vperf import api

    answer = api.napkin(
        model, gpu, quantization=quantization, params=params, bandwidth=bandwidth, bits=bits
    )

    from vperf.report import napkin as report

    out.emit(report.report(answer))
