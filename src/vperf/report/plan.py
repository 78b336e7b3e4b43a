"""A plan for people and programs: the answer in words, the Pareto front, commands, a chart.

Not here: which deployment is best (explore/plan.py) and how engines are started (commands.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vperf.explore.candidates import WAYS, Candidate, Layout, Reason
from vperf.explore.plan import By, Plan
from vperf.report import to_csv as csv_rows
from vperf.report import words
from vperf.report.chart import Axis, Chart, Mark, Series
from vperf.report.commands import SIXTEEN_BIT, Bench, Server, bench, folded, launch
from vperf.report.format import clean, per_second, plural, seconds, size
from vperf.report.markdown import bullets, document, escape, facts, table
from vperf.report.markdown import commands as shell
from vperf.report.page import Column, Page
from vperf.report.rows import dollars
from vperf.resolve import resolve_lengths
from vperf.units import format_bandwidth, format_requests

_ROWS = 8
"""Of the front, on a screen."""

_FOLDED = {"GPUs": 24, "weights": 12, "replicas": 12}
"""Columns that are folded where a screen is too narrow and their widest cell is longer."""

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


def headline(answer: Plan) -> str:
    """Line 1: the winner and what it reaches, or which target binds."""
    best = answer.winner
    if best is not None:
        verb = "serves" if best.gpus == 1 else "serve"
        price = f" (${dollars(best.usd_per_hour)} an hour)" if best.usd_per_hour else ""
        return (
            f"{_named(answer, best)} {verb} {_load(answer, best)} at TTFT "
            f"{seconds(best.times.ttft_s)}, TPOT {seconds(best.times.tpot_s)}: "
            f"{_BEST[answer.by]}{price} of {plural(answer.asked, 'candidate')}."
        )
    most = f"up to {plural(answer.max_gpus, 'GPU')}"
    near = answer.nearest
    if near is None or near.binding is None:
        return f"None of {plural(answer.asked, 'candidate')} of {most} fits in memory."
    return f"No deployment of {most} meets the targets: {_binds(answer, near, near.binding[0])}."


def _binds(answer: Plan, near: Candidate, reason: Reason) -> str:
    name = _named(answer, near)
    if reason == "saturated":
        served = format_requests(near.requests_per_s, 3)
        if answer.request_rate:
            served = f"{served.partition(' ')[0]} of {format_requests(answer.request_rate)}"
        return f"the load binds, the nearest serves {served}: {name}"
    time, target = _time(near, reason), _time(answer, reason)
    return (
        f"{_LABELS[reason]} binds, the nearest has {seconds(time)} (target {seconds(target)}): "
        f"{name}"
    )


_LABELS: dict[Reason, str] = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end-to-end time"}


def _time(of: Plan | Candidate, reason: Reason) -> float:
    value = getattr(of.targets if isinstance(of, Plan) else of.times, f"{reason}_s")
    return float(value)


def _named(answer: Plan, each: Candidate) -> str:
    """ "4 x H100 SXM (2 replicas of tp 2, fp8 weights)"."""
    parts = [_layout(each), f"{clean(each.weights)} weights"]
    if "engine" in answer.axes:
        parts.append(clean(each.row.chosen["engine"]))
    inside = ", ".join(part for part in parts if part)
    return f"{each.gpus} x {words.short_gpu(each.gpu_name)} ({inside})"


def _layout(each: Candidate) -> str:
    """ "2 replicas of tp 2", "tp 8"; of pools both."""
    if each.pools:
        prefill, decode = each.pools.prefill, each.pools.decode
        return (
            f"{_many(prefill.replicas, prefill.layout)} for prefill, "
            f"{_many(decode.replicas, decode.layout)} for decode"
        )
    return _many(each.replicas, each.layout)


def _many(replicas: int, layout: Layout) -> str:
    ways = _ways(layout)
    if replicas == 1:
        return ways
    return f"{replicas} replicas{f' of {ways}' if ways else ''}"


def _ways(layout: Layout) -> str:
    found = [f"{way} {getattr(layout, way)}" for way in WAYS if getattr(layout, way) > 1]
    return " ".join(found)


def _short(each: Candidate) -> str:
    """The same for a table: "2 x tp 2", "9 x tp 1 + 3 x tp 4"."""

    def one(replicas: int, layout: Layout) -> str:
        return f"{replicas} x {_ways(layout) or 'tp 1'}"

    if each.pools:
        sides = (each.pools.prefill, each.pools.decode)
        return " + ".join(one(side.replicas, side.layout) for side in sides)
    return one(each.replicas, each.layout)


def _load(answer: Plan, each: Candidate) -> str:
    if answer.request_rate is not None:
        return format_requests(answer.request_rate)
    return plural(answer.max_concurrency or _users(each), "user")


def _users(each: Candidate) -> int:
    return (each.scenario.max_concurrency or 1) * each.replicas


def second_line(answer: Plan) -> str:
    """What all candidates share."""
    estimate, targets = answer.estimate, answer.targets
    wanted = [
        f"{label} {seconds(value)}"
        for label, value in (
            ("TTFT", targets.ttft_s), ("TPOT", targets.tpot_s), ("end to end", targets.e2e_s),
        )
        if value is not None
    ]  # fmt: skip
    parts = [words.short_model(str(answer.fixed.get("model", "")))]
    if estimate is not None:
        asked = estimate.workload
        parts += [f"{plural(asked.prompt_tokens, 'token')} in", f"{asked.output_tokens:,} out"]
    end = "slow end of the range" if answer.conservative else "expected mean"
    most = plural(answer.max_gpus, "GPU")
    return f"{', '.join(parts)}; at most {', '.join(wanted)} ({end}) and {most}."


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    cell: Callable[[Candidate], str]
    left: bool = False
    rank: int = 0
    """Where a screen is too narrow, columns of the highest rank go first; 0 stays."""


def _long(column: _Column, shown: Sequence[Candidate]) -> bool:
    most = _FOLDED.get(column.heading)
    return most is not None and max(len(column.cell(each)) for each in shown) > most


def _fitted(answer: Plan, width: int) -> tuple[list[_Column], list[str]]:
    """The columns that `width` has room for, and the names of those left out for it."""
    kept, shown = _columns(answer), shown_of(answer)
    if not shown:
        return kept, []

    def least(column: _Column) -> int:
        if _long(column, shown):
            return _FOLDED[column.heading]
        return max(map(len, (*column.heading.split("\n"), *map(column.cell, shown))))

    left_out: list[str] = []
    while sum(least(c) + 2 for c in kept) - 2 > width and any(c.rank for c in kept):
        last = max(kept, key=lambda c: c.rank)
        kept.remove(last)
        left_out.insert(0, last.heading.replace("\n", " "))
    return kept, left_out


def _columns(answer: Plan) -> list[_Column]:
    shown = shown_of(answer)
    columns = [
        _Column("", lambda c: ">" if c is answer.winner else "", left=True),
        _Column("GPUs", lambda c: f"{c.gpus} x {words.short_gpu(c.gpu_name)}", left=True),
        _Column("weights", lambda c: clean(c.weights), left=True),
        _Column("replicas", _short, left=True),
    ]
    if "kv_cache_dtype" in answer.axes:
        columns.append(_Column("KV\ncache", lambda c: clean(c.kv_cache), left=True))
    if "engine" in answer.axes:
        columns.append(_Column("engine", lambda c: clean(c.row.chosen["engine"]), left=True))
    if answer.request_rate is None and answer.max_concurrency is None:
        columns.append(_Column("users", lambda c: f"{_users(c):,}"))
    columns += [
        _Column("TTFT", lambda c: seconds(c.times.ttft_s), rank=1),
        _Column("TPOT", lambda c: seconds(c.times.tpot_s)),
        _Column("tok/s\na user", lambda c: per_second(c.per_user), rank=3),
        _Column("tok/s\na GPU", lambda c: per_second(c.per_gpu), rank=2),
    ]
    if any(c.usd_per_hour for c in shown):
        columns.append(_Column("$/hour", lambda c: dollars(c.usd_per_hour)))
    return columns


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


def _lost(answer: Plan) -> list[str]:
    """Why the others lose, and how many."""
    texts: dict[Reason, str] = {
        "memory": "do not fit in memory (vperf fit says what would make them fit)",
        "saturated": "are saturated: more requests come than they serve",
    }
    for reason, label in _LABELS.items():
        if reason in answer.lost:
            texts[reason] = f"miss the {label} of {seconds(_time(answer, reason))}"
    found = [
        f"{count:,} {texts[reason]}" for reason, count in answer.lost.items() if reason != "layout"
    ]
    found += [f"{count:,} cannot be: {clean(text)}" for text, count in answer.problems.items()]
    behind = answer.met - (answer.winner is not None)
    return [*([f"{behind:,} {_BEHIND[answer.by]}"] if behind else []), *found]


def _notes(answer: Plan, left_out: Sequence[str] = ()) -> list[str]:
    priced = answer.winner is not None and answer.winner.row.cost is not None
    expense = "least $ per request" if priced else "least energy per request if GPUs drew their TDP"
    means = _MEANS[answer.by].format(expense=expense)
    found = [means] if answer.winner else []
    if answer.computed < answer.asked:
        found.append(
            f"{answer.computed:,} of {answer.asked:,} were computed: the others are replicas "
            "under a greater load than one that missed"
        )
    hidden = len(answer.front) - len(shown_of(answer))
    if hidden > 0:
        found.append(f"{plural(hidden, 'row')} of the front not shown; --csv and --json have all")
    if left_out:
        found.append(
            f"no room at this width for {', '.join(left_out)}; --csv and --json have all figures"
        )
    return [*found, *answer.notes]


def _assumptions(answer: Plan) -> Sequence[str]:
    return answer.estimate.assumptions if answer.estimate else ()


def _warnings(answer: Plan) -> Sequence[str]:
    """Of one replica; of pools there is none that does both."""
    best = answer.winner or answer.nearest
    if answer.estimate is None or best is None or best.pools is not None:
        return ()
    return answer.estimate.warnings


def _facts(answer: Plan) -> list[tuple[str, str]]:
    """What one replica does, or both pools."""
    best = answer.winner or answer.nearest
    if best is None or answer.estimate is None:
        return []
    pools = best.pools
    if pools is None:
        return words.facts(answer.estimate)
    sides = (("Prefill", pools.prefill, "of its time"), ("Decode", pools.decode, "of its cache"))
    found = [
        (name, f"{_many(pool.replicas, pool.layout) or '1 replica'}, "
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


def commands(answer: Plan, width: int = 80) -> list[tuple[str, list[str]]]:
    """(title, lines) of the commands that launch the winner and measure it."""
    best, estimate = answer.winner, answer.estimate
    if best is None or estimate is None or not words.nameable(estimate):
        return []
    scenario, model = best.scenario, estimate.model
    asked = estimate.workload
    engine, layout = asked.engine, best.layout
    online = scenario.quantization == "fp8" and answer.stored in SIXTEEN_BIT and engine != "trtllm"
    figures = best.row.figures
    running = figures.serving.running_batch if figures and figures.serving else 1.0
    if best.pools:
        running /= best.pools.decode.replicas

    def server(of: Layout, role: str = "") -> Server:
        return Server(
            engine, model.id, of.tp, of.pp, of.ep, of.dp,
            kv_cache=words.own_cache(estimate),
            quantization="fp8" if online else "",
            draft_tokens=asked.draft_tokens if asked.speculative else 0,
            cuda_graphs=scenario.cuda_graphs,
            max_model_len=asked.prompt_tokens + asked.output_tokens,
            memory_utilization=answer.memory_utilization,
            max_batched_tokens=answer.max_batched_tokens,
            max_sequences=_sequences(running),
            role=role,
        )  # fmt: skip

    def lines(found: Iterable[Sequence[str]]) -> list[str]:
        return [line for each in found if each for line in folded(each, width)]

    hit = scenario.prefix_cache_hit or resolve_lengths(scenario).prefix_hit
    prefix = int(asked.prompt_tokens * hit)
    share = Bench(
        asked.prompt_tokens, asked.output_tokens, scenario.max_concurrency, scenario.request_rate,
        prefix_tokens=prefix,
    )  # fmt: skip
    stored = best.what_if and not online
    which = f", with a checkpoint in {clean(best.weights)}" if stored else ""
    if best.pools:
        found = [
            (
                f"Launch {_each(side.replicas)} for {role}{which}",
                lines(launch(server(side.layout, role))),
            )
            for role, side in (("prefill", best.pools.prefill), ("decode", best.pools.decode))
        ]
        rate = answer.request_rate
        whole = Bench(asked.prompt_tokens, asked.output_tokens, None, rate, prefix)
        found.append(("Measure it, through a router", lines([bench(engine, model.id, whole)])))
    else:
        one = "one replica under its share of the load" if best.replicas > 1 else "it"
        found = [
            (f"Launch {_each(best.replicas)}{which}", lines(launch(server(layout)))),
            (f"Measure {one}", lines([bench(engine, model.id, share)])),
        ]
    return [(title, text) for title, text in found if text]


def _each(replicas: int) -> str:
    return f"each of {replicas} replicas" if replicas > 1 else "the replica"


def _sequences(running: float) -> int:
    """Room for the running batch and some that start: 256, as engines have it, or doubled."""
    most = 256
    while most < 1.25 * running:
        most *= 2
    return most


def render(answer: Plan, *, width: int = 80, color: bool = False, plot: str = "") -> str:
    """The whole screen; `plot` is the front as drawn text."""
    page = Page(width, color)
    page.prose(headline(answer), "bold" if answer.winner else "bold yellow")
    page.prose(second_line(answer))
    (columns, left_out), shown = _fitted(answer, page.width), shown_of(answer)
    if shown:
        page.blank()
        page.table(
            [Column(c.heading, left=c.left, fold=_long(c, shown)) for c in columns],
            ([c.cell(each) for c in columns] for each in shown),
        )
    if plot:
        page.blank()
        page.lines(plot)
    page.section("Why the others lose", _lost(answer))
    found = _facts(answer)
    if found:
        page.blank()
        pools = answer.winner and answer.winner.pools
        page.line("The pools" if pools else "One replica", "bold")
        page.facts(found)
    page.section("Warnings", map(clean, _warnings(answer)), "yellow")
    page.section("Notes", map(clean, _notes(answer, left_out)))
    page.section("Assumptions", map(clean, _assumptions(answer)))
    for title, text in commands(answer, page.width):
        page.blank()
        page.line(f"{title}:", "bold")
        for line in text:
            page.line(line)
    return page.text()


def markdown(answer: Plan) -> str:
    """The same as Markdown."""
    columns = _columns(answer)
    parts = [f"**{escape(headline(answer))}**", escape(second_line(answer))]
    if shown := shown_of(answer):
        head = [c.heading.replace("\n", " ") for c in columns]
        left = [number for number, c in enumerate(columns) if c.left]
        parts.append(table(head, ([c.cell(each) for c in columns] for each in shown), left=left))
    parts += [
        facts(_facts(answer)),
        bullets("Why the others lose", _lost(answer)),
        bullets("Warnings", _warnings(answer)),
        bullets("Notes", _notes(answer)),
        bullets("Assumptions", _assumptions(answer)),
        *(shell(f"{escape(title)}:", text) for title, text in commands(answer)),
    ]
    return document(parts)


def csv(answer: Plan) -> str:
    """One row a member of the front, floats unrounded."""
    return "".join(csv_rows.lines(answer.rows()))


def chart(answer: Plan) -> Chart:
    """The front: what a user sees against what a GPU gives, a line for each GPU and weights."""
    front = answer.front or ((answer.nearest,) if answer.nearest else ())
    several = len({each.weights for each in front}) > 1
    by_gpu: dict[str, list[Candidate]] = {}
    for each in front:
        name = words.short_gpu(each.gpu_name)
        by_gpu.setdefault(f"{name}, {clean(each.weights)}" if several else name, []).append(each)
    series = [
        Series(name, tuple((c.per_user, c.per_gpu) for c in found), joined=len(found) > 1)
        for name, found in by_gpu.items()
    ]
    marks = []
    if answer.targets.tpot_s is not None:
        label = f"TPOT {seconds(answer.targets.tpot_s)}"
        marks.append(Mark("x", 1 / answer.targets.tpot_s, label))
    if answer.winner is not None:
        marks.append(
            Mark(
                "y",
                answer.winner.per_gpu,
                f"winner: {answer.winner.gpus} x {words.short_gpu(answer.winner.gpu_name)}",
            )
        )
    return Chart(
        title=f"Deployments of {words.short_model(str(answer.fixed.get('model', '')))} that meet "
        "the targets",
        x=Axis("decode for one user", "tok/s"),
        y=Axis("output of one GPU", "tok/s"),
        series=tuple(series),
        marks=tuple(marks),
    )
