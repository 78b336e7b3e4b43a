"""A graded result for a person at a terminal: the verdict, one table, where the time went, why.

Not here: how the figures come about (evidence/).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from vperf.evidence.check import Check
from vperf.evidence.gate import Bar
from vperf.evidence.grade import TIMES, VERDICTS, Metric, Verdict
from vperf.evidence.suspects import Suspect
from vperf.evidence.waterfall import Waterfall
from vperf.report.commands import folded
from vperf.report.page import Column, Page
from vperf.report.text import clean, per_second, percent, plural, seconds, span
from vperf.report.words import subject, workload

_TITLES = {
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
_PARTS = {
    "weights": "weights at the speed of light",
    "kv_cache": "KV cache at the speed of light",
    "compute": "FLOPs at the speed of light",
    "link": "GPU links at the speed of light",
    "matmul": "matmul kernels",
    "attention": "attention kernels",
    "moe": "MoE kernels",
    "recurrent": "recurrent kernels",
    "elementwise": "element-wise kernels",
    "host": "launches and host time",
    "collectives": "collectives",
    "queueing": "queueing, prefills of others",
    "unexplained": "unexplained",
}
_BARS = {
    "min_efficiency": ("--min-efficiency", "of the expected speed"),
    "min_of_limit": ("--min-of-limit", "of the limit"),
    "min_mbu": ("--min-mbu", "MBU"),
    "max_ttft_s": ("--max-ttft", "TTFT"),
    "max_tpot_s": ("--max-tpot", "TPOT"),
}
STYLES: dict[Verdict, str] = {
    "impossible": "bold red", "better": "bold", "good": "bold", "slow": "bold yellow",
}  # fmt: skip


def render(check: Check, *, width: int = 80, color: bool = False) -> str:
    """The whole screen as one string; ANSI only where `color` is true."""
    page = Page(width, color)
    for bar in _missed(check):
        page.prose(bar_line(bar), "bold red")
    page.prose(headline(check, page.width), STYLES[check.verdict])
    page.prose(_others(check))
    page.prose(f"{subject(check.estimate)}; {workload(check.estimate)}.")
    page.blank()
    page.table(
        [
            Column("", left=True), Column("\nmeasured"), Column("\nlimit"), Column("\nexpected"),
            Column("\nrange"), Column("of\nlimit"), Column("of\nexpected"),
        ],
        [_row(metric) for metric in check.metrics],
    )  # fmt: skip
    passed = " ".join(bar_line(bar) for bar in check.bars if bar.passed)
    if check.utilization or passed:
        page.blank()
        page.facts([("MBU, MFU", _utilization(check)), ("Gate", passed)])
    _waterfalls(page, check)
    _suspects(page, check)
    page.section(
        "Likely reasons, the likeliest first", (clean(each.sentence) for each in check.reasons)
    )
    page.section("Warnings", map(clean, check.warnings), "yellow")
    page.section("Taken for granted", map(clean, (*check.notes, *check.estimate.assumptions)))
    return page.text()


def headline(check: Check, width: int = 80) -> str:
    """Line 1: the longest wording of the verdict that fits into `width`."""
    metric = _shown(check)
    measured, limit = figure(metric, metric.measured), figure(metric, metric.limit)
    is_time = metric.name in TIMES
    start = f"{_TITLES[metric.name]} {measured}" if is_time else f"{measured} {_UNITS[metric.name]}"
    beside = f"{_share(metric.of_limit)} of the limit ({limit})"
    whole = f"{start} is {beside} and {_share(metric.of_expected)} of expected"
    short = f"{start} is {_share(metric.of_limit)} of the limit, {_share(metric.of_expected)} of"
    engine, below = clean(check.engine_name), f"{_share(metric.short_of_range)} below the range"
    ends = {
        "impossible": ("impossible",),
        "better": (f"better than the range of {engine}", "better than expected", "better"),
        "good": (f"good for {engine} on this card", f"good for {engine}", "good"),
        "slow": (f"slow for {engine}, {below}", f"slow, {below}", f"slow for {engine}", "slow"),
    }[check.verdict]
    wordings = [f"{whole}: {end}." for end in ends] + [f"{short} expected: {ends[-1]}."]
    if check.verdict == "impossible":
        wordings = [f"{start} is {beside}: impossible; see the reasons below."] * bool(
            check.reasons
        ) + [f"{start} is {beside}: impossible."]
    return next((wording for wording in wordings if len(wording) <= width), wordings[-1])


def _missed(check: Check) -> list[Bar]:
    """The bars that fail; of an impossible result, that alone."""
    failed = [bar for bar in check.bars if not bar.passed]
    return failed[:1] if check.verdict == "impossible" else failed


def _others(check: Check) -> str:
    """What is to be said of the figures that line 1 is not about."""
    said = {
        "slow": "slow, {} below its range",
        "better": "faster than its range",
        "impossible": "above its limit",
        "good": "",
    }
    texts = [
        f"{_TITLES[each.name]} is {said[each.verdict].format(_share(each.short_of_range))}"
        for each in check.metrics
        if each.verdict != "good"
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


def figure(metric: Metric, value: float) -> str:
    """A figure of a metric: "10.3 ms", "97.2"."""
    return seconds(value) if metric.name in TIMES else per_second(value)


def _share(value: float) -> str:
    """ "78 %"; far above 1, "74 x" and "1e+05 x"."""
    if value < 10:
        return f"{100 * value:.0f} %"
    return f"{value:,.0f} x" if value < 1e4 else f"{value:.0e} x"


def _row(metric: Metric) -> tuple[str, ...]:
    low, high = (figure(metric, v) for v in (metric.expected_low, metric.expected_high))
    return (
        _TITLES[metric.name],
        *(figure(metric, v) for v in (metric.measured, metric.limit, metric.expected)),
        span(low, high),
        _share(metric.of_limit),
        _share(metric.of_expected),
    )


def _utilization(check: Check) -> str:
    return "; ".join(
        f"{use.phase} {percent(use.mbu)} of the bandwidth, {percent(use.mfu)} of the FLOPs"
        for use in check.utilization
    )


def bar_line(bar: Bar) -> str:
    """ "Fails --max-ttft 200 ms: TTFT is 212 ms, 6.0 % too much."."""
    if bar.name == "possible":
        return "Fails every bar: the result is above the limit."
    option, what = _BARS[bar.name]
    if bar.name.startswith("max"):
        asked, got = seconds(bar.asked), f"{what} is {seconds(bar.got)}"
        miss = f", {percent(bar.short)} too much"
    else:
        asked, got = f"{bar.asked:g}", f"{bar.got:.3f} {what}"
        miss = f", {percent(bar.short)} short"
    verb, end = ("Passes", "") if bar.passed else ("Fails", miss)
    return f"{verb} {option} {asked}: {got}{end}."


def _waterfalls(page: Page, check: Check) -> None:
    falls = check.waterfalls
    if not falls or check.verdict == "impossible":
        return
    columns = [Column("", left=True)]
    rows: dict[str, list[str]] = {}
    names = sorted({part.name for fall in falls for part in fall.parts}, key=list(_PARTS).index)
    for fall in falls:
        unit, scale, digits = _scale(fall.measured_s)
        columns += [Column(f"{_TITLES[fall.metric]} {unit}"), Column("share")]
        for name in names:
            value = fall.part(name)
            cells = rows.setdefault(name, [_PARTS[name]])
            if any(part.name == name for part in fall.parts):
                cells += [f"{scale * value:,.{digits}f}", percent(value / fall.measured_s)]
            else:
                cells += ["", ""]
        rows.setdefault("total", ["measured"]).extend(
            [f"{scale * fall.measured_s:,.{digits}f}", percent(1.0)]
        )
    page.blank()
    page.line("From the limit to what was measured", "bold")
    total = rows.pop("total")
    page.table(columns, [*rows.values(), total], total=True)
    page.blank()
    page.prose(_largest(falls[0]))


def _scale(value: float) -> tuple[str, float, int]:
    """Unit, factor and decimals in which a time has four significant digits."""
    unit, scale = ("s", 1.0) if value >= 10 else ("ms", 1e3) if value >= 1e-3 else ("us", 1e6)
    return unit, scale, max(0, 3 - math.floor(math.log10(value * scale)))


def _largest(fall: Waterfall) -> str:
    part = fall.largest
    if part.seconds <= 0:
        return "Nothing above the limit is left to explain."
    text = f"{seconds(part.seconds)} of {_TITLES[fall.metric]}, {percent(part.share)}"
    return f"Largest above the limit: {_PARTS[part.name]}, {text}."


def _suspects(page: Page, check: Check) -> None:
    faults = [each for each in check.suspects if each.kind == "suspect"]
    if check.verdict == "slow" and not any(each.evidence for each in faults):
        page.prose("No fault that vperf predicts comes within 15 % of what was measured.")
    tries = [each for each in check.suspects if each.kind == "try"]
    for title, found in (("Suspects", faults), ("To go faster, as vperf predicts", tries)):
        if not found:
            continue
        page.blank()
        page.line(title, "bold")
        for each in found:
            page.prose(f"- {suspect_line(each)}", indent="  ")
            if each.command:
                for line in folded(clean(each.command).split(" ", 1), page.width - 4):
                    page.line(f"    {line}")


def suspect_line(suspect: Suspect) -> str:
    """What it may be, what speaks for it, and what it would bring."""
    text = clean(suspect.sentence)
    if suspect.evidence:
        text += f" ({clean(suspect.evidence)})"
    if suspect.gain is None:
        return f"{text}; no prediction"
    of = "mended, {} x as fast" if suspect.kind == "suspect" else "{} x the expected speed"
    return f"{text}: {of.format(f'{suspect.gain:.2f}')}"


def render_all(
    checks: Sequence[tuple[str, Check]], *, hint: str = "", width: int = 80, color: bool = False
) -> str:
    """Several results by name: how they ended, and a line each; last how to see more."""
    page = Page(width, color)
    failed = [(name, bar) for name, each in checks for bar in _missed(each)]
    judged = sum(each.passed is not None for _, each in checks)
    failing = len({name for name, _ in failed})
    counts = Counter(each.verdict for _, each in checks)
    verdicts = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    if failed:
        what = plural(judged, "result")
        page.prose(f"{failing} of {what} failed the bars: {verdicts}.", "bold red")
    else:
        end = f"; all {judged} passed the bars" if judged else ""
        page.prose(f"{plural(len(checks), 'result')}: {verdicts}{end}.", "bold")
    page.blank()
    page.table(
        [
            Column("", left=True, fold=True), Column("", left=True), Column("\nmeasured"),
            Column("\nlimit"), Column("\nexpected"), Column("of\nlimit"), Column("of\nexpected"),
            Column("", left=True),
        ],
        [_line(name, check) for name, check in checks],
    )  # fmt: skip
    page.section("Failed", (f"{clean(name)}: {bar_line(bar)}" for name, bar in failed), "red")
    said = dict.fromkeys(clean(text) for _, each in checks for text in each.warnings)
    page.section("Warnings", said, "yellow")
    if hint:
        page.blank()
        page.prose(hint, "dim")
    return page.text()


def _line(name: str, check: Check) -> tuple[str, ...]:
    metric = check.main
    return (
        clean(name), _TITLES[metric.name],
        *(figure(metric, v) for v in (metric.measured, metric.limit, metric.expected)),
        _share(metric.of_limit), _share(metric.of_expected), check.verdict,
    )  # fmt: skip
