"""Served points against vperf.estimate, in-sample and with each group of rows left out.

FILE is a table of measured runs in a closed loop: gpu, model, backend, weights, isl, osl,
concurrency, tp, pp, ep, attention_dp, ttft_ms, tpot_ms, and what the published launch command asked
for (kv_dtype, length_low, max_num_batched_tokens, recv_interval, batch_wait_iters; empty: the
engine's default). Rows with `why_bad` (the label cannot be true, or the row's own neighbours
contradict it) are scored apart. Refused rows count.

Out of sample: the constants of engines that were fitted on such rows (host time per step and per
sequence; a request's way, per token, and its admission steps) are refitted without the group, to
first order, and score the group they have not seen. Cards' constants come from kernels, not from
served rows; `--hide` takes them away, so that a card has what the rule of generic_constants.py
makes of the others.
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import scoring
from generic_constants import derive, derive_links, measured_cards

import vperf
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.resolve import deploy
from vperf.serving.arrivals import Traffic, draw_lengths
from vperf.serving.lengths import equal
from vperf.serving.simulation import run
from vperf.serving.step_times import cache_room
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing import collectives, step
from vperf.timing.constants import Generic, constants_of

Row = Mapping[str, str]

_LIMIT_TOLERANCE = 1.03
_WORST_CELL = 0.25
_CELL_ROWS = 15
_CELL = ("gpu", "model", "engine", "precision")
_BALANCE_STEPS = 60
"""timeout_iters of InferenceMAX's TensorRT-LLM commands with attention data parallel
(github.com/SemiAnalysisAI/InferenceX, benchmarks/single_node, read 2026-12-01)."""
_NODE = 8
"""Rows of more tensor ranks than a node has GPUs are wide expert parallelism by another name."""


def length(row: Row, key: str) -> int:
    """Mean tokens of the row's prompts ("isl") or outputs ("osl"), drawn evenly from a share on."""
    low = float(row.get("length_low") or 1)
    return max(1, round((1 + low) / 2 * int(row[key])))


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


def engine_of(row: Row) -> Engine:
    """The engine as its launch command set it up."""
    version = re.match(r"v?(\d+\.\d+)", row.get("backend_version", ""))
    engine = load_engine(row["backend"] + (f"@{version[1]}" if version else ""))
    facts: dict[str, Any] = {
        field: kind(row[column])
        for column, (field, kind) in _LAUNCH_FACTS.items()
        if row.get(column)
    }
    # A command that asks for it is of a release before it was the default, known or not.
    asks = row.get("async_scheduling") == "yes"
    if asks and (version is None or engine.scheduler.admission_steps == 0):
        facts["admission_steps"] = 1  # a step is prepared while one runs
    if row["backend"] == "trtllm" and layout(row)[2] > 1 and row.get("requests"):
        # attention_dp_config of their commands: groups wait for each other's prompts.
        budget = facts.get("max_batched_tokens", engine.max_batched_tokens)
        share = min(1.0, length(row, "isl") / budget)
        facts = {"wait_steps": _BALANCE_STEPS, "wait_share": share, **facts}
    return engine.with_scheduler(**facts)


_LAUNCH_FACTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "max_num_batched_tokens": ("max_batched_tokens", int),
    "max_num_seqs": ("max_sequences", int),
    "recv_interval": ("receive_interval", int),
    "batch_wait_iters": ("wait_steps", int),
    "batch_wait_ratio": ("wait_share", float),
}
"""Columns of a launch command, and the facts of a scheduler that they set."""


def layout(row: Row) -> tuple[int, int, int]:
    """tp, ep and dp; more tensor ranks than a node holds are attention data parallel ones."""
    gpus = int(row["tp"])
    if gpus > _NODE:
        return 1, gpus, gpus
    return gpus, int(row["ep"] or 1), int(row["attention_dp"])


@lru_cache(maxsize=64)
def _card(name: str, *, hide: bool) -> Gpu:
    gpu = load_gpu(name)
    return replace(gpu, achieved=None) if hide else gpu


@lru_cache(maxsize=64)
def _of_the_others(card: str) -> tuple[Generic, collectives.Links]:
    others = measured_cards(hidden=card)
    return derive(others), derive_links(others)


@contextmanager
def _known(card: str, *, hide: bool) -> Iterator[None]:
    """Generic constants are those of all measured cards, or of all but a hidden one."""
    if not hide:
        yield
        return
    generic, links = _of_the_others(card)
    with (
        patch.object(step, "constants_of", partial(constants_of, generic=generic)),
        patch.object(collectives, "LINKS", links),
    ):
        yield


