"""The sentences and rows of a graded result, once for every form that it is shown in.

Not here: layout (check.py for a terminal, check_markdown.py, junit.py, github.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from vperf.checks.baseline import Change, Drift
from vperf.checks.check import Check
from vperf.checks.grade import TIMES, VERDICTS, Metric
from vperf.checks.suspects import Suspect
from vperf.checks.thresholds import Threshold
from vperf.checks.waterfall import Waterfall
from vperf.errors import VperfError
from vperf.report.format import clean, per_second, percent, plural, seconds, span

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
    "max_drift": ("--max-drift", "slower than the baseline"),
}


def headline(check: Check, width: int = 80) -> str:
    """Line 1: the longest wording of the verdict that fits into `width`."""
    metric = _shown(check)
    measured, limit = figure(metric.name, metric.measured), figure(metric.name, metric.limit)
    is_time = metric.name in TIMES
    start = f"{TITLES[metric.name]} {measured}" if is_time else f"{measured} {_UNITS[metric.name]}"
    beside = f"{_share_of(metric.of_limit, 'the limit')} ({limit})"
    whole = f"{start} is {beside} and {_share_of(metric.of_expected, 'expected')}"
    short = f"{start} is {_share_of(metric.of_limit, 'the limit')}, "
    short += _share_of(metric.of_expected, "expected")
    engine, below = clean(check.engine_name), f"{share(metric.short_of_range)} below the range"
    ends = {
        "impossible": ("impossible",),
        "better": (f"better than the range of {engine}", "better than expected", "better"),
        "good": (f"good for {engine} on this card", f"good for {engine}", "good"),
        "slow": (f"slow for {engine}, {below}", f"slow, {below}", f"slow for {engine}", "slow"),
    }[check.verdict]
    wordings = [f"{whole}: {end}." for end in ends] + [f"{short}: {ends[-1]}."]
    if check.verdict == "impossible":
        wordings = [f"{start} is {beside}: impossible; see the reasons below."] * bool(
            check.reasons
        ) + [f"{start} is {beside}: impossible."]
    return next((wording for wording in wordings if len(wording) <= width), wordings[-1])


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
        f"{TITLES[each.name]} is {said[each.verdict].format(share(each.short_of_range))}"
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


def figure(metric: str, value: float) -> str:
    """A figure of a metric: "10.3 ms", "97.2"."""
    return seconds(value) if metric in TIMES else per_second(value)


def share(value: float) -> str:
    """ "78 %"; far above 1, "74 x" and "1e+05 x"."""
    if value < 10:
        return f"{100 * value:.0f} %"
    return f"{value:,.0f} x" if value < 1e4 else f"{value:.0e} x"


def _share_of(value: float, what: str) -> str:
    """ "78 % of the limit", "74 x the limit"."""
    text = share(value)
    return f"{text} {what}" if text.endswith("x") else f"{text} of {what}"


METRIC_HEADINGS = (
    "", "\nmeasured", "\nlimit", "\nexpected", "\nrange", "of\nlimit", "of\nexpected",
)  # fmt: skip


def metric_row(metric: Metric) -> tuple[str, ...]:
    """One figure beside limit and expected."""
    low, high = (figure(metric.name, v) for v in (metric.expected_low, metric.expected_high))
    return (
        TITLES[metric.name],
        *(figure(metric.name, v) for v in (metric.measured, metric.limit, metric.expected)),
        span(low, high),
        share(metric.of_limit),
        share(metric.of_expected),
    )


def utilization_line(check: Check) -> str:
    """What each phase made of the card."""
    return "; ".join(
        f"{use.phase} {percent(use.mbu)} of the bandwidth, {percent(use.mfu)} of the FLOPs"
        for use in check.utilization
    )


def bar_option(bar: Threshold) -> str:
    """A bar as it is given: "--max-ttft 200 ms"."""
    if bar.name == "possible":
        return "not above the limit"
    option = _BARS[bar.name][0]
    if bar.name == "max_drift":
        return f"{option} {100 * bar.asked:g}%"
    return f"{option} {seconds(bar.asked) if bar.name.startswith('max') else f'{bar.asked:g}'}"


def bar_line(bar: Threshold) -> str:
    """ "Fails --max-ttft 200 ms: TTFT is 212 ms, 6.0 % too much."."""
    if bar.name == "possible":
        return "Fails every bar: the result is above the limit."
    what = _BARS[bar.name][1]
    if bar.name == "max_drift":
        return _drift_line(bar)
    if bar.name.startswith("max"):
        got = f"{what} is {seconds(bar.got)}"
        miss = f", {percent(bar.short)} too much"
    else:
        got = f"{bar.got:.3f} {what}"
        miss = f", {percent(bar.short)} short"
    verb, end = ("Passes", "") if bar.passed else ("Fails", miss)
    return f"{verb} {bar_option(bar)}: {got}{end}."


def _drift_line(bar: Threshold) -> str:
    """As bar_line: "Fails --max-drift 5 %: TPOT is 6.1 % slower than the baseline."."""
    title = TITLES[bar.metric]
    start = f"{'Passes' if bar.passed else 'Fails'} {bar_option(bar)}: {title} is"
    if abs(bar.got) < 0.0005:
        return f"{start} as in the baseline."
    how = "slower" if bar.got > 0 else "faster"
    text = f"{start} {percent(abs(bar.got))} {how} than the baseline"
    if bar.slack:
        text += f" ({percent(bar.slack)} allowed for the spread of repeats)"
    return f"{text}."


DRIFT_HEADINGS = ("", "\nbefore", "\nnow", "\nspeed", "of expected\nbefore", "\nnow")


def drift_title(drift: Drift) -> str:
    """The heading of the table of drift_row."""
    return f"Against the baseline ({clean(drift.source)})"


def drift_row(change: Change) -> tuple[str, ...]:
    """One figure then and now."""
    return (
        TITLES[change.metric],
        *(figure(change.metric, value) for value in (change.before, change.now)),
        f"{100 * change.faster:+.1f} %",
        *(share(value) for value in (change.of_expected_before, change.of_expected)),
    )


def _scale(value: float) -> tuple[str, float, int]:
    """Unit, factor and decimals in which a time has four significant digits."""
    unit, scale = ("s", 1.0) if value >= 10 else ("ms", 1e3) if value >= 1e-3 else ("us", 1e6)
    return unit, scale, max(0, 3 - math.floor(math.log10(value * scale)))


WATERFALL = "From the limit to what was measured"


def waterfall_table(falls: Sequence[Waterfall]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the parts of each time; the last row is their sum."""
    headings = [""]
    rows: dict[str, list[str]] = {}
    names = sorted({part.name for fall in falls for part in fall.parts}, key=list(PARTS).index)
    total = ["measured"]
    for fall in falls:
        unit, factor, digits = _scale(fall.measured_s)
        headings += [f"{TITLES[fall.metric]} {unit}", "share"]
        for name in names:
            value = fall.part(name)
            cells = rows.setdefault(name, [PARTS[name]])
            if any(part.name == name for part in fall.parts):
                cells += [f"{factor * value:,.{digits}f}", percent(value / fall.measured_s)]
            else:
                cells += ["", ""]
        total += [f"{factor * fall.measured_s:,.{digits}f}", percent(1.0)]
    return headings, [*rows.values(), total]


