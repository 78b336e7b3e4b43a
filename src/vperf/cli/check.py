"""`vperf check FILE`: read a result, grade it, write once; exit 1 below a bar.

Not here: any grading (evidence/), and any sentence of the verdict (report/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vperf.cli import options, output
from vperf.cli.asking import CARD, Asked, asks, chosen_card
from vperf.errors import InputError

if TYPE_CHECKING:
    from vperf.evidence.check import Check
    from vperf.evidence.gate import Bars
    from vperf.evidence.result import Result

EPILOG = """\
Examples:

\b
  vperf check result.json --gpu h100
  vperf check -m qwen3-4b-instruct-2507 -g rtx-4090 --decode-tok-s 97.2 \\
      --ttft 62ms
  vperf check result.json -g h100 --min-efficiency 0.7 --max-ttft 200ms
  llama-bench -m model.gguf -o json | vperf check - -g rtx-3090 -m model.gguf
  vperf check --config vperf.toml --json

FILE is what a benchmark tool wrote. Its own setup is taken; options given here
win, and the difference is said. A result is good within the expected range,
slow below it, impossible above the limit. Without a bar nothing fails.

Exit codes: 0 graded and passed, 1 a bar is missed, 2 wrong usage or input,
3 the Hub could not be reached.
"""


def _number(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="NUMBER", help=text)


def _time(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="TIME", help=text)


@asks(optional=True)
def check(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A benchmark's result; - for standard input."),
    ] = None,
    *,
    asked: Asked,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="NAME", help="One of the results in the file."),
    ] = None,
    decode_tok_s: Annotated[
        float | None, _number("--decode-tok-s", "Measured: tokens decoded per second.")
    ] = None,
    output_tok_s: Annotated[
        float | None, _number("--output-tok-s", "Measured: output tokens over the whole run.")
    ] = None,
    prefill_tok_s: Annotated[
        float | None, _number("--prefill-tok-s", "Measured: prompt tokens per second.")
    ] = None,
    ttft: Annotated[str | None, _time("--ttft", 'Measured: first token, as "62ms".')] = None,
    tpot: Annotated[str | None, _time("--tpot", "Measured: each token after it.")] = None,
    latency: Annotated[str | None, _time("--latency", "Measured: a whole request.")] = None,
    min_efficiency: Annotated[
        float | None, _number("--min-efficiency", "Bar: share of the expected speed.")
    ] = None,
    min_of_limit: Annotated[
        float | None, _number("--min-of-limit", "Bar: share of the limit.")
    ] = None,
    min_mbu: Annotated[
        float | None, _number("--min-mbu", "Bar: bandwidth utilization of decode.")
    ] = None,
    max_ttft: Annotated[str | None, _time("--max-ttft", "Bar: longest TTFT.")] = None,
    max_tpot: Annotated[str | None, _time("--max-tpot", "Bar: longest TPOT.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A vperf.toml with several checks."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Whether a measured result is good: beside limit and expected, and why not.

    Reads the result of a benchmark tool, or the figures given as options.
    """
    from vperf.evidence.check import check_all, summary
    from vperf.evidence.gate import Bars, seconds

    def time_of(flag: str, text: str | None) -> float | None:
        return None if text is None else seconds(text, flag)

    bars = Bars(
        min_efficiency, min_of_limit, min_mbu,
        time_of("--max-ttft", max_ttft), time_of("--max-tpot", max_tpot),
    )  # fmt: skip
    figures = _checked(
        decode_tokens_per_s=decode_tok_s, output_tokens_per_s=output_tok_s,
        prefill_tokens_per_s=prefill_tok_s, ttft_s=time_of("--ttft", ttft),
        tpot_s=time_of("--tpot", tpot), latency_s=time_of("--latency", latency),
    )  # fmt: skip
    if config is not None:
        _refuse_beside_config(file, label, figures, bars, asked)
        named = _configured(config)
    else:
        source = _source(file, figures, label)
        gpu, model, rest = _setup(asked)
        found = check_all(source, gpu, model, bars=bars, label=label, **rest)
        named = [(each.result.label or f"result {n}", each) for n, each in enumerate(found, 1)]
    checks = [each for _, each in named]
    alone = len(checks) == 1 and config is None
    if json:
        from vperf.report.json import dump

        output.write(dump(checks[0].to_dict() if alone else summary(checks)))
    else:
        from vperf.report import check as report

        width, color = output.width(), output.color(sys.stdout)
        if alone:
            text = report.render(checks[0], width=width, color=color)
        else:
            hint = "" if config else "--label NAME shows one of them in full."
            text = report.render_all(named, hint=hint, width=width, color=color)
        output.write(text)
    if any(each.passed is False for each in checks):
        raise typer.Exit(1)


def _checked(**given: float | None) -> dict[str, Any]:
    """Measured figures from the command line, each above 0."""
    found = {name: value for name, value in given.items() if value is not None}
    for name, value in found.items():
        if not 0 < value < float("inf"):
            flag = "--" + name.replace("_tokens_per_s", "-tok-s")
            raise InputError(f"must be above 0, not {value!r}", field=flag)
    return found


def _source(file: str | None, figures: dict[str, Any], label: str | None) -> str | Sequence[Result]:
    """The file, or what the figures make a result."""
    from vperf.evidence.result import Result

    if file is not None and figures:
        raise InputError("measured figures cannot be combined with a FILE: give one of them")
    if file is not None:
        return file
    if label is not None:
        raise InputError("means nothing without a FILE", field="--label")
    if not figures:
        raise InputError(
            "nothing to check", hint="give a FILE, or a figure, as --decode-tok-s 97.2"
        )
    return (Result(tool="command line", label="", **figures),)


def _setup(asked: Asked) -> tuple[Any, Any, dict[str, Any]]:
    """GPU and model where they are given, and the other options that are."""
    values = dict(asked.values)
    card = {name: values.pop(name, None) for name in CARD}
    gpu, model = values.pop("gpu", None), values.pop("model", None)
    if gpu is not None or any(card.values()):
        gpu = chosen_card(gpu, **card)
    if "no_cuda_graphs" in values:
        values["cuda_graphs"] = not values.pop("no_cuda_graphs")
    return gpu, model, values


def _refuse_beside_config(
    file: str | None, label: str | None, figures: dict[str, Any], bars: Bars, asked: Asked
) -> None:
    if file is not None or label is not None or figures or bars or asked.values:
        raise InputError(
            "cannot be combined with a FILE, figures, bars or options of the setup: they are in it",
            field="--config",
        )


def _configured(config: Path) -> list[tuple[str, Check]]:
    """The checks of a vperf.toml, each by its file and label."""
    from vperf.evidence.check import check_all
    from vperf.evidence.gate import read_config

    named = []
    for plan in read_config(config):
        found = check_all(
            str(plan.file), plan.gpu, plan.model, bars=plan.bars, label=plan.label,
            **plan.options,
        )  # fmt: skip
        for each in found:
            end = f" {each.result.label}" if each.result.label else ""
            named.append((f"{plan.file.name}{end}", each))
    return named
