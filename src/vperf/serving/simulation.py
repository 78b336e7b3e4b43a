"""A load on a deployment, simulated: the requests that a benchmark would send, served to the end.

Means of an endless run are load.py's, in a hundredth of the time; this one gives percentiles, and
runs that end. Not here: the scheduler (scheduler.py), what a step takes (step_times.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import lru_cache

from vperf.errors import InputError
from vperf.serving.arrivals import (
    Traffic,
    arrival_times,
    draw_lengths,
    sessions,
    with_prefix_hit,
)
from vperf.serving.lengths import Lengths
from vperf.serving.percentiles import DEFAULT
from vperf.serving.scheduler import Cache, simulate
from vperf.serving.simulated import Simulated
from vperf.serving.speculative import tokens_per_step
from vperf.serving.step_times import DeploymentTimes, cache_room
from vperf.timing.compiled import Compiled
from vperf.values import dataclass

PROMPTS_PER_USER = 10
"""As benchmarks send them (InferenceMAX: num-prompts = 10 x concurrency)."""
MIN_PROMPTS = 100
OPEN_PROMPTS = 1000
"""Of an open loop (vLLM's --num-prompts)."""
MAX_PROMPTS = 5_000_000
ENOUGH_PROMPTS = 200_000
"""Which nobody has asked for by number: three seconds, and means that more would not change."""
MAX_TURNS = 10
"""Of a session, where the number of prompts does not say."""
JITTER = 0.25
"""Share by which outputs differ, as those of people do. Equal ones keep users in lock step, wave
after wave: the TTFT of NVIDIA's runs whose client is not published (serving.csv, every seventh of
397 rows) is then too high by 85 %, with a share of 0.025 by 76, of 0.1 by 17, of 0.2 by 1, of 0.35
and 0.5 too low by 3 and 4."""
_PROFILED_SEQUENCES = 256
_DEPLOYMENTS = 8
"""Whose step times are kept for the next load."""


@dataclass(frozen=True, slots=True)
class Run:
    """The requests of a benchmark, as its options say them."""

    lengths: Lengths
    users: int | None = None
    """At most so many are out (--max-concurrency)."""
    requests_per_s: float | None = None
    """inf: all at once, or as soon as fewer than `users` are out."""
    burstiness: float = 1.0
    prompts: int | None = None
    """--num-prompts; None: ten for each user, a thousand at a rate."""
    prefix_hit: float = 0.0
    sessions: int | None = None
    think_s: float = 0.0
    trace: Traffic | None = None
    """Requests as they came, instead of all the others but `users`."""
    seed: int = 0
    percents: tuple[float, ...] = DEFAULT
    """Percentiles to report (--metric-percentiles)."""
    kept: Mapping[str, float] = field(default_factory=dict)
    """Times of requests that are counted apart (--goodput), as Simulated.goodput has them."""
    tick: Callable[[int, int], object] | None = None
    """Told now and then how many requests of how many have ended."""

    def traffic(self, max_context: int | None = None) -> Traffic:
        """The requests. Raises InputError for what cannot be."""
        if self.trace is not None:
            return self.trace
        count = self.count
        if not 1 <= count <= MAX_PROMPTS:
            raise InputError(f"must be from 1 to {MAX_PROMPTS:,}, not {count!r}",
                             field="num-prompts")  # fmt: skip
        if self.sessions is not None:
            turns = max(1, count // self.sessions)
            return sessions(
                self.sessions, turns, self.lengths,
                think_s=self.think_s, max_context=max_context, seed=self.seed,
            )  # fmt: skip
        inputs, outputs = draw_lengths(self.lengths, count, seed=self.seed, around=JITTER)
        arrivals = None
        if self.requests_per_s is not None:
            arrivals = arrival_times(
                count, self.requests_per_s, burstiness=self.burstiness, seed=self.seed
            )
        return with_prefix_hit(Traffic(inputs, outputs, arrivals, self.users), self.prefix_hit)

    @property
    def finite(self) -> bool:
        """Whether its end is part of it: so many requests, or all at once."""
        if self.trace is not None or self.sessions is not None:
            return False
        at_once = self.requests_per_s == math.inf and self.users is None
        return at_once or self.prompts is not None

    @property
    def count(self) -> int:
        """How many requests."""
        if self.trace is not None:
            return len(self.trace)
        if self.prompts is not None:
            return self.prompts
        if self.sessions is not None:
            return self.sessions * _each(self.sessions, MAX_TURNS)
        if self.users is not None and self.requests_per_s in (None, math.inf):
            return max(MIN_PROMPTS, self.users * _each(self.users, PROMPTS_PER_USER))
        return OPEN_PROMPTS


def _each(users: int, usual: int) -> int:
    """Requests of each: as usual, fewer where so many users send a whole run with a few."""
    return max(1, min(usual, ENOUGH_PROMPTS // max(1, users)))


def run(
    compiled: Compiled,
    traffic: Traffic,
    *,
    acceptance: float = 0.0,
    proven: int = 0,
    encode_s: float = 0.0,
    times: DeploymentTimes | None = None,
    progress: Callable[[int], object] | None = None,
) -> Simulated:
    """Serve `traffic` with the scheduler of the card's engine.

    `times` are those of other traffic on the same deployment; `proven`, `encode_s`: as Load has
    them.
    """
    times = times or deployment_times(compiled, traffic, encode_s)
    model, facts = compiled.model, compiled.card.engine.scheduler
    groups = model.parallel.data
    longest, shortest = _extent(traffic)
    scheduler = facts if groups == 1 else facts.of_groups(groups)
    if not model.has_experts:
        scheduler = scheduler.warm()
    sequences = min(scheduler.max_sequences, traffic.concurrency or _PROFILED_SEQUENCES)
    prompt = sum(traffic.input_tokens) / len(traffic)
    room: Cache = cache_room(
        compiled, shortest, longest, min(sequences, _PROFILED_SEQUENCES), prompt
    )
    if proven:
        held = proven * (room.per_sequence + room.per_token * longest)
        room = replace(room, size=max(room.size, held))
    return simulate(
        times,
        scheduler,
        traffic,
        cache=room,
        tokens_per_step=tokens_per_step(acceptance, model.draft_depth),
        verified_tokens=1 + model.draft_tokens,
        stages=model.parallel.pipeline,
        progress=progress,
    )


def deployment_times(
    compiled: Compiled, traffic: Traffic, encode_s: float = 0.0
) -> DeploymentTimes:
    """Step times for the contexts that `traffic` comes to."""
    longest, shortest = _extent(traffic)
    return _times(compiled, shortest, longest, encode_s)


@lru_cache(maxsize=_DEPLOYMENTS)
def _times(compiled: Compiled, shortest: int, longest: int, encode_s: float) -> DeploymentTimes:
    """Shared by loads that come one after another on one deployment."""
    return DeploymentTimes(compiled, shortest, longest, encode_s)


def _extent(traffic: Traffic) -> tuple[int, int]:
    longest = max(map(sum, zip(traffic.input_tokens, traffic.output_tokens, strict=True)))
    return longest, min(traffic.input_tokens)
