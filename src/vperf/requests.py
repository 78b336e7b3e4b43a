"""A scenario's served load -> the means of an endless run (`Load`), the requests of a run (`Run`).

A trace and sessions are both: their mean lengths, rate and prefix hits are the load. Not here: what
a load settles to (serving/load.py), how a run goes (serving/simulation.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from vperf.errors import InputError
from vperf.notes import Note
from vperf.scenario import Scenario
from vperf.serving.arrivals import Traffic, with_prefix_hit
from vperf.serving.lengths import Lengths, equal
from vperf.serving.load import Load
from vperf.serving.percentiles import DEFAULT, read_percents
from vperf.serving.simulation import Run
from vperf.sources.traces import Trace, read_trace
from vperf.units import parse_seconds


def load_of(scenario: Scenario, lengths: Lengths) -> Load:
    """The load as means. Raises InputError for options that contradict each other."""
    if scenario.batch_size != 1:
        raise InputError("cannot be combined with a served load", field="batch-size")
    _check(scenario)
    hit = scenario.prefix_cache_hit or lengths.prefix_hit
    run = run_of(scenario, lengths)
    if scenario.trace is None and scenario.sessions is None:
        users, rate = scenario.max_concurrency, scenario.request_rate
        if rate == math.inf:  # all at once, or as a closed loop's users come
            users, rate = run.count if users is None else users, None
        return Load(lengths.input_tokens, lengths.output_tokens, users, rate, hit)
    traffic = run.traffic(scenario.max_model_len)
    count = len(traffic)
    inputs, outputs = sum(traffic.input_tokens), sum(traffic.output_tokens)
    means = max(1, round(inputs / count)), max(1, round(outputs / count))
    if scenario.sessions is not None:
        new = sum(lengths.input_tokens for _ in range(count))
        kept = max(0.0, 1 - new / inputs)
        return Load(*means, scenario.sessions, None, kept, think_s=run.think_s)
    cached = sum(traffic.cached_tokens) / inputs if traffic.cached_tokens else 0.0
    if scenario.max_concurrency is not None:
        return Load(*means, scenario.max_concurrency, None, cached)
    rate = traffic.requests_per_s
    if rate is None:
        raise InputError("all its requests come at once: give max-concurrency", field="trace")
    return Load(*means, None, rate, cached)


def read_goodput(text: str) -> dict[str, float]:
    """Bounds in seconds by figure, of "ttft:500ms tpot:30ms"; a bare number is in ms, as in
    `vllm bench serve`. Raises InputError."""
    found = {}
    for part in text.replace(",", " ").split():
        name, _, time = part.partition(":")
        if name not in _KEPT or not time:
            raise InputError(
                f"{part[:40]!r} is not like ttft:500ms", field="goodput",
                hint=f"times of {', '.join(_KEPT)}, with spaces between",
            )  # fmt: skip
        found[_KEPT[name]] = parse_seconds(time, "ms")
    return found


_KEPT = {"ttft": "ttft_s", "tpot": "tpot_s", "e2e": "e2e_s", "e2el": "e2e_s"}
"""Figures that a request keeps, as typed; the last as `vllm bench serve` has it."""


def run_of(scenario: Scenario, lengths: Lengths) -> Run:
    """The requests to simulate. Raises InputError."""
    percents: tuple[float, ...] = DEFAULT
    if scenario.metric_percentiles is not None:
        percents = read_percents(scenario.metric_percentiles)
    kept = read_goodput(scenario.goodput) if scenario.goodput is not None else {}
    if scenario.trace is not None:
        traffic = trace_of(scenario.trace).traffic
        if scenario.num_prompts is not None:
            traffic = _first(traffic, scenario.num_prompts)
        if scenario.prefix_cache_hit:
            traffic = with_prefix_hit(traffic, scenario.prefix_cache_hit)
        traffic = replace(traffic, concurrency=scenario.max_concurrency)
        return Run(lengths, trace=traffic, percents=percents, kept=kept)
    think = scenario.think_time
    return Run(
        lengths,
        scenario.max_concurrency,
        scenario.request_rate,
        1.0 if scenario.burstiness is None else scenario.burstiness,
        scenario.num_prompts,
        scenario.prefix_cache_hit or lengths.prefix_hit,
        scenario.sessions,
        parse_seconds(think, "s") if isinstance(think, str) else think or 0.0,
        percents=percents,
        kept=kept,
    )


def lengths_of_trace(path: str | Path) -> Lengths:
    """The mean lengths of a trace, which stand for it where one request is asked about."""
    traffic = trace_of(path).traffic
    count = len(traffic)
    means = (round(sum(each) / count) for each in (traffic.input_tokens, traffic.output_tokens))
    return equal(*(max(1, mean) for mean in means))


def said_of_trace(path: str | Path) -> Note:
    """What a trace is taken for, since its times may be meant in another unit."""
    trace = trace_of(path)
    traffic = trace.traffic
    span = traffic.arrival_s[-1] if traffic.arrival_s else 0.0
    return Note(
        "trace", name=trace.name, requests=len(traffic), span_s=span, columns=trace.columns,
        times=trace.times, failed=trace.failed,
    )  # fmt: skip


@lru_cache(maxsize=2)
def trace_of(path: str | Path) -> Trace:
    """A trace, read once. Raises InputError."""
    return read_trace(path)


def _first(traffic: Traffic, count: int) -> Traffic:
    if count < 1:
        raise InputError(f"must be at least 1, not {count!r}", field="num-prompts")
    cut = {
        name: each[:count]
        for name in ("input_tokens", "output_tokens", "arrival_s", "cached_tokens")
        if (each := getattr(traffic, name)) is not None
    }
    return replace(traffic, **cut)


def _check(scenario: Scenario) -> None:
    """What cannot be said together, and what cannot be."""
    loads = [
        name
        for name in ("trace", "sessions", "request_rate")
        if getattr(scenario, name) is not None
    ]
    if scenario.max_concurrency is not None and "sessions" in loads:
        loads.append("max_concurrency")
    if len(loads) > 1:
        named = [name.replace("_", "-") for name in loads]
        raise InputError(f"give either {' or '.join(named)}")
    if scenario.burstiness is not None:
        if scenario.request_rate is None:
            raise InputError("needs request-rate", field="burstiness")
        if not scenario.burstiness > 0:
            raise InputError(f"must be above 0, not {scenario.burstiness!r}", field="burstiness")
    if scenario.think_time is not None and scenario.sessions is None:
        raise InputError("needs sessions", field="think-time")
    think = scenario.think_time
    if isinstance(think, int | float) and not 0 <= think < math.inf:
        raise InputError(f"must be 0 or more, not {think!r}", field="think-time")
