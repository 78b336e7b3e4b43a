"""The sentences on a graded result, which pages, annotations and JUnit share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vperf.checks.case import Suspect
from vperf.checks.check import Check
from vperf.checks.grade import TIMES, VERDICTS, Metric
from vperf.checks.looks import Look
from vperf.checks.suspects import is_telling
from vperf.checks.thresholds import Threshold
from vperf.errors import InputError, VperfError
from vperf.report.check.figures import TITLES, TONES, UNITS, figure, shown, titled
from vperf.report.check.waterfall import largest
from vperf.report.document import Span, Text, plain
from vperf.report.format import clean, percent, plural, seconds

Named = Sequence[tuple[str, Check]]
"""Results with the names of their files."""

_THRESHOLDS = {
    "min_efficiency": ("--min-efficiency", "of the expected speed"),
    "min_of_limit": ("--min-of-limit", "of the limit"),
    "min_mbu": ("--min-mbu", "MBU"),
    "max_ttft_s": ("--max-ttft", "TTFT"),
    "max_tpot_s": ("--max-tpot", "TPOT"),
    "max_drift": ("--max-drift", "slower than the baseline"),
}


def headline(check: Check) -> Text:
    """Line 1, always in this order: gate, verdict, measured, of expected, of the limit."""
    metric = shown(check)
    said = figure(metric.name, metric.measured)
    is_time = metric.name in TIMES
    what = f"{TITLES[metric.name]} {said}" if is_time else f"{said} {UNITS[metric.name]}"
    gate: tuple[Span | str, ...] = ()
    if check.passed is not None:
        gate = (Span(" PASS ", "pass") if check.passed else Span(" FAIL ", "fail"), " ")
    verdict = Span(check.verdict.upper(), TONES[check.verdict])
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
        and each.name != shown(check).name
        and not _same(each, shown(check))
    ]
    return f"{'; '.join(texts)}." if texts else ""


def _same(one: Metric, other: Metric) -> bool:
    """Whether a time and a rate are the same measurement, as TPOT and tokens/s of a batch."""
    return math.isclose(one.of_limit, other.of_limit, rel_tol=1e-6)


def bar_option(bar: Threshold) -> str:
    """A bar as it is given: "--max-ttft 200 ms"."""
    if bar.name == "possible":
        return "not above the limit"
    option = _THRESHOLDS[bar.name][0]
    if bar.name == "max_drift":
        return f"{option} {100 * bar.asked:g}%"
    least = seconds(bar.asked) if bar.name in ("max_ttft_s", "max_tpot_s") else f"{bar.asked:g}"
    rank, of, _ = bar.metric.rpartition(bar.name.removeprefix("max_"))
    return f"{option} {rank.rstrip('_')}:{least}" if of and rank else f"{option} {least}"


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
    if suspect.kind == "suspect":
        mends = suspect.gain is not None and suspect.evidence
        return f"{text}; fixing it: {suspect.gain:.2f}x" if mends else text
    if suspect.gain is None:
        return text
    return f"{text}: {suspect.gain:.2f}x the expected speed"


def command_of(suspect: Suspect) -> str:
    """The command that mends it, in brackets behind its sentence."""
    return f" ({clean(suspect.command)})" if suspect.command else ""


def likely(suspect: Suspect) -> str:
    """The likeliest fault on one line: without its reason, and its gain where it is predicted."""
    what = clean(suspect.sentence).partition(": ")[0]
    if not is_telling((suspect,)):
        return f"perhaps {what}"
    gain = f"; fixing it: {suspect.gain:.2f}x" if suspect.gain else ""
    if suspect.predicted_s:
        return f"likely: {what}, predicts {seconds(suspect.predicted_s)}{gain}"
    shown_by = f": {clean(suspect.evidence)}" if suspect.evidence else ""
    return f"likely: {what}{shown_by}{gain}"


def first_look(look: Look) -> str:
    """Where to look first, of a checklist that -v has whole."""
    command = f" ({look.command})" if look.command else ""
    return f"no fault is telling; look first at {look.what}{command}"


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
