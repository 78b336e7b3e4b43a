"""A load as a benchmark runs it, request by request. Not here: the scheduler
(serving/scheduler.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vperf.answer import SimulatedRun

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.simulated import Simulated
    from vperf.serving.simulation import Run


def simulate(at: Deployment) -> Simulated | None:
    """A load as a benchmark runs it; None of a batch, and where the weights do not fit. Raises
    InputError."""
    compiled, load, given = at.compiled, at.load, at.run
    if load is None or given is None:
        return None
    if at.model.rank_weight_bytes >= at.card.gpu.memory_bytes:
        return None
    from vperf.serving.simulation import run  # noqa: PLC0415  (most scenarios are of a batch)

    given = _with_images(given, at.image_tokens)
    traffic = given.traffic(compiled.model.max_context_tokens)
    tick, count = given.tick, len(traffic)
    progress = None if tick is None else lambda done: tick(done, count)
    return run(
        compiled, traffic, acceptance=load.acceptance, proven=load.proven, encode_s=load.encode_s,
        progress=progress,
    )  # fmt: skip


def simulated_run(at: Deployment) -> SimulatedRun | None:
    """What of such a run is answered."""
    found = simulate(at)
    if found is None or at.run is None:
        return None
    given = at.run
    percents, steady = given.percents, found.steady
    return SimulatedRun(
        prompts=len(found.traffic),
        seed=given.seed,
        duration_s=found.duration_s,
        requests_per_s=found.requests_per_s,
        output_tokens_per_s=found.output_tokens_per_s,
        ttft=found.ttft(percents),
        tpot=found.tpot(percents),
        itl=found.itl(percents),
        e2e=found.e2e(percents),
        mean_running=found.mean_running,
        mean_waiting=found.mean_waiting,
        peak_running=found.peak_running,
        utilization=found.utilization,
        preempted=found.preempted,
        oversized=found.oversized,
        steady_requests_per_s=steady.requests_per_s if steady else None,
        saturated=found.saturated,
        goodput_requests_per_s=found.goodput(**given.kept) if given.kept else None,
    )


def _with_images(given: Run, image_tokens: int) -> Run:
    """Requests whose prompts hold images beside their text."""
    if not image_tokens:
        return given
    longer = tuple(
        replace(each, input_tokens=each.input_tokens + image_tokens)
        for each in given.lengths.requests
    )
    return replace(given, lengths=replace(given.lengths, requests=longer))
