"""Measured serving points against `vperf.estimate(..., max_concurrency=C)`: the mode `serving`.

One row a point: TTFT and TPOT in ms of a closed loop with `concurrency` users. Columns as in
NVIDIA aiconfigurator's published points: gpu, model, backend, weights, gemm_quant_mode,
moe_quant_mode, isl, osl, tp, pp, ep, attention_dp, ttft_ms, tpot_ms, and optionally that tool's
own predictions, which are then scored on the same rows.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import scoring

import vperf

Row = Mapping[str, str]

_LIMIT_TOLERANCE = 1.03
_WORST_CELL = 0.25
_CELL_ROWS = 15


_INFERENCEMAX = {("1024", "1024"), ("1024", "8192"), ("8192", "1024")}
"""(isl, osl) of InferenceMAX, whose client draws lengths evenly from 0.8 to 1 of the nominal ones
(RANDOM_RANGE_RATIO 0.8 in its README): 0.9 of them on average."""


def length(row: Row, key: str) -> int:
    """Mean tokens of the row's prompts ("isl") or outputs ("osl")."""
    share = 0.9 if (row["isl"], row["osl"]) in _INFERENCEMAX else 1.0
    return max(1, round(share * int(row[key])))


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
    """fp8 where the checkpoint or the published launch command of the campaign asks for it.

    NVIDIA's nvfp4 checkpoints do, TensorRT-LLM's fp8 ones do, and so do InferenceMAX's commands:
    for gpt-oss and MiniMax-M2.5 under vLLM on Blackwell, and for fp8 models under SGLang
    (github.com/SemiAnalysisAI/InferenceX, benchmarks/, read 2026-11-23).
    """
    blackwell, engine = row["gpu"].startswith("b"), row["backend"]
    if "gpt-oss" in row["model"]:
        return "fp8" if blackwell and engine == "vllm" else None
    if "MiniMax" in row["model"] and blackwell:
        return "fp8"
    campaign = (row["isl"], row["osl"]) in _INFERENCEMAX
    asks = row["weights"] == "fp4" or (
        row["weights"] == "fp8" and (engine == "trtllm" or (engine == "sglang" and campaign))
    )
    return "fp8" if asks else None


def answer(row: Row) -> vperf.Estimate:
    """The row's scenario, through the public API."""
    return vperf.estimate(
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


def point(row: Row, result: vperf.Estimate, metric: str) -> scoring.Point:
    """The row's "tpot" or "ttft" beside the answer's."""
    return scoring.Point(
        _groups(row),
        measured_s=float(row[f"{metric}_ms"]) / 1e3,
        expected_s=getattr(result.expected, f"{metric}_s"),
        limit_s=getattr(result.limit, f"{metric}_s"),
        low_s=getattr(result.expected.low, f"{metric}_s"),
        high_s=getattr(result.expected.high, f"{metric}_s"),
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
    options = parser.parse_args(arguments)
    with options.file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))[:: options.every]
    tpot, ttft = scoring.Tally(), scoring.Tally()
    scored: list[Row] = []
    for row in rows:
        try:
            result = answer(row)
        except vperf.VperfError as error:
            tpot.refused[error.message] += 1
            ttft.refused[error.message] += 1
            continue
        scored.append(row)
        tpot.points.append(point(row, result, "tpot"))
        ttft.points.append(point(row, result, "ttft"))
    return _report(tpot, ttft, scored)


def _report(tpot: scoring.Tally, ttft: scoring.Tally, scored: Sequence[Row]) -> int:
    for reason, count in tpot.refused.most_common():
        print(f"refused {count}: {reason}")
    for name, tally in (("TPOT", tpot), ("TTFT", ttft)):
        scoring.print_table(name, tally.points, ())
        for keys in (("kind",), ("gpus",), ("gpu",), ("engine",), ("precision",), ("concurrency",)):
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
