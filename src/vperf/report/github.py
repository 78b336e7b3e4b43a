"""Graded results as GitHub Actions shows them: annotations, and the outputs of a step.

    error     a result that fails its bars, or could not be graded
    warning   slow or impossible where no bar fails it
    notice    how the others ended, once

They go to standard error: the runner takes workflow commands from both streams (actions/runner,
ScriptHandler.cs), and so --json stays alone on standard output. Not here: the sentences
(check.py) and the job summary (markdown.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vperf.checks.check import Check
from vperf.errors import VperfError
from vperf.report.check import sentences
from vperf.report.format import clean


def commands(
    checks: Sequence[tuple[str, Check]], errors: Sequence[tuple[str, VperfError]] = ()
) -> str:
    """Workflow commands, a line each."""
    lines = [_command("error", [sentences.error_line(name, error)], name) for name, error in errors]
    rest = []
    for name, check in checks:
        failed = sentences.missed(check)
        if failed:
            said = [sentences.bar_line(bar) for bar in failed] + sentences.why(check)
            lines.append(_command("error", said, name, check.source))
        elif check.verdict in ("slow", "impossible"):
            lines.append(_command("warning", sentences.why(check), name, check.source))
        else:
            rest.append((name, check))
    if len(rest) == 1:
        ((name, check),) = rest
        lines.append(_command("notice", [sentences.line_1(check)], name, check.source))
    elif rest:
        lines.append(_command("notice", [sentences.summary_line(rest)]))
    return "".join(f"{line}\n" for line in lines)


def outputs(
    checks: Sequence[tuple[str, Check]], errors: Sequence[tuple[str, VperfError]] = ()
) -> str:
    """Lines for $GITHUB_OUTPUT: whether all bars are cleared, and the lowest efficiency."""
    passed = [each.passed for _, each in checks if each.passed is not None] + [False] * len(errors)
    efficiency = min((each.main.of_expected for _, each in checks), default=None)
    said = "" if not passed else "true" if all(passed) else "false"
    lowest = "" if efficiency is None else f"{efficiency:.4f}"
    return f"passed={said}\nefficiency={lowest}\n"


def _command(
    level: Literal["error", "warning", "notice"],
    lines: Sequence[str],
    name: str = "",
    source: str = "",
) -> str:
    title = f"vperf check: {clean(name)}" if name else "vperf check"
    properties = [f"title={_property(title)}"]
    if source not in ("", "-"):
        properties.insert(0, f"file={_property(clean(_in_repository(source)))}")
    return f"::{level} {','.join(properties)}::{_data(chr(10).join(lines))}"


def _in_repository(file: str) -> str:
    """A path as the repository has it, where it is of the workspace."""
    try:
        root = Path(os.environ.get("GITHUB_WORKSPACE") or ".").resolve()
        return Path(file).resolve().relative_to(root).as_posix()
    except (ValueError, OSError):
        return file


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
