"""What is said of graded results: the verdict, one table, where the time went, why.

The sentences of annotations and JUnit are here too, so that all say the same. Not here: how the
figures come about (checks/), and how it looks (the writers).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from vperf.checks.baseline import Change, Drift
from vperf.checks.check import Check, summary
from vperf.checks.grade import TIMES, VERDICTS, Metric, Verdict
from vperf.checks.case import Suspect
from vperf.checks.thresholds import Threshold
from vperf.checks.waterfall import Part, Waterfall
from vperf.errors import InputError, VperfError
from vperf.report import check_sweep
from vperf.report.chart import Axis, Chart, Mark, Series, letter
from vperf.report.document import (
    FAILS,
    HOLDS,
    Bar,
    Block,
    Bullets,
    Cell,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Span,
    Table,
    Text,
    Tone,
    plain,
)
from vperf.report.estimate import basis, second_line, workload
from vperf.report.format import clean, per_second, percent, plural, seconds, span
from vperf.report.forms import Report
from vperf.report.notes import note_blocks

TITLES = {
    "tpot_s": "TPOT",
    "ttft_s": "TTFT",
    "latency_s": "Latency",
    "decode_tokens_per_s": "Decode tok/s",
    "output_tokens_per_s": "Output tok/s",
    "prefill_tokens_per_s": "Prefill tok/s",
    "requests_per_s": "Requests/s",
}
_UNITS = {
    "decode_tokens_per_s": "tok/s",
    "output_tokens_per_s": "output tok/s",
    "prefill_tokens_per_s": "prefill tok/s",
    "requests_per_s": "requests/s",
}
PARTS = {
    "weights": "weights at the limit",
    "kv_cache": "KV cache at the limit",
    "compute": "FLOPs at the limit",
    "link": "GPU links at the limit",
    "matmul": "matmul kernels",
    "attention": "attention kernels",
    "moe": "MoE kernels",
    "recurrent": "recurrent kernels",
    "elementwise": "element-wise kernels",
    "host": "launches and host time",
    "collectives": "collectives",
    "transfers": "between places",
    "queueing": "queueing, prefills of others",
    "unexplained": "unexplained",
}


class _Group(NamedTuple):
    """Parts of a waterfall that the short form adds up."""

    title: str
    parts: tuple[str, ...]
    tone: Tone


_GROUPS = (
    _Group("limit: {}", ("weights", "kv_cache", "compute", "link"), "memory"),
    _Group("kernels above it", ("matmul", "attention", "moe", "recurrent", "elementwise"), "link"),
    _Group("launches and host time", ("host",), ""),
    _Group("collectives", ("collectives", "transfers"), "link"),
    _Group("queueing, prefills of others", ("queueing",), ""),
    _Group("unexplained", ("unexplained",), "bad"),
)
_OF_LIMIT = {"weights": "weights", "kv_cache": "KV cache", "compute": "FLOPs", "link": "GPU links"}
_SHORT_METRICS = ("tpot_s", "ttft_s")
"""Rows of the short form, beside the main figure."""
_TONES: dict[Verdict, Tone] = {
    "impossible": "bad", "better": "good", "good": "good", "slow": "warn",
}  # fmt: skip
_THRESHOLDS = {
    "min_efficiency": ("--min-efficiency", "of the expected speed"),
    "min_of_limit": ("--min-of-limit", "of the limit"),
    "min_mbu": ("--min-mbu", "MBU"),
    "max_ttft_s": ("--max-ttft", "TTFT"),
    "max_tpot_s": ("--max-tpot", "TPOT"),
    "max_drift": ("--max-drift", "slower than the baseline"),
}
_NEXT = (
    "clocks and power of the card under load (vperf measure --quick -o me.toml, then check with "
    "-g me.toml: is it the card?); the engine's version, and what it logs of graphs, kernels and "
    "quantization; the real lengths of prompts and answers, and the prefix cache; PCIe width and "
    "NUMA placement"
)
"""What to look at where no predicted fault fits."""
_NO_FAULT = "No predicted fault is within 15% of what was measured"
_UNKNOWN = "no predicted fault is within 15%; is it the card? vperf measure --quick"

Named = Sequence[tuple[str, Check]]
Errors = Sequence[tuple[str, VperfError]]


def report(checks: Named, errors: Errors = (), *, alone: bool = False, hint: str = "") -> Report:
    """Results in every form; one `alone` in full. `hint`: how to see one of several."""
    found = [check for _, check in checks]
    return Report(
        lambda: document(found[0]) if alone else documents(checks, errors, hint=hint),
        lambda: found[0].to_dict() if alone else summary(found, errors),
        lambda: (row for check in found for row in _csv(check)),
        lambda: chart(found[0]) if alone else check_sweep.chart(found, TITLES),
    )


def document(check: Check) -> Iterator[Block]:
    """The screen of one result."""
    yield Headline(headline(check))
    yield Prose(second_line(check.estimate), "aside", tight=True)
    for held, mark, tone in ((False, FAILS, "bad"), (True, HOLDS, "good")):
        bars = tuple(threshold(bar) for bar in check.bars if bar.passed is held)
        yield Bullets(bars, mark=f"  {mark}", tone=tone, tight=True)  # type: ignore[arg-type]
    if text := others(check):
        yield Prose(text, tight=True)
    yield Table(METRIC_COLUMNS, tuple(metric_row(check, metric) for metric in check.metrics))
    if check.percentiles:
        yield _percentiles(check.percentiles)
    if check.utilization:
        yield Facts((("MBU, MFU", utilization_line(check)),), when="full", tight=True)
    if check.drift:
        yield _drift_table(check.drift)
    yield from _why(check)
    yield from note_blocks(
        (*check.notes, *check.warnings, *check.estimate.assumptions),
        basis=basis(check.estimate) if check.estimate.gpu.constants == "measured" else "",
        more=_rest(check),
    )


def _rest(check: Check) -> str:
    """What -v has beside assumptions."""
    tries = sum(each.kind == "try" for each in check.suspects)
    more = [plural(tries, "faster setting")] if tries else []
    more += ["TTFT"] if len(check.waterfalls) > 1 else []
    return ", ".join(more)


def _why(check: Check) -> Iterator[Block]:
    """Why it is above the limit; else where the time went, and what may be behind it."""
    reasons = tuple(clean(each.sentence) for each in check.reasons)
    yield Bullets(reasons, "Likely reasons, the likeliest first")
    if check.verdict == "impossible":
        return
    yield from _waterfalls(check.waterfalls)
    suspects = [each for each in check.suspects if each.kind == "suspect"]
    tries = [each for each in check.suspects if each.kind == "try"]
    arrow = "\N{RIGHTWARDS ARROW}"
    unknown = check.verdict == "slow" and not any(each.evidence for each in suspects)
    likely = (*map(_likely, suspects[:1]), *((_UNKNOWN,) if unknown else ()))
    yield Bullets(likely, mark=arrow, tone="command", when="short", tight=True)
    faults = tuple(f"{suspect_line(each)}{_with(each)}" for each in suspects)
    yield Bullets(faults, "Suspects", when="full")
    if unknown:
        yield Prose(f"{_NO_FAULT}: look at {_NEXT}", when="full", tight=True)
    yield Bullets(
        tuple(f"{suspect_line(each)}{_with(each)}" for each in tries),
        "To go faster, as vperf predicts", when="full", tight=bool(suspects),
    )  # fmt: skip


def _with(suspect: Suspect) -> str:
    return f" ({clean(suspect.command)})" if suspect.command else ""


# Line 1 --------------------------------------------------------------------------------------


def headline(check: Check) -> Text:
    """Line 1, always in this order: gate, verdict, measured, of expected, of the limit."""
    metric = _shown(check)
    said = figure(metric.name, metric.measured)
    is_time = metric.name in TIMES
    what = f"{TITLES[metric.name]} {said}" if is_time else f"{said} {_UNITS[metric.name]}"
    gate: tuple[Span | str, ...] = ()
    if check.passed is not None:
        gate = (Span(" PASS ", "pass") if check.passed else Span(" FAIL ", "fail"), " ")
    verdict = Span(check.verdict.upper(), _TONES[check.verdict])
    limit = f"{percent(metric.of_limit)} of the limit"
    if check.verdict == "impossible":
        end = f" ({figure(metric.name, metric.limit)}){_see(check)}"
        return (*gate, verdict, f": {what} is ", Span(limit, "bad"), f"{end}.")
    expected = figure(metric.name, metric.expected)
    of_expected = f"{percent(metric.of_expected)} of expected"
    return (
        *gate,
        verdict,
        f": {what} is ",
        Span(of_expected, "strong"),
        f" ({expected}), {limit}.",
    )


def _see(check: Check) -> str:
    return "; see the likely reasons" if check.reasons else ""


def missed(check: Check) -> list[Threshold]:
    """The bars that fail; of an impossible result, that alone."""
    failed = [bar for bar in check.bars if not bar.passed]
    return failed[:1] if check.verdict == "impossible" else failed


def others(check: Check) -> str:
    """What is to be said of the figures that line 1 is not about."""
    said = {
        "slow": "slow, {} below its range",
        "better": "faster than its range",
        "impossible": "above its limit",
        "good": "",
    }
    texts = [
        f"{TITLES[each.name]} is {said[each.verdict].format(percent(each.short_of_range))}"
        for each in check.metrics
        if each.verdict not in ("good", check.verdict)
        and each.name != _shown(check).name
        and not _same(each, _shown(check))
    ]
    return f"{'; '.join(texts)}." if texts else ""


def _same(one: Metric, other: Metric) -> bool:
    """Whether a time and a rate are the same measurement, as TPOT and tokens/s of a batch."""
    return math.isclose(one.of_limit, other.of_limit, rel_tol=1e-6)


def _shown(check: Check) -> Metric:
    """The figure of line 1: the main one, or the one that is impossible."""
    if check.verdict != "impossible":
        return check.main
    return next(each for each in check.metrics if each.verdict == "impossible")


def figure(metric: str, value: float) -> str:
    """A figure of a metric: "10.3 ms", "97.2"."""
    return seconds(value) if metric not in _UNITS else per_second(value)


# Tables --------------------------------------------------------------------------------------

METRIC_COLUMNS = (
    Column(""),
    Column("measured", "time", strong=True),
    Column("expected", "time"),
    Column("range", "time", 1),
    Column("limit", "time", 2),
    Column("of exp.", "share"),
    Column("verdict", "verdict"),
    Column("of limit", "share", 5),
    Column("of expected", "bar", 5),
)


def metric_row(check: Check, metric: Metric) -> Row:
    """One figure beside limit and expected."""
    low, high = (figure(metric.name, v) for v in (metric.expected_low, metric.expected_high))
    detail = metric.name not in _SHORT_METRICS and metric.name != _shown(check).name
    return Row(
        (
            titled(metric.name), figure(metric.name, metric.measured),
            figure(metric.name, metric.expected), span(low, high),
            figure(metric.name, metric.limit), percent(metric.of_expected), metric.verdict,
            percent(metric.of_limit),
            Bar(((min(1.0, metric.of_expected), _TONES[metric.verdict]),)),
        ),
        detail=detail and metric.verdict in ("good", check.verdict),
    )  # fmt: skip


def _percentiles(metrics: Sequence[Metric]) -> Table:
    """A row a metric, percentiles side by side: measured, and its share of the expected speed."""
    by_place: dict[tuple[str, str], Metric] = {}
    for metric in metrics:
        rank, _, _ = metric.name.partition("_")
        by_place[rank, titled(metric.name).removeprefix(f"{rank} ")] = metric
    ranks = list(dict.fromkeys(rank for rank, _ in by_place))
    names = dict.fromkeys(name for _, name in by_place)

    def cell(metric: Metric | None) -> Cell:
        if metric is None:
            return "-"
        text = f"{figure(metric.name, metric.measured)} {percent(metric.of_expected)}"
        poor = metric.verdict in ("slow", "impossible")
        return Span(f"{FAILS} {text}" if poor else text, _TONES[metric.verdict] if poor else "")

    columns = (
        Column(""), *(Column(rank, "time", len(ranks) - n) for n, rank in enumerate(ranks, 1)),
    )  # fmt: skip
    rows = tuple(Row((name, *(cell(by_place.get((r, name))) for r in ranks))) for name in names)
    title = f"Percentiles, and how fast beside a simulated run ({FAILS} slow or impossible)"
    return Table(columns, rows, title, when="full")


def utilization_line(check: Check) -> str:
    """What each phase made of the card."""
    return "; ".join(
        f"{use.phase} {percent(use.mbu, 1)} of the bandwidth, {percent(use.mfu, 1)} of the FLOPs"
        for use in check.utilization
    )


_DRIFT_COLUMNS = (
    Column("before", "time"),
    Column("now", "time", strong=True),
    Column("speed", "share"),
    Column("of expected before", "share", 2),
    Column("of expected now", "share", 1),
)


def _drift_table(drift: Drift) -> Table:
    rows = tuple(Row((TITLES[c.metric], *_drift_cells(c))) for c in drift.changes)
    title = f"Against the baseline ({clean(drift.source)})"
    return Table((Column(""), *_DRIFT_COLUMNS), rows, title)


def _drift_cells(change: Change) -> tuple[Cell, ...]:
    """One figure then and now."""
    speed = f"{100 * change.faster:+.1f}%"
    return (
        figure(change.metric, change.before),
        figure(change.metric, change.now),
        Span(speed, "warn") if change.faster + change.slack < 0 else speed,
        percent(change.of_expected_before),
        percent(change.of_expected),
    )


def _waterfalls(falls: Sequence[Waterfall]) -> Iterator[Block]:
    """Where the time went; of a figure that is faster than expected, by how much."""
    for fall in falls[:1]:
        if fall.measured_s >= fall.expected_s:
            groups = [(g, [p for p in fall.parts if p.name in g.parts]) for g in _GROUPS]
            steps = [(_titled(g, found), found, g.tone) for g, found in groups if found]
            yield Table(_step_columns(1), _beside({fall: steps}), _gone([fall]), when="short")
    slow = [fall for fall in falls if fall.measured_s >= fall.expected_s]
    if slow:
        tones = {name: group.tone for group in _GROUPS for name in group.parts}
        each = {
            fall: [(PARTS[part.name], [part], tones[part.name]) for part in fall.parts]
            for fall in slow
        }
        yield Table(_step_columns(len(slow)), _beside(each), _gone(slow), when="full")
    for number, fall in enumerate(falls):
        if fall not in slow:
            faster = seconds(fall.expected_s - fall.measured_s)
            text = f"{TITLES[fall.metric]} is faster than expected by {faster}."
            yield Prose(text, when="full" if number else "always", tight=bool(number))


def _step_columns(falls: int) -> tuple[Column, ...]:
    each = (Column("", "time"), Column("", "share"), Column("", "bar", 1))
    return (Column(""), *(column for _ in range(falls) for column in each))


def _gone(falls: Sequence[Waterfall]) -> str:
    """ "Where 12.1 ms of TPOT and 81.0 ms of TTFT go"."""
    times = (f"{seconds(fall.measured_s)} of {TITLES[fall.metric]}" for fall in falls)
    return f"Where {' and '.join(times)} go"


def chart(check: Check) -> Chart:
    """The waterfall: each part of the measured time above those before it, a letter each."""
    falls = check.waterfalls[:1]
    order = list(PARTS)
    points, key, marks = [(0.0, 0.0)], [], []
    for fall in falls:
        for number, part in enumerate(sorted(fall.parts, key=lambda p: order.index(p.name)), 1):
            points.append((float(number), points[-1][1] + part.seconds))
            sign = "-" if part.seconds < 0 else ""
            said = f"{PARTS[part.name]}, {sign}{seconds(abs(part.seconds))}"
            key.append(("time", letter(number - 1), said))
        for name, at in (("limit", fall.limit_s), ("expected", fall.expected_s),
                         ("measured", fall.measured_s)):  # fmt: skip
            marks.append(Mark("y", at, f"{name} {seconds(at)}"))
    title = TITLES[falls[0].metric] if falls else "the measured time"
    return Chart(
        title=f"Where {title} goes: {clean(check.estimate.model.id)} on {check.estimate.gpu.name}",
        setting=workload(check.estimate),
        x=Axis("parts, one on the other"),
        y=Axis(title, "s"),
        series=(
            Series("time", tuple(points), labels=("", *(mark for _, mark, _ in key))),
        ) if falls else (),
        marks=tuple(marks),
        key=tuple(key),
    )  # fmt: skip


def _titled(group: _Group, found: Sequence[Part]) -> str:
    return group.title.format(", ".join(_OF_LIMIT.get(part.name, "") for part in found))


_Steps = Sequence[tuple[str, Sequence[Part], Tone]]


def _beside(falls: Mapping[Waterfall, _Steps]) -> tuple[Row, ...]:
    """A row a part, the waterfalls side by side."""
    each = [_steps(fall, steps) for fall, steps in falls.items()]
    order = [*PARTS.values()]
    titles = dict.fromkeys(title for cells in each for title in cells)
    if titles.keys() <= set(order):
        titles = dict.fromkeys(title for title in order if title in titles)
    nothing: tuple[Cell, ...] = ("-", "-", "")
    return tuple(
        Row((title, *(cell for cells in each for cell in cells.get(title, nothing))))
        for title in titles
    )


def _steps(fall: Waterfall, steps: _Steps) -> dict[str, tuple[Cell, ...]]:
    """Time, share and bar of each part, whose bar starts where the one before it ends."""
    scale, before = seconds(fall.measured_s), 0.0
    found: dict[str, tuple[Cell, ...]] = {}
    order = [*PARTS.values()]
    if all(title in order for title, _, _ in steps):
        steps = sorted(steps, key=lambda step: order.index(step[0]))
    for title, parts, tone in steps:
        took = sum(part.seconds for part in parts)
        share = took / fall.measured_s
        bar = Bar(((max(0.0, share), tone),), start=min(before, before + share))
        found[title] = (_in_unit_of(took, scale), percent(share), bar)
        before += share
    return found


def _in_unit_of(value: float, other: str) -> str:
    """A time in the unit of another, with two more decimals than a whole."""
    unit = other.rpartition(" ")[2]
    scale = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}[unit]
    digits = max(0, 2 - max(0, math.floor(math.log10(abs(value) * scale))) if value else 2)
    return f"{value * scale:,.{digits}f} {unit}"


def largest(fall: Waterfall) -> str:
    """The largest part above the limit, in words."""
    part = fall.largest
    if part.seconds <= 0:
        return "Nothing above the limit is left to explain."
    text = f"{seconds(part.seconds)} of {TITLES[fall.metric]}, {percent(part.share)}"
    return f"Largest above the limit: {PARTS[part.name]}, {text}."


# Sentences -----------------------------------------------------------------------------------


def bar_option(bar: Threshold) -> str:
    """A bar as it is given: "--max-ttft 200 ms"."""
    if bar.name == "possible":
        return "not above the limit"
    option = _THRESHOLDS[bar.name][0]
    if bar.name == "max_drift":
        return f"{option} {100 * bar.asked:g}%"
    asked = seconds(bar.asked) if bar.name in ("max_ttft_s", "max_tpot_s") else f"{bar.asked:g}"
    rank, of, _ = bar.metric.rpartition(bar.name.removeprefix("max_"))
    return f"{option} {rank.rstrip('_')}:{asked}" if of and rank else f"{option} {asked}"


def threshold(bar: Threshold) -> str:
    """ "--max-ttft 200 ms: TTFT is 212 ms, 6.0% too much"."""
    if bar.name == "possible":
        return "every bar: the result is above the limit"
    what = _THRESHOLDS[bar.name][1]
    if bar.name == "max_drift":
        return _drift_line(bar)
    miss = ""
    if bar.name in ("max_ttft_s", "max_tpot_s"):
        got = f"{titled(bar.metric) or what} is {seconds(bar.got)}"
        miss = "" if bar.passed else f", {percent(bar.short, 1)} too much"
    else:
        got = f"{bar.got:.3f} {what}"
        miss = "" if bar.passed else f", {percent(bar.short, 1)} short"
    return f"{bar_option(bar)}: {got}{miss}"


def titled(metric: str) -> str:
    """What a figure is called: "TPOT", "p99 TTFT"."""
    if metric in TITLES:
        return TITLES[metric]
    rank, _, of = metric.partition("_")
    return f"{rank} {_ITL if of == 'itl_s' else TITLES[of]}" if of else ""


_ITL = "ITL"


def bar_line(bar: Threshold) -> str:
    """ "Fails --max-ttft 200 ms: TTFT is 212 ms, 6.0% too much."."""
    return f"{'Passes' if bar.passed else 'Fails'} {threshold(bar)}."


def _drift_line(bar: Threshold) -> str:
    title = TITLES[bar.metric]
    start = f"{bar_option(bar)}: {title} is"
    if abs(bar.got) < 0.0005:
        return f"{start} as in the baseline"
    how = "slower" if bar.got > 0 else "faster"
    text = f"{start} {percent(abs(bar.got), 1)} {how} than the baseline"
    if bar.slack:
        text += f" ({percent(bar.slack, 1)} allowed for the spread of repeats)"
    return text


def suspect_line(suspect: Suspect) -> str:
    """What it may be, what speaks for it, and what it would bring."""
    text = clean(suspect.sentence)
    if suspect.evidence:
        text += f" ({clean(suspect.evidence)})"
    if suspect.gain is None:
        return f"{text}; no prediction"
    if suspect.kind == "suspect":
        return f"{text}; fixing it: {suspect.gain:.2f}x"
    return f"{text}: {suspect.gain:.2f}x the expected speed"


def _likely(suspect: Suspect) -> str:
    """The likeliest fault on one line: without its reason, and its gain where it is predicted."""
    what = clean(suspect.sentence).partition(": ")[0]
    if not suspect.predicted_s:
        return f"perhaps {what}"
    gain = f"; fixing it: {suspect.gain:.2f}x" if suspect.gain else ""
    return f"likely: {what}, predicts {seconds(suspect.predicted_s)}{gain}"


def why(check: Check) -> list[str]:
    """Line 1, and the likeliest explanations: what one reads first of a result that fails."""
    lines = [line_1(check)]
    lines += [f"Likely: {clean(each.sentence)}" for each in check.reasons[:2]]
    faults = [each for each in check.suspects if each.kind == "suspect"]
    for each in faults[:2]:
        command = f": {clean(each.command)}" if each.command else ""
        lines.append(f"Suspect: {suspect_line(each)}{command}")
    if check.waterfalls and check.verdict != "impossible" and not faults:
        lines.append(largest(check.waterfalls[0]))
    return lines


def line_1(check: Check) -> str:
    """The headline as words."""
    return " ".join(plain(headline(check)).split())


def error_line(name: str, error: VperfError) -> str:
    """What could not be graded, why, and the next step."""
    line = "; ".join(clean(text, 500) for text in (error.message, error.hint) if text)
    source = error.source if isinstance(error, InputError) else ""
    return line if name in (source, Path(source).name) else f"{clean(name)}: {line}"


# Several results -----------------------------------------------------------------------------

_RESULT_COLUMNS = (
    Column("result"),
    Column("figure", rank=1),
    Column("measured", "time", strong=True),
    Column("expected", "time", 2),
    Column("limit", "time", 3),
    Column("of exp.", "share"),
    Column("of limit", "share", 5),
    Column("verdict", "verdict"),
    Column("of expected", "bar", 5),
)


def documents(checks: Named, errors: Errors = (), *, hint: str = "") -> Iterator[Block]:
    """Several results by name: how they ended, and a line each."""
    failed = [(name, bar) for name, each in checks for bar in missed(each)]
    tone: Tone = "bad" if failed or errors else "good"
    yield Headline((Span(summary_line(checks, len(errors)), tone),))
    yield Bullets(
        tuple(error_line(name, error) for name, error in errors), "Errors", mark=FAILS, tone="bad"
    )
    yield Table(_RESULT_COLUMNS, tuple(_result_row(name, check) for name, check in checks))
    yield from check_sweep.tables([check for _, check in checks], TITLES)
    rows = tuple(_drift_rows(checks))
    if rows:
        columns = (Column("result"), Column("figure"), *_DRIFT_COLUMNS)
        yield Table(columns, rows, "Against the baseline")
    said = tuple(f"{clean(name)}: {bar_line(bar)}" for name, bar in failed)
    yield Bullets(said, "Failed", mark=FAILS, tone="bad")
    poor = [(n, c) for n, c in checks if missed(c) or c.verdict in ("slow", "impossible")]
    if len(checks) > 1:
        for name, check in poor:
            yield Bullets(tuple(why(check)), clean(name), when="full")
    warned = dict.fromkeys(clean(text) for _, each in checks for text in each.warnings)
    yield Bullets(tuple(warned), "Warnings", mark="!", tone="warn")
    if hint:
        yield Prose(hint, "aside", "short")


def _result_row(name: str, check: Check) -> Row:
    """The main figure of one of several results, and its verdict."""
    metric = check.main
    return Row(
        (
            clean(name), TITLES[metric.name], figure(metric.name, metric.measured),
            figure(metric.name, metric.expected), figure(metric.name, metric.limit),
            percent(metric.of_expected), percent(metric.of_limit), check.verdict,
            Bar(((min(1.0, metric.of_expected), _TONES[check.verdict]),)),
        )
    )  # fmt: skip


def _drift_rows(checks: Named) -> Iterator[Row]:
    """The main figure of each that has a baseline, and the one that slowed most."""
    for name, check in checks:
        if check.drift:
            for change in check.drift.changes:
                if change.metric == check.main.name or change is check.drift.worst:
                    yield Row((clean(name), TITLES[change.metric], *_drift_cells(change)))


def summary_line(checks: Named, errors: int = 0) -> str:
    """How several results ended: "2 results: 1 good, 1 slow; all 2 passed the bars."."""
    lost = f"; {plural(errors, 'error')}" if errors else ""
    judged = sum(each.passed is not None for _, each in checks)
    failing = sum(each.passed is False for _, each in checks)
    counts = Counter(each.verdict for _, each in checks)
    verdicts = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    if failing:
        return f"{failing} of {plural(judged, 'result')} failed the bars: {verdicts}{lost}."
    if judged == len(checks):
        end = f"; {f'all {judged} ' if judged > 1 else ''}passed the bars"
    else:
        end = f"; {judged} held against bars, none failed" if judged else ""
    return f"{plural(len(checks), 'result')}: {verdicts}{end}{lost}."


def _csv(check: Check) -> Iterator[Mapping[str, Any]]:
    """A row a figure; `before` and `faster` are empty without a baseline."""
    gpu = check.estimate.gpu
    changes = {each.metric: each for each in check.drift.changes} if check.drift else {}
    for metric in check.metrics:
        change = changes.get(metric.name)
        figures = asdict(metric)
        yield {
            "source": check.source, "label": check.result.label, "model": check.estimate.model.id,
            "gpu": gpu.id, "gpus": gpu.count, "metric": figures.pop("name"), **figures,
            "before": change.before if change else None,
            "faster": change.faster if change else None,
        }  # fmt: skip
