"""The deployment as its result shows that it ran, where that is not what the options say.

    a rate beyond what can be served   has no steady state: a run of so many prompts
    fewer decoding than could          rate x TPOT (Little's law) tells how many: a cap
    more decoding than fit             the result wins over the memory that vperf reckons with

Not here: what the result's file says of its load (scenario_of_result.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from vperf.answer import Estimate
from vperf.checks.grade import expected_figures
from vperf.deployment import Deployment
from vperf.estimate import estimate
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.serving.simulation import OPEN_PROMPTS

_FEWER_RUN = 0.6
"""Share of those who should have decoded, below which something capped them."""
_MORE_RAN = 1.05


class Ran(NamedTuple):
    """What is graded, and what has to be said about it."""

    at: Deployment
    answer: Estimate
    notes: tuple[Note, ...] = ()


def as_it_ran(resolver: Resolver, at: Deployment, figures: dict[str, float]) -> Ran:
    """The deployment that the measured `figures` show, and its estimate."""
    ran = Ran(at, estimate(at))
    if at.load is None or ran.answer.serving is None:
        return ran
    if ran.answer.serving.saturated and ran.answer.serving.prompts is None:
        ran = _as_run(resolver, ran)
    rate, tpot = figures.get("output_tokens_per_s"), figures.get("tpot_s")
    if rate is None or tpot is None:
        return ran
    decoding, expected = rate * tpot, _decoding(ran)
    serving = ran.answer.serving
    assert serving is not None
    if decoding > _MORE_RAN * serving.slots:
        load = replace(at.load, proven=math.ceil(decoding))
        held = replace(ran.at, load=load)
        more = Note("more_ran", decoding=decoding, slots=serving.slots)
        return Ran(held, estimate(held), (*ran.notes, more))
    if decoding < _FEWER_RUN * expected and at.load.users is not None:
        return _capped(resolver, ran, figures, decoding)
    return ran


def _as_run(resolver: Resolver, ran: Ran) -> Ran:
    at = resolver.what_if(ran.at, num_prompts=OPEN_PROMPTS)
    return Ran(at, estimate(at), (Note("no_steady_state", prompts=OPEN_PROMPTS),))


def _decoding(ran: Ran) -> float:
    """Sequences that should have decoded, counted as those that did."""
    serving = ran.answer.serving
    assert serving is not None
    if serving.prompts is None:
        return serving.running_batch
    return serving.requests_per_s * ran.at.lengths.output_tokens * ran.answer.expected.tpot_s


def _capped(resolver: Resolver, ran: Ran, figures: dict[str, float], decoding: float) -> Ran:
    """With as many at a time as decoded, where the result is then nearer to what is expected."""
    groups = ran.at.model.parallel.data
    at = resolver.what_if(ran.at, max_num_seqs=math.ceil(decoding / groups))
    capped = Ran(at, estimate(at))
    if _off(capped, figures) >= _off(ran, figures):
        return ran
    load = ran.at.load
    note = Note("decoding", decoding=decoding, requests=load.users if load else 0)
    return capped._replace(notes=(*ran.notes, note))


def _off(ran: Ran, figures: dict[str, float]) -> float:
    """Mean distance of what was measured from what is expected, as logarithms."""
    serving = ran.answer.serving
    rate = serving.requests_per_s if serving else None
    expected = expected_figures(ran.at, ran.answer.expected, rate)
    names = ("tpot_s", "ttft_s", "output_tokens_per_s")
    logs = [abs(math.log(figures[n] / expected[n])) for n in names if n in figures]
    return sum(logs) / len(logs)
