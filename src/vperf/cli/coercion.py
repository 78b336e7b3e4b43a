"""Option values from text, without building a pydantic adapter per option.

Newer Typers (0.29) check every option of a command through its own pydantic TypeAdapter, which
costs more than the estimate itself. Text, numbers and paths need none of it. Where a Typer works
otherwise, `simplify` finds nothing to replace and Typer's own checks stay in force.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from vperf.values import dataclass

_KINDS: dict[Any, tuple[Any, str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    Path: (Path, "a path"),
    list[str]: (str, "text"),
    bool: (bool, "a flag"),
}


@dataclass(frozen=True)
class _Plain:
    """What one option accepts; takes the place of Typer's RuntimeParam."""

    convert: Any
    what: str
    minimum: float | None

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The option's value; None and no values pass as Typer has them."""
        if param.multiple:
            return [self._one(item, param, ctx) for item in value or ()]
        return None if value is None else self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            converted = self.convert(value)
        except (TypeError, ValueError):
            raise typer.BadParameter(
                f"{value!r} is not {self.what}", ctx=ctx, param=param
            ) from None
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
            parameter._runtime_param = _Plain(*kind, minimum)
    for child in getattr(command, "commands", {}).values():
        simplify(child)
