"""Why a result may be above the limit: what was run was not what was said.

Each reason says what factor it makes, and is ranked by how near that comes to the measured one.
Not here: results that are possible and slow (suspects.py).
"""

from __future__ import annotations

import math
from typing import Any

from vperf.checks.case import Case
from vperf.checks.grade import TIMES, Metric, bounded_rate, expected_figures
from vperf.errors import VperfError
from vperf.hardware.gpu import Gpu
from vperf.resolve.card import gpus_named
from vperf.speeds import speeds
from vperf.values import dataclass

_MATCH_TOLERANCE = 0.25
"""A reason that is further off than this is no explanation."""
_MAX_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Reason:
    """One explanation of an impossible figure."""

    id: str
    sentence: str
    error: float | None
    """Its figure over the measured one, less 1; None where it could make any."""


def explanations(case: Case, metric: Metric) -> tuple[Reason, ...]:
    """What may be behind a figure above its limit, the likeliest first."""
    prefill = metric.name in ("ttft_s", "prefill_tokens_per_s")
    # What a run can have without a word of it comes first of equals.
    found = [*_units(metric), *([_prefix(metric)] if prefill else _speculative(metric))]
    found += _replicas(case, metric)
    found += _spread(case, metric)
    found += [] if prefill else _all_users(case, metric)
    found += _lighter(case, metric)
    found += _lighter_cache(case, metric)
    found += _total_tokens(case, metric)
    found += _other_card(case, metric)
    if not case.answer.memory.fits:
        found.append(
            Reason(
                "memory",
                "it does not fit there: another GPU, more of them, or lighter weights ran",
                0.0,
            )
        )
    near = [
        reason for reason in found if reason.error is None or abs(reason.error) <= _MATCH_TOLERANCE
    ]
    near.sort(
        key=lambda reason: _MATCH_TOLERANCE / 2 if reason.error is None else abs(reason.error)
    )
    return tuple(near[:_MAX_SHOWN])


def _off(factor: float, metric: Metric) -> float:
    """How far a factor on speed is from the measured one: none where it is as expected times that.

    Between expected and the limit it is possible and unlikely; beyond the limit it is no reason.
    """
    low, high = metric.of_limit, metric.of_expected
    if low <= factor <= high:
        return 0.2 * (math.log(high / factor) / math.log(high / low)) if high > low else 0.0
    if factor < low:  # still above the limit
        return -math.inf
    return factor / high - 1


def _units(metric: Metric) -> list[Reason]:
    what = "milliseconds read as seconds" if metric.name in TIMES else "a rate per millisecond"
    return [
        Reason("units", f"wrong units: {text}, a factor of {factor:,.0f}", _off(factor, metric))
        for factor, text in ((1e3, what), (1e6, "microseconds"))
        if metric.of_expected > 100
    ]


def _replicas(case: Case, metric: Metric) -> list[Reason]:
    """More GPUs than were said: tensor parallel as vperf predicts it, or replicas summed up."""
    found = []
    now = case.at.model.parallel.gpus
    for more in (2, 4, 8, 16):
        if not 0.5 * metric.of_limit <= more <= 2.0 * metric.of_expected:
            continue
        if metric.name not in TIMES and metric.name != "prefill_tokens_per_s":
            found.append(
                Reason(
                    "gpus", f"another GPU count: the sum of {more} replicas",
                    _off(float(more), metric),
                )
            )  # fmt: skip
        other = _expected(case, metric, tp=case.at.model.parallel.tensor * more)
        if other is not None:
            found.append(
                Reason(
                    "gpus", f"another GPU count: {more * now} GPUs, not {now}",
                    _match(other, metric),
                )
            )  # fmt: skip
    return _best(found)


