"""Option values from text, without building a pydantic adapter per option.

Newer Typers (0.29) check every option of a command through its own pydantic TypeAdapter, which
costs more than the estimate itself. Text, numbers and paths need none of it. Where a Typer works
otherwise, `simplify` finds nothing to replace and Typer's own checks stay in force.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from vperf.units import parse_number, parse_whole
from vperf.values import dataclass

_KINDS: dict[Any, Any] = {str: str, int: int, float: float, Path: Path, list[str]: str, bool: bool}
_UNITS = {"TOKENS": "tokens", "SHARE": "%", "A": "%", "RATE": "req/s", "TOK/S": "tok/s"}
"""What a number is of, by the metavar of its option."""

_LISTS = frozenset({"A"})
"""Metavars of options that take a number, or one for each of several: read where they are known."""


def reader(kind: Any, metavar: str | None) -> Callable[[Any], Any]:
    """What makes the value of an option from its text. It raises ValueError with a sentence."""
    parse: Callable[[str, str], Any]
    if kind is int:
        parse = parse_whole
    elif kind is float:
        parse = parse_number
    else:
        of_text: Callable[[Any], Any] = kind
        return of_text
    unit = _UNITS.get(metavar or "", "")

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return kind(value)
        listed = metavar in _LISTS and ("/" in value or "," in value)
        return value if listed else parse(value, unit)

    return read


@dataclass(frozen=True)
class _Plain:
    """What one option accepts; takes the place of Typer's RuntimeParam."""

    convert: Any
    minimum: float | None

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The option's value; None and no values pass as Typer has them."""
        if param.multiple or param.nargs == -1:
            return [self._one(item, param, ctx) for item in value or ()]
        return None if value is None else self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            converted = self.convert(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from None
        if self.minimum is not None and not converted >= self.minimum:
            raise typer.BadParameter(
                f"{value!r} is less than {self.minimum:g}", ctx=ctx, param=param
            )
        return converted


HELP = ("--help", "-h")
"""What asks for help. The first context that a command is looked at with fixes it."""


def simplify(command: Any) -> None:
    """Give the options of `command` and its sub-commands the plain checks."""
    context = typer.Context(command, help_option_names=list(HELP))
    for parameter in command.get_params(context):  # with --help, unlike .params
        described = getattr(parameter, "type_descriptor", None)
        kind = _KINDS.get(getattr(described, "annotation", None))
        if described is not None and kind and hasattr(parameter, "_runtime_param"):
            minimum = getattr(described.parameter_info, "min", None)
            parameter._runtime_param = _Plain(reader(kind, parameter.metavar), minimum)
    for child in getattr(command, "commands", {}).values():
        simplify(child)
