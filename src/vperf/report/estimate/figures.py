"""Which figure of an estimate is shown: of a batch, of a load's closed form, or of its run's means.

Not here: how it is written (speed_table.py, facts.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from vperf.answer import Estimate, SimulatedRun


def grows(answer: Estimate) -> bool:
    """Whether a queue grows without end: of a finite run it does not."""
    served = answer.serving
    return served is not None and served.saturated and served.prompts is None


def is_offered(answer: Estimate) -> bool:
    """Whether a rate is, which all that is served then has."""
    return answer.serving is not None and answer.serving.requests_asked_per_s is not None


class Figure(NamedTuple):
    """One figure as it is shown, seconds or a rate."""

    limit: float
    low: float
    expected: float
    high: float
    ceiling: float

    def times(self, factor: float) -> Figure:
        """Another expected, its range as wide; no end beyond the limit."""
        inside = min if self.low < self.limit else max  # of a rate, of a time
        low, expected, high = (
            inside(factor * each, self.limit) for each in (self.low, self.expected, self.high)
        )
        return self._replace(low=low, expected=expected, high=high)


def figure(answer: Estimate, key: str) -> Figure:
    """A figure of the closed form by its name in `Speeds`."""
    expected = answer.expected
    of = (answer.limit, expected.low, expected, expected.high, answer.ceiling)
    return Figure(*(getattr(speed, key) for speed in of))


def run_of(answer: Estimate) -> SimulatedRun | None:
    """The simulated run whose means are shown; none of what does not fit, or whose queue grows."""
    shown = answer.serving is not None and not grows(answer) and answer.memory.fits
    return answer.simulated if shown else None


def prefill_bound(answer: Estimate) -> str:
    """What bounds the first token: a link where a cache sent takes longer than what is computed."""
    kept, by = answer.kept, answer.read_by
    if (kept and kept.sent_s > kept.rest_s) or (by and by.sent_s > by.prefill_s):
        return "link"
    return answer.prefill.bound


def ttft(answer: Estimate) -> Figure:
    """Of a served load the mean of its run."""
    run, closed = run_of(answer), figure(answer, "ttft_s")
    return closed.times(run.ttft.mean_s / closed.expected) if run else closed


def _slower(answer: Estimate) -> float:
    """TPOT of the run over the one that is expected, which of a finite run is the same."""
    run = run_of(answer)
    return run.tpot.mean_s / answer.expected.tpot_s if run and run.tpot else 1.0


def tpot(answer: Estimate) -> Figure:
    """Seconds of each token after the first; of a served load the mean of its run."""
    return figure(answer, "tpot_s").times(_slower(answer))


def rate_of_user(answer: Estimate) -> Figure:
    """Decoded tokens/s of one user."""
    return figure(answer, "decode_tokens_per_s_per_user").times(1 / _slower(answer))


def texts(answer: Estimate) -> Figure:
    """Texts read a second, of what generates no tokens."""
    each = answer.workload.prompt_tokens
    rate = figure(answer, "prefill_tokens_per_s")
    return Figure(*(value / each for value in rate))


def rate_of_all(answer: Estimate) -> Figure:
    """Decoded tokens/s of a batch; of a load all that its run put out, from first to last."""
    generates = answer.workload.generates
    rate = figure(answer, "decode_tokens_per_s" if generates else "prefill_tokens_per_s")
    run = run_of(answer) if generates else None
    if run is None:
        return rate
    most = run.limit_output_tokens_per_s or math.inf
    whole = rate._replace(limit=most, ceiling=math.inf)
    return whole.times(run.output_tokens_per_s / rate.expected)
