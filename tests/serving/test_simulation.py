"""How many requests a run has whose number nobody says."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vperf.serving.arrivals import Traffic
from vperf.serving.lengths import equal
from vperf.serving.simulation import Run


@pytest.mark.parametrize(
    ("said", "requests"),
    [
        ({"users": 64}, 640),
        ({"users": 1}, 100),
        ({"users": 64, "requests_per_s": math.inf}, 640),
        ({"users": 64, "requests_per_s": 3.0}, 1000),
        ({"sessions": 7}, 70),
        ({"users": 65_536}, 3 * 65_536),
        ({"sessions": 65_536}, 3 * 65_536),
        ({"users": 1_000_000}, 1_000_000),
        ({"users": 65_536, "prompts": 655_360}, 655_360),
    ],
)
def test_users_send_ten_requests_each_and_fewer_where_there_are_tens_of_thousands(
    said: dict[str, Any], requests: int
) -> None:
    assert Run(equal(100, 10), **said).count == requests


def test_a_trace_is_what_is_served_and_sessions_grow_turn_by_turn() -> None:
    trace = Traffic([7], [2])
    assert Run(equal(100, 10), trace=trace).traffic() is trace
    two = Run(equal(100, 10), sessions=2, prompts=6).traffic()
    assert list(two.input_tokens) == [100, 100, 210, 210, 320, 320]
