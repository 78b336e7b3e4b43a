"""How a plan calls things: what all candidates share, a layout in words and for a table."""

from __future__ import annotations

from vperf.explore.candidates import WAYS, Candidate, Layout, Reason
from vperf.explore.plan import Plan
from vperf.report.format import plural, seconds
from vperf.report.names import short_model
from vperf.units import format_requests

LABELS: dict[Reason, str] = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end-to-end time"}

SHORT: dict[Reason, str] = {
    "ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end", "saturated": "load", "memory": "memory",
    "layout": "layout",
}  # fmt: skip


def layout_words(each: Candidate) -> str:
    """ "2 replicas of tp 2", "tp 8"; of pools both."""
    if each.pools:
        prefill, decode = each.pools.prefill, each.pools.decode
        return (
            f"{replicas_words(prefill.replicas, prefill.layout)} for prefill, "
            f"{replicas_words(decode.replicas, decode.layout)} for decode"
        )
    return replicas_words(each.replicas, each.layout)


def replicas_words(replicas: int, layout: Layout) -> str:
    """ "2 replicas of tp 2"."""
    ways = _ways(layout)
    if replicas == 1:
        return ways
    return f"{replicas} replicas{f' of {ways}' if ways else ''}"


def _ways(layout: Layout) -> str:
    found = [f"{way} {getattr(layout, way)}" for way in WAYS if getattr(layout, way) > 1]
    return " ".join(found)


def short_layout(each: Candidate) -> str:
    """The same for a table: "2 x tp 2", "9 x tp 1 + 3 x tp 4"."""

    def one(replicas: int, layout: Layout) -> str:
        return f"{replicas} x {_ways(layout) or 'tp 1'}"

    if each.pools:
        sides = (each.pools.prefill, each.pools.decode)
        return " + ".join(one(side.replicas, side.layout) for side in sides)
    return one(each.replicas, each.layout)


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
