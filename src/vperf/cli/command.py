"""A command as vperf has it: help in groups, no second model or GPU that silently wins, and options
in place of a parameter.

Not here: what a command does (one file each), and values of options (coercion.py).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from typer.core import TyperCommand

from vperf.errors import InputError

_NAMED = ("model", "gpu")
"""Of other options the last one given wins, as scripts that append options expect."""
_FIRST = frozenset((
    "model", "gpu", "input_len", "output_len", "batch_size", "quantization", "engine", "tp",
    "max_concurrency", "request_rate",
))  # fmt: skip
"""Options of an estimate that help shows first; a command's own are shown all."""
_ALL = "--help-all"
_DEFAULT = re.compile(r"\s*\[(?:default: \(?(?P<value>[^]]*?)\)?)?(?:(?:; )?x>=-?\d+)?\]$")
"""What Typer says of a default and of the least value, which a wrong one is told."""


def _said(found: re.Match[str]) -> str:
    value = found["value"]
    return f" [{value}]" if value else ""


def parameters_but(name: str, command: Callable[..., None]) -> list[inspect.Parameter]:
    """What a command takes beside the parameter that options stand for."""
    given = inspect.signature(command, eval_str=True).parameters.values()
    return [parameter for parameter in given if parameter.name != name]


def with_parameters(
    run: Callable[..., None], command: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """`run` in a command's place, under its name and with these parameters."""
    parameters.sort(key=lambda parameter: parameter.kind)  # arguments stand before options
    run = wraps(command)(run)
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


class Command(TyperCommand):
    """A sub-command of `vperf`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options by their heading, those without one last."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        others: list[tuple[str, str]] = []
        more = 0
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            heading = getattr(parameter, "rich_help_panel", None)
            if heading and parameter.name not in _FIRST and not ctx.meta.get(_ALL):
                more += 1
                continue
            record = (record[0], _DEFAULT.sub(_said, record[1]))
            if parameter.param_type_name == "argument":
                heading = "Arguments"
                record = (getattr(parameter, "metavar", None) or record[0], record[1])
            (groups.setdefault(heading, []) if heading else others).append(record)
        groups["Options"] = [*groups.get("Options", []), *others]
        for heading, records in groups.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
        if more:
            formatter.write_paragraph()
            formatter.write_text(f"{more} more options: {ctx.command_path} {_ALL}")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any command. Raises InputError for two models or GPUs where one is meant."""
        if _ALL in args[: args.index("--")] if "--" in args else _ALL in args:
            ctx.meta[_ALL] = True
            args = ["--help"]
        self._refuse_repeats(args)
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def _refuse_repeats(self, arguments: Sequence[str]) -> None:
        flags = {flag: option for option in self.params for flag in option.opts}
        seen = set()
        texts = iter(arguments)
        for text in texts:
            if text == "--":
                return
            flag, with_value, _ = text.partition("=")
            if text[:1] == "-" and text[:2] != "--" and len(text) > 2:  # -gh100
                flag, with_value = text[:2], text[2:]
            option: Any = flags.get(flag)
            if option is None or getattr(option, "is_flag", False):
                continue
            if not with_value:
                next(texts, None)
            if option.name in _NAMED and option.name in seen and not option.multiple:
                flag = max(option.opts, key=len)
                raise InputError("is given twice", field=flag, hint="vperf compare takes several")
            seen.add(option.name)
