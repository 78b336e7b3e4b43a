"""The options of an estimate for every command that takes them, read from the fields of Scenario.

`@scenario_options(...)` takes the parameter `typed` of a command and puts the options in its place;
the command gets their values as `ScenarioOptions`. With `many`, options repeat and take commas, and
`ScenarioOptions.choices` holds what was given of each. A command that has but a few of them takes
those by `option(name)`.

Not here: flags, help and defaults (scenario.py), options of one command (its own file), and what a
value means (resolve.py).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from vperf.cli import options
from vperf.errors import InputError
from vperf.scenario import CARD, OPTIONS, Scenario
from vperf.values import dataclass


@dataclass(frozen=True)
class ScenarioOptions:
    """What the command line says of a scenario, by field."""

    values: Mapping[str, Any]
    """Of options that are given once."""
    choices: Mapping[str, Sequence[Any]]
    """Of options that may be given several times; those not given are not in it."""

    def options(self) -> dict[str, Any]:
        """What was given, as options of the Python API; choices are sequences.

        Raises InputError for options that contradict each other.
        """
        found = {n: v for n, v in self.values.items() if v is not None and v != []}
        found.update(self.choices)
        if "workload" in found and ("input_len" in found or "output_len" in found):
            raise InputError(
                "--workload states the lengths", hint="leave out --input-len and --output-len"
            )
        return found

    def scenario(self) -> Scenario:
        """The one scenario. Raises InputError without a model or GPU."""
        given = self.options()
        if "model" not in given:
            raise missing_model()
        gpu = given.setdefault("gpu", None)
        if gpu is not None and ("," in gpu or gpu.lower() == "all") and not Path(gpu).exists():
            raise InputError(
                f"{gpu!r} is not one GPU",
                source="--gpu",
                hint="vperf compare, sweep, fit and plan take several",
            )
        return Scenario(**given)


def missing_model() -> InputError:
    """No model was named."""
    return InputError("--model is missing", hint="'vperf models' lists those that are bundled")


_COMPLETE = {"model": options.complete_model, "gpu": options.complete_gpu}


def option(name: str, *, minimum: int | None = None, shown: str = "") -> Any:
    """One option of an estimate, as a parameter of a command: `Annotated[int, option(...)]`."""
    told = OPTIONS[name]
    return Option(
        *told.flags,
        metavar=told.metavar,
        help=told.help,
        min=minimum,
        autocompletion=_COMPLETE.get(name),
        rich_help_panel=told.heading,
        show_default=shown or True,
    )


def scenario_options(
    *, many: Collection[str] = (), without: Collection[str] = (), optional: bool = False
) -> Callable[..., Any]:
    """A command with the options of an estimate in place of its parameter `typed`.

    Options in `many` repeat and take commas, numbers ranges too; it has none `without`. With
    `optional` none has a default, and `ScenarioOptions.values` holds those alone that were given.
    """
    defaults = {field.name: field.default for field in fields(Scenario)}
    names = [name for name in OPTIONS if name not in without]

    def parameter(name: str) -> inspect.Parameter:
        told = OPTIONS[name]
        default = None if optional or told.shown else defaults[name]
        annotation: Any
        declared = option(name, minimum=told.minimum, shown="" if optional else told.shown)
        if told.kind is bool:
            annotation, default = bool, False
        elif told.kind is list or name in many:
            annotation, default = list[str] | None, None
            declared = option(name)  # the least is of each choice, not of the text: see _split
        else:
            default = None if default is MISSING else default
            annotation = told.kind | None if default is None else told.kind
        return inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[annotation, declared],
        )

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            p
            for p in inspect.signature(command, eval_str=True).parameters.values()
            if p.name != "typed"
        ]
        parameters = [*(parameter(name) for name in names), *own]
        parameters.sort(key=lambda p: p.kind)  # arguments stand before options

        @wraps(command)
        def run(**given: Any) -> None:
            values = {name: given.pop(name) for name in names}
            for name in names:
                if OPTIONS[name].kind is bool:  # a switch turns its default over
                    values[name] = not defaults[name] if values[name] else None
            if optional:
                values = {n: v for n, v in values.items() if not (v is None or v == [])}
            options.refuse_empty(
                **{n: v for n, v in values.items() if isinstance(v, str) and n not in CARD}
            )
            choices = {
                name: _split(name, texts)
                for name in many
                if name in values and (texts := values.pop(name))
            }
            command(typed=ScenarioOptions(values, choices), **given)

        run.__dict__["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return wrap


def _split(name: str, texts: list[str]) -> Sequence[Any]:
    told = OPTIONS[name]
    return choices_of(texts, told.kind, told.minimum, f"--{name.replace('_', '-')}")


def choices_of(texts: list[str], kind: Any, least: float | None, flag: str) -> Sequence[Any]:
    """The choices of one option: repeated, separated by commas, as ranges; each once, in order.

    A range alone stays lazy.
    """
    parts = [(text, part.strip()) for text in texts for part in text.split(",")]
    found: dict[Any, None] = {}
    for text, part in parts:
        if not part:
            raise InputError(f"{text!r} has an empty choice", source=flag)
        values = _values(part, kind, flag)
        if least is not None and values[0] < least:  # ranges rise
            raise InputError(f"{values[0]} is less than {least}", source=flag)
        if len(parts) == 1:
            return values
        found.update(dict.fromkeys(values))
    return tuple(found)


def _values(part: str, kind: Any, flag: str) -> Sequence[Any]:
    if kind in (int, float) and ".." in part:
        from vperf.explore.axis import spread_out

        return spread_out(part, kind, flag)
    try:
        return (kind(part),)
    except ValueError:
        what = "whole number" if kind is int else "number"
        raise InputError(f"{part!r} is not a {what}", source=flag) from None
