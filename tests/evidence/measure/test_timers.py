"""The clock's timer, with a clock that calls move."""

from __future__ import annotations

from vperf.evidence.measure.timers import ClockTimer


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
