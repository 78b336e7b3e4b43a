"""`vperf check FILE`: read a result, grade it, write each form once; exit 1 below a bar.

Not here: any grading (checks/), and any sentence of the verdict (report/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from vperf.cli import output
from vperf.cli.scenario_options import ScenarioOptions, scenario_options
from vperf.errors import InputError, VperfError
from vperf.files import is_there
from vperf.scenario import ELSEWHERE
from vperf.units import parse_number, refuse_odd

if TYPE_CHECKING:
    from vperf.checks.check import Check
    from vperf.checks.result import Result
    from vperf.checks.thresholds import Thresholds

EPILOG = """\
Examples:

\b
  vperf check result.json --gpu h100
  vperf check -m qwen3-4b-instruct-2507 -g rtx-4090 --decode-tok-s 97.2 \\
      --ttft 62ms
  vperf check result.json -g h100 --min-efficiency 0.7 --max-ttft 200ms
  llama-bench -m model.gguf -o json | vperf check - -g rtx-3090 -m model.gguf
  vperf check result.json -g h100 --baseline before.json --max-drift 5%
  vperf check --text "Qwen3-32B AWQ on 2x3090, vLLM, 38 tok/s at 8k"
  vperf check http://localhost:8000 -g h100 --duration 30s
  vperf check --config vperf.toml --junit report.xml
  vperf check c1.json c8.json c64.json -g h100 --calibrate -o server.toml

FILE is what a benchmark tool wrote. Its own setup is taken; options given here
win, and the difference is said. A result is good within the expected range,
slow below it, impossible above the limit. Without a bar nothing fails.
In GitHub Actions, annotations go to standard error and a summary to the job's.

