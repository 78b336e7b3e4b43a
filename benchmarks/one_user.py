"""One user at a time on cards that people own, against published figures that nothing is fitted to.

    python benchmarks/one_user.py [FILE]

A row of data/one_user.csv says who measured what, when and how. `what` is a rate: decode_tok_s of
`generated` tokens behind `context` cached ones, prefill_tok_s of `context` tokens, answer_tok_s of
`generated` tokens over the whole time of an answer to `context` tokens. Rows with `left_out` say
why and are not counted. Printed are the errors by card, engine and source, and what beats a limit.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

from accuracy_single_stream import by_card, engine_of
from scoring import Point, Tally, grouped, print_rest, print_table, summary

import vperf
from vperf import VperfError
from vperf.answer import Speed

DATA = Path(__file__).parent / "data" / "one_user.csv"


def point_of(row: Mapping[str, str]) -> Point:
    """What was measured, as seconds a token, and what vperf says of it."""
    context, generated = int(row["context"]), int(row["generated"])
    prefill = row["what"] == "prefill_tok_s"
    answer = vperf.estimate(
        row["model"],
        row["gpu"],
        input_len=max(1, context),
        output_len=max(1, generated),
        quantization=row["quantization"] or None,
        engine=engine_of({**row, "engine_version": "", "notes": row["setup"]}),
        tp=int(row["tp"] or 1),
    )

    def seconds(speeds: Speed) -> float:
        if prefill:
            return speeds.ttft_s / context
        if row["what"] == "decode_tok_s":
            return speeds.tpot_s
        return (speeds.ttft_s + (generated - 1) * speeds.tpot_s) / generated

    expected = answer.expected
    groups = {
        "phase": "prefill" if prefill else "decode",
        "engine": row["engine"],
        "gpu": row["gpu"],
        "constants": answer.gpu.constants,
        "model": row["model"].rpartition("/")[2],
        "precision": row["quantization"] or "as stored",
        "source": row["source"],
    }
    return Point(
        groups,
        1 / float(row["measured"]),
        seconds(expected),
        seconds(answer.limit),
        seconds(expected.low),
        seconds(expected.high),
        f"{row['measured']} tok/s, {row['what']} at {context}: {groups['gpu']} {groups['engine']} "
        f"{groups['model']} {groups['precision']} ({row['source']}; {row['setup']})",
    )


def score(file: Path = DATA) -> Tally:
    """Every row that counts."""
    tally = Tally()
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["left_out"]:
                tally.left_out[row["left_out"]] += 1
                continue
            try:
                tally.points.append(point_of(row))
            except VperfError as error:
                tally.refused[str(error)] += 1
    return tally


def main(file: Path = DATA) -> None:
    """Tables, then the rest."""
    tally = score(file)
    for keys in (["phase"], ["phase", "engine"], ["phase", "constants"], ["phase", "engine", "gpu"],
                 ["phase", "precision"], ["phase", "model"], ["phase", "source"]):  # fmt: skip
        print_table(", ".join(keys), tally.points, keys)
    cards = {phase: by_card(found) for (phase,), found in grouped(tally.points, ["phase"]).items()}
    print_rest(tally, worst=40)
    print(summary(tally, mode="one user", by_card=cards))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
