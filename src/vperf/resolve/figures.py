"""A scenario's options are of the types that they are declared with; its numbers are numbers.

The command line holds its words to that before; what a Python program gives is held here. Not here:
what a text means, and which options go together (card.py, engine.py, load.py).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import compress
from operator import attrgetter, is_not
from typing import Any

from vperf.errors import InputError, check_count
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.scenario import OPTIONS, Scenario
from vperf.serving.lengths import Lengths

_MODEL = (str, os.PathLike, Mapping, ModelConfig)
_TYPES: dict[str, tuple[type, ...]] = {
    "None": (type(None),), "str": (str,), "Path": (os.PathLike,), "Gpu": (Gpu,),
    "Engine": (Engine,), "ModelLike": _MODEL, "Lengths": (Lengths,), "int": (int,),
    "float": (float, int), "bool": (bool,), "Sequence[str]": (Sequence,),
}  # fmt: skip
"""By the parts of a field's annotation."""

_DECLARED = {each.name: str(each.type).split(" | ") for each in fields(Scenario)}
_ALLOWED = {
    name: tuple(kind for part in parts for kind in _TYPES[part])
    for name, parts in _DECLARED.items()
}
_DEFAULTS = {each.name: each.default for each in fields(Scenario)}
"""MISSING: it has none. What stands at its default needs no check."""
_USUAL = tuple(_DEFAULTS.values())
_values = attrgetter(*_ALLOWED)
_SWITCHES = frozenset(name for name, parts in _DECLARED.items() if "bool" in parts)
_LISTS = frozenset(name for name, parts in _DECLARED.items() if "Sequence[str]" in parts)
_COUNTS = {
    name: option.minimum
    for name, option in OPTIONS.items()
    if option.kind is int and option.minimum is not None
}
_MOST = 10**60
_ENDLESS = frozenset({"request_rate", "burstiness", "acceptance"})
"""inf: all at once; a constant rate. An acceptance has an error of its own."""


def check_figures(scenario: Scenario) -> None:
    """Raises InputError that names the option."""
    values = _values(scenario)  # compared in C: sweeps ask a hundred thousand times
    check_options(dict(compress(zip(_ALLOWED, values, strict=True), map(is_not, values, _USUAL))))


def check_options(given: Mapping[str, Any]) -> None:
    """The same of options by name, before a scenario is made of them."""
    for name, value in given.items():
        kinds = _ALLOWED.get(name)
        if kinds is None or (value is None and type(None) in kinds):
            continue  # no option; not given
        if isinstance(value, int) and abs(value) > _MOST:
            raise InputError("must be a number of at most 60 digits", field=_named(name))
        if name in _COUNTS:
            if type(value) is not int or value < _COUNTS[name]:
                check_count(_named(name), value, _COUNTS[name])
            continue
        well = isinstance(value, kinds) and (name in _SWITCHES or not isinstance(value, bool))
        if not well or (name in _LISTS and not _are_texts(value)):
            raise _refused(name, value)
        if type(value) is float and not math.isfinite(value) and name not in _ENDLESS:
            raise InputError(f"must be a finite number, not {value!r}", field=_named(name))


def _are_texts(value: Any) -> bool:
    return not isinstance(value, str | bytes) and all(isinstance(each, str) for each in value)


def _refused(name: str, value: Any) -> InputError:
    parts = [part for part in _DECLARED[name] if part != "None"]
    what = " or ".join(_IN_WORDS.get(part, part) for part in parts)
    shown = repr(value)
    return InputError(f"must be {what}, not {shown[:60]}", field=_named(name))


_IN_WORDS = {
    "str": "a text", "float": "a number", "bool": "true or false", "Path": "a path",
    "Sequence[str]": "a list of texts", "ModelLike": "a model",
}  # fmt: skip


def _named(name: str) -> str:
    return OPTIONS[name].flags[0].removeprefix("--") if name in OPTIONS else name
