"""The pytest plugin: a fixture `vperf` that grades a measured result in a test.

A module of its own, not of the package: pytest imports it at every start, and a run that does not
ask for the fixture imports nothing of vperf. Not here: grading (vperf.check) and its sentences.
"""

# Imports wait for the fixture that needs them.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vperf import Check, Gpu, Result
    from vperf.scenario import ModelLike

    Measured = Check | Result | str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Vperf:
    """What the fixture gives."""

    def check(
        self,
        result: Measured | None = None,
        *,
        gpu: str | Gpu | None = None,
        model: ModelLike | None = None,
        label: str | None = None,
        baseline: str | Path | None = None,
        **options: Any,
    ) -> Check:
        """The graded result: `vperf.check`, which also takes figures and bars as keywords.

        `result`: the path of a benchmark tool's file, its parsed JSON, a `vperf.Result`, or a
        `vperf.Check`; without one, figures as `decode_tokens_per_s=97.2, ttft_s=0.062`. Bars are
        the fields of `vperf.Bars`; other options those of `vperf.estimate`. What cannot be graded
        fails the test.
        """
        __tracebackhide__ = True
        import vperf

        try:
            return _graded(
                result, options, gpu=gpu, model=model, label=label, baseline=baseline
            )  # fmt: skip
        except vperf.VperfError as error:
            hint = f"; {error.hint}" if error.hint else ""
            message = f"vperf: {error.message}{hint}"
        pytest.fail(message, pytrace=False)

    def assert_efficient(
        self,
        result: Measured | None = None,
        *,
        min_efficiency: float | None = 0.7,
        **options: Any,
    ) -> Check:
        """Assert that a result reaches `min_efficiency` of the expected speed, and other bars.

        Takes what `check` takes; None asks for the other bars alone. Returns the graded result.
        """
        __tracebackhide__ = True
        found = self.check(result, min_efficiency=min_efficiency, **options)
        if found.passed is None:
            pytest.fail("vperf: nothing is asked of the result: give a bar", pytrace=False)
        if not found.passed:
            from vperf.report.check.sentences import bar_line, missed, why

            raise AssertionError("\n".join([*map(bar_line, missed(found)), *why(found)]))
        return found


def _graded(result: Measured | None, options: dict[str, Any], **setup: Any) -> Check:
    import vperf
    from vperf.checks.check import compare_and_apply
    from vperf.checks.result import METRICS

    named = [f.name for f in fields(vperf.Bars) if f.name in options]
    bars = vperf.Bars(**{name: options.pop(name) for name in named})
    figures = {name: options.pop(name) for name in METRICS if name in options}
    given = sorted({*options, *(name for name, value in setup.items() if value is not None)})
    if result is None:
        result = vperf.Result("figures", "", **figures)
    elif figures:
        raise vperf.InputError(f"{', '.join(figures)} cannot be combined with a result")
    if isinstance(result, vperf.Check):
        beyond = [name for name in given if name != "baseline"]
        if beyond:
            raise vperf.InputError(f"{', '.join(beyond)}: the result is graded already")
        return compare_and_apply([result], bars, setup["baseline"], result.source or "the result")[
            0
        ]
    return vperf.check(result, bars=bars, **setup, **_known(options))


def _known(options: dict[str, Any]) -> dict[str, Any]:
    import difflib

    import vperf
    from vperf.checks.result import METRICS
    from vperf.scenario import Options

    for name in options:
        if name not in Options.__annotations__:
            known = (*Options.__annotations__, *METRICS, *(f.name for f in fields(vperf.Bars)))
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else "see the fields of vperf.Scenario"
            raise vperf.InputError(f"unknown option {name!r}", hint=hint)
    return options


@pytest.fixture(scope="session")
def vperf() -> Vperf:
    """Grades measured results: `vperf.assert_efficient(result, min_efficiency=0.7)`."""
    return Vperf()
