"""A measured result to be explained: what ran, its times beside what is expected, and what-ifs.

Not here: faults (faults.py, unknowns.py), reasons (above_limit.py) and what names them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from vperf.answer import Estimate
from vperf.checks.grade import TIMES, expected_figures
from vperf.checks.result import Setup
from vperf.checks.waterfall import Waterfall
from vperf.deployment import Deployment
from vperf.errors import VperfError
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.resolve import Resolver
from vperf.sources.local_gpu import LocalCard
from vperf.speeds import speeds
from vperf.values import dataclass

MATCH_TOLERANCE = 0.15
"""Predictions that are further off than this explain nothing."""
MIN_SLOWDOWN = 1 + MATCH_TOLERANCE
"""Measured over expected from which on faults are looked for: less, a healthy run fits too."""

Kind = Literal["suspect", "try"]


@dataclass(frozen=True, slots=True)
class Suspect:
    """One explanation or one change, with what vperf predicts for it."""

    id: str
    kind: Kind
    sentence: str
    evidence: str = ""
    """Which prediction comes how near to what was measured, or which value of an unknown would
    do; empty for a try, and for what is only usual."""
    predicted_s: float | None = None
    """Of the metric that the waterfall is of; None where vperf does not predict it."""
    error: float | None = None
    """That over the measured time, less 1; of a suspect."""
    command: str = ""
    """The option of the engine, or what shows the fault; empty where vperf knows none."""
    gain: float | None = None
    """Predicted speed over the measured (suspects, once mended) or expected one (tries)."""
    odds: float = 0.0
    """How telling it is, 0 to 1: suspects stand in this order."""


@dataclass(frozen=True)
class Case:
    """A measured result to be explained."""

    resolver: Resolver
    at: Deployment
    answer: Estimate
    falls: tuple[Waterfall, ...]
    setup: Setup = Setup()
    """What the file says of the run: facts that rule faults out."""
    local: LocalCard | None = None
    """This machine's card, where it is the one that is graded on."""

    @property
    def engine(self) -> Engine:
        """What ran."""
        return self.at.card.engine

    @property
    def gpu(self) -> Gpu:
        """The card it ran on."""
        return self.at.card.gpu

    @cached_property
    def ratios(self) -> Mapping[str, float]:
        """Measured over expected, of each time."""
        return {fall.metric: fall.measured_s / fall.expected_s for fall in self.falls}

    @property
    def slowdown(self) -> float:
        """That of the main time."""
        return self.falls[0].measured_s / self.falls[0].expected_s

    @property
    def is_slow(self) -> bool:
        """Whether faults are looked for."""
        return self.slowdown >= MIN_SLOWDOWN

    @property
    def decodes_slowly(self) -> bool:
        """Whether a decode step is known to have taken too long."""
        return self.ratios.get("tpot_s", 1.0) >= MIN_SLOWDOWN

    @property
    def step_s(self) -> float:
        """A decode step as measured: with the prefills of others taken out as expected."""
        return self.ratios.get("tpot_s", 1.0) * self.answer.decode.expected_s

    @property
    def excess_s(self) -> float:
        """What such a step took beyond what is expected."""
        return self.step_s - self.answer.decode.expected_s

    @cached_property
    def steady(self) -> Deployment:
        """The same load without end, which is predicted in a hundredth of a run's time."""
        load, run = self.at.load, self.at.run
        if load is None or run is None or not run.finite:
            return self.at
        endless: dict[str, Any] = {"num_prompts": None, "burstiness": None}
        if self.at.scenario.request_rate == math.inf:
            endless |= {"request_rate": None, "max_concurrency": load.users}
        return self.resolver.what_if(self.at, **endless)

    @cached_property
    def run_over_steady(self) -> Mapping[str, float]:
        """Each expected time of the run over that of the load without end."""
        if self.steady is self.at:
            return {}
        run = expected_figures(self.at, self.answer.expected, None)
        endless = expected_figures(self.steady, speeds(self.steady).expected, None)
        return {name: run[name] / endless[name] for name in TIMES}

    def predict(
        self, options: Mapping[str, Any], falls: tuple[Waterfall, ...] | None = None
    ) -> list[float] | None:
        """The expected times of another scenario; None where there is no such one."""
        try:
            other = self.resolver.what_if(self.steady, **options)
            times = expected_figures(other, speeds(other).expected, None)
        except VperfError:
            return None
        scale = self.run_over_steady
        return [scale.get(f.metric, 1.0) * times[f.metric] for f in falls or self.falls]
