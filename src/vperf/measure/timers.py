"""Seconds of one call on a device: CUDA graphs, events, triton's do_bench, the host's clock.

A timer is given several calls that do the same on different buffers, so that nothing is found in
the L2, and gives the time of one. Not here: what the calls do (torch_kernels.py).
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

from vperf.measure.backend import Timing

Call = Callable[[], object]

_WARM_UP_S = 0.05
_LEAST = 5
"""Repetitions, however long one takes."""
_MOST = 200
_ROUND_S = 2e-3
"""Long enough for the host's clock."""
_GRAPH_S = 2e-3
"""Work in one captured graph at least, so that its own launch does not count."""
_MAX_CAPTURED = 512


class Timer(Protocol):
    """Times a rotation of calls."""

    def time(self, calls: Sequence[Call], seconds: float) -> Timing:
        """Seconds of one call, measured for about `seconds` in all."""


def summary(samples: Sequence[float]) -> Timing:
    """Best and median."""
    return Timing(min(samples), statistics.median(samples))


class ClockTimer:
    """The host's clock around calls that `wait` makes complete: CPU, MPS."""

    def __init__(self, wait: Callable[[], object], clock: Callable[[], float] = time.perf_counter):
        self._wait = wait
        self._clock = clock

    def time(self, calls: Sequence[Call], seconds: float) -> Timing:
        """Rounds of calls long enough for the clock, the buffers in turn throughout."""
        turns = itertools.cycle(calls)
        self._round(turns, 1)  # sets things up: libraries, pages
        once = max(self._round(turns, 1), 1e-9)
        each = max(1, min(10_000, round(_ROUND_S / once)))
        left = seconds
        samples: list[float] = []
        while len(samples) < _LEAST or (left > 0 and len(samples) < _MOST):
            took = self._round(turns, each)
            samples.append(took / each)
            left -= took
        return summary(samples)

    def _round(self, turns: Iterator[Call], count: int) -> float:
        self._wait()
        start = self._clock()
        for call in itertools.islice(turns, count):
            call()
        self._wait()
        return self._clock() - start


class EventTimer:
    """CUDA events around eager calls: includes the gaps where the host is slower than the card."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def time(self, calls: Sequence[Call], seconds: float) -> Timing:
        """One round of all calls a sample."""
        return summary(self._samples(lambda: _each(calls), len(calls), seconds))

    def _samples(self, work: Call, runs: int, seconds: float) -> list[float]:
        torch = self._torch
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

        def once() -> float:
            start.record()
            work()
            end.record()
            end.synchronize()
            return float(start.elapsed_time(end)) * 1e-3

        first = once()
        for _ in range(min(50, int(_WARM_UP_S / max(first, 1e-7)))):
            once()
        samples: list[float] = []
        left = seconds
        while len(samples) < _LEAST or (left > 0 and len(samples) < _MOST):
            took = once()
            samples.append(took / runs)
            left -= took
        return samples


class GraphTimer(EventTimer):
    """The calls captured in a CUDA graph and replayed: kernels as engines run them.

    What cannot be captured is timed eagerly, and `eager` then says so.
    """

    def __init__(self, torch: Any) -> None:
        super().__init__(torch)
        self.eager: set[str] = set()
        """Why calls were not captured."""

    def time(self, calls: Sequence[Call], seconds: float) -> Timing:
        """As EventTimer.time, without the host."""
        torch = self._torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries set themselves up outside of the capture
            _each(calls)
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            _each(calls)
            end.record()
        end.synchronize()
        round_s = float(start.elapsed_time(end)) * 1e-3
        torch.cuda.current_stream().wait_stream(stream)
        rounds = max(1, min(round(_GRAPH_S / max(round_s, 1e-7)), _MAX_CAPTURED // len(calls)))
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                for _ in range(rounds):
                    _each(calls)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.eager.add(str(error).splitlines()[0][:100])
            torch.cuda.synchronize()
            return super().time(calls, seconds)
        return summary(self._samples(graph.replay, rounds * len(calls), seconds))


def do_bench(call: Call, seconds: float) -> Timing | None:
    """triton.testing.do_bench: L2 flushed before each run; None where it cannot run."""
    bench = triton_bench()
    if bench is None:
        return None
    best, median = bench(call, warmup=100, rep=max(50, int(seconds * 1e3)), quantiles=[0.0, 0.5])
    return Timing(float(best) * 1e-3, float(median) * 1e-3)


def triton_bench() -> Callable[..., Any] | None:
    """triton.testing.do_bench, or None: there may be no Triton, no compiler of C or no headers of
    Python, from which its driver is made when it is first asked for (Triton 3.6)."""
    try:
        from triton.runtime import driver  # noqa: PLC0415  (optional)
        from triton.testing import do_bench as bench  # noqa: PLC0415

        driver.active.get_device_interface()
    except Exception:  # of the compiler, of its process, of the loader
        return None
    return cast("Callable[..., Any]", bench)


def _each(calls: Sequence[Call]) -> None:
    for call in calls:
        call()