def _spread(case: Case, metric: Metric) -> list[Reason]:
    """Each of several replicas ran a part of the users."""
    users = (case.at.load.users or 0) if case.at.load is not None else 0
    if metric.name not in TIMES:
        return []
    found = []
    for replicas in (2, 4, 8, 16, 32, 64):
        if users < 2 * replicas:
            break
        other = _expected(case, metric, max_concurrency=users // replicas)
        if other is not None:
            text = f"another GPU count: the users spread over {replicas} replicas"
            found.append(Reason("replicas", text, _match(other, metric)))
    return _best(found)


def _all_users(case: Case, metric: Metric) -> list[Reason]:
    """The tokens of all users, where those of one were meant."""
    now = case.at.batch_size
    if case.at.load is not None or metric.name in TIMES:
        return []
    found = []
    for batch in (now * 2**power for power in range(1, 11)):
        other = _expected(case, metric, batch_size=batch)
        if other is not None:
            text = f"tokens counted over all sequences: {batch} at a time, not "
            found.append(
                Reason("users", f"{text}{now}", _match(other, metric))
            )  # fmt: skip
    fewest = next((each for each in found if abs(each.error or 0.0) <= _MATCH_TOLERANCE / 2), None)
    return [fewest] if fewest else _best(found)


def _speculative(metric: Metric) -> list[Reason]:
    needed = metric.of_expected
    if not 1.0 < needed < 6.0:
        return []
    text = f"speculative decoding: {needed:.1f} tokens a step on average would do"
    return [Reason("speculative", text, 0.0 if needed < 3.5 else 0.02)]


def _prefix(metric: Metric) -> Reason:
    found = 1 - 1 / metric.of_expected
    return Reason(
        "prefix-cache", f"a prefix cache: {found:.0%} of the prompt found there would do",
        0.02 if metric.of_expected < 50 else None,
    )  # fmt: skip


def _lighter(case: Case, metric: Metric) -> list[Reason]:
    """Weights in fewer bits than were said."""
    stored = case.at.model.quantization
    if case.at.scenario.quantization is not None:
        return []
    if stored not in ("bf16", "fp16"):
        more = _expected(case, metric, quantization="mxfp4")
        text = f"other weights: more layers quantized (attention, head) than in {stored}"
        return [Reason("quantization", text, _match(more, metric))] if more is not None else []
    found = []
    for name in ("fp8", "int4"):
        other = _expected(case, metric, quantization=name)
        if other is not None:
            text = f"other weights: {name}, not {stored}"
            found.append(Reason("quantization", text, _match(other, metric)))
    return _best(found)


def _lighter_cache(case: Case, metric: Metric) -> list[Reason]:
    """A cache in fewer bits than was said."""
    now, less = case.answer.model.kv_cache_dtype, case.engine.formats.get("cache", "fp8")
    if case.at.scenario.kv_cache_dtype is not None or now not in ("bf16", "fp16"):
        return []
    other = _expected(case, metric, kv_cache_dtype=less)
    if other is None:
        return []
    text = f"another cache: {less}, not {now}"
    return [Reason("kv-cache", text, _match(other, metric))]


def _total_tokens(case: Case, metric: Metric) -> list[Reason]:
    """Prompt tokens counted with those that were generated."""
    if metric.name != "output_tokens_per_s":
        return []
    lengths = case.at.lengths
    factor = (lengths.input_tokens + lengths.output_tokens) / lengths.output_tokens
    text = "prompt tokens counted in: total tokens per second, not output tokens"
    return [Reason("total-tokens", text, metric.of_expected and factor / metric.of_expected - 1)]


def _other_card(case: Case, metric: Metric) -> list[Reason]:
    """Another card of the same maker, by the figure that bounds the metric."""
    here = case.at.card.gpu
    prefill = metric.name in ("ttft_s", "prefill_tokens_per_s")

    def figure(card: Gpu) -> float:
        if prefill:
            return max(card.peak_flop_per_s.get(p, 0.0) for p in ("bf16", "fp16")) * card.boost
        return card.memory_bandwidth

    ranked = sorted(
        (abs(_off(figure(card) / figure(here), metric)), card.id, card)
        for card in gpus_named(["all"])
        if card.id != here.id
        and card.vendor == here.vendor
        and card.memory_class == here.memory_class
        and figure(card) > figure(here) > 0
    )
    if not ranked:
        return []
    names = ", ".join(card.id for off, _, card in ranked[:3] if off <= ranked[0][0] + 0.05)
    return [Reason("card", f"another GPU: {names} would fit", ranked[0][0] + 0.1)]


def _expected(case: Case, metric: Metric, **change: Any) -> float | None:
    """What is expected of the metric in another scenario; None where there is none."""
    try:
        other = case.resolver.what_if(case.at, **change)
        found = speeds(other)
    except VperfError:
        return None
    return expected_figures(other, found.expected, bounded_rate(other, found)).get(metric.name)


def _match(expected: float, metric: Metric) -> float:
    """How far what another scenario expects is from the measured figure, in speed."""
    ratio = expected / metric.measured
    return (1 / ratio if metric.name in TIMES else ratio) - 1


def _best(found: list[Reason]) -> list[Reason]:
    return sorted(found, key=lambda reason: abs(reason.error or 0.0))[:1]
