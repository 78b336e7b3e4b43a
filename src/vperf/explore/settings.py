"""Many scenarios as the product of choices, and their answers from what they share.

`compare`, `sweep`, `fit` and `plan` walk the same product with the same `Resolver`. Not here: what
is done with the answers, and how choices are spelled on a command line (cli/scenario_options.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from vperf import api
from vperf.answer import Figures
from vperf.errors import InputError, UnknownNameError, VperfError
from vperf.formats import cache_format_named, format_named
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.model.model import Model
from vperf.scenario import INPUT_LEN, OUTPUT_LEN, Scenario
from vperf.serving.lengths import Lengths
from vperf.sources.engines import load_engine
from vperf.sources.gpus import list_gpus, load_gpu
from vperf.sources.models import load_model_config
from vperf.timing.compiled import Compiled

CONTEXT = "context"
"""An axis of its own: one decode step with so many tokens cached."""

AS_STORED = "auto"
"""A choice of quantization: what the checkpoint holds."""

_FIELDS = tuple(field.name for field in fields(Scenario))
_NAMED: dict[str, Callable[[str], Any]] = {
    "quantization": format_named, "kv_cache_dtype": cache_format_named, "engine": load_engine
}  # fmt: skip
"""Options whose values are names: a slip of the pen is said before any row."""
_LISTS = (list, tuple, range, set, frozenset)


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the product."""

    chosen: Mapping[str, Any]
    """By option, of those with more than one choice; models and GPUs by their ids."""
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Settings:
    """A product of choices: each option with one value, or with several."""

    fixed: Mapping[str, Any]
    axes: Mapping[str, tuple[Any, ...]]
    """Options with more than one choice, the last of which varies fastest."""

    @property
    def count(self) -> int:
        """How many scenarios it holds."""
        return prod(map(len, self.axes.values()))

    def __iter__(self) -> Iterator[Setting]:
        names = tuple(self.axes)
        shown = {n: _shown(n) for n in names}
        for values in product(*self.axes.values()):
            chosen = dict(zip(names, values, strict=True))
            yield Setting(
                {n: shown[n](v) for n, v in chosen.items()}, scenario_at({**self.fixed, **chosen})
            )

    def shared(self) -> dict[str, Any]:
        """What all scenarios share, as plain values; with the lengths where nobody gave them."""
        fixed: dict[str, Any] = {n: _plain(v) for n, v in self.fixed.items()}
        stated = {*self.fixed, *self.axes}
        if not stated & {"workload", CONTEXT}:
            lengths = {"input_len": INPUT_LEN, "output_len": OUTPUT_LEN}
            fixed |= {name: tokens for name, tokens in lengths.items() if name not in stated}
        return fixed

    def labels(self) -> dict[str, tuple[Any, ...]]:
        """The axes with their choices as plain values."""
        return {n: tuple(map(_shown(n), values)) for n, values in self.axes.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, ModelConfig | Gpu):
        return value.id
    if isinstance(value, Lengths):
        return value.name
    return str(value) if isinstance(value, Path) else value


def _shown(option: str) -> Any:
    if option in ("model", "gpu"):
        return lambda value: getattr(value, "id", value)
    return lambda value: value


def scenario_at(options: Mapping[str, Any]) -> Scenario:
    """The scenario of one point; `context` becomes lengths. Raises InputError."""
    options = dict(options)
    context = options.pop(CONTEXT, None)
    if context is not None:
        if options.get("max_concurrency") is not None or options.get("request_rate") is not None:
            raise InputError("is one decode step: it cannot be combined with a served load",
                             field="context")  # fmt: skip
        options.update(input_len=context, output_len=1)
    if options.get("quantization") == AS_STORED:
        del options["quantization"]
    return Scenario(**options)


def settings(options: Mapping[str, Any]) -> Settings:
    """The product of `options`, each a value or a list of values; names are looked up.

    `gpu` may be or hold "all", "all-nvidia", ...; with a `context` there are no lengths. Raises
    VperfError for options, models and GPUs that do not exist.
    """
    unknown = [n for n in options if n not in (*_FIELDS, CONTEXT)]
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}", hint=f"known: {', '.join(_FIELDS)}")
    for name in ("model", "gpu"):
        if options.get(name) is None:
            raise InputError(f"{name} is missing")
    clash = [n for n in ("input_len", "output_len", "workload") if options.get(n) is not None]
    if options.get(CONTEXT) is not None and clash:
        raise InputError(f"cannot be combined with {clash[0].replace('_', '-')}", field=CONTEXT)
    fixed: dict[str, Any] = {}
    axes: dict[str, tuple[Any, ...]] = {}
    for name in (n for n in (*_FIELDS, CONTEXT) if options.get(n) is not None):
        given = options[name]
        values = list(given) if isinstance(given, _LISTS) else [given]
        if name == "gpu":
            values = list(expand_gpus(values))
        elif name == "model":
            values = [find_model(value, options) for value in values]
        if not values:
            raise InputError("has no value", field=name.replace("_", "-"))
        _look_up(name, values)
        if len(values) > 1:
            axes[name] = tuple(values)
        else:
            fixed[name] = values[0]
    if "batch_size" in axes and {"max_concurrency", "request_rate"} & {*fixed, *axes}:
        raise InputError(
            "cannot be combined with a served load", field="batch-size",
            hint="its users, or its requests per second, decide the batch",
        )  # fmt: skip
    return Settings(fixed, axes)


