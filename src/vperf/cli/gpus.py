"""`vperf gpus [NAME]`: list the GPUs that ship and the user's own, or show one.

Not here: what a card's screen says (report/gpus.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vperf.cli import options, output
from vperf.errors import InputError, UnknownNameError
from vperf.units import parse_bytes

if TYPE_CHECKING:
    from vperf.hardware.gpu import Gpu
    from vperf.report.gpus import SortKey

_SORT_HELP = "Order by memory, bandwidth, bf16, fp8, fp4 or power: most first."

EPILOG = """\
Examples:

\b
  vperf gpus
  vperf gpus h100
  vperf gpus "NVIDIA GeForce RTX 4090"
  vperf gpus blackwell
  vperf gpus "ada laptop"
  vperf gpus --vendor amd --min-memory 40GB --sort bandwidth
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
    vendor: Annotated[
        str | None,
        typer.Option("--vendor", metavar="NAME", help="List those of a maker: amd, apple, ..."),
    ] = None,
    min_memory: Annotated[
        str | None,
        typer.Option("--min-memory", metavar="SIZE", help='List those with so much, as "40 GB".'),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="KEY", help=_SORT_HELP),
    ] = None,
    out: output.Out,
) -> None:
    """List the GPUs that ship, or show one with its sources.

    Any name that --gpu takes shows one; words of vendor, architecture or name list
    all that have them; cpu lists the hosts that --host takes.
    """
    options.refuse_empty(vendor=vendor, min_memory=min_memory, sort=sort)

    from vperf.report import gpus as report

    by = _sort_key(sort)
    found = _find(name, listed=bool(vendor or min_memory or sort))
    if isinstance(found, tuple):
        found = _kept(found, vendor, min_memory)
    out.emit(report.report(found, by))


def _find(name: str | None, *, listed: bool) -> Gpu | tuple[Gpu, ...]:
    """The GPU of that name, unless a list is asked for; else all that have its words."""
    from vperf.sources.gpus import CPU, broken_gpu_files, list_gpus, load_gpu

    if name is not None and f"{name.strip().lower()}:" == CPU:
        from vperf.sources.hosts import list_hosts

        return list_hosts()
    if name is None:
        for error in broken_gpu_files():
            output.complain(f"warning: {error}\n")
        return list_gpus()
    try:
        if not listed:
            return load_gpu(name)
    except UnknownNameError:
        found = _with_words(name)
        if not found:
            raise
        return found
    return _with_words(name)


def _with_words(name: str) -> tuple[Gpu, ...]:
    from vperf.sources.gpus import list_gpus

    words = name.lower().split()
    return tuple(g for g in list_gpus() if words and all(w in _words_of(g) for w in words))


def _kept(found: tuple[Gpu, ...], vendor: str | None, least: str | None) -> tuple[Gpu, ...]:
    """Those of the maker that have the memory. Raises InputError where none is left."""
    if vendor is not None:
        found = tuple(gpu for gpu in found if gpu.vendor.lower() == vendor.strip().lower())
    if least is not None:
        size = parse_bytes(least, "GB")
        found = tuple(gpu for gpu in found if gpu.memory_bytes >= size)
    if not found:
        raise InputError("no GPU is all that is asked", hint="'vperf gpus' lists all")
    return found


def _sort_key(text: str | None) -> SortKey | None:
    if text is None:
        return None
    from vperf.report.gpus import SORTS

    if text not in SORTS:
        raise InputError(f"{text!r} is not one of {', '.join(SORTS)}", source="--sort")
    return SORTS[text]


def _words_of(gpu: Gpu) -> str:
    """What a card is listed by."""
    return f"{gpu.id} {gpu.name} {gpu.vendor} {gpu.architecture} {gpu.memory_class}".lower()
