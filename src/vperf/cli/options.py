"""What completes and refuses the values of options of several commands.

Not here: the options themselves (scenario_options.py, output.py), and what a command does with any.
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterable

from vperf.errors import InputError


def complete_model(incomplete: str) -> list[str]:
    """Bundled models that start so, by id or by name, upper and lower case alike."""
    from vperf.sources.models import model_ids

    ids = model_ids()
    names = ids if "/" in incomplete else (*ids, *(name.rpartition("/")[2] for name in ids))
    return _starting(names, incomplete)


def complete_gpu(incomplete: str) -> list[str]:
    """Bundled GPUs that start so."""
    from vperf.sources.gpus import LOCAL, gpu_names

    return _starting((LOCAL, *gpu_names()), incomplete)


def complete_engine(incomplete: str) -> list[str]:
    """Engines that start so."""
    from vperf.sources.engines import engine_names

    return _starting(engine_names(), incomplete)


def complete_workload(incomplete: str) -> list[str]:
    """Workloads that start so."""
    from vperf.sources.workloads import workload_names

    return _starting(workload_names(), incomplete)


def complete_quantization(incomplete: str) -> list[str]:
    """Formats of weights that start so."""
    from vperf.formats import FORMATS

    return _starting(FORMATS, incomplete)


def _starting(names: Iterable[str], typed: str) -> list[str]:
    # Shells drop what does not start exactly as typed; names are looked up ignoring case.
    before, comma, last = typed.rpartition(",")
    return [
        f"{before}{comma}{last}{name[len(last) :]}"
        for name in dict.fromkeys(names)
        if name.lower().startswith(last.lower())
    ]


def refuse_empty(**options: str | None) -> None:
    """InputError for an option whose value is blank, as `--quantization "$UNSET"` leaves it."""
    for name, value in options.items():
        if value is not None and not value.strip():
            raise InputError(f"--{name.replace('_', '-')} is empty")
