"""A sweep of results, of one model and card under rising loads: one table, one curve.

Not here: a single result and lists of unlike ones (page.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from vperf.checks.check import Check
from vperf.checks.grade import Metric, Verdict
from vperf.report.chart import Axis, Chart, Series
from vperf.report.check.figures import TITLES
from vperf.report.document import Bar, Column, Row, Span, Table, Tone
from vperf.report.format import clean, percent, whole

_LEAST = 3
_SHOWN = ("tpot_s", "ttft_s", "output_tokens_per_s", "decode_tokens_per_s", "prefill_tokens_per_s")
_WARN: Verdict = "slow"


def load_of(check: Check) -> tuple[str, float] | None:
    """Of which kind its load is, and how much: users, requests a second, sequences at once."""
    scenario = check.scenario
    if scenario.max_concurrency is not None:
        return "users", float(scenario.max_concurrency)
    if check.estimate.serving is not None and scenario.request_rate is not None:
        rate = check.estimate.serving.requests_asked_per_s
        return None if rate is None else ("requests/s", rate)
    return "users", float(scenario.batch_size)


def sweeps(checks: Sequence[Check]) -> list[tuple[str, list[tuple[float, Check]]]]:
    """(what varies, (load, result) rising) of each setup that three loads or more are of."""
    found = []
    for check in checks:
        if (load := load_of(check)) is not None:
            answer = check.estimate
            kind = (answer.model.id, answer.gpu.id, answer.workload.engine,
                    answer.model.quantization, answer.gpu.count, load[0],
                    answer.workload.input_tokens, answer.workload.output_tokens)  # fmt: skip
            found.append((tuple(map(str, kind)), load[0], load[1], check))
    found.sort(key=lambda each: (each[0], each[2]))
    return [
        (rows[0][1], [(load, check) for _, _, load, check in rows])
        for rows in (list(group) for _, group in groupby(found, key=lambda each: each[0]))
        if len({load for _, _, load, _ in rows}) >= _LEAST
    ]


def tables(checks: Sequence[Check]) -> list[Table]:
    """Measured speed over expected against load, a table a sweep."""
    made = []
    for what, rows in sweeps(checks):
        shown = [n for n in _SHOWN if sum(_metric(each, n) is not None for _, each in rows) > 1]
        columns = (
            Column(what, "count"),
            *(Column(TITLES[name], "share") for name in shown),
            Column("of expected", "bar", 1),
        )
        answer = rows[0][1].estimate
        title = f"Measured over expected, by load: {clean(answer.model.id)} on {answer.gpu.id}"
        made.append(Table(columns, tuple(_row(load, each, shown) for load, each in rows), title))
    return made


def _metric(check: Check, name: str) -> Metric | None:
    return next((metric for metric in check.metrics if metric.name == name), None)


def _row(load: float, check: Check, shown: Sequence[str]) -> Row:
    cells: list[Span | str] = []
    for name in shown:
        metric = _metric(check, name)
        text = percent(metric.of_expected) if metric else ""
        cells.append(Span(text, "warn") if metric and metric.verdict == _WARN else text)
    tone: Tone = "warn" if check.main.verdict == _WARN else "good"
    bar = Bar(((min(1.0, check.main.of_expected), tone),))
    return Row((whole(load) if load >= 1 else f"{load:g}", *cells, bar))


def chart(checks: Sequence[Check]) -> Chart:
    """The curves of the sweep that has most results; of one figure a line."""
    found = sorted(sweeps(checks), key=lambda each: -len(each[1]))
    what, rows = found[0] if found else ("users", [])
    series = []
    for name in _SHOWN:
        points = [(load, m.of_expected) for load, c in rows if (m := _metric(c, name)) is not None]
        if len(points) > 1:
            series.append(Series(TITLES[name], tuple(points)))
    subject = ""
    if rows:
        answer = rows[0][1].estimate
        subject = f": {clean(answer.model.id)} on {answer.gpu.name}"
    return Chart(
        title=f"Measured speed over expected{subject}",
        x=Axis(what, log=True),
        y=Axis("measured over expected"),
        series=tuple(series),
    )