def answer(row: Row, *, hide: bool = False) -> vperf.Estimate:
    """The row's scenario, through the public API."""
    tp, ep, dp = layout(row)
    return vperf.estimate(
        row["model"],
        _card(row["gpu"], hide=hide),
        input_len=length(row, "isl"),
        output_len=length(row, "osl"),
        quantization=quantization(row),
        kv_cache_dtype=row.get("kv_dtype") or None,
        engine=engine_of(row),
        tp=tp,
        pp=int(row["pp"]),
        ep=ep,
        dp=dp,
        max_concurrency=int(row["concurrency"]),
    )


_MEMORY_SHARE = 0.95
"""Of memory, up to which a published deployment was started where the default leaves no room."""


def simulated(row: Row, *, hide: bool = False) -> tuple[float, float]:
    """(TTFT, TPOT): means of the very run, its client's requests under its launch command."""
    tp, ep, dp = layout(row)
    users, engine = int(row["concurrency"]), engine_of(row)
    asked = vperf.Scenario(
        row["model"],
        _card(row["gpu"], hide=hide),
        quantization=quantization(row),
        kv_cache_dtype=row["kv_dtype"] or None,
        engine=engine,
        tp=tp,
        pp=int(row["pp"]),
        ep=ep,
        dp=dp,
    )
    compiled = deploy(asked).compiled
    inputs, outputs = draw_lengths(
        equal(int(row["isl"]), int(row["osl"])),
        int(row["requests"]),
        low=float(row["length_low"] or 1),
    )
    longest = max(inputs) + max(outputs)
    room = cache_room(compiled, min(inputs), longest, users, sum(inputs) / len(inputs))
    if users * (room.per_sequence + longest * room.per_token) > room.size:
        share = max(_MEMORY_SHARE, engine.memory_utilization)
        compiled = deploy(replace(asked, gpu_memory_utilization=share)).compiled
    found = run(compiled, Traffic(inputs, outputs, concurrency=users))
    return statistics.fmean(found.ttft_s), statistics.fmean(found.tpot_s)


def _groups(row: Row) -> dict[str, str]:
    keys = ("gpu", "model", "gpus", "concurrency")
    return {
        **{key: row[key] for key in keys},
        "engine": row["backend"],
        "precision": row["weights"],
        "kind": "dense" if is_dense(row) else "moe",
        "client": "published" if row.get("requests") else "not known",
    }


def is_dense(row: Row) -> bool:
    """Whether the row's model is without experts."""
    return any(name in row["model"] for name in ("Llama-3", "Qwen3-32B", "Qwen3-8B", "Llama-2"))


@dataclass(frozen=True, slots=True)
class Refittable:
    """A point, and seconds that it grows by for each of its engine's constants, each at 1."""

    point: scoring.Point
    slopes: tuple[float, ...]


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


_STEPS: dict[str, tuple[tuple[float, ...], ...]] = {
    "tpot": (
        tuple(1e-4 * k for k in range(-6, 7)),
        tuple(2e-6 * k for k in range(-4, 5)),
    ),
    "ttft": (
        tuple(1e-2 * k for k in range(-12, 13, 2)),
        tuple(4e-6 * k for k in range(-2, 3)),
        tuple(0.5 * k for k in range(-4, 5)),
    ),
}
"""What refitting tries around each constant: host time a step and a sequence; a request's way, the
same for each token of its prompt, admission steps."""


def _slopes(row: Row, result: vperf.Estimate, metric: str) -> tuple[float, ...]:
    running = result.serving.running_batch if result.serving else 1.0
    if metric == "tpot":
        return (1.0, running / int(row["attention_dp"] or 1))
    return (1.0, float(length(row, "isl")), result.expected.tpot_s)


def _shifted(each: Refittable, by: Sequence[float]) -> float:
    moved = sum(slope * step for slope, step in zip(each.slopes, by, strict=True))
    return max(each.point.limit_s, each.point.expected_s + moved)


def _refit(points: Sequence[Refittable], metric: str) -> tuple[float, ...]:
    """The steps with the least mean error, one constant after another, twice around."""
    by = [0.0] * len(_STEPS[metric])

    def error(index: int, step: float) -> float:
        tried = [*by[:index], step, *by[index + 1 :]]
        return sum(abs(_shifted(p, tried) / p.point.measured_s - 1) for p in points)

    for _ in range(2):
        for index, steps in enumerate(_STEPS[metric]):
            by[index] = min(steps, key=lambda step: error(index, step))
    return tuple(by)


def out_of_sample(points: Sequence[Refittable], metric: str, keys: Sequence[str]) -> float:
    """Mean error of all points, each group of `keys` scored by constants fitted without it."""
    total = 0.0
    for engine in _by(points, ["engine"]).values():
        for group in _by(engine, keys).values():
            taken = set(map(id, group))
            by = _refit([p for p in engine if id(p) not in taken] or group, metric)
            total += sum(abs(_shifted(p, by) / p.point.measured_s - 1) for p in group)
    return total / len(points)


