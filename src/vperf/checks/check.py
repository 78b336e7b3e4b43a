"""Is the number I measured good? One result, or a file of them, graded against an Estimate.

Not here: reading files (importers/), the scenario a result answers (scenario_of_result.py),
shares and verdicts (grade.py), and words (report/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Unpack

from vperf.answer import Estimate
from vperf.checks import thresholds, waterfall
from vperf.checks.above_limit import Reason, explanations
from vperf.checks.as_it_ran import as_it_ran
from vperf.checks.baseline import Baseline, Drift, Run, compare_to, read_baseline, setup_of
from vperf.checks.case import Case, Suspect
from vperf.checks.grade import (
    RATES,
    TIMES,
    VERDICTS,
    Metric,
    Utilization,
    Verdict,
    doubted,
    in_flight,
    main_metric,
    measured_figures,
    metrics,
    percentile_metrics,
    running,
    utilization,
)
from vperf.checks.local_card import card_of
from vperf.checks.looks import Look, checklist
from vperf.checks.result import Result
from vperf.checks.scenario_of_result import scenario_of
from vperf.checks.suspects import find_suspects, is_telling
from vperf.checks.thresholds import Threshold, Thresholds, refuse_unapplied
from vperf.checks.unsaid import excuse
from vperf.checks.waterfall import Waterfall
from vperf.deployment import Deployment
from vperf.errors import InputError, VperfError
from vperf.estimate import decode_step
from vperf.frames import Plotted
from vperf.hardware.gpu import Gpu
from vperf.notes import Note
from vperf.resolve import Resolver, lasting
from vperf.scenario import ModelLike, Options, Scenario
from vperf.spelling import flag
from vperf.units import refuse_odd
from vperf.values import dataclass
from vperf.version import __version__

Source = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A result file ("-": standard input), or what its JSON holds."""

Progress = Callable[[int, int], object]
"""Told how many of all are done."""

_MORE_TOLERANCE, _FEWER_TOLERANCE = 1.25, 2.0
"""How far requests in flight may be off the load: means are rounded, and a run's ends are idle."""

SCHEMA = "vperf/check/1"
SCHEMA_MANY = "vperf/checks/1"


@dataclass(frozen=True, repr=False)
class Check(Plotted):
    """One graded result. Every figure that the command line prints is read from here."""

    result: Result
    source: str
    """The file it was read from; "-" for standard input, empty for figures by hand."""
    scenario: Scenario
    estimate: Estimate
    engine_name: str
    verdict: Verdict
    """Of the main figure; impossible where any figure is."""
    main: Metric
    """The figure that line 1 is about."""
    metrics: tuple[Metric, ...]
    tpot_s: float | None
    """Measured, or what the measured rate of a batch makes it."""
    running_batch: float | None
    """Sequences that were decoding at a time, by Little's law."""
    utilization: tuple[Utilization, ...]
    waterfalls: tuple[Waterfall, ...]
    """Of TPOT, then of TTFT; of a whole request where neither is known."""
    bars: tuple[Threshold, ...]
    drift: Drift | None
    """Beside the baseline; None without one."""
    warnings: tuple[Note, ...]
    notes: tuple[Note, ...]
    suspects: tuple[Suspect, ...] = ()
    """What may be behind the time it took, then what to try; empty where it is impossible."""
    reasons: tuple[Reason, ...] = ()
    """Why it may be impossible, the likeliest first; empty where it is not."""
    checklist: tuple[Look, ...] = ()
    """What to look at, in this order, where it is slow and no suspect is telling."""
    percentiles: tuple[Metric, ...] = ()
    """Of times, where the result has them and the load is simulated; never impossible."""

    @property
    def passed(self) -> bool | None:
        """Whether every bar is cleared; None without bars."""
        return all(bar.passed for bar in self.bars) if self.bars else None

    def setup(self) -> dict[str, Any]:
        """What was run, as JSON: model, card, workload and load."""
        answer = self.estimate
        at_once = answer.workload.concurrency if self.scenario.request_rate == math.inf else None
        return {
            "model": asdict(answer.model),
            "gpu": {
                "id": answer.gpu.id,
                "name": answer.gpu.name,
                "count": answer.gpu.count,
                "constants": answer.gpu.constants,
            },
            "workload": asdict(answer.workload),
            "load": {
                "batch_size": None if self.scenario.served else self.scenario.batch_size,
                "max_concurrency": self.scenario.max_concurrency or at_once,
                "request_rate": None if at_once else self.scenario.request_rate,
            },
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            "source": self.source,
            "result": asdict(self.result),
            **self.setup(),
            "verdict": self.verdict,
            "main": self.main.name,
            "metrics": {
                metric.name: {k: v for k, v in asdict(metric).items() if k != "name"}
                for metric in self.metrics
            },
            "percentiles": {
                metric.name: {k: v for k, v in asdict(metric).items() if k != "name"}
                for metric in self.percentiles
            },
            "running_batch": self.running_batch,
            "utilization": {
                use.phase: {k: v for k, v in asdict(use).items() if k != "phase"}
                for use in self.utilization
            },
            "waterfalls": {
                fall.metric: {k: v for k, v in asdict(fall).items() if k != "metric"}
                for fall in self.waterfalls
            },
            "suspects": [asdict(suspect) for suspect in self.suspects],
            "reasons": [asdict(reason) for reason in self.reasons],
            "checklist": [look._asdict() for look in self.checklist],
            "passed": self.passed,
            "bars": [asdict(bar) for bar in self.bars],
            "baseline": asdict(self.drift) if self.drift else None,
            "warnings": list(map(str, self.warnings)),
            "notes": list(map(str, self.notes)),
            "assumptions": list(map(str, self.estimate.assumptions)),
        }


