"""Frozen values made late behave as the standard library's dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """Two places and what is made anew for each."""

    x: int
    y: int = 2
    tags: dict[str, int] = field(default_factory=dict, compare=False)
    seen: list[int] = field(default_factory=list, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Solid(Point):
    """One place more."""

    z: int = 3


@dataclass(frozen=True)
class Checked:
    """A value that refuses."""

    x: int = 0

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError(self.x)


def test_values_are_made_by_place_name_and_default() -> None:
    point = Point(1, tags={"a": 1})
    assert (point.x, point.y, point.tags, point.seen) == (1, 2, {"a": 1}, [])
    assert Point(1).seen is not Point(1).seen
    assert dataclasses.astuple(Solid(1, z=9)) == (1, 2, {}, [], 9)


@pytest.mark.parametrize("given", [(), (1, 2, {}, 4)])
def test_wrong_arguments_are_refused(given: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="argument"):
        Point(*given)


@pytest.mark.parametrize("named", [{"w": 1}, {"x": 1, "seen": []}, {"y": 2}])
def test_wrong_names_are_refused(named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="argument"):
        Point(**named)


def test_the_thousandth_value_is_made_as_the_first() -> None:
    @dataclass(frozen=True, slots=True)
    class Many:
        x: int
        y: int = 2
        z: list[int] = field(default_factory=list)

    made = [Many(1, z=[3]) for _ in range(1000)]
    assert {(each.x, each.y, *each.z) for each in made} == {(1, 2, 3)}
    assert made[0] == made[-1]
    with pytest.raises(TypeError, match="argument"):
        Many(1, x=2)  # type: ignore[misc]


def test_values_never_change() -> None:
    for value in (Point(1), Checked(1)):
        with pytest.raises(FrozenInstanceError):
            value.x = 3  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            del value.x
    with pytest.raises(AttributeError):
        Point(1).more = 1  # type: ignore[attr-defined]


def test_equality_and_hash_are_of_the_fields_that_compare_and_of_one_class() -> None:
    assert Point(1, tags={"a": 1}) == Point(1)
    assert hash(Point(1, tags={"a": 1})) == hash(Point(1))
    assert Point(1) != Point(2)
    assert Solid(1) != Point(1)
    assert {Point(1), Point(1), Point(2)} == {Point(1), Point(2)}


def test_a_repr_is_what_makes_the_value() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2, tags={})"


def test_replace_pickle_copy_and_patterns_work() -> None:
    assert dataclasses.replace(Solid(1), x=5) == Solid(5)
    for value in (Solid(1, z=7), Checked(4)):
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value
    match Point(1, 9):
        case Point(x, y):
            assert (x, y) == (1, 9)


def test_what_a_class_checks_is_checked_always() -> None:
    Checked(1)
    for value in (-1, -2):
        with pytest.raises(ValueError, match=str(value)):
            Checked(value)


def test_what_the_standard_library_knows_of_a_class_is_as_it_says() -> None:
    """`fields`, parameters and patterns are made when they are read, those of bases first."""

    @dataclasses.dataclass(frozen=True, slots=True)
    class Plain:
        x: int
        y: int = 2
        z: int = 3

    assert [(f.name, f.default) for f in dataclasses.fields(Solid) if f.compare] == [
        (f.name, f.default) for f in dataclasses.fields(Plain)
    ]
    assert dataclasses.is_dataclass(Solid)
    assert Solid.__match_args__ == ("x", "y", "tags", "z")
    assert vars(Solid)["__slots__"] == ("z",)
    assert Solid.__dataclass_params__.frozen  # type: ignore[attr-defined]