def _by(
    points: Iterable[Refittable], keys: Sequence[str]
) -> dict[tuple[str, ...], list[Refittable]]:
    found: dict[tuple[str, ...], list[Refittable]] = {}
    for each in points:
        found.setdefault(tuple(each.point.groups[key] for key in keys), []).append(each)
    return found


def _other_tool(rows: Sequence[Row], metric: str) -> float | None:
    """Mean error of the predictions that come with the rows."""
    errors = [
        abs(float(row[f"aiconfigurator_{metric}_ms"]) / float(row[f"{metric}_ms"]) - 1)
        for row in rows
        if row.get(f"aiconfigurator_{metric}_ms")
    ]
    return statistics.fmean(errors) if errors else None


@dataclass(slots=True)
class Scored:
    """What a file of rows gave, by metric; `rows` are those that were answered."""

    tpot: scoring.Tally
    ttft: scoring.Tally
    refittable: dict[str, list[Refittable]]
    bad: list[scoring.Point]
    rows: list[Row]


def score(rows: Iterable[Row], *, hide: bool = False, simulate: bool = False) -> Scored:
    """Ask for every row; those with `why_bad` are kept apart.

    `simulate`: the runs of rows whose client is published; elsewhere the client is what is missing.
    """
    found = Scored(scoring.Tally(), scoring.Tally(), {"tpot": [], "ttft": []}, [], [])
    for row in rows:
        bad = row.get("why_bad")
        try:
            with _known(row["gpu"], hide=hide):
                result = answer(row, hide=hide)
        except vperf.VperfError as error:
            for tally in (found.tpot, found.ttft):
                (tally.left_out if bad else tally.refused)[bad or error.message] += 1
            continue
        if bad:
            for tally in (found.tpot, found.ttft):
                tally.left_out[bad] += 1
            found.bad.append(point(row, result, "tpot"))
            continue
        found.rows.append(row)
        ttft_s, tpot_s = None, None
        if simulate and row["requests"]:
            with _known(row["gpu"], hide=hide):
                ttft_s, tpot_s = simulated(row, hide=hide)
        for metric, tally, mean_s in (
            ("tpot", found.tpot, tpot_s),
            ("ttft", found.ttft, ttft_s),
        ):
            one = point(row, result, metric, mean_s)
            tally.points.append(one)
            found.refittable[metric].append(Refittable(one, _slopes(row, result, metric)))
    return found


def main(arguments: list[str]) -> int:
    """Score every row of a file."""
    parser = argparse.ArgumentParser(prog="accuracy.py serving", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--every", type=int, default=1, help="score every n-th row only")
    parser.add_argument("--hide", action="store_true", help="cards with generic constants")
    parser.add_argument(
        "--simulate", action="store_true", help="the very runs of clients that are published"
    )
    parser.add_argument(
        "--hidden", action="store_true", help="and what hiding each card's constants costs"
    )
    options = parser.parse_args(arguments)
    with options.file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))[:: options.every]
    hidden = _cost_of_hiding(rows) if options.hidden else {}
    return _report(score(rows, hide=options.hide, simulate=options.simulate), hidden)


def _cost_of_hiding(rows: Sequence[Row]) -> dict[str, float]:
    """Mean errors where each card's constants are hidden, less those where they are known: of all
    rows, and card by card, both in closed form."""
    known, hidden = score(rows), score(rows, hide=True)
    found: dict[str, float] = {}
    print("constants hidden, by card                      rows  known hidden")
    for metric in ("tpot", "ttft"):
        one, other = getattr(known, metric).points, getattr(hidden, metric).points
        for keys in ((), ("gpu",)):
            of_known = scoring.grouped(one, keys)
            for key, points in scoring.grouped(other, keys).items():
                before, after = scoring.stats(of_known[key]).mape, scoring.stats(points).mape
                name = " ".join((metric, *key))
                found[name] = after - before
                print(f"{name:45} {len(points):5} {100 * before:6.1f} {100 * after:6.1f}")
    return found