def _look_up(name: str, values: Iterable[Any]) -> None:
    """UnknownNameError for a name that there is not."""
    if name in _NAMED:
        for value in values:
            if isinstance(value, str) and value != AS_STORED:
                _NAMED[name](value)


def find_model(model: Any, options: Mapping[str, Any]) -> ModelConfig:
    """The model's config, read once for all scenarios."""
    if isinstance(model, ModelConfig):
        return model
    return load_model_config(model, revision=options.get("revision"))


def expand_gpus(names: Iterable[str | Gpu]) -> tuple[Gpu, ...]:
    """The GPUs of these names, each once; "all" and "all-VENDOR" are those that ship."""
    found: dict[str, Gpu] = {}
    for name in names:
        for gpu in _named(name):
            found.setdefault(gpu.id, gpu)
    return tuple(found.values())


def _named(name: str | Gpu) -> Sequence[Gpu]:
    if isinstance(name, Gpu):
        return (name,)
    if not isinstance(name, str):
        raise InputError(f"must be a name or a Gpu, not {name!r}", field="gpu")
    start, dash, vendor = name.strip().lower().partition("-")
    if start != "all" or (dash and not vendor):
        return (load_gpu(name),)
    every = list_gpus()
    if not dash:
        return every
    of_vendor = [gpu for gpu in every if gpu.vendor.lower() == vendor]
    if not of_vendor:
        known = sorted({f"all-{gpu.vendor.lower()}" for gpu in every})
        raise UnknownNameError("group of GPUs", name, hint=f"known: all, {', '.join(known)}")
    return of_vendor


class Resolver:
    """Answers many scenarios, reading and building what they share once.

    Remembers deployments, not answers: memory stays flat over any number of loads.
    """

    _MOST = 512

    def __init__(self) -> None:
        self._models: dict[tuple[Any, ...], tuple[ModelConfig, Model] | VperfError] = {}
        self._cards: dict[tuple[Any, ...], Any] = {}
        self._deployments: dict[tuple[Any, ...], api.Deployment] = {}
        self._kept: list[Any] = []

    def figures(self, scenario: Scenario) -> Figures:
        """The speeds of a scenario and whether it fits. Raises VperfError."""
        return api.figures(scenario, self.deployment(scenario))

    def deployment(self, scenario: Scenario) -> api.Deployment:
        """The model and the cards of a scenario. Raises VperfError."""
        q = scenario
        of_engine = (
            q.engine, q.cuda_graphs, q.gpu_memory_utilization, q.max_num_seqs,
            q.max_num_batched_tokens,
        )  # fmt: skip
        card_key = (_key(q.gpu), *of_engine)
        card = self._cards.get(card_key)
        if card is None:
            card = api.card_of(q, api.engine_of(q))
            self._remember(self._cards, card_key, card, q.gpu)
        model_key = (
            _key(q.model), q.quantization, q.kv_cache_dtype, q.max_model_len, *of_engine, q.tp,
            q.pp, q.ep, q.dp, q.speculative, q.draft_tokens, q.acceptance is None, q.revision,
        )  # fmt: skip
        found = self._models.get(model_key)
        if found is None:
            try:
                found = api.deployed_model(q, card.engine)
            except VperfError as error:
                found = error
            self._remember(self._models, model_key, found, q.model)
        if isinstance(found, VperfError):
            raise found
        key = (model_key, card_key)
        deployment = self._deployments.get(key)
        if deployment is None:
            deployment = api.Deployment(found[0], Compiled(found[1], card))
            self._remember(self._deployments, key, deployment, q.gpu)
        return deployment

    def _remember(
        self, cache: dict[tuple[Any, ...], Any], key: tuple[Any, ...], value: Any, named: Any
    ) -> None:
        if len(cache) >= self._MOST:
            cache.pop(next(iter(cache)))
        cache[key] = value
        if not isinstance(named, str) and not any(named is kept for kept in self._kept):
            self._kept.append(named)  # while it lives, its id is no other's


def _key(named: Any) -> Any:
    return named if isinstance(named, str) else id(named)
