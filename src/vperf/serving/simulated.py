"""What a simulated run comes to: when requests were answered, and metrics as benchmarks have them.

Times are seconds from the first possible arrival. Not here: how it came about (scheduler.py), the
arithmetic of percentiles (percentiles.py).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

from vperf.serving.arrivals import Traffic
from vperf.serving.percentiles import DEFAULT, Distribution, distribution, weighted_distribution
from vperf.values import dataclass

_GROWTH = 0.02
"""Share of the requests by which a queue that does not settle grows in half of a run."""
_JUDGED_REQUESTS = 50


@dataclass(frozen=True, slots=True)
class Steady:
    """The middle of a run, without its ramp and its drain."""

    seconds: float
    requests_per_s: float
    ttft_s: float
    tpot_s: float | None
    """None: no output of two tokens."""


@dataclass(frozen=True)
class Simulated:
    """A run from the first request sent to the last one answered; times in seconds."""

    traffic: Traffic
    sent_s: Sequence[float]
    first_s: Sequence[float]
    """When the client has the first token."""
    ended_s: Sequence[float]
    gap_s: Sequence[float]
    """Between two steps that gave tokens to a sequence (ITL), each as often as `gap_count` says."""
    gap_count: Sequence[int]
    busy_s: float
    running_s: float
    """Seconds that sequences were admitted, summed over them."""
    waiting_s: float
    """The same from being sent to being admitted, and once more after each preemption."""
    peak_running: int
    peak_cache: float
    """Share of the room; 0 where there is no bound."""
    steps: int
    events: int
    preempted: int
    oversized: int
    """Requests that take more than all the cache: served as if alone they fitted."""

    @cached_property
    def duration_s(self) -> float:
        """Ramp and drain included, as benchmarks count it."""
        return max(self.ended_s) - min(self.sent_s)

    @cached_property
    def ttft_s(self) -> list[float]:
        """Of every request."""
        return [first - sent for first, sent in zip(self.first_s, self.sent_s, strict=True)]

    @cached_property
    def e2e_s(self) -> list[float]:
        """Of every request."""
        return [ended - sent for ended, sent in zip(self.ended_s, self.sent_s, strict=True)]

    @cached_property
    def tpot_s(self) -> list[float]:
        """Of every request with two output tokens or more."""
        rows = zip(self.ended_s, self.first_s, self.traffic.output_tokens, strict=True)
        return [(ended - first) / (tokens - 1) for ended, first, tokens in rows if tokens > 1]

    def ttft(self, percents: Sequence[float] = DEFAULT) -> Distribution:
        """Time to the first token."""
        return distribution(self.ttft_s, percents)

    def tpot(self, percents: Sequence[float] = DEFAULT) -> Distribution | None:
        """A request's mean time per further token."""
        return distribution(self.tpot_s, percents) if self.tpot_s else None

    def itl(self, percents: Sequence[float] = DEFAULT) -> Distribution | None:
        """Between two outputs of one request."""
        if not self.gap_s:
            return None
        return weighted_distribution(self.gap_s, self.gap_count, percents)

    def e2e(self, percents: Sequence[float] = DEFAULT) -> Distribution:
        """From being sent to the last token."""
        return distribution(self.e2e_s, percents)

    @property
    def requests_per_s(self) -> float:
        """Over the whole run."""
        return len(self.traffic) / self.duration_s

    @property
    def output_tokens_per_s(self) -> float:
        """Over the whole run."""
        return sum(self.traffic.output_tokens) / self.duration_s

    @property
    def mean_running(self) -> float:
        """Sequences admitted, on average over the run."""
        return self.running_s / self.duration_s

    @property
    def mean_waiting(self) -> float:
        """Requests sent and not admitted, on average over the run."""
        return self.waiting_s / self.duration_s

    @property
    def utilization(self) -> float:
        """Share of the run in which a step ran."""
        return self.busy_s / self.duration_s

    def goodput(
        self, *, ttft_s: float = math.inf, tpot_s: float = math.inf, e2e_s: float = math.inf
    ) -> float:
        """Requests/s that kept all the bounds, over the whole run."""
        rows = zip(self.sent_s, self.first_s, self.ended_s, self.traffic.output_tokens, strict=True)
        good = sum(
            first - sent <= ttft_s
            and ended - sent <= e2e_s
            and (tokens < 2 or (ended - first) / (tokens - 1) <= tpot_s)
            for sent, first, ended, tokens in rows
        )
        return good / self.duration_s

    @cached_property
    def steady(self) -> Steady | None:
        """Without as many of the first and last requests as were out together, or a tenth of them;
        None: a run too short to have such a part.

        The rate is Little's: those out at a time / the time that one is. Completions of a closed
        loop come in waves, so that their number hangs on where a window is cut.
        """
        users, count = self.traffic.concurrency, len(self.traffic)
        ramp = users if users is not None else max(1, count // 10)
        order = sorted(range(count), key=self.sent_s.__getitem__)[ramp : count - ramp]
        if not order:
            return None
        start, end = self.sent_s[order[0]], self.sent_s[order[-1]]
        if end <= start:
            return None
        out = math.fsum(
            max(0.0, min(ended, end) - max(sent, start))
            for sent, ended in zip(self.sent_s, self.ended_s, strict=True)
        ) / (end - start)  # fmt: skip
        outputs = self.traffic.output_tokens
        tpot = [
            (self.ended_s[i] - self.first_s[i]) / (outputs[i] - 1) for i in order if outputs[i] > 1
        ]
        e2e_s = math.fsum(self.ended_s[i] - self.sent_s[i] for i in order) / len(order)
        return Steady(
            seconds=end - start,
            requests_per_s=out / e2e_s,
            ttft_s=math.fsum(self.first_s[i] - self.sent_s[i] for i in order) / len(order),
            tpot_s=math.fsum(tpot) / len(tpot) if tpot else None,
        )

    @property
    def saturated(self) -> bool:
        """Requests came faster than they were answered: the queue grew as long as they came."""
        count = len(self.traffic)
        if self.traffic.requests_per_s is None or count < _JUDGED_REQUESTS:
            return False
        sent, first = sorted(self.sent_s), sorted(self.first_s)

        def unanswered(at: float) -> int:
            return bisect_right(sent, at) - bisect_right(first, at)

        grown = unanswered(sent[-1]) - unanswered(sent[count // 2])
        return grown > _GROWTH * count + 2 * math.sqrt(count)
