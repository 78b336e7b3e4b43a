"""Is the number I measured good? One result, or a file of them, graded against an Estimate.

Not here: reading files (importers/), the scenario a result answers (scenario_of_result.py),
shares and verdicts (grade.py), and words (report/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from vperf import api
from vperf.answer import Estimate
from vperf.checks import waterfall
from vperf.checks.above_limit import Reason, reasons
from vperf.checks.baseline import Baseline, Drift, compare_to_baseline, read_baseline
from vperf.checks.grade import (
    RATES,
    TIMES,
    VERDICTS,
    Metric,
    Utilization,
    Verdict,
    as_batch,
    doubted,
    in_flight,
    main_metric,
    measured_figures,
    metrics,
    running,
    utilization,
)
from vperf.checks.result import Result
from vperf.checks.scenario_of_result import scenario_of
from vperf.checks.suspects import Suspect, suspects
from vperf.checks.thresholds import Bar, Bars, judged, refuse_unjudged
from vperf.checks.waterfall import Waterfall
from vperf.errors import InputError, VperfError
from vperf.frames import Shown
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.notes import Note
from vperf.scenario import ModelLike, Options, Scenario
from vperf.sources.engines import load_engine
from vperf.version import __version__

Source = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A result file ("-": standard input), or what its JSON holds."""

_MORE, _FEWER = 1.25, 2.0
"""How far requests in flight may be off the load: means are rounded, and a run's ends are idle."""

SCHEMA = "vperf/check/1"
SCHEMA_MANY = "vperf/checks/1"


