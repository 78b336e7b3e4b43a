"""The tables of a plan: the best of each GPU, and the front."""

from __future__ import annotations

from vperf.explore.candidates import Candidate
from vperf.explore.plan import Plan
from vperf.explore.ranking import GpuBest
from vperf.report.document import (
    FAILS,
    Cell,
    Column,
    Row,
    Span,
    Table,
)
from vperf.report.format import clean, dollars, per_second, percent, seconds, span
from vperf.report.plan_names import SHORT, short_layout

_ROWS = 8
"""Of the front, on a screen."""

_THIN = 0.05
"""A margin to the targets that stands out."""


def _users(each: Candidate) -> int:
    return (each.scenario.max_concurrency or 1) * each.replicas


def best_table(answer: Plan) -> Table:
    """The best deployment of each GPU that was asked for, and why one has none."""
    priced = any(each.candidate and each.candidate.usd_per_hour for each in answer.best_per_gpu)
    columns = (
        Column("Best per GPU"),
        *((Column("context", "count"),) if _contexts(answer) else ()),
        Column("GPUs", "count"),
        Column("deployment"),
        Column("TTFT", "time"),
        Column("TPOT", "time", strong=True),
        Column("margin", "share"),
        *((Column("$/hour", "money", 1),) if priced else ()),
        Column("basis", "basis", 1),
        Column("TPOT range", "time", 3),
        Column("tok/s a user", "rate", 4),
        Column("tok/s a GPU", "rate", 4),
    )
    rows = [_best_row(answer, each, priced=priced) for each in answer.best_per_gpu]
    return Table(columns, tuple(rows))


def _best_row(answer: Plan, best: GpuBest, *, priced: bool) -> Row:
    each = best.candidate
    if each is None:
        why = f"{FAILS} {SHORT[best.lost]}" if best.lost else "-"
        price = ("-",) if priced else ()
        said = (*_context(answer, best), "-", "-", "-", "-", Span(why, "bad"), *price, *"----")
        return Row((f"  {clean(best.gpu)}", *said), "aside")
    figures = each.row.figures
    ends = "-"
    if figures is not None and each.pools is None:
        ends = span(seconds(figures.expected.low.tpot_s), seconds(figures.expected.high.tpot_s))
    missed = each.binding
    margin: Cell
    if missed is not None:
        margin = Span(f"{FAILS} {SHORT[missed[0]]}", "bad")
    else:
        left = 1.0 - max(each.ratios.values(), default=0.0)
        margin = Span(percent(left), "warn" if left < _THIN else "")
    mark = "> " if each is answer.winner else "  "
    return Row(
        (
            f"{mark}{clean(best.gpu)}", *_context(answer, best), f"{each.gpus:,}", _deployed(each),
            seconds(each.times.ttft_s), seconds(each.times.tpot_s), margin,
            *((dollars(each.usd_per_hour),) if priced else ()),
            each.row.constants, ends, per_second(each.per_user), per_second(each.per_gpu),
        ),
        "aside" if missed is not None else "",
    )  # fmt: skip


def _contexts(answer: Plan) -> bool:
    """Whether servers for sequences of several lengths are asked for."""
    return "max_model_len" in answer.axes


def _context(answer: Plan, best: GpuBest) -> tuple[str, ...]:
    return (f"{best.max_model_len:,}",) if _contexts(answer) else ()


def _deployed(each: Candidate) -> str:
    capped = f", {each.at_a_time} at a time" if each.at_a_time else ""
    return f"{short_layout(each)}, {clean(each.weights)}{capped}"


def front_table(answer: Plan) -> Table:
    """Those that no other is as good as in everything: fastest for a user first."""
    shown = shown_of(answer)
    extras: list[tuple[Column, tuple[str, ...]]] = []
    if _contexts(answer):
        lengths = tuple(f"{c.scenario.max_model_len:,}" for c in shown)
        extras.append((Column("context", "count"), lengths))
    if "kv_cache_dtype" in answer.axes:
        extras.append((Column("KV cache"), tuple(clean(c.kv_cache) for c in shown)))
    if "engine" in answer.axes:
        extras.append((Column("engine"), tuple(clean(c.row.chosen["engine"]) for c in shown)))
    if answer.request_rate is None and answer.max_concurrency is None:
        extras.append((Column("users", "count"), tuple(f"{_users(c):,}" for c in shown)))
    if any(c.usd_per_hour for c in shown):
        extras.append((Column("$/hour", "money"), tuple(dollars(c.usd_per_hour) for c in shown)))
    columns = (
        Column("Front"),
        Column("GPUs", "count"),
        Column("deployment"),
        *(column for column, _ in extras),
        Column("TTFT", "time", 1),
        Column("TPOT", "time", strong=True),
        Column("tok/s a user", "rate", 3),
        Column("tok/s a GPU", "rate", 2),
    )
    rows = tuple(
        Row(
            (
                f"{'> ' if each is answer.winner else '  '}{clean(each.row.gpu)}",
                f"{each.gpus:,}", _deployed(each), *(cells[n] for _, cells in extras),
                seconds(each.times.ttft_s), seconds(each.times.tpot_s),
                per_second(each.per_user), per_second(each.per_gpu),
            ),
            "strong" if each is answer.winner else "",
        )
        for n, each in enumerate(shown)
    )  # fmt: skip
    return Table(columns, rows)


def shown_of(answer: Plan) -> tuple[Candidate, ...]:
    """The rows of the front that a screen shows: both ends, the winner, and some between."""
    front = answer.front or ((answer.nearest,) if answer.nearest else ())
    if len(front) <= _ROWS:
        return front
    step = (len(front) - 1) / (_ROWS - 1)
    kept = {round(number * step) for number in range(_ROWS)}
    at = next(n for n, each in enumerate(front) if each is answer.winner)
    if at not in kept:
        inner = kept - {0, len(front) - 1}
        kept.remove(min(inner, key=lambda n: abs(n - at)))
        kept.add(at)
    return tuple(front[number] for number in sorted(kept))
