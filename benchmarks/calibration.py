"""What a few results of a server tell of its others: leave-one-out over groups of served points.

    python benchmarks/calibration.py FILE [--points N] [--groups N]

FILE as accuracy_serving.py has it. A group is one server: card, model, engine and its version,
format and division, at several loads and lengths. Of each, every point in turn is predicted with
the factors that N others give (vperf check --calibrate), and without; the error is the mean over
groups of |predicted TPOT / measured - 1|.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from accuracy_serving import Row, engine_of, layout, length, quantization

from vperf.checks.calibrate import Point, _expected, fit
from vperf.errors import VperfError
from vperf.resolve import Resolver
from vperf.scenario import Scenario
from vperf.sources.gpus import load_gpu

_SERVER = ("gpu", "model", "backend", "backend_version", "weights", "tp", "pp", "ep",
           "attention_dp")  # fmt: skip


def point(row: Row) -> Point:
    """A served row as the results of a server."""
    tp, ep, dp = layout(row)
    scenario = Scenario(
        row["model"], load_gpu(row["gpu"]), length(row, "isl"), length(row, "osl"),
        quantization=quantization(row), kv_cache_dtype=row.get("kv_dtype") or None,
        engine=engine_of(row), tp=tp, pp=int(row["pp"]), ep=ep, dp=dp,
        max_concurrency=int(row["concurrency"]),
    )  # fmt: skip
    measured = {"tpot_s": float(row["tpot_ms"]) / 1e3, "ttft_s": float(row["ttft_ms"]) / 1e3}
    return Point(row["id"], scenario, measured, {})


def left_out(points: Sequence[Point], taught: int, draw: random.Random) -> tuple[float, float]:
    """Mean error of the points of a group, each predicted by the factors of `taught` others."""
    before: list[float] = []
    after: list[float] = []
    for target in points:
        others = [each for each in points if each is not target]
        found = fit(draw.sample(others, min(taught, len(others))))
        gpu = replace(load_gpu(found.calibration.base), calibration=found.calibration)
        measured = target.measured["tpot_s"]
        for errors, card in ((before, load_gpu(found.calibration.base)), (after, gpu)):
            errors.append(abs(_expected(Resolver(), target, card)["tpot_s"] / measured - 1))
    return statistics.mean(before), statistics.mean(after)


def main() -> None:
    """Print the errors of every group, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--points", type=int, default=3)
    parser.add_argument("--groups", type=int, default=0)
    asked = parser.parse_args()
    groups = defaultdict(list)
    with open(asked.file, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not row.get("why_bad"):
                groups[tuple(row[name] for name in _SERVER)].append(row)
    draw = random.Random(0)
    servers = [rows for rows in groups.values() if len(rows) > asked.points]
    if asked.groups:
        servers = draw.sample(servers, min(asked.groups, len(servers)))
    errors = []
    for rows in servers:
        try:
            found = left_out([point(row) for row in rows[:12]], asked.points, draw)
        except VperfError as error:
            print(f"{rows[0]['id']}: {error.message}")
            continue
        errors.append(found)
        print(f"{found[0]:7.1%} {found[1]:7.1%}  {len(rows):3} points  {rows[0]['id']}")
    before, after = (statistics.mean(each) for each in zip(*errors, strict=True))
    better = sum(after < before for before, after in errors)
    print(f"{len(errors)} servers: {before:.1%} before, {after:.1%} after; {better} better")
    print(json.dumps({"servers": len(errors), "before": before, "after": after, "better": better}))


if __name__ == "__main__":
    main()
