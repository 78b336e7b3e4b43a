"""`vperf gpus [NAME]`: list the GPUs that ship and the user's own, or show one.

Not here: what a card's screen says (report/gpus.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vperf.cli import options, output
from vperf.errors import UnknownNameError

if TYPE_CHECKING:
    from vperf.hardware.gpu import Gpu

EPILOG = """\
Examples:

\b
  vperf gpus
  vperf gpus h100
  vperf gpus "NVIDIA GeForce RTX 4090"
  vperf gpus blackwell
  vperf gpus ada laptop
  vperf gpus rtx-pro-6000 --json
  vperf gpus cpu
  vperf gpus cpu:epyc-9654
"""


@output.answers(listing=True)
def gpus(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A GPU to show, or words to list by: vendor, architecture, name.",
            autocompletion=options.complete_gpu,
        ),
    ] = None,
    *,
    out: output.Out,
) -> None:
    """List the GPUs that ship, or show one with its sources.

    Any name that --gpu takes shows one; words of vendor, architecture or name list
    all that have them; cpu lists the hosts that --host takes.
    """
    from vperf.report import gpus as report

    out.emit(report.report(_find(name)))


def _find(name: str | None) -> Gpu | tuple[Gpu, ...]:
    """The GPU of that name; else all that have its words; all without a name."""
    from vperf.sources.gpus import CPU, broken_gpu_files, list_gpus, load_gpu

    if name is not None and f"{name.strip().lower()}:" == CPU:
        from vperf.sources.hosts import list_hosts

        return list_hosts()
    if name is None:
        for error in broken_gpu_files():
            output.complain(f"warning: {error}\n")
        return list_gpus()
    try:
        return load_gpu(name)
    except UnknownNameError:
        words = name.lower().split()
        found = tuple(g for g in list_gpus() if words and all(w in _words_of(g) for w in words))
        if not found:
            raise
        return found


def _words_of(gpu: Gpu) -> str:
    """What a card is listed by."""
    return f"{gpu.id} {gpu.name} {gpu.vendor} {gpu.architecture} {gpu.memory_class}".lower()
