"""Many scenarios: the product of choices, as `compare`, `sweep`, `fit` and `plan` walk it.

Names of models and cards are looked up once, before the first point. Choices may be lazy ranges:
a grid of ten million points takes no memory. Not here: what is done with the points, and how
choices are spelled on a command line (cli/scenario_options.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AnySet
from math import prod
from pathlib import Path
from typing import Any

from vperf.errors import InputError
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.resolve import Resolver
from vperf.resolve.card import Cards, cards_named, resolve_gpu, with_count
from vperf.resolve.engine import engine_named
from vperf.resolve.model import AS_STORED, check_formats
from vperf.scenario import CARD, INPUT_LEN, OPTIONS, OUTPUT_LEN, Scenario
from vperf.serving.lengths import Lengths
from vperf.values import dataclass

CONTEXT = "context"
"""An axis of its own: one decode step with so many tokens cached."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a grid."""

    chosen: Mapping[str, Any]
    """By option, of those with more than one choice; models and GPUs by their ids."""
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Grid:
    """A product of choices: each option with one value, or with several."""

    fixed: Mapping[str, Any]
    axes: Mapping[str, Sequence[Any]]
    """Options with more than one choice, the last of which varies fastest."""

    @property
    def count(self) -> int:
        """How many points it has."""
        return prod(map(len, self.axes.values()))

    def __iter__(self) -> Iterator[Point]:
        names = tuple(self.axes)
        for values in _product(tuple(self.axes.values())):
            chosen = dict(zip(names, values, strict=True))
            labels = {name: plain(value) for name, value in chosen.items()}
            yield Point(labels, scenario_at({**self.fixed, **chosen}))

    def shared(self) -> dict[str, Any]:
        """What all scenarios share, as plain values; with the lengths where nobody gave them."""
        fixed: dict[str, Any] = {name: plain(value) for name, value in self.fixed.items()}
        stated = {*self.fixed, *self.axes}
        if not stated & {"workload", CONTEXT}:
            lengths = {"input_len": INPUT_LEN, "output_len": OUTPUT_LEN}
            fixed |= {name: tokens for name, tokens in lengths.items() if name not in stated}
        return fixed

    def labels(self) -> dict[str, Sequence[Any]]:
        """The axes with their choices as plain values."""
        named = ("model", "gpu", "engine")
        return {
            name: tuple(map(plain, values)) if name in named else values
            for name, values in self.axes.items()
        }


def _product(axes: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """As itertools.product, which would keep every value of every axis."""
    if not axes:
        yield ()
        return
    *outer, last = axes
    for head in _product(outer):
        for value in last:
            yield (*head, value)


def plain(value: Any) -> Any:
    """A choice as it is shown: models, cards and engines by their ids."""
    if isinstance(value, str | int):
        return value
    if isinstance(value, ModelConfig | Gpu | Engine):
        return value.id
    if isinstance(value, Cards):
        return f"{value.count}x{value.gpu.id}"
    if isinstance(value, Lengths):
        return value.name
    return str(value) if isinstance(value, Path) else value


def scenario_at(options: Mapping[str, Any]) -> Scenario:
    """The scenario of one point; `context` becomes lengths. Raises InputError."""
    context = options.get(CONTEXT)
    if context is not None:
        if options.get("max_concurrency") is not None or options.get("request_rate") is not None:
            raise InputError(
                "is one decode step: it cannot be combined with a served load", field=CONTEXT
            )
        options = {**options, "input_len": context, "output_len": 1}
        del options[CONTEXT]
    if options.get("quantization") == AS_STORED:
        options = {**options, "quantization": None}
    if isinstance(options["gpu"], Cards):
        options = with_count(options)
    return Scenario(**options)


def grid(options: Mapping[str, Any], resolver: Resolver) -> Grid:
    """The product of `options`, each a value or several; names are looked up.

    `gpu` may be or hold "all", "all-nvidia", ...; with a `context` there are no lengths. Raises
    VperfError for options, models and GPUs that do not exist: for a config from the network last.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    _check_options(given)
    choices = {name: _choices(name, given[name]) for name in (*OPTIONS, CONTEXT) if name in given}
    choices["gpu"] = _cards(choices, given)
    _check_names(choices)
    revision = given.get("revision")
    choices["model"] = [resolver.config(model, revision) for model in choices["model"]]
    fixed = {name: values[0] for name, values in choices.items() if len(values) == 1}
    axes = {name: values for name, values in choices.items() if len(values) > 1}
    if "batch_size" in axes and {"max_concurrency", "request_rate"} & {*fixed, *axes}:
        raise InputError(
            "cannot be combined with a served load",
            field="batch-size",
            hint="its users, or its requests per second, decide the batch",
        )
    return Grid(fixed, axes)


def _check_options(given: Mapping[str, Any]) -> None:
    unknown = [name for name in given if name not in OPTIONS and name != CONTEXT]
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}", hint=f"known: {', '.join(OPTIONS)}")
    if "model" not in given:
        raise InputError("model is missing")
    if "gpu" not in given and "gpu_file" not in given:
        raise InputError("gpu is missing")
    clash = [name for name in ("input_len", "output_len", "workload") if name in given]
    if CONTEXT in given and clash:
        raise InputError(f"cannot be combined with {clash[0].replace('_', '-')}", field=CONTEXT)


def _choices(name: str, given: Any) -> Sequence[Any]:
    if isinstance(given, AnySet):
        given = list(given)
    several = isinstance(given, Sequence) and not isinstance(given, str) and name != "peak"
    choices: Sequence[Any] = given if several else [given]
    if not len(choices):
        raise InputError("has no value", field=name.replace("_", "-"))
    return choices


def _cards(choices: dict[str, Sequence[Any]], given: Mapping[str, Any]) -> Sequence[Gpu | Cards]:
    """The cards of all names, each as the options that describe a card change it."""
    own = {name: choices.pop(name)[0] for name in CARD if name in choices}
    if "gpu" not in given:
        return [resolve_gpu(Scenario("", None, **own))]
    cards = cards_named(choices["gpu"])
    if not own:
        return cards
    return [
        Cards(card.count, resolve_gpu(Scenario("", card.gpu, **own)))
        if isinstance(card, Cards)
        else resolve_gpu(Scenario("", card, **own))
        for card in cards
    ]


def _check_names(choices: Mapping[str, Sequence[Any]]) -> None:
    """UnknownNameError for a name that there is not, before any row."""
    for engine in choices.get("engine", ()):
        engine_named(engine)
    for name in choices.get("quantization", ()):
        check_formats(name, None)
    for name in choices.get("kv_cache_dtype", ()):
        check_formats(None, name)
