"""What a measured figure is called, how it is written, and which one line 1 is about."""

from __future__ import annotations

from vperf.checks.check import Check
from vperf.checks.grade import Metric, Verdict
from vperf.report.document import Tone
from vperf.report.format import per_second, seconds

TITLES = {
    "tpot_s": "TPOT",
    "ttft_s": "TTFT",
    "latency_s": "Latency",
    "decode_tokens_per_s": "Decode tok/s",
    "output_tokens_per_s": "Output tok/s",
    "prefill_tokens_per_s": "Prefill tok/s",
    "requests_per_s": "Requests/s",
}
UNITS = {
    "decode_tokens_per_s": "tok/s",
    "output_tokens_per_s": "output tok/s",
    "prefill_tokens_per_s": "prefill tok/s",
    "requests_per_s": "requests/s",
}


TONES: dict[Verdict, Tone] = {
    "impossible": "bad", "better": "good", "good": "good", "slow": "warn",
}  # fmt: skip


_ITL = "ITL"


def titled(metric: str) -> str:
    """What a figure is called: "TPOT", "p99 TTFT"."""
    if metric in TITLES:
        return TITLES[metric]
    rank, _, of = metric.partition("_")
    return f"{rank} {_ITL if of == 'itl_s' else TITLES[of]}" if of else ""


def figure(metric: str, value: float) -> str:
    """A figure of a metric: "10.3 ms", "97.2"."""
    return seconds(value) if metric not in UNITS else per_second(value)


def shown(check: Check) -> Metric:
    """The figure of line 1: the main one, or the one that is impossible."""
    if check.verdict != "impossible":
        return check.main
    return next(each for each in check.metrics if each.verdict == "impossible")