def check(
    result: Result | Source,
    gpu: str | Gpu | None = None,
    model: ModelLike | None = None,
    *,
    bars: Thresholds | None = None,
    baseline: str | Path | Baseline | None = None,
    label: str | None = None,
    **options: Unpack[Options],
) -> Check:
    """Grade a measured result, or the one in a file ("-": standard input) or in its JSON.

    What is not given is taken from the result; `options` are those of `vperf.estimate`. `label`
    picks one of several results in a file; `baseline` is the JSON of an earlier check of the same
    setup. Raises InputError where the model or the GPU is known from neither, where the file holds
    several results and `label` picks none, where the baseline is of another setup, or where a bar
    cannot be judged.
    """
    source, file = _named(result)
    found = _read(result, label)
    if len(found) > 1:
        labels = ", ".join(repr(each.label) for each in found)
        raise InputError(
            f"holds {len(found)} results", source=source,
            hint=f"give one as label ({labels}), or ask check_all",
        )  # fmt: skip
    graded = _grade(found[0], file, gpu, model, options, lasting(), explain=True)
    (graded,) = compare_and_apply([graded], bars, baseline, source)
    return graded


def check_all(
    results: Sequence[Result] | Source,
    gpu: str | Gpu | None = None,
    model: ModelLike | None = None,
    *,
    bars: Thresholds | None = None,
    baseline: str | Path | Baseline | None = None,
    label: str | None = None,
    explain: bool = True,
    resolver: Resolver | None = None,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> tuple[Check, ...]:
    """Grade every result of a file; as `check`, which grades one.

    A bar is held against each result that has its figure. Results without any figure to grade are
    left out where others have one; the first check's warnings say which. Without `explain`, no
    suspects and no reasons are looked for. `resolver`: that of other files; `progress` is told how
    many results of all are graded.
    """
    source, _ = _named(results)
    checks = grade_all(
        results, gpu, model, label, options, resolver or lasting(), explain=explain,
        progress=progress,
    )  # fmt: skip
    return tuple(compare_and_apply(list(checks), bars, baseline, source))


def grade_all(  # noqa: PLR0917  (as check_all)
    results: Sequence[Result] | Source,
    gpu: str | Gpu | None,
    model: ModelLike | None,
    label: str | None,
    options: Mapping[str, Any],
    resolver: Resolver,
    *,
    explain: bool,
    progress: Progress | None = None,
) -> tuple[Check, ...]:
    """Every result of a file graded by itself: beside no baseline, held against nothing."""
    source, file = _named(results)
    checks: list[Check] = []
    refused: list[NothingToGradeError] = []
    found = _read(results, label)
    for done, result in enumerate(found, 1):
        try:
            checks.append(_grade(result, file, gpu, model, options, resolver, explain=explain))
        except NothingToGradeError as error:
            refused.append(error)
        if progress is not None:
            progress(done, len(found))
    if not checks:
        raise refused[0] if refused else InputError("holds no results", source=source)
    if refused:
        left = tuple(Note("not_graded", text=error.message) for error in refused)
        checks[0] = replace(checks[0], warnings=(*checks[0].warnings, *left))
    return tuple(checks)


def compare_and_apply(
    checks: list[Check],
    bars: Thresholds | None,
    baseline: str | Path | Baseline | None,
    source: str,
) -> list[Check]:
    """The checks beside the baseline, and held against the thresholds."""
    if baseline is not None:
        checks = compare_to_baseline(checks, read_baseline(baseline))
    if bars:
        checks = [apply_thresholds(each, bars) for each in checks]
        applied = {name for each in checks for bar in each.bars for name in (bar.name, bar.metric)}
        held = {name for each in checks for name, _ in each.result.percentiles}
        refuse_unapplied(bars, applied, held, source)
    return checks


def apply_thresholds(check: Check, bars: Thresholds) -> Check:
    """The check held against the thresholds that it has figures for."""
    mbu = next((use.mbu for use in check.utilization if use.phase == "decode"), None)
    graded = thresholds.Graded(
        check.main, check.metrics, check.tpot_s, mbu, check.drift, dict(check.result.percentiles)
    )
    return replace(check, bars=thresholds.apply(bars, graded))


def compare_to_baseline(checks: list[Check], baseline: Baseline) -> list[Check]:
    """Each with its drift; InputError where the baseline has none of them."""
    alone = len(checks) == 1
    drifts = [compare_to(baseline, _run(each), alone=alone) for each in checks]
    if not any(drifts):
        labels = ", ".join(repr(each.label) for each in baseline.results)
        raise InputError(
            "holds no result to compare with",
            source=baseline.source,
            field=flag("baseline"),
            hint=f"it has {labels}" if any(each.label for each in baseline.results) else "",
        )
    absent = Note("not_in_baseline", source=baseline.source)
    return [
        replace(each, drift=drift) if drift else replace(each, warnings=(absent, *each.warnings))
        for each, drift in zip(checks, drifts, strict=True)
    ]


def _run(check: Check) -> Run:
    result = check.result
    return Run(
        check.source, result.label, setup_of(check.setup()), check.metrics, check.main,
        result.spread,
    )  # fmt: skip


class NothingToGradeError(InputError):
    """A result none of whose figures has a limit to be compared with."""


def _named(results: Result | Sequence[Result] | Source) -> tuple[str, str]:
    """What errors call it, and its file."""
    if isinstance(results, str | Path):
        return str(results), str(results)
    return (results.tool if isinstance(results, Result) else "the result"), ""


def _read(source: Result | Sequence[Result] | Source, label: str | None) -> tuple[Result, ...]:
    given: Any = (source,) if isinstance(source, Result) else source
    if not isinstance(given, str | Path | Mapping) and isinstance(next(iter(given), None), Result):
        return tuple(given)
    from vperf.checks.importers import read_results, results_in  # noqa: PLC0415  (seldom needed)

    found = read_results(given) if isinstance(given, str | Path) else results_in(given)
    if label is None:
        return found
    picked = tuple(result for result in found if result.label == label)
    if not picked:
        labels = ", ".join(repr(each.label) for each in found)
        name = _named(source)[0]
        raise InputError(f"holds no result {label!r}", source=name, hint=f"it has {labels}")
    return picked


_OF_TOKENS = ("tpot_s", "decode_tokens_per_s", "output_tokens_per_s")


def _check_nothing_decoded(result: Result, at: Deployment) -> None:
    """InputError for figures of output tokens where there are none."""
    for name in _OF_TOKENS:
        if getattr(result, name) is not None:
            raise InputError(
                f"{at.found.id} generates no tokens: this figure cannot be its", field=name,
                hint=f"{flag('ttft')}: the time in which all texts are read; "
                f"{flag('prefill_tok_s')}",
            )  # fmt: skip


def _grade(  # noqa: PLR0917  (as check)
    result: Result,
    source: str,
    gpu: str | Gpu | None,
    model: ModelLike | None,
    options: Mapping[str, Any],
    resolver: Resolver,
    *,
    explain: bool,
) -> Check:
    for name, value in result.measured.items():
        refuse_odd(value, name)
    said = scenario_of(result, gpu=gpu, model=model, options=options, resolver=resolver)
    at = resolver.deployment(said.scenario)
    if not at.model.generates:
        _check_nothing_decoded(result, at)
    figures = measured_figures(result, at)
    at, answer, how = as_it_ran(resolver, at, figures)
    found = metrics(at, answer, figures)
    more_cards = _more_cards(result, at)
    doubts = bool(said.doubts or said.doubts_above or more_cards)
    above = any(metric.of_limit > 1.0 for metric in found)
    found = tuple(
        doubted(each) if doubts or each.name in result.doubtful else each for each in found
    )
    excuses = excuse(result, options, at, figures, found, resolver)
    if excuses:
        found = tuple(map(doubted, found))
    main = main_metric(found, served=at.load is not None)
    if main is None:
        raise NothingToGradeError(
            f"{result.label or 'the result'} of {result.tool} has no figure to grade: needs a "
            "decode or prefill rate, TPOT, TTFT, latency or output tokens per second",
            hint=_WHY_NOT if result.setup.past_len or at.load is not None else "",
        )
    impossible = next((metric for metric in found if metric.verdict == "impossible"), None)
    falls = _waterfalls(at, answer, figures)
    batch = running(at, answer, figures)
    tpot = next((fall.measured_s for fall in falls if fall.metric == "tpot_s"), None)
    local = card_of(gpu) if explain and main.verdict == "slow" else None
    case = Case(resolver, at, answer, falls or _by_rate(answer, main), result.setup, local)
    suspects = find_suspects(case) if explain and not impossible else ()
    unexplained = explain and main.verdict == "slow" and not impossible and not is_telling(suspects)
    return Check(
        result=result,
        source=source,
        scenario=at.scenario,
        estimate=answer,
        engine_name=at.card.engine.name,
        verdict="impossible" if impossible else main.verdict,
        main=main,
        metrics=found,
        percentiles=percentile_metrics(at, answer, result) if at.load is not None else (),
        tpot_s=tpot,
        running_batch=batch,
        utilization=_utilization(at, answer, falls, batch),
        waterfalls=falls,
        suspects=suspects,
        checklist=tuple(checklist(case)) if unexplained else (),
        reasons=explanations(case, impossible) if explain and impossible else (),
        bars=(),
        drift=None,
        warnings=(
            *said.warnings,
            *(Note("doubt", text=text) for text in said.doubts_above if above),
            *(note for note in (*more_cards, *excuses, *how) if note.role == "warning"),
            *_weights_warning(result, answer),
            *_flight_warning(result, at, figures),
            *answer.warnings,
        ),
        notes=(*said.notes, *(n for n in how if n.role != "warning"), *_left_out(result, found)),
    )


_WHY_NOT = (
    "prefill after cached tokens, and the prefill rate of a server under load, are not graded"
)


def _left_out(result: Result, found: tuple[Metric, ...]) -> tuple[Note, ...]:
    """Which measured figures were not graded."""
    names = {metric.name for metric in found}
    left = [n for n in (*TIMES, *RATES) if getattr(result, n) is not None and n not in names]
    if not left:
        return ()
    return (Note("figures_left", figures=", ".join(left)),)


def _waterfalls(
    at: Deployment, answer: Estimate, figures: dict[str, float]
) -> tuple[Waterfall, ...]:
    """Of every time that was measured, or follows from a rate."""
    batch, output = at.batch_size, at.lengths.output_tokens
    users = at.load.users if at.load is not None else None
    at_once = at.scenario.request_rate == math.inf
    tpot, ttft, latency = (figures.get(name) for name in ("tpot_s", "ttft_s", "latency_s"))
    if at.load is None:
        if tpot is None and "decode_tokens_per_s" in figures:
            tpot = batch / figures["decode_tokens_per_s"]
        if ttft is None and "prefill_tokens_per_s" in figures:
            prompt = batch * at.prompt_tokens
            ttft = prompt / figures["prefill_tokens_per_s"]
        if latency is None and "requests_per_s" in figures:
            latency = batch / figures["requests_per_s"]
        elif latency is None and "output_tokens_per_s" in figures:
            latency = batch * output / figures["output_tokens_per_s"]
    elif latency is None and users and "output_tokens_per_s" in figures and not at_once:
        # Of prompts sent at once, who is in flight falls to none: that is nobody's latency.
        latency = users * output / figures["output_tokens_per_s"]
    if tpot is None and ttft is not None and latency is not None and output > 1 and latency > ttft:
        tpot = (latency - ttft) / (output - 1)
    found = []
    if tpot is not None:
        found.append(waterfall.of_tpot(answer, tpot))
    if ttft is not None:
        found.append(waterfall.of_ttft(answer, ttft))
    if not found and latency is not None:
        found.append(waterfall.of_latency(answer, latency))
    return tuple(found)


def _by_rate(answer: Estimate, main: Metric) -> tuple[Waterfall, ...]:
    """Of a decode step as slow as the run, where no time of it was measured: for suspects alone."""
    if main.verdict != "slow" or main.name not in ("output_tokens_per_s", "requests_per_s"):
        return ()
    return (waterfall.of_tpot(answer, answer.expected.tpot_s / main.of_expected),)


def _utilization(
    at: Deployment, answer: Estimate, falls: tuple[Waterfall, ...], batch: float | None
) -> tuple[Utilization, ...]:
    """Of both phases where their times are known; a load's decode as what was running."""
    found = []
    for fall in falls:
        expected = answer.workload.batch_size
        if fall.metric == "ttft_s" and at.load is None:
            # A server's TTFT is mostly waiting: no measure of the card.
            found.append(utilization("prefill", fall.measured_s, answer.prefill, at, expected))
        elif fall.metric == "tpot_s":
            ran = expected if batch is None else max(1, round(batch))
            step = answer.decode if ran == expected else decode_step(at, ran)
            found.append(utilization("decode", fall.measured_s, step, at, ran))
    return tuple(found)


def _flight_warning(result: Result, at: Deployment, figures: dict[str, float]) -> tuple[Note, ...]:
    """Say so where figures contradict each other, or the load, by Little's law."""
    users, seen = at.batch_size, in_flight(at, figures)
    if at.load is not None:
        users = at.load.users or 0
    if seen is None or not users:
        return ()
    fewer = _FEWER_TOLERANCE
    if at.scenario.request_rate == math.inf and result.setup.max_concurrency is None:
        # All sent at once: they wait for each other, and their number falls to none.
        users, fewer = max(users, result.setup.requests or 1), 2 * _FEWER_TOLERANCE
    more = seen > _MORE_TOLERANCE * users
    if not more and seen >= users / fewer:
        return ()
    return (Note("in_flight", requests=seen, users=users, more=more),)


def _more_cards(result: Result, at: Deployment) -> tuple[Note, ...]:
    """Say so where the weights alone are more than a card has, and nobody said how many ran."""
    setup, asked = result.setup, at.scenario
    said = any((setup.gpus, setup.tp, setup.pp, setup.dp, setup.ep))
    if said or at.model.parallel.gpus > 1 or asked.quantization is not None:
        return ()
    need, there = at.model.rank_weight_bytes, at.card.gpu.memory_bytes
    if need <= there:
        return ()
    text = (
        f"{need / 2**30:,.0f} GiB of weights are on no card of {there / 2**30:,.0f} GiB: more cards"
        f" ran ({flag('tp')}), lighter weights ({flag('quantization')}), or some of them on the"
        " host"
    )
    return (Note("doubt", text=text),)


def _weights_warning(result: Result, answer: Estimate) -> tuple[Note, ...]:
    """Say so where the tool loaded other weights than the answer is about."""
    loaded = result.setup.weight_bytes
    if loaded is None or abs(loaded / answer.model.weight_bytes - 1) < 0.05:
        return ()
    return (
        Note(
            "loaded_weights",
            loaded_gb=loaded / 1e9,
            quantization=answer.model.quantization,
            model=answer.model.id,
            stored_gb=answer.model.weight_bytes / 1e9,
        ),
    )


def summary(
    checks: Sequence[Check], errors: Sequence[tuple[str, VperfError]] = ()
) -> dict[str, Any]:
    """The JSON of several checks: each as it is alone, and how they ended.

    `errors`: what could not be graded, by name; then nothing has passed.
    """
    passed = [each.passed for each in checks if each.passed is not None] + [False] * len(errors)
    return {
        "schema": SCHEMA_MANY,
        "vperf_version": __version__,
        "passed": all(passed) if passed else None,
        "verdicts": {name: sum(c.verdict == name for c in checks) for name in VERDICTS},
        "checks": [each.to_dict() for each in checks],
        "errors": [
            {"name": name, "message": error.message, "hint": error.hint} for name, error in errors
        ],
    }
