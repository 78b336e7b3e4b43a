"""The table of speeds of an estimate, and that of its simulated run."""

from __future__ import annotations

from collections.abc import Iterator

from vperf.answer import Estimate, SimulatedRun
from vperf.report.document import Cell, Column, Range, Row, Span, Table
from vperf.report.estimate.figures import (
    Figure,
    figure,
    grows,
    is_offered,
    prefill_bound,
    rate_of_all,
    rate_of_user,
    run_of,
    texts,
    tpot,
    ttft,
)
from vperf.report.format import per_second, percent, plural, seconds, span

_POOR = 0.5
"""A share of the limit below which a figure stands out."""


_SHORT_PERCENTILES = ("TTFT", "TPOT")


SPEED_COLUMNS: tuple[Column, ...] = (
    Column(""),
    Column("expected", "time", strong=True),
    Column("range", "time", rank=1),
    Column("limit", "time"),
    Column("of limit", "share"),
    Column("bound", "bound"),
    Column("even routing", "time", rank=5),
    Column("0 to limit", "bar", rank=5, width=24),
)
_EVEN = 6
"""The limit where tokens go to all experts alike: shown where that is another."""


def _decode_rows(answer: Estimate) -> Iterator[Row]:
    batch, run, bound = answer.workload.batch_size, run_of(answer), answer.decode.bound
    everybody = f"Decode tok/s, all {batch:,}" if batch > 1 else "Decode tok/s"
    yield _row("TPOT", tpot(answer), bound, time=True)
    if run is None or not is_offered(answer):
        yield _row("Output tok/s" if run else everybody, rate_of_all(answer), bound)
    if batch > 1 and answer.serving is None:
        yield _row("  for each user", rate_of_user(answer), bound)


def speed_table(answer: Estimate) -> Table:
    """Each figure expected, its range, its limit, and what bounds that."""
    prefill, generates = prefill_bound(answer), answer.workload.generates
    rows = [_row("TTFT" if generates else "Latency", ttft(answer), prefill, time=True)]
    if answer.texts:
        rows.append(_row("Texts/s", texts(answer), prefill))
    if answer.serving is None or not generates:  # of a load it would hold the queue
        rows.append(_row("Prefill tok/s", figure(answer, "prefill_tokens_per_s"), prefill))
    if generates:
        rows += _decode_rows(answer)
    if grows(answer):
        limit = rows[0].cells[3]
        even = rows[0].cells[_EVEN]
        rows[0] = Row(("TTFT", Span("grows", "bad"), "-", limit, "-", prefill, even, ""))
    if not answer.memory.fits:
        rows = [row._replace(tone="aside") for row in rows]
    columns = SPEED_COLUMNS
    if answer.ceiling == answer.limit:
        columns = (*columns[:_EVEN], *columns[_EVEN + 1 :])
        rows = [r._replace(cells=(*r.cells[:_EVEN], *r.cells[_EVEN + 1 :])) for r in rows]
    return Table(columns, rows, when="always" if answer.memory.fits else "full")


def _row(name: str, figure: Figure, bound: str, *, time: bool = False) -> Row:
    text = seconds if time else per_second

    def of_limit(value: float) -> float:
        top, below = (figure.limit, value) if time else (value, figure.limit)
        return top / below if below > 0 else 0.0

    return Row(
        (
            name, text(figure.expected), span(text(figure.low), text(figure.high)),
            text(figure.limit), share_of_limit(of_limit(figure.expected)), bound,
            text(figure.ceiling), Range(*map(of_limit, figure[1:4])),
        )
    )  # fmt: skip


def share_of_limit(value: float) -> Cell:
    """A share that stands out where it is poor."""
    return Span(percent(value), "warn" if value < _POOR else "")


def run_line(run: SimulatedRun) -> str:
    """ "Means of 640 prompts, simulated: 12.1 requests/s, 61 running, 1 waiting"."""
    held = f"{run.mean_running:,.3g} running, {run.mean_waiting:,.3g} waiting"
    lost = f", {plural(run.preempted, 'preemption')}" if run.preempted else ""
    rate = f"{run.requests_per_s:,.3g} requests/s"
    if run.goodput_requests_per_s is not None:
        rate += f" ({run.goodput_requests_per_s:,.3g} keep --goodput)"
    return f"Means of {plural(run.prompts, 'prompt')}, simulated: {rate}, {held}{lost}"


def run_table(run: SimulatedRun) -> Table:
    """Mean and percentiles of each metric, as a benchmark's client has them."""
    percents = [f"p{percent:g}" for percent, _ in run.ttft.percentiles_s]
    columns = (Column(""), *(Column(name, "time") for name in ("mean", *percents)))
    metrics = (("TTFT", run.ttft), ("TPOT", run.tpot), ("ITL", run.itl), ("End to end", run.e2e))
    rows = [
        Row(
            (name, seconds(each.mean_s), *(seconds(value) for _, value in each.percentiles_s)),
            detail=name not in _SHORT_PERCENTILES,
        )
        for name, each in metrics
        if each is not None
    ]
    return Table(columns, rows, tight=True)
