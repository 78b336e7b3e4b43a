"""Affine: a quantity of a step before the step is known, a sum of coefficients times coordinates.

A coordinate is a function of a step: its tokens, its cached keys, the experts it touches. Blocks
compute with Affines as with numbers (`2.0 * rows * k * n`); what is not affine cannot slip in, for
a product of two Affines is a TypeError. Not here: which coordinates there are (ops.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, Self, TypeVar

View = tuple[Callable[..., Any], tuple[Hashable, ...]]
"""(function, arguments) from a step to another one."""


class Coordinate:
    """A number that a step has: `function(step, *of)`, of the step that `views` make of it, the
    first first; `group`: of which of the groups of sequences of a mixed step (timing/mixed.py).

    Equal ones are one object: terms are looked up by them ten thousand times in a comparison.
    """

    __slots__ = ("function", "group", "of", "views")

    function: Callable[..., float]
    of: tuple[Hashable, ...]
    views: tuple[View, ...]
    group: int

    def __new__(
        cls,
        function: Callable[..., float],
        of: tuple[Hashable, ...] = (),
        views: tuple[View, ...] = (),
        group: int = 0,
    ) -> Coordinate:
        """The one of these facts."""
        key = (function, of, views, group)
        found = _KNOWN.get(key)
        if found is None:
            made = super().__new__(cls)
            made.function, made.of, made.views, made.group = key
            found = _KNOWN.setdefault(key, made)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Coordinate, (self.function, self.of, self.views, self.group)

    def in_group(self, group: int) -> Coordinate:
        """The same of another group of sequences."""
        return Coordinate(self.function, self.of, self.views, group)

    def value(self, step: Any) -> float:
        """The coordinate of a step."""
        for view, of in self.views:
            step = view(step, *of)
        return self.function(step, *self.of)


def _one(step: object) -> float:
    return 1.0


_KNOWN: dict[tuple[Any, ...], Coordinate] = {}

ONE = Coordinate(_one)
"""The coordinate of constants."""


LONGEST: set[Callable[..., float]] = set()
"""Coordinates of which several steps that run as one have the greatest, where others add up."""


def longest(function: Callable[..., float]) -> Callable[..., float]:
    """Declares such a coordinate."""
    LONGEST.add(function)
    return function


class Affine:
    """A sum of coefficients times coordinates; immutable, and equal where its terms are."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Coordinate, float] | None = None) -> None:
        """Terms of coefficient 0 are left out."""
        self.terms = {at: value for at, value in (terms or {}).items() if value}

    def __add__(self, other: Affine | float) -> Affine:
        found = Affine.__new__(Affine)
        found.terms = self.terms.copy()
        add(found.terms, other)
        return found

    __radd__ = __add__

    def __mul__(self, number: float) -> Affine:
        if isinstance(number, Affine):
            return NotImplemented  # a TypeError: declare a coordinate instead
        found = Affine.__new__(Affine)
        found.terms = {at: value * number for at, value in self.terms.items()} if number else {}
        return found

    __rmul__ = __mul__

    def __truediv__(self, number: float) -> Affine:
        if isinstance(number, Affine):
            return NotImplemented
        found = Affine.__new__(Affine)
        found.terms = {at: value / number for at, value in self.terms.items()}
        return found

    def __neg__(self) -> Affine:
        return self * -1.0

    def __sub__(self, other: Affine | float) -> Affine:
        return self + -1.0 * other

    def __rsub__(self, other: float) -> Affine:
        return -self + other

    def __bool__(self) -> bool:
        raise TypeError("whether it is 0 depends on the step: ask for a case")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Affine) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __repr__(self) -> str:
        return f"Affine({self.terms})"

    def at(self, value: Callable[[Coordinate], float]) -> float:
        """The number that it is where each coordinate has the `value`."""
        return sum(factor * value(at) for at, factor in self.terms.items())


class Quantity(Protocol):
    """A number where the step is known, an Affine where it is not: what both can do."""

    def __add__(self, other: Self | float, /) -> Self: ...
    def __radd__(self, other: Self | float, /) -> Self: ...
    def __sub__(self, other: Self | float, /) -> Self: ...
    def __mul__(self, number: float, /) -> Self: ...
    def __rmul__(self, number: float, /) -> Self: ...
    def __truediv__(self, number: float, /) -> Self: ...


Q = TypeVar("Q", bound=Quantity)


def terms_of(quantity: Quantity | float) -> dict[Coordinate, float]:
    """The terms of either."""
    if isinstance(quantity, Affine):
        return quantity.terms
    assert isinstance(quantity, int | float)
    return {ONE: quantity} if quantity else {}


def add(terms: dict[Coordinate, float], quantity: Quantity | float, times: float = 1.0) -> None:
    """Add a quantity, so many times, to terms."""
    for at, value in terms_of(quantity).items():
        total = terms.get(at, 0.0) + times * value
        if total:
            terms[at] = total
        else:
            terms.pop(at, None)


def ratio(above: Quantity | float, below: Quantity | float) -> float:
    """How many times one quantity is the other, whatever the step. Raises TypeError if it is not
    the same for every step."""
    if isinstance(above, int | float) and isinstance(below, int | float):
        return above / below
    first, second = terms_of(above), terms_of(below)
    found = {first.get(at, 0.0) / value for at, value in second.items()}
    largest = max(found)
    if first.keys() - second.keys() or largest - min(found) > 1e-9 * abs(largest):
        raise TypeError(f"{above!r} is no constant share of {below!r}")
    return largest


def rounded_up(length: Any, size: int) -> Any:
    """In how many parts of `size` a length is; of an Affine that is one coordinate."""
    if not isinstance(length, Affine):
        return math.ceil(length / size)
    ((at, factor),) = length.terms.items()
    if factor != 1.0:
        raise TypeError(f"{length!r} is no coordinate")
    part = Coordinate(parts_of, (at.in_group(0), size), group=at.group)
    return Affine({part: 1.0})


@longest
def parts_of(step: Any, length: Coordinate, size: int) -> float:
    """The coordinate of `rounded_up`."""
    return math.ceil(length.value(step) / size)
