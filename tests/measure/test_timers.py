"""The clock's timer, with a clock that calls move."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from vperf.measure.backend import Timing
from vperf.measure.timers import ClockTimer, EventTimer, GraphTimer, do_bench


class Machine:
    """Time passes only in its calls; each starts work that `wait` finishes."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.runs: list[int] = []
        self._seconds = seconds
        self._queued = 0

    def call(self, number: int = 0) -> None:
        self.runs.append(number)
        self._queued += 1

    def wait(self) -> None:
        self.now += self._queued * self._seconds
        self._queued = 0


def test_the_time_of_asynchronous_work_is_the_work_not_its_start() -> None:
    machine = Machine(3e-3)
    found = ClockTimer(machine.wait, lambda: machine.now).time([machine.call], 0.1)
    assert abs(found.median_s - 3e-3) < 1e-9


def test_buffers_take_turns() -> None:
    machine = Machine(1e-5)
    calls = [lambda i=i: machine.call(i) for i in range(3)]
    ClockTimer(machine.wait, lambda: machine.now).time(calls, 0.01)
    assert machine.runs[:6] == [0, 1, 2, 0, 1, 2]


def test_a_call_of_seconds_is_still_repeated_a_few_times() -> None:
    machine = Machine(2.0)
    ClockTimer(machine.wait, lambda: machine.now).time([machine.call], 0.5)
    assert 3 <= len(machine.runs) <= 10


class Cuda:
    """What the timers use of torch: a card whose kernels take `kernel_s`, a host that is slower."""

    def __init__(self, kernel_s: float, launch_s: float, *, captures: bool = True) -> None:
        self.now = 0.0
        self._kernel_s = kernel_s
        self._launch_s = launch_s
        self._captures = captures
        self._captured: list[float] | None = None
        self.OutOfMemoryError = MemoryError
        self.Stream = lambda: SimpleNamespace(wait_stream=lambda other: None)
        self.current_stream = self.Stream
        self.synchronize = lambda: None
        self.stream = lambda stream: contextmanager(lambda: iter([None]))()

    def kernel(self) -> None:
        if self._captured is not None:
            if not self._captures:
                raise RuntimeError("operation not permitted when stream is capturing\nmore")
            self._captured.append(self._kernel_s)
        else:
            self.now += max(self._kernel_s, self._launch_s)

    def Event(self, enable_timing: bool) -> Any:  # noqa: N802
        cuda = self

        class _Event:
            at = 0.0

            def record(self) -> None:
                self.at = cuda.now

            def synchronize(self) -> None: ...

            def elapsed_time(self, end: Any) -> float:
                return float(end.at - self.at) * 1e3

        return _Event()

    def CUDAGraph(self) -> Any:  # noqa: N802
        graph = SimpleNamespace(kernels=[])

        def replay() -> None:
            self.now += sum(graph.kernels)

        graph.replay = replay
        return graph

    @contextmanager
    def graph(self, graph: Any) -> Any:
        self._captured = graph.kernels
        try:
            yield
        finally:
            self._captured = None


def test_a_graph_gives_the_kernels_time_where_the_host_would_be_slower() -> None:
    cuda = Cuda(kernel_s=3e-6, launch_s=9e-6)
    torch = SimpleNamespace(cuda=cuda)
    assert GraphTimer(torch).time([cuda.kernel] * 8, 0.01).median_s == pytest.approx(3e-6)
    assert EventTimer(torch).time([cuda.kernel] * 8, 0.01).median_s == pytest.approx(9e-6)


def test_what_cannot_be_captured_is_timed_eagerly_and_that_is_remembered() -> None:
    cuda = Cuda(kernel_s=3e-6, launch_s=9e-6, captures=False)
    timer = GraphTimer(SimpleNamespace(cuda=cuda))
    assert timer.time([cuda.kernel], 0.01).median_s == pytest.approx(9e-6)
    assert timer.eager == {"operation not permitted when stream is capturing"}


def test_without_a_compiler_tritons_timer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Active:
        def get_device_interface(self) -> None:
            raise subprocess.CalledProcessError(1, "cc")

    driver = SimpleNamespace(active=Active())
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "triton.runtime", SimpleNamespace(driver=driver))
    bench = SimpleNamespace(do_bench=lambda call, **how: (2.0, 3.0))
    monkeypatch.setitem(sys.modules, "triton.testing", bench)
    assert do_bench(lambda: None, 0.1) is None
    driver.active = SimpleNamespace(get_device_interface=lambda: None)
    assert do_bench(lambda: None, 0.1) == Timing(2e-3, 3e-3)
