"""Slow runs of public threads whose cause was found: is it among the first two that are named?

    python benchmarks/slow_runs.py [FILE] [--list]

A row of benchmarks/data/slow_runs.csv says what ran, what was measured, and the cause that its
thread ends in. `mended` is the figure once the cause was gone, or of what the thread compares with:
it may not be called impossible. Runs that vperf does not call slow count as missed. The last line
is one JSON object.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import vperf
from vperf import Check, Result, Setup

DATA = Path(__file__).parent / "data" / "slow_runs.csv"

CAUSES: Mapping[str, frozenset[str]] = {
    "acceptance": frozenset({"acceptance"}),
    "act-order": frozenset({"act-order"}),
    "attention": frozenset({"flash-attention"}),
    "clocks": frozenset({"clocks"}),
    "cold-start": frozenset({"cold-start"}),
    "eager": frozenset({"no-cuda-graphs"}),
    "host-memory": frozenset({"offload", "experts-on-host", "host-weights", "host-memory"}),
    "kernel": frozenset({"kernels"}),
    "link": frozenset({"all-reduce", "pcie", "pcie-width"}),
    "network": frozenset({"all-reduce"}),
    "swap": frozenset({"swap"}),
    "unpacked": frozenset({"sixteen-bit"}),
}
"""What a thread's cause is called here -> the suspects that say it."""


class Run(NamedTuple):
    """One run, graded."""

    source: str
    cause: str
    check: Check
    mended: Check | None

    @property
    def named(self) -> list[str]:
        """Ids of suspects, the most telling first."""
        return [each.id for each in self.check.suspects if each.kind == "suspect"]

    @property
    def hit(self) -> bool:
        """Whether one of the first two says the cause."""
        return not CAUSES[self.cause].isdisjoint(self.named[:2])


def runs(file: Path = DATA) -> Iterator[Run]:
    """Every row, graded as typed by hand."""
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            mended = dict([row["mended"].split("=")]) if row["mended"] else None
            yield Run(
                row["source"], row["cause"], _graded(row, _figures(row)),
                _graded(row, _figures(mended)) if mended else None,
            )  # fmt: skip


def _figures(row: Mapping[str, str]) -> dict[str, float]:
    names = ("decode_tokens_per_s", "prefill_tokens_per_s", "output_tokens_per_s")
    found = {name: float(row[name]) for name in names if row.get(name)}
    times = {f"{n}_s": float(row[f"{n}_ms"]) / 1e3 for n in ("tpot", "ttft") if row.get(f"{n}_ms")}
    return found | times


def _graded(row: Mapping[str, str], figures: Mapping[str, Any]) -> Check:
    options: dict[str, Any] = {"engine": row["engine"]}
    if row["quantization"]:
        options["quantization"] = row["quantization"]
    for part in filter(None, row["options"].split(";")):
        name, value = part.split("=")
        options[name] = int(value) if value.isdigit() else value
    result = Result("command line", "", Setup(), **figures)
    return vperf.check(result, row["gpu"], row["model"], **options)


def main(arguments: list[str]) -> int:
    """[FILE] [--list]."""
    files = [Path(argument) for argument in arguments if argument != "--list"]
    found = list(runs(*files))
    for run in found:
        if "--list" in arguments:
            mark = "ok  " if run.hit else "MISS"
            print(f"{mark} {run.cause:12} {run.source:60} {run.check.verdict}: {run.named}")
    mended = [run.mended.verdict for run in found if run.mended]
    print(
        json.dumps(
            {
                "runs": len(found),
                "cause_among_the_first_two": sum(run.hit for run in found),
                "cause_first": sum(bool(CAUSES[r.cause] & set(r.named[:1])) for r in found),
                "not_called_slow": sum(run.check.verdict != "slow" for run in found),
                "impossible_once_mended": mended.count("impossible"),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
