"""What is said of a plan: the winner, the best of each GPU, the front, commands; and its chart.

Not here: which deployment is best (explore/plan.py) and how engines are started (commands.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vperf.explore.candidates import WAYS, Candidate, Layout, Reason
from vperf.explore.plan import By, GpuBest, Plan
from vperf.report.chart import Axis, Chart, Mark, Series, letter
from vperf.report.commands import (
    SIXTEEN_BIT,
    Bench,
    Server,
    bench,
    drafts_of,
    launch,
    on_nodes,
    quantizes,
)
from vperf.report.document import (
    FAILS,
    Block,
    Bullets,
    Cell,
    Column,
    Facts,
    Headline,
    Plot,
    Prose,
    Row,
    Shell,
    Span,
    Table,
    Text,
)
from vperf.report.estimate.facts import facts as estimate_facts
from vperf.report.format import clean, dollars, per_second, percent, plural, seconds, size, span
from vperf.report.forms import Report
from vperf.report.names import nameable, own_cache, short_model
from vperf.report.notes import note_blocks
from vperf.resolve.load import resolve_lengths
from vperf.units import format_bandwidth, format_requests

_ROWS = 8
"""Of the front, on a screen."""
_THIN = 0.05
"""A margin to the targets that stands out."""

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


_LABELS: dict[Reason, str] = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end-to-end time"}
_SHORT: dict[Reason, str] = {
    "ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end", "saturated": "load", "memory": "memory",
    "layout": "layout",
}  # fmt: skip


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
    yield _best_table(answer)
    if answer.front:
        yield _front_table(answer)
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
        f"{_LABELS[reason]} binds, the nearest has {seconds(time)} (target {seconds(target)}): "
        f"{name}"
    )


def _time(of: Plan | Candidate, reason: Reason) -> float:
    value = getattr(of.targets if isinstance(of, Plan) else of.times, f"{reason}_s")
    return float(value)


def _named(answer: Plan, each: Candidate) -> str:
    """ "4 x H100 SXM (2 replicas of tp 2, fp8 weights)"."""
    parts = [_layout(each), f"{clean(each.weights)} weights"]
    if each.at_a_time:
        parts.append(f"{each.at_a_time} at a time")
    if "engine" in answer.axes:
        parts.append(clean(each.row.chosen["engine"]))
    inside = ", ".join(part for part in parts if part)
    return f"{each.gpus} x {clean(each.row.gpu)} ({inside})"


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


def _users(each: Candidate) -> int:
    return (each.scenario.max_concurrency or 1) * each.replicas


def second_line(answer: Plan) -> str:
    """What all candidates share, and how they are held against the targets."""
    estimate, targets = answer.estimate, answer.targets
    load = []
    if answer.request_rate is not None:
        load = [format_requests(answer.request_rate)]
    elif answer.max_concurrency is not None:
        load = [plural(answer.max_concurrency, "user")]
    if estimate is not None:
        given = estimate.workload
        load += [f"{plural(given.prompt_tokens, 'token')} in", f"{given.output_tokens:,} out"]
    wanted = ", ".join(
        f"{label} {seconds(value)}"
        for label, value in (
            (targets.label("ttft", "TTFT"), targets.ttft_s),
            (targets.label("tpot", "TPOT"), targets.tpot_s),
            (targets.label("e2e", "end to end"), targets.e2e_s),
        )
        if value is not None
    )  # fmt: skip
    means = "percentiles simulated" if targets.percents else "means, not p99"
    end = "slow end of the range" if answer.conservative else means
    parts = (
        short_model(str(answer.fixed.get("model", ""))), ", ".join(load),
        f"at most {wanted} ({end}), {plural(answer.max_gpus, 'GPU')}",
    )  # fmt: skip
    return " \N{MIDDLE DOT} ".join(part for part in parts if part)


# The tables ----------------------------------------------------------------------------------


def _best_table(answer: Plan) -> Table:
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
        why = f"{FAILS} {_SHORT[best.lost]}" if best.lost else "-"
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
        margin = Span(f"{FAILS} {_SHORT[missed[0]]}", "bad")
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
    return f"{_short(each)}, {clean(each.weights)}{capped}"


def _front_table(answer: Plan) -> Table:
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


def _lost(answer: Plan) -> tuple[str, ...]:
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


def commands(answer: Plan) -> list[Shell]:
    """The commands that launch the winner and measure it."""
    best, estimate = answer.winner, answer.estimate
    if best is None or estimate is None or not nameable(estimate):
        return []
    scenario, model = best.scenario, estimate.model
    given = estimate.workload
    engine, layout = given.engine, best.layout
    online = scenario.quantization == "fp8" and answer.stored in SIXTEEN_BIT and quantizes(engine)
    figures = best.row.figures
    running = figures.serving.running_batch if figures and figures.serving else 1.0
    if best.pools:
        running /= best.pools.decode.replicas

    kept = estimate.kept
    in_memory = kept is not None and kept.place == "host"

    def server(of: Layout, role: str = "") -> Server:
        return Server(
            engine, model.id, of.tp, of.pp, of.ep, of.dp, of.pcp, of.dcp,
            kv_cache=own_cache(estimate),
            quantization="fp8" if online else "",
            drafts=drafts_of(estimate.speculative),
            lora_rank=given.lora_rank,
            max_loras=given.max_loras,
            cuda_graphs=scenario.cuda_graphs,
            max_model_len=scenario.max_model_len or given.prompt_tokens + given.output_tokens,
            memory_utilization=answer.memory_utilization,
            max_batched_tokens=answer.max_batched_tokens,
            max_sequences=scenario.max_num_seqs or _sequences(running),
            role=role,
            kv_offload=in_memory,
            kv_offload_bytes=kept.size_bytes if kept and in_memory else None,
            node_gpus=estimate.gpu.per_node,
        )  # fmt: skip

    def words(found: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(each) for each in found if each)

    hit = scenario.prefix_cache_hit or resolve_lengths(scenario).prefix_hit
    prefix = int(given.prompt_tokens * hit)
    share = Bench(
        given.prompt_tokens, given.output_tokens, scenario.max_concurrency, scenario.request_rate,
        prefix_tokens=prefix,
    )  # fmt: skip
    stored = best.what_if and not online
    which = f", with a checkpoint in {clean(best.weights)}" if stored else ""
    if best.pools:
        found = [
            (
                f"Launch {_each(side.replicas)} for {role}{which}",
                words(launch(server(side.layout, role))),
            )
            for role, side in (("prefill", best.pools.prefill), ("decode", best.pools.decode))
        ]
        rate = answer.request_rate
        whole = Bench(given.prompt_tokens, given.output_tokens, None, rate, prefix)
        found.append(("Measure it, through a router", words([bench(engine, model.id, whole)])))
    else:
        started, nodes = launch(server(layout)), server(layout).nodes
        one = "one replica under its share of the load" if best.replicas > 1 else "it"
        found = [
            (f"Launch {_each(best.replicas)}{which}{on_nodes(started, nodes)}", words(started)),
            (f"Measure {one}", words([bench(engine, model.id, share)])),
        ]
    return [
        Shell(f"{title}:", text, when="always", tight=number > 0)
        for number, (title, text) in enumerate(found)
        if text
    ]


def _each(replicas: int) -> str:
    return f"each of {replicas} replicas" if replicas > 1 else "the replica"


def _sequences(running: float) -> int:
    """Room for the running batch and some that start: 256, as engines have it, or doubled."""
    most = 256
    while most < 1.25 * running:
        most *= 2
    return most


_WINNER = "W"
"""Its label in a plot."""


def chart(answer: Plan) -> Chart:
    """The front: what a user sees against what a GPU gives, a line for each GPU and weights."""
    front = answer.front or ((answer.nearest,) if answer.nearest else ())
    several = len({each.weights for each in front}) > 1
    by_gpu: dict[str, list[Candidate]] = {}
    for each in front:
        name = clean(each.row.gpu)
        by_gpu.setdefault(f"{name}, {clean(each.weights)}" if several else name, []).append(each)
    drawn = [each for found in by_gpu.values() for each in found]
    letters = {
        id(each): _WINNER if each is answer.winner else letter(number)
        for number, each in enumerate(drawn)
    }
    series = [
        Series(
            name, tuple((c.per_user, c.per_gpu) for c in found), joined=len(found) > 1,
            labels=tuple(letters[id(each)] for each in found),
        )
        for name, found in by_gpu.items()
    ]  # fmt: skip
    key = [
        (name, letters[id(each)], f"{plural(each.gpus, 'GPU')}: {_short(each)}")
        for name, found in by_gpu.items()
        for each in found
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
                f"winner: {answer.winner.gpus} x {clean(answer.winner.row.gpu)}",
            )
        )
    return Chart(
        title=f"Deployments of {short_model(str(answer.fixed.get('model', '')))} that meet "
        "the targets",
        x=Axis("decode for one user", "tok/s"),
        y=Axis("output of one GPU", "tok/s"),
        series=tuple(series),
        marks=tuple(marks),
        key=tuple(key),
        setting=second_line(answer),
    )
