"""Values of an axis from text: lists and ranges.

    1,2,4            the values
    1..256           doubling: 1, 2, 4, ..., 256; the end is always in
    1..1000:x10      times ten
    1024..8192:+1024 in steps
    1..4096:log9     nine values at equal ratios (rounded where they are counts)

Not here: which options may be axes (scenario.py, grid.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, overload

from vperf.errors import InputError

MAX_VALUES = 10_000_000
"""Of one axis: more is a typing error."""

_RANGE = re.compile(r"([^.:]+(?:\.\d+)?)\.\.([^.:]+(?:\.\d+)?)(?::(.+))?", re.DOTALL)


Read = Callable[[str], int | float]
"""A number from text. Raises ValueError."""


def spread_out(
    text: str, kind: type[int] | type[float], source: str, read: Read | None = None
) -> Sequence[int | float]:
    """The values of a range, from its start to its end; steps are made as they are read.

    `read` reads its ends and its step. Raises InputError calling it `source`.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"{text!r} is not a range", source=source,
            hint="ranges are 1..256 (doubling), 1..256:x4, 1024..8192:+1024 or 1..4096:log9",
        )  # fmt: skip
    typed = _Range(text, kind, source)
    read = read or kind
    first, last = typed.number(match[1], kind, read), typed.number(match[2], kind, read)
    if first > last:
        raise typed.error("runs backwards", f"{last}..{first}")
    how = (match[3] or "x2").strip()
    if how.startswith("+"):
        return typed.steps(first, last, typed.number(how[1:], kind, read))
    if how.startswith("x"):
        return typed.times(first, last, typed.number(how[1:], float, float))
    if how.startswith("log"):
        return typed.ratios(first, last, typed.number(how[3:], int, int))
    raise typed.error(f"has {how!r} where +STEP, xFACTOR or logN is due")


class _Steps(Sequence[float]):
    """Fractions at equal distances, made as they are read."""

    def __init__(self, first: float, step: float, count: int) -> None:
        self._first, self._step, self._count = first, step, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...
    def __getitem__(self, index: int | slice) -> Any:
        found = range(self._count)[index]
        if isinstance(found, range):
            return tuple(map(self._at, found))
        return self._at(found)

    def _at(self, number: int) -> float:
        return round(self._first + number * self._step, 12)


class _Range(NamedTuple):
    """How a range was typed, and its kinds of progress."""

    text: str
    kind: type[int] | type[float]
    source: str

    def error(self, message: str, hint: str = "") -> InputError:
        return InputError(f"{self.text!r} {message}", source=self.source, hint=hint)

    def number(self, part: str, kind: type[int] | type[float], read: Read) -> int | float:
        try:
            value = read(part.strip())
            if isinstance(value, str):  # of options that take lists too ("0.8/0.6")
                raise ValueError(part)
        except ValueError:
            what = "whole number" if kind is int else "number"
            raise self.error(f"has {part.strip()!r}, which is not a {what}") from None
        if not math.isfinite(value):
            raise self.error(f"has {part.strip()!r}, which is not finite")
        return value

    def steps(self, first: float, last: float, step: float) -> Sequence[int | float]:
        if step <= 0:
            raise self.error("has a step that is not above 0")
        count = int((last - first) / step * (1 + 1e-12)) + 1
        self._check(count)
        if self.kind is int:
            return range(int(first), int(last) + 1, int(step))
        return _Steps(first, step, count)

    def times(self, first: float, last: float, factor: float) -> Sequence[int | float]:
        if factor <= 1:
            raise self.error("has a factor that is not above 1")
        if first <= 0:
            raise self.error(f"multiplies from {first}", "start above 0, or give a step (:+1)")
        count = math.ceil(math.log(last / first) / math.log(factor) - 1e-9) + 1
        self._check(count)
        inside = (first * factor**i for i in range(count - 1))
        return self._rising(value for values in (inside, (last,)) for value in values)

    def ratios(self, first: float, last: float, count: float) -> Sequence[int | float]:
        if count < 2:
            raise self.error("asks for fewer than two values")
        if first <= 0:
            raise self.error(f"has no ratio from {first}", "start above 0")
        self._check(int(count))
        last_one = count - 1
        return self._rising(first * (last / first) ** (i / last_one) for i in range(int(count)))

    def _value(self, value: float) -> int | float:
        return round(value) if self.kind is int else round(value, 12)

    def _rising(self, values: Iterable[float]) -> Sequence[int | float]:
        """Each value once: they rise, but for rounding."""
        return tuple(dict.fromkeys(map(self._value, values)))

    def _check(self, count: int) -> None:
        if count > MAX_VALUES:
            raise self.error(f"has {count:,} values, more than {MAX_VALUES:,}")