def _report(scored: Scored, hidden: Mapping[str, float]) -> int:
    tpot, ttft = scored.tpot, scored.ttft
    for title, counts in (("refused", tpot.refused), ("apart", tpot.left_out)):
        for reason, count in counts.most_common():
            print(f"{title} {count}: {reason}")
    for name, tally in (("TPOT", tpot), ("TTFT", ttft)):
        scoring.print_table(name, tally.points, ())
        for keys in _STRATA:
            scoring.print_table(f"{name} by {' and '.join(keys)}", tally.points, keys)
    scoring.print_table("TPOT by cell", tpot.points, _CELL)
    if scored.bad:
        scoring.print_table("TPOT of rows that cannot be what they say", scored.bad, ())
    beaten = scoring.violations(tpot.points)
    held_out: tuple[str, ...] = ("gpu", "model", "engine", "precision")
    for without in (held_out, ("model",), ("gpu",)):
        title = f"TPOT measured / expected, without its {', '.join(without)}"
        scoring.print_spread(title, tpot.points, ("kind",), without, fast=0.05, weighed=False)
    scoring.print_spread("TTFT by engine", ttft.points, ("engine",), held_out)
    print("\nmean error, %: fitted on all, and on the rest of each group left out")
    unseen: dict[str, float] = {}
    for metric, tally in (("tpot", tpot), ("ttft", ttft)):
        print(f"{metric} as answered {100 * scoring.stats(tally.points).mape:.1f}")
        for without in (("model",), ("gpu",), held_out):
            name = f"{metric} without its {', '.join(without)}"
            unseen[name] = out_of_sample(scored.refittable[metric], metric, without)
            print(f"{name} {100 * unseen[name]:.1f}")
    print(f"\nmeasured faster than the limit: {len(beaten)} of {len(tpot.points)}")
    for point in beaten[:20]:
        print(f"  {point.limit_s / point.measured_s:.3f} {point.what}")
    print("\nworst TPOT")
    for point in sorted(tpot.points, key=lambda p: -abs(p.error))[:15]:
        print(f"  {100 * point.error:+6.0f} % {point.what}")
    print(_summary(scored, beaten, unseen, hidden))
    return 0


_STRATA = (
    ("kind",), ("gpus",), ("gpu",), ("engine",), ("precision",), ("concurrency",), ("client",),
    ("client", "engine"),
)  # fmt: skip
_BANDS = (0.05, 0.1, 0.15, 0.2, 0.3)


def _within(points: Sequence[scoring.Point]) -> dict[str, float]:
    """Share of points whose error is at most so much."""
    found = {
        f"to {100 * top:.0f} %": sum(abs(p.error) <= top for p in points) / len(points)
        for top in _BANDS
    }
    return {**found, "more": 1.0}


def _summary(
    scored: Scored,
    beaten: Sequence[scoring.Point],
    unseen: Mapping[str, float],
    hidden: Mapping[str, float],
) -> str:
    tpot, ttft = scored.tpot, scored.ttft
    by_kind = scoring.grouped(tpot.points, ("kind",))
    by_gpus = scoring.grouped(tpot.points, ("gpus",))
    by_client = scoring.grouped(ttft.points, ("client",))
    worst = {
        " ".join(key): scoring.stats(points).mape
        for key, points in scoring.grouped(tpot.points, _CELL).items()
        if len(points) >= _CELL_ROWS and scoring.stats(points).mape > _WORST_CELL
    }

    def mean(groups: Mapping[tuple[str, ...], Sequence[scoring.Point]], key: str) -> float | None:
        return scoring.stats(groups[key,]).mape if (key,) in groups else None

    return scoring.summary(
        tpot,
        mode="serving",
        apart=len(scored.bad),
        tpot_mape=scoring.stats(tpot.points).mape,
        tpot_median=scoring.stats(tpot.points).median,
        tpot_mape_dense=mean(by_kind, "dense"),
        tpot_mape_moe=mean(by_kind, "moe"),
        tpot_mape_one_gpu=mean(by_gpus, "1"),
        ttft_mape=scoring.stats(ttft.points).mape,
        ttft_median=scoring.stats(ttft.points).median,
        ttft_mape_client_known=mean(by_client, "published"),
        tpot_in_range=scoring.stats(tpot.points).in_range,
        ttft_in_range=scoring.stats(ttft.points).in_range,
        tpot_in_range_of_strata=scoring.strata_in_range(tpot.points, _STRATA),
        ttft_in_range_of_strata=scoring.strata_in_range(ttft.points, _STRATA),
        out_of_sample=unseen,
        cost_of_hiding=hidden,
        within=_within(tpot.points),
        aiconfigurator_tpot_mape=_other_tool(scored.rows, "tpot"),
        aiconfigurator_ttft_mape=_other_tool(scored.rows, "ttft"),
        limit_violations=len(beaten),
        limit_violations_over_3_percent=sum(
            p.limit_s / p.measured_s > _LIMIT_TOLERANCE for p in beaten
        ),
        limit_median_ratio=scoring.stats(tpot.points).limit_ratio,
        cells_above_25_percent=worst,
    )