def largest(fall: Waterfall) -> str:
    """The largest part above the limit, in words."""
    part = fall.largest
    if part.seconds <= 0:
        return "Nothing above the limit is left to explain."
    text = f"{seconds(part.seconds)} of {TITLES[fall.metric]}, {percent(part.share)}"
    return f"Largest above the limit: {PARTS[part.name]}, {text}."


def suspect_line(suspect: Suspect) -> str:
    """What it may be, what speaks for it, and what it would bring."""
    text = clean(suspect.sentence)
    if suspect.evidence:
        text += f" ({clean(suspect.evidence)})"
    if suspect.gain is None:
        return f"{text}; no prediction"
    of = "mended, {} x as fast" if suspect.kind == "suspect" else "{} x the expected speed"
    return f"{text}: {of.format(f'{suspect.gain:.2f}')}"


def suspect_groups(check: Check) -> tuple[tuple[str, list[Suspect]], ...]:
    """Faults and changes, each under its heading."""
    return tuple(
        (title, [each for each in check.suspects if each.kind == kind])
        for title, kind in (("Suspects", "suspect"), ("To go faster, as vperf predicts", "try"))
    )


def unexplained(check: Check) -> str:
    """What is said of a slow result that no predicted fault fits; empty for others."""
    fits = any(each.kind == "suspect" and each.evidence for each in check.suspects)
    if check.verdict != "slow" or fits:
        return ""
    return "No fault that vperf predicts comes within 15 % of what was measured."


def why(check: Check) -> list[str]:
    """Line 1, and the likeliest explanations: what one reads first of a result that fails."""
    lines = [headline(check, 10_000)]
    lines += [f"Likely: {clean(each.sentence)}" for each in check.reasons[:2]]
    faults = [each for each in check.suspects if each.kind == "suspect"]
    for each in faults[:2]:
        command = f": {clean(each.command)}" if each.command else ""
        lines.append(f"Suspect: {suspect_line(each)}{command}")
    if check.waterfalls and check.verdict != "impossible" and not faults:
        lines.append(largest(check.waterfalls[0]))
    return lines


def error_line(name: str, error: VperfError) -> str:
    """What could not be graded, why, and the next step."""
    line = "; ".join(clean(text, 500) for text in (error.message, error.hint) if text)
    return line if name in error.message else f"{clean(name)}: {line}"


def summary_line(checks: Sequence[tuple[str, Check]], errors: int = 0) -> str:
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


RESULT_HEADINGS = ("", "", "\nmeasured", "\nlimit", "\nexpected", "of\nlimit", "of\nexpected", "")


def result_row(name: str, check: Check) -> tuple[str, ...]:
    """The main figure of one of several results, and its verdict."""
    metric = check.main
    return (
        clean(name), TITLES[metric.name],
        *(figure(metric.name, v) for v in (metric.measured, metric.limit, metric.expected)),
        share(metric.of_limit), share(metric.of_expected), check.verdict,
    )  # fmt: skip
