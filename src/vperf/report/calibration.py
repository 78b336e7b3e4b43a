"""What is said of a calibration: the factors of a server, and its results before and after.

Not here: finding the factors (checks/calibrate.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vperf.checks.calibrate import Fit
from vperf.report.check.figures import TITLES
from vperf.report.document import Block, Bullets, Column, Headline, Prose, Row, Span, Table
from vperf.report.format import clean, percent, plural, seconds
from vperf.report.forms import Report
from vperf.version import __version__

SCHEMA = "vperf/calibration/1"
_FACTORS = {
    "memory": "of the expected memory streams",
    "compute": "of the expected matmul rates",
    "host": "x the engine's host time",
    "link": "x the time of an all-reduce",
}

_UNTOLD = "taken as expected: these results do not tell"
_FEW = "few results: those of other settings may be off by more than these"


def report(found: Fit, file: Path | None) -> Report:
    """A calibration in every form. `file`: the one that was written."""
    return Report(
        lambda: _document(found, file),
        lambda: _data(found),
        lambda: (
            {"result": name, "time": time, "measured_s": measured, "before_s": before,
             "after_s": after}
            for name, time, measured, before, after in found.rows
        ),
    )  # fmt: skip


def _document(found: Fit, file: Path | None) -> Iterator[Block]:
    server = found.calibration
    better = server.error_after < server.error_before
    yield Headline(
        (
            f"{plural(server.results, 'result')} of one server: ",
            Span(percent(server.error_after, 1), "good" if better else "warn"),
            f" off with its factors, {percent(server.error_before, 1)} without.",
        )
    )
    yield Prose(f"Based on {clean(server.base)}", "aside", tight=True)
    columns = (Column("factor"), Column("value", "share", strong=True), Column(""))
    rows = tuple(
        Row((name, f"{value:.3f}" if value != 1.0 else "-", text if value != 1.0 else _UNTOLD))
        for name, text in _FACTORS.items()
        for value in (getattr(server, name),)
    )
    yield Table(columns, rows)
    of_results = (
        Column("result"), Column("figure"), Column("measured", "time", strong=True),
        Column("before", "time"), Column("of exp.", "share"), Column("after", "time"),
        Column("of exp. now", "share"),
    )  # fmt: skip
    yield Table(
        of_results,
        tuple(
            Row(
                (
                    clean(name), TITLES[time], seconds(measured), seconds(before),
                    percent(before / measured), seconds(after), percent(after / measured),
                )
            )
            for name, time, measured, before, after in found.rows
        ),
        "Expected before and after",
    )  # fmt: skip
    name = clean(str(file)) if file else "server.toml"
    kept = f"--gpu {name} predicts other settings of this server"
    few = (_FEW,) if server.results <= len(_FACTORS) else ()
    yield Bullets((*few, kept if file else f"-o {name} keeps the factors; then {kept}"))


def _data(found: Fit) -> dict[str, Any]:
    names = ("result", "time", "measured_s", "before_s", "after_s")
    return {
        "schema": SCHEMA,
        "vperf_version": __version__,
        "calibration": asdict(found.calibration),
        "results": [dict(zip(names, row, strict=True)) for row in found.rows],
    }
