"""What a result's file does not say, and would make a figure above the limit possible.

Most clients of a server know neither how many GPUs it has nor the format of its cache. Where one of
them explains the figure, it proves nothing. Figures by hand are of the setup that was typed: for
them these are reasons (above_limit.py). Not here: what is run is not known well enough
(scenario_of_result.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from vperf.checks.grade import Metric, metrics
from vperf.checks.result import TYPED, Result
from vperf.deployment import Deployment
from vperf.errors import VperfError
from vperf.estimate import estimate
from vperf.hardware.commands import takes
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.spelling import flag

_COUNTS = (2, 4, 8)
"""GPUs of one server."""
_BEST = 1.6
"""Speed over the expected one that good runs stay below: a judgement, not a fit."""


def excuse(  # noqa: PLR0917  (a run, and what was measured of it)
    result: Result,
    options: Mapping[str, Any],
    at: Deployment,
    figures: dict[str, float],
    found: tuple[Metric, ...],
    resolver: Resolver,
) -> tuple[Note, ...]:
    """Why figures above the limit prove nothing; empty where all that matters is said."""
    beaten = {each.name for each in found if each.verdict == "impossible"}
    if not beaten or result.tool == TYPED:
        return ()
    fitting: list[tuple[float, str]] = []
    for sentence, change in _unsaid(result, options, at):
        try:
            other = resolver.what_if(at, **change)
            graded = metrics(other, estimate(other), figures)
        except VperfError:
            continue
        of_them = [each for each in graded if each.name in beaten]
        if of_them and all(_could_be(each) for each in of_them):
            fitting.append((max(abs(math.log(each.of_expected)) for each in of_them), sentence))
    return (Note("doubt", text=min(fitting)[1]),) if fitting else ()


def _could_be(metric: Metric) -> bool:
    """Whether it is possible there, and no faster than good runs are."""
    return metric.verdict != "impossible" and metric.of_expected <= _BEST


def _unsaid(
    result: Result, options: Mapping[str, Any], at: Deployment
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What may have run, with the sentence that asks for it; the smallest change first."""
    setup, engine = result.setup, at.card.engine
    if setup.kv_cache_dtype is None and "kv_cache_dtype" not in options:
        cache = engine.formats.get("cache", "fp8")
        typed = f"{flag('kv_cache_dtype')} {cache}"
        yield f"the format of the cache is not said: it could be {cache} ({typed})", {
            "kv_cache_dtype": cache
        }  # fmt: skip
    said = (setup.gpus, setup.tp, setup.pp, setup.dp, setup.ep)
    if any(said) or at.model.parallel.gpus > 1 or not takes(engine, "tp"):
        return
    for count in _COUNTS:
        sentence = f"how many GPUs ran is not said: it could be {count} ({flag('tp')} {count})"
        yield sentence, {"tp": count}
