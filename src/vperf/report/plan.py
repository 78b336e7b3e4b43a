"""What is said of a plan: the winner, its tables, why the others lose, commands, assumptions.

Not here: which deployment is best (explore/plan.py), tables (plan_tables.py), launch commands
(plan_commands.py), the chart (plan_chart.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vperf.explore.candidates import Candidate, Reason
from vperf.explore.plan import Plan
from vperf.explore.ranking import By
from vperf.report.document import (
    Block,
    Bullets,
    Facts,
    Headline,
    Plot,
    Prose,
    Span,
    Text,
)
from vperf.report.estimate.facts import facts as estimate_facts
from vperf.report.format import clean, dollars, plural, seconds, size
from vperf.report.forms import Report
from vperf.report.notes import note_blocks
from vperf.report.plan_chart import chart
from vperf.report.plan_commands import commands
from vperf.report.plan_names import LABELS, layout_words, replicas_words, second_line
from vperf.report.plan_tables import best_table, front_table, shown_of
from vperf.units import format_bandwidth, format_requests

_BEST: dict[By, str] = {
    "gpus": "the fewest GPUs",
    "cost": "the cheapest",
    "latency": "the fastest for a user",
    "throughput": "the most tokens from a GPU",
}

_MEANS: dict[By, str] = {
    "gpus": "fewest GPUs; of equals, {expense}, then weights as stored, then the lower TPOT",
    "cost": "cheapest: least $ per request; of equals, weights as stored, then the lower TPOT",
    "latency": "fastest: lowest TPOT; of equals, {expense}",
    "throughput": "most output tokens per second and GPU; of equals, {expense}",
}

_BEHIND: dict[By, str] = {
    "gpus": "meet the targets and take as many GPUs or more",
    "cost": "meet the targets and cost as much or more",
    "latency": "meet the targets and are no faster for a user",
    "throughput": "meet the targets and get no more from a GPU",
}


def report(answer: Plan, *, plot: bool = False) -> Report:
    """The answer in every form; with `plot` the front is drawn too."""
    return Report(
        lambda: document(answer, plot=plot), answer.to_dict, answer.rows,
        chart=lambda: chart(answer),
    )  # fmt: skip


def document(answer: Plan, *, plot: bool = False) -> Iterator[Block]:
    """The screen of `vperf plan`."""
    yield Headline(headline(answer))
    if thin := _thin(answer):
        yield Prose(thin, "warn", tight=True)
    yield Prose(second_line(answer), "aside", tight=True)
    yield best_table(answer)
    if answer.front:
        yield front_table(answer)
    hidden = len(answer.front) - len(shown_of(answer))
    if hidden > 0:
        text = f"{plural(hidden, 'row')} of the front not shown; --csv and --json have all"
        yield Prose(text, "aside", tight=True)
    if plot:
        yield Plot(chart(answer))
    yield Bullets(_lost(answer), "Why the others lose")
    yield from commands(answer)
    pools = answer.winner is not None and answer.winner.pools is not None
    yield Facts(tuple(_facts(answer)), "The pools" if pools else "One replica", when="full")
    notes = (*_means(answer), *answer.notes, *_assumptions(answer), *_warnings(answer))
    yield from note_blocks(notes, more="how one replica does")


def headline(answer: Plan) -> Text:
    """Line 1: the winner and what it reaches, or which target binds."""
    best = answer.winner
    if best is not None:
        price = f", ${dollars(best.usd_per_hour)}/hour" if best.usd_per_hour else ""
        verb = "suffices" if best.gpus == 1 else "suffice"
        return (
            Span(f"{best.gpus:,} x {clean(best.row.gpu)}", "good"),
            f" {verb}: {', '.join(_reached(answer, best))}{price}.",
        )
    most = f"up to {plural(answer.max_gpus, 'GPU')}"
    near = answer.nearest
    if near is None or near.binding is None:
        none = f"None of {plural(answer.asked, 'candidate')} of {most} fits in memory."
        return (Span(none, "bad"),)
    binds = _binds(answer, near, near.binding[0])
    return (Span(f"No deployment of {most} meets the targets: {binds}.", "bad"),)


def _reached(answer: Plan, best: Candidate) -> Iterator[str]:
    """Each time, with its target where it has one and both are of one unit."""
    targets, times = answer.targets, best.times
    shown = [
        (targets.label("ttft", "TTFT"), times.ttft_s, targets.ttft_s),
        (targets.label("tpot", "TPOT"), times.tpot_s, targets.tpot_s),
    ]
    if targets.e2e_s is not None:
        shown.append((targets.label("e2e", "end to end"), times.e2e_s, targets.e2e_s))
    for label, time, target in shown:
        if target is None:
            yield f"{label} {seconds(time)}"
            continue
        got, _, unit = seconds(time).partition(" ")
        most, _, other = seconds(target).partition(" ")
        yield f"{label} {got}{'' if unit == other else f' {unit}'} of {most} {other}"


def _thin(answer: Plan) -> str:
    """A warning where the winner misses a target at the slow end of its range."""
    best = answer.winner
    if best is None or answer.conservative or best.pools is not None or best.row.figures is None:
        return ""
    slow, targets = best.row.figures.expected.high, answer.targets
    pairs = (("TTFT", slow.ttft_s, targets.ttft_s), ("TPOT", slow.tpot_s, targets.tpot_s))
    missed = [f"{name} {seconds(t)}" for name, t, most in pairs if most is not None and t > most]
    if not missed:
        return ""
    return f"Thin: the slow end of the range is {', '.join(missed)}; --conservative plans for it."


def _binds(answer: Plan, near: Candidate, reason: Reason) -> str:
    name = _named(answer, near)
    if reason == "saturated":
        served = format_requests(near.requests_per_s, 3)
        if answer.request_rate:
            served = f"{served.partition(' ')[0]} of {format_requests(answer.request_rate)}"
        return f"the load binds, the nearest serves {served}: {name}"
    time, target = _time(near, reason), _time(answer, reason)
    return (
        f"{LABELS[reason]} binds, the nearest has {seconds(time)} (target {seconds(target)}): "
        f"{name}"
    )


def _time(of: Plan | Candidate, reason: Reason) -> float:
    value = getattr(of.targets if isinstance(of, Plan) else of.times, f"{reason}_s")
    return float(value)


def _named(answer: Plan, each: Candidate) -> str:
    """ "4 x H100 SXM (2 replicas of tp 2, fp8 weights)"."""
    parts = [layout_words(each), f"{clean(each.weights)} weights"]
    if each.at_a_time:
        parts.append(f"{each.at_a_time} at a time")
    if "engine" in answer.axes:
        parts.append(clean(each.row.chosen["engine"]))
    inside = ", ".join(part for part in parts if part)
    return f"{each.gpus} x {clean(each.row.gpu)} ({inside})"


# The tables ----------------------------------------------------------------------------------


def _lost(answer: Plan) -> tuple[str, ...]:
    """Why the others lose, and how many."""
    texts: dict[Reason, str] = {
        "memory": "do not fit in memory (vperf fit says what would make them fit)",
        "saturated": "are saturated: more requests come than they serve",
    }
    for reason, label in LABELS.items():
        if reason in answer.lost:
            texts[reason] = f"miss the {label} of {seconds(_time(answer, reason))}"
    found = [
        f"{count:,} {texts[reason]}" for reason, count in answer.lost.items() if reason != "layout"
    ]
    found += [f"{count:,} cannot be: {clean(text)}" for text, count in answer.problems.items()]
    behind = answer.met - (answer.winner is not None)
    return (*([f"{behind:,} {_BEHIND[answer.by]}"] if behind else []), *found)


def _means(answer: Plan) -> Iterator[str]:
    """What the best is best at, and how the search was cut short."""
    priced = answer.winner is not None and answer.winner.row.cost is not None
    expense = "least $ per request" if priced else "least energy per request if GPUs drew their TDP"
    means = _MEANS[answer.by].format(expense=expense)
    if answer.winner:
        yield f"best: {means}"
    if answer.computed < answer.asked:
        yield (
            f"{answer.computed:,} of {answer.asked:,} were computed: the others are replicas "
            "under a greater load than one that missed"
        )


def _assumptions(answer: Plan) -> Sequence[str]:
    return answer.estimate.assumptions if answer.estimate else ()


def _warnings(answer: Plan) -> Sequence[str]:
    """Of one replica; of pools there is none that does both."""
    best = answer.winner or answer.nearest
    if answer.estimate is None or best is None or best.pools is not None:
        return ()
    return answer.estimate.warnings


def _facts(answer: Plan) -> list[tuple[str, Text]]:
    """What one replica does, or both pools."""
    best = answer.winner or answer.nearest
    if best is None or answer.estimate is None:
        return []
    pools = best.pools
    if pools is None:
        return list(estimate_facts(answer.estimate))
    sides = (("Prefill", pools.prefill, "of its time"), ("Decode", pools.decode, "of its cache"))
    found: list[tuple[str, Text]] = [
        (name, f"{replicas_words(pool.replicas, pool.layout) or '1 replica'}, "
               f"{plural(pool.gpus, 'GPU')}, {pool.busy:.0%} {of} taken")
        for name, pool, of in sides
    ]  # fmt: skip
    servers = best.row.figures.expected.ttft_s if best.row.figures else 0.0
    parts = (pools.queue_s, pools.prefill_s, pools.transfer_s, pools.first_step_s)
    rest = max(0.0, servers - sum(parts))
    names = ("queue", "prefill", "transfer", "first decode step", "both servers")
    told = [f"{name} {seconds(part)}" for name, part in zip(names, (*parts, rest), strict=True)]
    return [
        *found,
        ("Transfer", f"{size(pools.transfer_bytes)} of a prompt's cache over each GPU's "
                     f"{format_bandwidth(pools.link_bytes_per_s)}"),
        ("TTFT", ", ".join(told)),
    ]  # fmt: skip
