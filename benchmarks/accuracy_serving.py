"""Measured serving points against vperf's: the mode `serving`.

One row a point: TTFT and TPOT in ms of a closed loop with `concurrency` users. Columns as in
NVIDIA aiconfigurator's published points: gpu, model, backend, weights, gemm_quant_mode,
moe_quant_mode, isl, osl, tp, pp, ep, attention_dp, ttft_ms, tpot_ms, and optionally that tool's
own predictions, which are then scored on the same rows. Where the client and the launch command are
published (requests, length_low, kv_dtype, max_num_batched_tokens, max_num_seqs, recv_interval,
batch_wait_iters, batch_wait_ratio) that run is simulated; elsewhere the closed form is scored, for
what is missing there is the client. Rows with a `why_bad` are left out.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import scoring

import vperf
from vperf.api import ask, deploy
from vperf.serving.arrivals import Traffic, draw_lengths
from vperf.serving.lengths import equal
from vperf.serving.simulation import run
from vperf.serving.step_times import cache_room
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card

Row = Mapping[str, str]

_LIMIT_TOLERANCE = 1.03
_WORST_CELL = 0.25
_CELL_ROWS = 15


def length(row: Row, key: str) -> int:
    """Mean tokens of the row's prompts ("isl") or outputs ("osl"): drawn evenly from a share
    `length_low` of the nominal ones to all of them."""
    return max(1, round((1 + _length_low(row)) / 2 * int(row[key])))


def _length_low(row: Row) -> float:
    return float(row.get("length_low") or 1)


def quantization(row: Row) -> str | None:
    """The row's weight format in vperf's words; None: as the checkpoint has it."""
    blocks = "block" in row["gemm_quant_mode"] or "block" in row["moe_quant_mode"]
    if "gpt-oss" in row["model"] or row["weights"] == "int4":
        return None  # "fp4" of gpt-oss is the checkpoint's own mxfp4, int4 of Kimi its own int4
    if row["weights"] == "fp8":
        # DeepSeek-R1/V3 and MiniMax fp8 checkpoints are block fp8 whatever the label says.
        native = any(name in row["model"] for name in ("DeepSeek", "MiniMax", "FP8"))
        return "fp8_block" if blocks or native else "fp8"
    return {"fp4": "nvfp4"}.get(row["weights"], row["weights"])


def cache_format(row: Row) -> str | None:
    """The cache that the launch command asks for; None: the checkpoint's."""
    return row.get("kv_dtype") or None


def scenario(row: Row) -> vperf.Scenario:
    """What the row measured, as a closed loop of mean lengths."""
    return vperf.Scenario(
        row["model"],
        row["gpu"],
        input_len=length(row, "isl"),
        output_len=length(row, "osl"),
        quantization=quantization(row),
        kv_cache_dtype=cache_format(row),
        engine=row["backend"],
        tp=int(row["tp"]),
        pp=int(row["pp"]),
        ep=int(row["ep"] or 1),
        dp=int(row["attention_dp"]),
        max_concurrency=int(row["concurrency"]),
    )


def answer(row: Row) -> vperf.Estimate:
    """The estimate of that, in closed form."""
    return ask(scenario(row))


_FACTS = {
    "max_num_batched_tokens": ("max_batched_tokens", int),
    "max_num_seqs": ("max_sequences", int),
    "recv_interval": ("receive_interval", int),
    "batch_wait_iters": ("wait_steps", int),
    "batch_wait_ratio": ("wait_share", float),
}
"""Columns of launch commands, and the scheduler's name for each."""
_MEMORY_SHARE = 0.95
"""Of memory, up to which a published deployment was started where the default leaves no room."""


def simulated(row: Row) -> tuple[float, float]:
    """(TTFT, TPOT): means of the very run, its client's requests under its launch command."""
    at = deploy(scenario(row))
    facts = {name: kind(row[key]) for key, (name, kind) in _FACTS.items() if row.get(key)}
    model, gpu = at.compiled.model, at.compiled.card.gpu
    engine = at.compiled.card.engine.with_scheduler(**facts)
    users = int(row["concurrency"])
    lengths = equal(int(row["isl"]), int(row["osl"]))
    inputs, outputs = draw_lengths(lengths, int(row["requests"]), low=_length_low(row))
    traffic = Traffic(inputs, outputs, concurrency=users)
    longest = max(inputs) + max(outputs)
    compiled = Compiled(model, Card(gpu, engine))
    room = cache_room(compiled, min(inputs), longest, users)
    if users * (room.per_sequence + longest * room.per_token) > room.size:
        share = max(_MEMORY_SHARE, engine.memory_utilization)
        engine = dataclasses.replace(engine, memory_utilization=share)
        compiled = Compiled(model, Card(gpu, engine))
    found = run(compiled, traffic)
    return found.ttft().mean_s, statistics.fmean(found.tpot_s)


def _groups(row: Row) -> dict[str, str]:
    keys = ("gpu", "model", "gpus", "concurrency")
    return {
        **{key: row[key] for key in keys},
        "engine": row["backend"],
        "precision": row["weights"],
        "kind": "dense" if is_dense(row) else "moe",
    }


def is_dense(row: Row) -> bool:
    """Whether the row's model is without experts."""
    return any(name in row["model"] for name in ("Llama-3", "Qwen3-32B", "Qwen3-8B", "Llama-2"))


