"""Where the time of a measured result went: tables, a chart, and the largest part in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vperf.checks.check import Check
from vperf.checks.waterfall import Part, Waterfall
from vperf.report.chart import Axis, Chart, Mark, Series, letter
from vperf.report.check.figures import TITLES
from vperf.report.document import Bar, Block, Cell, Column, Prose, Row, Table, Tone
from vperf.report.estimate.page import workload
from vperf.report.format import clean, percent, seconds

PARTS = {
    "weights": "weights at the limit",
    "kv_cache": "KV cache at the limit",
    "compute": "FLOPs at the limit",
    "link": "GPU links at the limit",
    "matmul": "matmul kernels",
    "attention": "attention kernels",
    "moe": "MoE kernels",
    "recurrent": "recurrent kernels",
    "elementwise": "element-wise kernels",
    "host": "launches and host time",
    "collectives": "collectives",
    "transfers": "between places",
    "queueing": "queueing, prefills of others",
    "unexplained": "unexplained",
}


class _Group(NamedTuple):
    """Parts of a waterfall that the short form adds up."""

    title: str
    parts: tuple[str, ...]
    tone: Tone


_GROUPS = (
    _Group("limit: {}", ("weights", "kv_cache", "compute", "link"), "memory"),
    _Group("kernels above it", ("matmul", "attention", "moe", "recurrent", "elementwise"), "link"),
    _Group("launches and host time", ("host",), ""),
    _Group("collectives", ("collectives", "transfers"), "link"),
    _Group("queueing, prefills of others", ("queueing",), ""),
    _Group("unexplained", ("unexplained",), "bad"),
)
_OF_LIMIT = {"weights": "weights", "kv_cache": "KV cache", "compute": "FLOPs", "link": "GPU links"}


def waterfalls(falls: Sequence[Waterfall]) -> Iterator[Block]:
    """Where the time went; of a figure that is faster than expected, by how much."""
    for fall in falls[:1]:
        if fall.measured_s >= fall.expected_s:
            groups = [(g, [p for p in fall.parts if p.name in g.parts]) for g in _GROUPS]
            steps = [(_titled(g, found), found, g.tone) for g, found in groups if found]
            yield Table(_step_columns(1), _beside({fall: steps}), _gone([fall]), when="short")
    slow = [fall for fall in falls if fall.measured_s >= fall.expected_s]
    if slow:
        tones = {name: group.tone for group in _GROUPS for name in group.parts}
        each = {
            fall: [(PARTS[part.name], [part], tones[part.name]) for part in fall.parts]
            for fall in slow
        }
        yield Table(_step_columns(len(slow)), _beside(each), _gone(slow), when="full")
    for number, fall in enumerate(falls):
        if fall not in slow:
            faster = seconds(fall.expected_s - fall.measured_s)
            text = f"{TITLES[fall.metric]} is faster than expected by {faster}."
            yield Prose(text, when="full" if number else "always", tight=bool(number))


def _step_columns(falls: int) -> tuple[Column, ...]:
    each = (Column("", "time"), Column("", "share"), Column("", "bar", 1))
    return (Column(""), *(column for _ in range(falls) for column in each))


def _gone(falls: Sequence[Waterfall]) -> str:
    """ "Where 12.1 ms of TPOT and 81.0 ms of TTFT go"."""
    times = (f"{seconds(fall.measured_s)} of {TITLES[fall.metric]}" for fall in falls)
    return f"Where {' and '.join(times)} go"


def chart(check: Check) -> Chart:
    """The waterfall: each part of the measured time above those before it, a letter each."""
    falls = check.waterfalls[:1]
    order = list(PARTS)
    points, key, marks = [(0.0, 0.0)], [], []
    for fall in falls:
        for number, part in enumerate(sorted(fall.parts, key=lambda p: order.index(p.name)), 1):
            points.append((float(number), points[-1][1] + part.seconds))
            sign = "-" if part.seconds < 0 else ""
            said = f"{PARTS[part.name]}, {sign}{seconds(abs(part.seconds))}"
            key.append(("time", letter(number - 1), said))
        for name, at in (("limit", fall.limit_s), ("expected", fall.expected_s),
                         ("measured", fall.measured_s)):  # fmt: skip
            marks.append(Mark("y", at, f"{name} {seconds(at)}"))
    title = TITLES[falls[0].metric] if falls else "the measured time"
    return Chart(
        title=f"Where {title} goes: {clean(check.estimate.model.id)} on {check.estimate.gpu.name}",
        setting=workload(check.estimate),
        x=Axis("parts, one on the other"),
        y=Axis(title, "s"),
        series=(
            Series("time", tuple(points), labels=("", *(mark for _, mark, _ in key))),
        ) if falls else (),
        marks=tuple(marks),
        key=tuple(key),
    )  # fmt: skip


def _titled(group: _Group, found: Sequence[Part]) -> str:
    return group.title.format(", ".join(_OF_LIMIT.get(part.name, "") for part in found))


_Steps = Sequence[tuple[str, Sequence[Part], Tone]]


def _beside(falls: Mapping[Waterfall, _Steps]) -> tuple[Row, ...]:
    """A row a part, the waterfalls side by side."""
    each = [_steps(fall, steps) for fall, steps in falls.items()]
    order = [*PARTS.values()]
    titles = dict.fromkeys(title for cells in each for title in cells)
    if titles.keys() <= set(order):
        titles = dict.fromkeys(title for title in order if title in titles)
    nothing: tuple[Cell, ...] = ("-", "-", "")
    return tuple(
        Row((title, *(cell for cells in each for cell in cells.get(title, nothing))))
        for title in titles
    )


def _steps(fall: Waterfall, steps: _Steps) -> dict[str, tuple[Cell, ...]]:
    """Time, share and bar of each part, whose bar starts where the one before it ends."""
    scale, before = seconds(fall.measured_s), 0.0
    found: dict[str, tuple[Cell, ...]] = {}
    order = [*PARTS.values()]
    if all(title in order for title, _, _ in steps):
        steps = sorted(steps, key=lambda step: order.index(step[0]))
    for title, parts, tone in steps:
        took = sum(part.seconds for part in parts)
        share = took / fall.measured_s
        bar = Bar(((max(0.0, share), tone),), start=min(before, before + share))
        found[title] = (_in_unit_of(took, scale), percent(share), bar)
        before += share
    return found


def _in_unit_of(value: float, other: str) -> str:
    """A time in the unit of another, with two more decimals than a whole."""
    unit = other.rpartition(" ")[2]
    scale = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}[unit]
    digits = max(0, 2 - max(0, math.floor(math.log10(abs(value) * scale))) if value else 2)
    return f"{value * scale:,.{digits}f} {unit}"


def largest(fall: Waterfall) -> str:
    """The largest part above the limit, in words."""
    part = fall.largest
    if part.seconds <= 0:
        return "Nothing above the limit is left to explain."
    text = f"{seconds(part.seconds)} of {TITLES[fall.metric]}, {percent(part.share)}"
    return f"Largest above the limit: {PARTS[part.name]}, {text}."
