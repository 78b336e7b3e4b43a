"""The options of an estimate for every command that takes them, read from the fields of Scenario.

`@scenario_options(...)` takes the parameter `typed` of a command and puts the options in its place;
the command gets their values as `ScenarioOptions`. With `many`, options repeat and take commas, and
`ScenarioOptions.choices` holds what was given of each. A command that has but a few of them takes
those by `option(name)`.

Not here: flags, help and defaults (scenario.py), options of one command (its own file), and what a
value means (resolve/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Annotated, Any

from typer import Argument, Option

from vperf.cli import options
from vperf.cli.coercion import reader
from vperf.cli.command import parameters_but, with_parameters
from vperf.errors import InputError
from vperf.files import is_there
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
        from vperf.resolve.card import with_count

        given = with_count(given)
        gpu = given.setdefault("gpu", None)
        if gpu is not None and ("," in gpu or gpu.lower() == "all") and not is_there(gpu):
            raise InputError(
                f"{gpu!r} is not one GPU",
                source="--gpu",
                hint="vperf compare, sweep, fit and plan take several",
            )
        return Scenario(**given)


def missing_model() -> InputError:
    """No model was named."""
    return InputError("--model is missing", hint="'vperf models' lists those that are bundled")


_COMPLETE = {
    "model": options.complete_model,
    "gpu": options.complete_gpu,
    "engine": options.complete_engine,
    "workload": options.complete_workload,
    "quantization": options.complete_quantization,
}


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
    *,
    many: Collection[str] = (),
    without: Collection[str] = (),
    optional: bool = False,
) -> Callable[..., Any]:
    """A command with the options of an estimate in place of its parameter `typed`.

    Model and GPU may be given without their flags, in this order. Options in `many` repeat and take
    commas, numbers ranges too; it has none `without`. With `optional` none has a default,
    `ScenarioOptions.values` holds those alone that were given, and arguments are the command's own.
    """
    names = [name for name in OPTIONS if name not in without]

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        placed = [] if optional else [_placed(name) for name in PLACES]
        of_scenario = (_parameter(name, many=name in many, optional=optional) for name in names)

        def run(**given: Any) -> None:
            values = {name: given.pop(name) for name in names}
            if placed:
                for name, text in take_places(values, [given.pop(p.name) for p in placed]).items():
                    values[name] = [text] if name in many else text
            command(typed=_typed(values, many, optional=optional), **given)

        own = parameters_but("typed", command)
        return with_parameters(run, command, [*placed, *of_scenario, *own])

    return wrap


_DEFAULTS = {field.name: field.default for field in fields(Scenario)}


def _parameter(name: str, *, many: bool, optional: bool) -> inspect.Parameter:
    """An option of a scenario as a parameter of a command."""
    told = OPTIONS[name]
    default = None if optional or told.shown else _DEFAULTS[name]
    annotation: Any
    declared = option(name, minimum=told.minimum, shown="" if optional else told.shown)
    if told.kind is bool:
        annotation, default = bool, False
    elif told.kind is list or many:
        annotation, default = list[str] | None, None
        declared = option(name)  # the least is of each choice, not of the text: see _split
    else:
        default = None if default is MISSING else default
        annotation = told.kind | None if default is None else told.kind
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(
        name, kind, default=default, annotation=Annotated[annotation, declared]
    )


def _typed(values: dict[str, Any], many: Collection[str], *, optional: bool) -> ScenarioOptions:
    """What was typed, with the choices of options that take several. Raises InputError."""
    for name, value in values.items():
        if OPTIONS[name].kind is bool:  # a switch turns its default over
            values[name] = not _DEFAULTS[name] if value else None
    if optional:
        values = {n: v for n, v in values.items() if not (v is None or v == [])}
    options.refuse_empty(
        **{n: v for n, v in values.items() if isinstance(v, str) and n not in CARD}
    )
    choices = {
        name: _split(name, texts) for name in many if name in values and (texts := values.pop(name))
    }
    return ScenarioOptions(values, choices)


PLACES = ("model", "gpu")
"""The options that may be given as arguments, in their order."""


def place(name: str) -> Any:
    """An option as an argument."""
    told = OPTIONS[name]
    return Argument(
        metavar=told.metavar,
        help=f"As {told.flags[0]}.",
        autocompletion=_COMPLETE.get(name),
        show_default=False,
    )


def _placed(name: str) -> inspect.Parameter:
    return inspect.Parameter(
        f"{name}_",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[str | None, place(name)],
    )


def take_places(values: Mapping[str, Any], given: Sequence[str | None]) -> dict[str, str]:
    """Arguments by the options they stand for: those not in `values`, in their order."""
    left = [name for name in PLACES if not values[name]]
    texts = [text for text in given if text]
    if len(texts) > len(left):
        raise InputError(
            f"{texts[len(left)]!r} is one too many",
            hint="--model and --gpu are given; several go between commas",
        )
    return dict(zip(left, texts, strict=False))


def _split(name: str, texts: list[str]) -> Sequence[Any]:
    told = OPTIONS[name]
    flag = f"--{name.replace('_', '-')}"
    return choices_of(texts, told.kind, told.minimum, flag, told.metavar)


def choices_of(
    texts: list[str], kind: Any, least: float | None, flag: str, metavar: str | None = None
) -> Sequence[Any]:
    """The choices of one option: repeated, separated by commas, as ranges; each once, in order.

    A range alone stays lazy.
    """
    read = reader(kind, metavar)
    parts = [(text, part.strip()) for text in texts for part in text.split(",")]
    found: dict[Any, None] = {}
    for text, part in parts:
        if not part:
            raise InputError(f"{text!r} has an empty choice", source=flag)
        values = _values(part, kind, flag, read)
        if least is not None and values[0] < least:  # ranges rise
            raise InputError(f"{values[0]} is less than {least}", source=flag)
        if len(parts) == 1:
            return values
        found.update(dict.fromkeys(values))
    return tuple(found)


def _values(part: str, kind: Any, flag: str, read: Callable[[str], Any]) -> Sequence[Any]:
    if kind in (int, float) and ".." in part:
        from vperf.explore.axis import spread_out

        return spread_out(part, kind, flag, read)
    try:
        return (read(part),)
    except ValueError as error:
        raise InputError(str(error), source=flag) from None
