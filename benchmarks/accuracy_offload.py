"""Part of the model on the host, CPUs alone and unlike cards, against benchmarks/data/offload.csv.

    python benchmarks/accuracy.py offload [FILE]

A row says what ran where (`options` are fields of a Scenario, between semicolons), and the speed
that its source states. Prints each row's error, means by engine and phase, and one JSON object.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vperf.answer import Speed
from vperf.errors import VperfError
from vperf.resolve import Resolver
from vperf.scenario import OPTIONS, Scenario
from vperf.speeds import speeds

DATA = Path(__file__).parent / "data" / "offload.csv"
PHASES = (("decode", "decode_tok_s"), ("prefill", "prefill_tok_s"), ("request", "request_tok_s"))
"""request: the tokens of an answer over its whole time; almost all of it is decoding."""


class Point(NamedTuple):
    """One measured figure beside vperf's."""

    row: str
    engine: str
    phase: str
    measured: float
    expected: float
    limit: float
    scored: bool
    """Whether it counts in the means."""

    @property
    def error(self) -> float:
        """expected / measured - 1."""
        return self.expected / self.measured - 1


def scenario_of(row: Mapping[str, str]) -> Scenario:
    """The scenario of a row."""
    options: dict[str, Any] = {}
    for part in filter(None, row["options"].split(";")):
        name, _, value = part.partition("=")
        options[name] = value_of(name, value)
    for name in ("host", "host_memory", "quantization", "engine"):
        if row[name]:
            options[name] = row[name]
    return Scenario(
        row["model"],
        row["gpu"],
        input_len=int(row["prompt_tokens"]),
        output_len=int(row["output_tokens"]),
        **options,
    )


def value_of(name: str, text: str) -> Any:
    kind = OPTIONS[name].kind
    if kind is bool:
        return True
    return (text,) if kind is list else kind(text)


def rate_of(speed: Speed, phase: str, output: int) -> float:
    """The figure of a phase."""
    if phase == "request":
        return output / (speed.ttft_s + (output - 1) * speed.tpot_s)
    return float(getattr(speed, f"{phase}_tokens_per_s"))


def points(path: Path, refused: list[str], left: list[str]) -> Iterator[Point]:
    """Every figure of a file; rows that vperf refuses go to `refused`, those left out to `left`."""
    resolver = Resolver()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["left_out"]:
                left.append(f"{row['id']}: {row['left_out']}")
            try:
                found = speeds(resolver.deployment(scenario_of(row)))
            except VperfError as error:
                refused.append(f"{row['id']}: {error}")
                continue
            for phase, column in PHASES:
                if row[column]:
                    output = int(row["output_tokens"])
                    yield Point(
                        row["id"],
                        row["engine"],
                        phase,
                        float(row[column]),
                        rate_of(found.expected, phase, output),
                        rate_of(found.limit, phase, output),
                        scored=not row["left_out"],
                    )


def main(arguments: list[str]) -> int:
    """Print the errors of a file."""
    refused: list[str] = []
    left: list[str] = []
    every = list(points(Path(arguments[0]) if arguments else DATA, refused, left))
    print(f"{'row':24} {'phase':8} {'measured':>9} {'expected':>9} {'error':>7} {'limit':>9}")
    for point in every:
        above = " ABOVE" if point.measured > point.limit else ""
        print(
            f"{point.row:24} {point.phase:8} {point.measured:9.2f} {point.expected:9.2f} "
            f"{point.error:+7.0%} {point.limit:9.2f}{above}{'' if point.scored else ' (left out)'}"
        )
    for kind, lines in (("refused", refused), ("left out", left)):
        for line in lines:
            print(f"{kind}  {line}")
    groups: dict[str, list[float]] = {}
    for point in every:
        phase = "prefill" if point.phase == "prefill" else "decode"
        for name in (phase, f"{phase}, {point.engine}") if point.scored else ():
            groups.setdefault(name, []).append(abs(point.error))
    means = {}
    for name, errors in sorted(groups.items()):
        means[name] = round(statistics.mean(errors), 4)
        print(f"{name:28} {len(errors):3} figures, mean error {means[name]:.1%}, "
              f"median {statistics.median(errors):.1%}")  # fmt: skip
    count = sum(point.measured > point.limit for point in every)
    print(json.dumps({"figures": len(every), "refused": len(refused), "above_limit": count,
                      "mean_error": means}))  # fmt: skip
    return 0