def point(
    row: Row, result: vperf.Estimate, metric: str, mean_s: float | None = None
) -> scoring.Point:
    """The row's "tpot" or "ttft" beside the answer's, or beside a simulated `mean_s` with the
    answer's range around it."""
    closed = getattr(result.expected, f"{metric}_s")
    ratio = 1.0 if mean_s is None else mean_s / closed
    return scoring.Point(
        _groups(row),
        measured_s=float(row[f"{metric}_ms"]) / 1e3,
        expected_s=ratio * closed,
        limit_s=getattr(result.limit, f"{metric}_s"),
        low_s=ratio * getattr(result.expected.low, f"{metric}_s"),
        high_s=ratio * getattr(result.expected.high, f"{metric}_s"),
        what=f"{row.get('id', '')} {row['gpu']} {row['model']} {row['backend']} {row['weights']} "
        f"tp{row['tp']} ep{row['ep']} dp{row['attention_dp']} {row['isl']}/{row['osl']} "
        f"c{row['concurrency']}",
    )


def _other_tool(rows: Sequence[Row], metric: str) -> float | None:
    """Mean error of the predictions that come with the rows."""
    errors = [
        abs(float(row[f"aiconfigurator_{metric}_ms"]) / float(row[f"{metric}_ms"]) - 1)
        for row in rows
        if row.get(f"aiconfigurator_{metric}_ms")
    ]
    return statistics.fmean(errors) if errors else None


def main(arguments: list[str]) -> int:
    """Score every row of a file."""
    parser = argparse.ArgumentParser(prog="accuracy.py serving", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--every", type=int, default=1, help="score every n-th row only")
    parser.add_argument(
        "--no-simulation", dest="simulate", action="store_false",
        help="score the closed form on rows whose client is published, too",
    )  # fmt: skip
    parser.add_argument("--bad", action="store_true", help="score rows with a why_bad, too")
    options = parser.parse_args(arguments)
    with options.file.open(newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if options.bad or not r.get("why_bad")]
    rows = rows[:: options.every]
    tpot, ttft = scoring.Tally(), scoring.Tally()
    scored: list[Row] = []
    for row in rows:
        try:
            result = answer(row)
            means = simulated(row) if row.get("requests") and options.simulate else None
        except vperf.VperfError as error:
            tpot.refused[error.message] += 1
            ttft.refused[error.message] += 1
            continue
        scored.append(row)
        ttft.points.append(point(row, result, "ttft", means and means[0]))
        tpot.points.append(point(row, result, "tpot", means and means[1]))
    return _report(tpot, ttft, scored)


def _report(tpot: scoring.Tally, ttft: scoring.Tally, scored: Sequence[Row]) -> int:
    for reason, count in tpot.refused.most_common():
        print(f"refused {count}: {reason}")
    for name, tally in (("TPOT", tpot), ("TTFT", ttft)):
        scoring.print_table(name, tally.points, ())
        for keys in (
            ("kind",),
            ("client",),
            ("client", "engine"),
            ("gpus",),
            ("gpu",),
            ("engine",),
            ("precision",),
            ("concurrency",),
        ):
            scoring.print_table(f"{name} by {keys[0]}", tally.points, keys)
    cell = ("gpu", "model", "engine", "precision")
    scoring.print_table("TPOT by cell", tpot.points, cell)
    beaten = scoring.violations(tpot.points)
    held_out = ("gpu", "model", "engine")
    for name, tally in (("TPOT", tpot), ("TTFT", ttft)):
        scoring.print_spread(f"{name} measured / expected", tally.points, (), held_out)
    scoring.print_spread("TTFT by engine", ttft.points, ("engine",), held_out)
    for name, tally in (("TPOT", tpot), ("TTFT", ttft)):
        possible = [p for p in tally.points if p.what not in {b.what for b in beaten}]
        if len(possible) < len(tally.points):
            scoring.print_table(f"{name} without rows that beat the limit", possible, ())
            scoring.print_table(f"{name} without them by kind", possible, ("kind",))
            scoring.print_table(f"{name} without them by gpus", possible, ("gpus",))
    print(f"\nmeasured faster than the limit: {len(beaten)} of {len(tpot.points)}")
    for point in beaten[:20]:
        print(f"  {point.limit_s / point.measured_s:.3f} {point.what}")
    print("\nworst TPOT")
    for point in sorted(tpot.points, key=lambda p: -abs(p.error))[:15]:
        print(f"  {100 * point.error:+6.0f} % {point.what}")
    by_kind = scoring.grouped(tpot.points, ("kind",))
    by_gpus = scoring.grouped(tpot.points, ("gpus",))
    worst = {
        " ".join(key): scoring.stats(points).mape
        for key, points in scoring.grouped(tpot.points, cell).items()
        if len(points) >= _CELL_ROWS and scoring.stats(points).mape > _WORST_CELL
    }
    summary = scoring.summary(
        tpot,
        mode="serving",
        tpot_mape=scoring.stats(tpot.points).mape,
        tpot_median=scoring.stats(tpot.points).median,
        tpot_mape_dense=scoring.stats(by_kind[("dense",)]).mape if ("dense",) in by_kind else None,
        tpot_mape_one_gpu=scoring.stats(by_gpus[("1",)]).mape if ("1",) in by_gpus else None,
        ttft_mape=scoring.stats(ttft.points).mape,
        ttft_median=scoring.stats(ttft.points).median,
        tpot_in_range=scoring.stats(tpot.points).in_range,
        ttft_in_range=scoring.stats(ttft.points).in_range,
        aiconfigurator_tpot_mape=_other_tool(scored, "tpot"),
        aiconfigurator_ttft_mape=_other_tool(scored, "ttft"),
        limit_violations=len(beaten),
        limit_violations_over_3_percent=sum(
            p.limit_s / p.measured_s > _LIMIT_TOLERANCE for p in beaten
        ),
        limit_median_ratio=scoring.stats(tpot.points).limit_ratio,
        cells_above_25_percent=worst,
    )
    print(summary)
    return 0
