"""Numbers that are none are refused, whoever gives them."""

from __future__ import annotations

import math
from typing import Any

import pytest

import vperf
from vperf.errors import InputError
from vperf.scenario import OPTIONS

COUNTS = [name for name, option in OPTIONS.items() if option.kind is int]
OTHERS = [name for name, option in OPTIONS.items() if option.kind is float]


def refused(name: str, value: object) -> str:
    given: dict[str, Any] = {name: value}
    with pytest.raises(InputError) as caught:
        vperf.estimate("qwen3-8b", "h100", **given)
    return str(caught.value.field)


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_a_whole_number_and_not_below_its_least(name: str) -> None:
    least = OPTIONS[name].minimum
    assert least is not None
    for value in (math.nan, math.inf, 1.5, 2.0, "2", True, least - 1, 10**5000):
        assert refused(name, value) == OPTIONS[name].flags[0].removeprefix("--"), value


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_number_is_finite(name: str) -> None:
    for value in (math.nan, -math.inf, True, [1.0]):
        refused(name, value)
    if name not in {"request_rate", "burstiness"}:
        refused(name, math.inf)
    for value in (10**400, -(10**5000)):  # which no float holds, and Python writes no more
        refused(name, value)


@pytest.mark.parametrize(
    "name", [n for n in OPTIONS if n not in {"model", "gpu", *COUNTS, *OTHERS}]
)
def test_a_value_of_another_type_is_refused_by_its_options_name(name: str) -> None:
    for value in (b"x", {"a": 1}, object(), [1], 2**70, math.nan):
        if not (name == "draft_model" and isinstance(value, dict)):
            assert refused(name, value) == OPTIONS[name].flags[0].removeprefix("--"), value
