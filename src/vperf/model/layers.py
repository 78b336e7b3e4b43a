"""Which layers of a model are equal, told without reading each of them.

A layer is read with a LayerNumber in its number's place. What a reader asks of it (is it below 3,
is it every fourth, what stands at its place of a list) is kept with the answer: a layer whose
answers are the same reads the same, so that one of them is read. A reader that takes the number
itself, for a name or an index, gets it, and then no other layer is equal: seldom fast, never wrong.
Not here: what a layer is made of (families/), how layers are counted (model.py).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Hashable, Sequence
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")
Question = Callable[[int], Any]
"""Of the number of a layer; its answer is hashable."""


class EqualLayers(Generic[T]):
    """Layers by number; equal ones are read once."""

    __slots__ = ("_first", "_read")

    def __init__(self, read: Callable[[LayerNumber], T]) -> None:
        self._read = read
        self._first: _Known[T] = _Known()

    def __getitem__(self, number: int) -> T:
        at: _Known[T] | None = self._first
        while at is not None:
            if at.question is None:
                if at.layers:
                    return at.layers[0]
                break
            at = at.after.get(at.question(number))
        asked: list[tuple[Question, Hashable]] = []
        layer = self._read(LayerNumber(number, lambda this: this, asked))
        at = self._first
        for question, answer in asked:
            at.question = at.question or question
            at = at.after.setdefault(answer, _Known())
        at.layers.append(layer)
        return layer


class _Known(Generic[T]):
    """What is known after some answers: the next question, or the layer."""

    __slots__ = ("after", "layers", "question")

    def __init__(self) -> None:
        self.question: Question | None = None
        self.after: dict[Hashable, _Known[T]] = {}
        self.layers: list[T] = []


class LayerNumber:
    """The number of a layer, or what was computed of it; keeps in mind what it is asked."""

    __slots__ = ("_asked", "_of", "number")

    def __init__(self, number: Any, of: Question, asked: list[tuple[Question, Hashable]]) -> None:
        self.number, self._of, self._asked = number, of, asked

    def ask(self, question: Question) -> Any:
        """The answer, of which a layer is known."""
        of = self._of
        answer = question(self.number)
        self._asked.append(((lambda this: question(of(this))), answer))
        return answer

    def computed(self, other: Any, act: Callable[[Any, Any], Any]) -> LayerNumber:
        """What `act` makes of it and of another number."""
        of = self._of
        if isinstance(other, LayerNumber):
            others = other._of
            return LayerNumber(
                act(self.number, other.number),
                lambda this: act(of(this), others(this)),
                self._asked,
            )
        return LayerNumber(act(self.number, other), lambda this: act(of(this), other), self._asked)

    def __index__(self) -> int:
        return operator.index(self.ask(_itself))

    def __str__(self) -> str:
        return str(self.ask(_itself))

    def __format__(self, how: str) -> str:
        return format(self.ask(_itself), how)

    def __hash__(self) -> int:
        return hash(self.ask(_itself))

    def __bool__(self) -> bool:
        return bool(self.ask(bool))


def _itself(number: Any) -> Any:
    return number


def _arithmetic(act: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forth(self: LayerNumber, other: Any) -> LayerNumber:
        return self.computed(other, act)

    def back(self: LayerNumber, other: Any) -> LayerNumber:
        return self.computed(other, lambda own, it: act(it, own))

    return forth, back


def _comparison(act: Callable[[Any, Any], Any]) -> Callable[..., bool]:
    def compare(self: LayerNumber, other: Any) -> bool:
        if isinstance(other, LayerNumber):
            return bool(self.computed(other, act))
        return bool(self.ask(lambda own: act(own, other)))

    return compare


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    _forth, _back = _arithmetic(getattr(operator, _name))
    setattr(LayerNumber, f"__{_name}__", _forth)
    setattr(LayerNumber, f"__r{_name}__", _back)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(LayerNumber, f"__{_name}__", _comparison(getattr(operator, _name)))


def item_of(items: Sequence[T], layer: int | LayerNumber) -> T:
    """The item at the place of a layer, of which alone is known; `layer` as a reader was given."""
    if not isinstance(layer, LayerNumber):
        return items[layer]
    layer.ask(lambda own: _known_by(items[own]))
    place: int = layer.number
    return items[place]


def _known_by(item: Any) -> Hashable:
    """What tells an item from others: true is not 1, nor 1 what 1.0 is; a list is like no other."""
    return (type(item), item) if isinstance(item, str | int | float) else id(item)


def one_of(layer: int | LayerNumber, numbers: Container[int]) -> bool:
    """Whether it is among the `numbers`."""
    if not isinstance(layer, LayerNumber):
        return layer in numbers
    return cast("bool", layer.ask(lambda own: own in numbers))