Exit codes: 0 graded and passed, 1 a bar is missed, 2 wrong usage or input,
3 the Hub could not be reached. Of --config, what can be graded is, then exit 2.
"""


_IN_MS = ("--ttft", "--tpot")
"""Times that benchmarks print in milliseconds: a bare number is so many."""


def _in_ms(text: str) -> str:
    """Times, bare numbers as milliseconds; each may be of a percentile."""
    return ",".join(
        f"{part} ms" if part.rpartition(":")[2].strip().replace(".", "", 1).isdecimal() else part
        for part in text.split(",")
    )


def _speed(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="TOK/S", help=text)


def _share(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="SHARE", help=text)


def _time(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="TIME", help=text)


@scenario_options(optional=True, without=ELSEWHERE)
@output.answers(plots=True, cards=True)
def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Results of benchmarks, - for standard input, or the http:// of a server.",
            show_default=False,
        ),
    ] = None,
    *,
    typed: ScenarioOptions,
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="NAME", help="One of the results in the file."),
    ] = None,
    decode_tok_s: Annotated[
        float | None, _speed("--decode-tok-s", "Measured: tokens decoded per second.")
    ] = None,
    output_tok_s: Annotated[
        float | None, _speed("--output-tok-s", "Measured: output tokens over the whole run.")
    ] = None,
    prefill_tok_s: Annotated[
        float | None, _speed("--prefill-tok-s", "Measured: prompt tokens per second.")
    ] = None,
    ttft: Annotated[str | None, _time("--ttft", 'Measured: first token, as "62ms".')] = None,
    tpot: Annotated[str | None, _time("--tpot", "Measured: each token after it.")] = None,
    latency: Annotated[str | None, _time("--latency", "Measured: a whole request.")] = None,
    min_efficiency: Annotated[
        float | None, _share("--min-efficiency", "Bar: share of the expected speed.")
    ] = None,
    min_of_limit: Annotated[
        float | None, _share("--min-of-limit", "Bar: share of the limit.")
    ] = None,
    min_mbu: Annotated[
        float | None, _share("--min-mbu", "Bar: bandwidth utilization of decode.")
    ] = None,
    max_ttft: Annotated[
        str | None, _time("--max-ttft", "Bar: longest mean TTFT, or p99:500ms.")
    ] = None,
    max_tpot: Annotated[
        str | None, _time("--max-tpot", "Bar: longest mean TPOT, or p99:50ms.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="What --json wrote of an earlier run."),
    ] = None,
    max_drift: Annotated[
        str | None,
        typer.Option(
            "--max-drift",
            metavar="SHARE",
            help='Bar: how much slower than the baseline, as "5%".',
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A vperf.toml with several checks."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text", metavar="SENTENCE", help='A result in words: "Qwen3-8B, 4090, 98 tok/s".'
        ),
    ] = None,
    duration: Annotated[
        str | None, _time("--duration", 'How long a running server is watched. ["10 s"]')
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Factors of the server from its results; -o server.toml keeps them."
        ),
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write JUnit XML to FILE, too."),
    ] = None,
    github: Annotated[
        bool | None,
        typer.Option(
            "--github/--no-github",
            help="Annotations, job summary and step outputs. [with GITHUB_ACTIONS=true]",
            show_default=False,
        ),
    ] = None,
    out: output.Out,
) -> None:
    """Is a measured result good? Where the time went, and why.

    Reads the result of a benchmark tool, or the figures given as options.
    """
    from vperf.checks.baseline import read_baseline
    from vperf.checks.thresholds import Thresholds, longest, seconds, share
    from vperf.report.check.page import report

    def time_of(flag: str, text: str | None) -> float | None:
        if text is None:
            return None
        return seconds(_in_ms(text) if flag in _IN_MS else text, flag)

    card_file, out = _card_file(out, calibrate=calibrate)
    if junit == Path("-"):
        raise InputError("needs a file: standard output holds the answer", field="--junit")
    _keep(files or (), out.file, card_file, junit)
    figures = _checked(
        decode_tokens_per_s=decode_tok_s, output_tokens_per_s=output_tok_s,
        prefill_tokens_per_s=prefill_tok_s, ttft_s=time_of("--ttft", ttft),
        tpot_s=time_of("--tpot", tpot), latency_s=time_of("--latency", latency),
    )  # fmt: skip
    (ttft_s, late), (tpot_s, slow) = (
        (None, ()) if text is None else longest(_in_ms(text), flag, of)
        for text, flag, of in (
            (max_ttft, "--max-ttft", "ttft_s"), (max_tpot, "--max-tpot", "tpot_s"),
        )
    )  # fmt: skip
    bars = Thresholds(
        min_efficiency, min_of_limit, min_mbu, ttft_s, tpot_s, percentiles=late + slow
    )
    drift = None if max_drift is None else share(max_drift, "--max-drift")
    annotated = _on_github() if github is None else github
    # A sheet and a calibration hold no suspects.
    explain = junit is not None or annotated or (out.form != "csv" and not calibrate)
    errors: Sequence[tuple[str, VperfError]] = ()
    if config is not None:
        from vperf.checks.config import grade_config

        _refuse_beside_config(files, text, label, figures, bars, typed)
        graded = grade_config(config, baseline=baseline, max_drift=drift, explain=explain)
        named, errors = list(graded.checks), graded.errors
    else:
        before = baseline and read_baseline(baseline)
        grading = _Grading(*_setup(typed), replace(bars, max_drift=drift), before, label, explain)
        watched = time_of("--duration", duration)
        named, errors = _graded(
            files or (None,), lambda file: _source(file, text, figures, label, watched), grading
        )
    if calibrate and not errors:
        _calibrate(named, card_file, out)
        return
    alone = len(named) == 1 and config is None and (files is None or len(files) < 2)
    _write_beside(named, errors, junit, annotated)
    hint = "" if config else "--label NAME shows one of them in full."
    if named:
        out.emit(report(named, errors, alone=alone, hint=hint))
    if errors:
        # Said last, the exit code of wrong input before that of the Hub.
        *others, (_, last) = sorted(errors, key=lambda each: -each[1].exit_code)
        for _, each in others:
            output.complain_of(each.message, each.hint)
        raise last
    if any(each.passed is False for _, each in named):
        if out.file is not None and not annotated:
            _say_missed(named)
        raise typer.Exit(1)


class _Grading(NamedTuple):
    """How all files are graded."""

    gpu: Any
    model: Any
    options: dict[str, Any]
    bars: Thresholds
    baseline: Any
    label: str | None
    explain: bool


def _graded(
    files: Sequence[str | None], source: Callable[[str | None], Any], grading: _Grading
) -> tuple[list[tuple[str, Check]], list[tuple[str, VperfError]]]:
    """Every result of every file by name; and the files that could not be graded, and why.

    Readers of a report see that one was not graded, not an earlier run's report.
    """
    from vperf.checks.check import check_all
    from vperf.cli.progress import Progress
    from vperf.resolve import lasting

    resolver = lasting()
    named: list[tuple[str, Check]] = []
    failed: list[tuple[str, VperfError]] = []
    several = len(files) > 1
    with Progress() as progress:
        for done, file in enumerate(files, 1):
            try:
                found = check_all(
                    source(file), grading.gpu, grading.model, bars=grading.bars,
                    baseline=grading.baseline, label=grading.label, explain=grading.explain,
                    resolver=resolver,
                    progress=None if several else progress, **grading.options,
                )  # fmt: skip
            except VperfError as error:
                failed.append((file or "figures", error))
                continue
            base = Path(file or "").name
            for number, one in enumerate(found, 1):
                name = _name(one, number)
                named.append((f"{base}: {name}" if several and name != base else name, one))
            if several:
                progress(done, len(files))
    return named, failed


def _card_file(out: output.Out, *, calibrate: bool) -> tuple[Path | None, output.Out]:
    """The GPU file that -o names, and where the answer goes then."""
    file = out.file
    if file is None or file.suffix.lower() != ".toml":
        return None, out
    if not calibrate:
        raise InputError(f"{file} is a GPU file: add --calibrate", source="--output")
    return file, replace(out, file=None)


def _calibrate(named: list[tuple[str, Check]], file: Path | None, out: output.Out) -> None:
    """The factors of the server that the results are of, kept in a file."""
    from vperf.checks.calibrate import calibrate, server_file
    from vperf.report.calibration import report

    found = calibrate(named)
    if file is not None:
        output.write(server_file(found.calibration), file)
    out.emit(report(found, file))


def _say_missed(named: list[tuple[str, Check]]) -> None:
    """Why it fails, on standard error, where the answer went to a file."""
    from vperf.report.check.sentences import bar_line, missed

    output.complain("".join(f"{bar_line(bar)}\n" for _, each in named for bar in missed(each)))


def _name(check: Check, number: int) -> str:
    """What a result is called beside others of its file."""
    if check.result.label or number > 1:
        return check.result.label or f"result {number}"
    return Path(check.source).name if check.source not in ("", "-") else check.result.tool


def _on_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _keep(read: Sequence[str | Path], *written: Path | None) -> None:
    """Raises InputError where an answer would take the place of the result that it is of."""
    for file in filter(None, written):
        for result in read:
            if is_there(file) and is_there(result) and os.path.samefile(file, result):
                raise InputError(f"{file} is a result that is read: name another file",
                                 source="--output")  # fmt: skip


def _write_beside(
    named: list[tuple[str, Check]],
    errors: Sequence[tuple[str, VperfError]],
    junit: Path | None,
    github: bool,
) -> None:
    """What goes elsewhere than the answer: JUnit, annotations, the job summary and outputs."""
    if junit is not None:
        from vperf.report import junit as report

        output.write(report.render(named, errors), junit, option="--junit")
    if github:
        from vperf.report import github as actions
        from vperf.report.check import page
        from vperf.report.markdown import render

        alone = len(named) == 1 and not errors
        said = page.document(named[0][1]) if alone else page.documents(named, errors)
        for variable, text in (
            ("GITHUB_STEP_SUMMARY", render(said)),
            ("GITHUB_OUTPUT", actions.outputs(named, errors)),
        ):
            if path := os.environ.get(variable):
                output.append(text, Path(path), option=variable)
        output.complain(actions.commands(named, errors))


def _checked(**given: float | None) -> dict[str, Any]:
    """Measured figures from the command line, each above 0."""
    found = {name: value for name, value in given.items() if value is not None}
    for name, value in found.items():
        refuse_odd(value, "--" + name.replace("_tokens_per_s", "-tok-s"))
    return found


def _source(
    file: str | None,
    text: str | None,
    figures: dict[str, Any],
    label: str | None,
    duration_s: float | None,
) -> str | Sequence[Result]:
    """The file; or what a server, a sentence or the figures make a result."""
    from vperf.checks.live import DURATION_S, is_server, read_server
    from vperf.checks.result import TYPED, Result

    if text is not None:
        from vperf.checks.prose import read_sentence

        if file is not None or figures or label is not None:
            raise InputError("cannot be combined with a FILE or figures", field="--text")
        return (read_sentence(text),)
    if file is not None and is_server(file):
        if label is not None or figures:
            raise InputError("a server cannot be combined with figures or --label")
        return (read_server(file, DURATION_S if duration_s is None else duration_s),)
    if duration_s is not None:
        raise InputError("means nothing without the address of a server", field="--duration")
    if file is not None and _is_speed(file) and not is_there(file):
        raise InputError(f"{file!r} is not a file", hint=f'a speed is --decode-tok-s "{file}"')
    if file is not None and figures:
        raise InputError("measured figures cannot be combined with a FILE: give one of them")
    if file is not None:
        return file
    if label is not None:
        raise InputError("means nothing without a FILE", field="--label")
    if not figures:
        raise InputError(
            "nothing to check",
            hint="give a FILE, a figure, as --decode-tok-s 97.2, or --config vperf.toml",
        )
    return (Result(tool=TYPED, label="", **figures),)


def _is_speed(text: str) -> bool:
    try:
        parse_number(text, "tok/s")
    except ValueError:
        return False
    return True


def _setup(typed: ScenarioOptions) -> tuple[Any, Any, dict[str, Any]]:
    """GPU and model where they are given, and the other options that are."""
    values = typed.options()
    return values.pop("gpu", None), values.pop("model", None), values


def _refuse_beside_config(  # noqa: PLR0917  (all that cannot be beside it)
    files: list[str] | None,
    text: str | None,
    label: str | None,
    figures: dict[str, Any],
    bars: Thresholds,
    typed: ScenarioOptions,
) -> None:
    given = (files or None, text, label)
    if any(each is not None for each in given) or figures or bars or typed.values:
        raise InputError(
            "cannot be combined with a FILE, figures, bars or options of the setup: they are in it",
            field="--config",
        )