@dataclass(frozen=True, repr=False)
class Check(Shown):
    """One graded result. Every figure that the command line prints is read from here.

    Explanations ask vperf a dozen further scenarios: they are asked when somebody looks, which
    slots would not allow.
    """

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
    bars: tuple[Bar, ...]
    drift: Drift | None
    """Beside the baseline; None without one."""
    warnings: tuple[Note, ...]
    notes: tuple[Note, ...]

    @cached_property
    def suspects(self) -> tuple[Suspect, ...]:
        """What may be behind the time it took, then what to try; empty where it is impossible."""
        if self.verdict == "impossible":
            return ()
        return suspects(self.scenario, self.estimate, self.waterfalls)

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it may be impossible, the likeliest first; empty where it is not."""
        worst = next((each for each in self.metrics if each.verdict == "impossible"), None)
        return reasons(self.scenario, self.estimate, worst) if worst else ()

    @property
    def passed(self) -> bool | None:
        """Whether every bar is cleared; None without bars."""
        return all(bar.passed for bar in self.bars) if self.bars else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        answer = self.estimate
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            "source": self.source,
            "result": asdict(self.result),
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
                "max_concurrency": self.scenario.max_concurrency,
                "request_rate": self.scenario.request_rate,
            },
            "verdict": self.verdict,
            "main": self.main.name,
            "metrics": {
                metric.name: {k: v for k, v in asdict(metric).items() if k != "name"}
                for metric in self.metrics
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
            "passed": self.passed,
            "bars": [asdict(bar) for bar in self.bars],
            "baseline": asdict(self.drift) if self.drift else None,
            "warnings": list(map(str, self.warnings)),
            "notes": list(map(str, self.notes)),
            "assumptions": list(map(str, answer.assumptions)),
        }


def check(
    result: Result | Source,
    gpu: str | Gpu | None = None,
    model: ModelLike | None = None,
    *,
    bars: Bars | None = None,
    baseline: str | Path | None = None,
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
    graded = _graded(found[0], file, gpu, model, options)
    (graded,) = gated([graded], bars, baseline, source)
    return graded


def check_all(
    results: Sequence[Result] | Source,
    gpu: str | Gpu | None = None,
    model: ModelLike | None = None,
    *,
    bars: Bars | None = None,
    baseline: str | Path | None = None,
    label: str | None = None,
    **options: Unpack[Options],
) -> tuple[Check, ...]:
    """Grade every result of a file; as `check`, which grades one.

    A bar is held against each result that has its figure. Results without any figure to grade are
    left out where others have one; the first check's warnings say which.
    """
    source, file = _named(results)
    found = _read(results, label)
    checks: list[Check] = []
    refused: list[NothingToGradeError] = []
    for result in found:
        try:
            checks.append(_graded(result, file, gpu, model, options))
        except NothingToGradeError as error:
            refused.append(error)
    if not checks:
        raise refused[0] if refused else InputError("holds no results", source=source)
    if refused:
        left = tuple(Note("not_graded", text=error.message) for error in refused)
        checks[0] = replace(checks[0], warnings=(*checks[0].warnings, *left))
    return tuple(gated(checks, bars, baseline, source))


def gated(
    checks: list[Check], bars: Bars | None, baseline: str | Path | None, source: str
) -> list[Check]:
    """The checks beside the baseline, and held against the bars."""
    if baseline is not None:
        checks = beside(checks, read_baseline(baseline))
    if bars:
        checks = [replace(each, bars=judged(bars, each)) for each in checks]
        refuse_unjudged(bars, {bar.name for each in checks for bar in each.bars}, source)
    return checks


def beside(checks: list[Check], baseline: Baseline) -> list[Check]:
    """Each with its drift; InputError where the baseline has none of them."""
    drifts = [compare_to_baseline(each, baseline, alone=len(checks) == 1) for each in checks]
    if not any(drifts):
        labels = ", ".join(repr(each.label) for each in baseline.results)
        raise InputError(
            "holds no result to compare with", source=baseline.source, field="--baseline",
            hint=f"it has {labels}" if any(each.label for each in baseline.results) else "",
        )  # fmt: skip
    absent = Note("not_in_baseline", source=baseline.source)
    return [
        replace(each, drift=drift) if drift else replace(each, warnings=(absent, *each.warnings))
        for each, drift in zip(checks, drifts, strict=True)
    ]


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


def _graded(
    result: Result,
    source: str,
    gpu: str | Gpu | None,
    model: ModelLike | None,
    options: Options,
) -> Check:
    posed = scenario_of(result, gpu=gpu, model=model, options=options)
    scenario = posed.scenario
    answer = api.ask(scenario)
    figures = measured_figures(result, scenario)
    found = metrics(scenario, answer, figures)
    if posed.doubts:
        found = tuple(map(doubted, found))
    main = main_metric(found, served=scenario.served)
    if main is None:
        raise NothingToGradeError(
            f"{result.label or 'the result'} of {result.tool} has no figure to grade: needs a "
            "decode or prefill rate, TPOT, TTFT, latency or output tokens per second",
            hint=_WHY_NOT if result.setup.past_len or scenario.served else "",
        )
    impossible = any(metric.verdict == "impossible" for metric in found)
    falls = _waterfalls(scenario, answer, figures)
    batch = running(scenario, answer, figures)
    tpot = next((fall.measured_s for fall in falls if fall.metric == "tpot_s"), None)
    return Check(
        result=result,
        source=source,
        scenario=scenario,
        estimate=answer,
        engine_name=_engine_name(scenario),
        verdict="impossible" if impossible else main.verdict,
        main=main,
        metrics=found,
        tpot_s=tpot,
        running_batch=batch,
        utilization=_utilization(scenario, answer, falls, batch),
        waterfalls=falls,
        bars=(),
        drift=None,
        warnings=(
            *posed.warnings,
            *_weights_warning(result, answer),
            *_flight_warning(result, scenario, figures),
            *answer.warnings,
        ),
        notes=(*posed.notes, *_left_out(result, found)),
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


def _engine_name(scenario: Scenario) -> str:
    engine = scenario.engine
    return (engine if isinstance(engine, Engine) else load_engine(engine)).name


def _waterfalls(
    scenario: Scenario, answer: Estimate, figures: dict[str, float]
) -> tuple[Waterfall, ...]:
    """Of every time that was measured, or follows from a rate."""
    batch, steps = scenario.batch_size, scenario.output_len - 1
    tpot, ttft, latency = (figures.get(name) for name in ("tpot_s", "ttft_s", "latency_s"))
    if not scenario.served:
        if tpot is None and "decode_tokens_per_s" in figures:
            tpot = batch / figures["decode_tokens_per_s"]
        if ttft is None and "prefill_tokens_per_s" in figures:
            prompt = batch * answer.workload.prompt_tokens
            ttft = prompt / figures["prefill_tokens_per_s"]
        if latency is None and "requests_per_s" in figures:
            latency = batch / figures["requests_per_s"]
        elif latency is None and "output_tokens_per_s" in figures:
            latency = batch * scenario.output_len / figures["output_tokens_per_s"]
    elif latency is None and scenario.max_concurrency and "output_tokens_per_s" in figures:
        latency = scenario.max_concurrency * scenario.output_len / figures["output_tokens_per_s"]
    if tpot is None and ttft is not None and latency is not None and steps > 0 and latency > ttft:
        tpot = (latency - ttft) / steps
    found = []
    if tpot is not None:
        found.append(waterfall.of_tpot(answer, tpot))
    if ttft is not None:
        found.append(waterfall.of_ttft(answer, ttft))
    if not found and latency is not None:
        found.append(waterfall.of_latency(answer, latency))
    return tuple(found)


def _utilization(
    scenario: Scenario, answer: Estimate, falls: tuple[Waterfall, ...], batch: float | None
) -> tuple[Utilization, ...]:
    """Of both phases where their times are known; a load's decode as what was running."""
    found = []
    for fall in falls:
        if fall.metric == "ttft_s" and not scenario.served:
            # A server's TTFT is mostly waiting: no measure of the card.
            found.append(utilization("prefill", fall.measured_s, answer))
        elif fall.metric == "tpot_s":
            ran = answer
            if scenario.served and batch is not None:
                size = max(1, round(batch))
                if size != answer.workload.batch_size:
                    ran = api.ask(as_batch(scenario, size))
            found.append(utilization("decode", fall.measured_s, ran))
    return tuple(found)


def _flight_warning(
    result: Result, scenario: Scenario, figures: dict[str, float]
) -> tuple[Note, ...]:
    """Say so where figures contradict each other, or the load, by Little's law."""
    users, seen = scenario.max_concurrency or scenario.batch_size, in_flight(scenario, figures)
    if seen is None or scenario.request_rate is not None:
        return ()
    fewer = _FEWER
    if scenario.served and result.setup.max_concurrency is None:
        # All sent at once: they wait for each other, and their number falls to none.
        users, fewer = max(users, result.setup.requests or 1), 2 * _FEWER
    more = seen > _MORE * users
    if not more and seen >= users / fewer:
        return ()
    return (Note("in_flight", requests=seen, users=users, more=more),)


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
