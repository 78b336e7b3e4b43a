"""Answers in Python: a pandas DataFrame where pandas is installed, a line, a screen, HTML.

Not here: what the columns are (answer.py, explore/), and what is said (report/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from vperf.errors import VperfError, install


def frame(rows: Iterable[Mapping[str, Any]]) -> Any:
    """Rows as a pandas.DataFrame. Raises VperfError without pandas."""
    try:
        pandas = import_module("pandas")  # optional, and slow to import
    except ImportError:
        raise VperfError(
            "to_frame() needs pandas, which is not installed",
            hint=f"{install('pandas')}; or take to_dict()",
        ) from None
    return pandas.DataFrame(list(rows))


class Shown:
    """An answer that shows itself: one line as its repr, its screen as text, HTML in a notebook.

    How is said in report/, above all answers, and so is looked up when somebody looks.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        headline = next(iter(self._blocks()))
        said = import_module("vperf.report.document").plain(headline.text)
        return f"<{type(self).__name__}: {' '.join(said.split())}>"

    def __str__(self) -> str:
        screen = import_module("vperf.report.screen")
        return str(screen.render(self._blocks(), screen.Look(full=False))).rstrip()

    def _repr_html_(self) -> str:
        return str(import_module("vperf.report.html").render(self._blocks()))

    def _blocks(self) -> Iterable[Any]:
        report = import_module(f"vperf.report.{_REPORTS[type(self).__name__]}")
        return cast("Iterable[Any]", report.document(self))


class Plotted(Shown):
    """An answer that draws itself, too."""

    __slots__ = ()

    def plot(self, path: str | Path | None = None, *, theme: str = "auto", **of_chart: Any) -> Any:
        """Its chart: text as `str`, a picture in a notebook; written to `path` where one is given.

        The suffix of `path` is .svg, .png or .html, drawn by matplotlib (`vperf[plot]`); `theme`
        is "light", "dark" or "auto". Of a sweep, `figure` says what is drawn: "decode",
        "per-user", "ttft", "tpot" or "prefill". Raises VperfError.
        """
        report = import_module(f"vperf.report.{_REPORTS[type(self).__name__]}")
        chart_file = import_module("vperf.report.chart_file")
        drawn = chart_file.Drawn(report.chart(self, **of_chart))
        if path is not None:
            chart_file.write_chart(drawn.chart, Path(path), theme)
        return drawn


_REPORTS = {
    "Estimate": "estimate.page", "Napkin": "napkin", "Check": "check.page", "Comparison": "compare",
    "Sweep": "sweep", "Fit": "fit", "Plan": "plan", "Roofline": "roofline",
}  # fmt: skip
"""The file of report/ that says what an answer of this class says."""
