"""The columns of a row of settings: what varies, then what it gives. Shared by all tables of them.

Not here: which rows, and what is said around them (compare.py, sweep.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vperf.explore.prices import Cost
from vperf.explore.rows import Row
from vperf.report import to_csv as csv
from vperf.report.format import clean, per_second, plural, seconds, shortened, size
from vperf.report.markdown import table_lines
from vperf.report.page import Column
from vperf.report.words import short_model

AXIS_HEADINGS = {
    "model": "model", "gpu": "GPU", "quantization": "weights", "kv_cache_dtype": "KV\ncache",
    "batch_size": "batch", "input_len": "input", "output_len": "output", "context": "context",
    "max_concurrency": "users", "request_rate": "request\nrate", "max_model_len": "max\ncontext",
    "prefix_cache_hit": "prefix\nhit", "draft_tokens": "drafts", "acceptance": "accepted",
    "image_tokens": "image\ntokens", "gpu_memory_utilization": "memory\nshare",
    "cuda_graphs": "CUDA\ngraphs",
}  # fmt: skip
"""Where they are not called as the option is."""


def heading(axis: str, newline: str = " ") -> str:
    """What an option is called on a screen."""
    return AXIS_HEADINGS.get(axis, axis.replace("_", " ")).replace("\n", newline)


def choice(value: Any) -> str:
    """One choice of an option: "1,024", "0.5", "fp8"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return clean(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.12g}"


def shared_words(fixed: Mapping[str, Any], axes: Iterable[str]) -> list[str]:
    """What all rows share, in words: "1,024 tokens in", "128 out", "batch 1", "fp8 weights"."""
    rest = dict(fixed)
    tokens_in, tokens_out = rest.pop("input_len", None), rest.pop("output_len", None)
    words = [f"{plural(tokens_in, 'token')} in"] if tokens_in else []
    words += [f"{tokens_out:,} out"] if tokens_out else []
    loads = ("batch_size", "max_concurrency", "request_rate")
    if not {*rest, *axes} & {*loads}:
        words.append("batch 1")
    for name, value in rest.items():
        text = choice(value)
        words.append(f"{text} {heading(name)}" if name == "quantization" else
                     f"{heading(name)} {text}")  # fmt: skip
    return words


@dataclass(frozen=True, slots=True)
class RowColumn:
    """One column of rows: its heading, its cell of a row, how wide it gets."""

    heading: str
    cell: Callable[[Row], str]
    width: int
    left: bool = False
    rank: int = 0
    """Where a screen is too narrow, columns of the highest rank go first; 0 stays."""

    @property
    def column(self) -> Column:
        """As a table has it."""
        return Column(self.heading, left=self.left)

    @property
    def name(self) -> str:
        """The heading on one line."""
        return self.heading.strip().replace("\n", " ")


def axis_columns(axes: Mapping[str, Sequence[Any]]) -> list[RowColumn]:
    """One column an option that varies, as wide as its widest value."""
    columns = []
    for axis, values in axes.items():
        text = _axis_text(axis, values)
        widths = [len(line) for line in heading(axis, "\n").split("\n")]
        widths += [len(text(value)) for value in values]
        columns.append(
            RowColumn(
                heading(axis, "\n"),
                lambda row, axis=axis, text=text: text(row.chosen[axis]),  # type: ignore[misc]
                max(widths),
                left=not all(isinstance(value, int | float) for value in values),
            )
        )
    return columns


def _axis_text(axis: str, values: Sequence[Any]) -> Callable[[Any], str]:
    if axis == "model" and len({short_model(str(v)) for v in values}) == len(set(values)):
        return lambda value: short_model(str(value))
    return choice


def figure_columns(*, priced: bool, energy: bool = True, served: bool = False) -> list[RowColumn]:
    """What a row gives: fits, speeds, cost, energy."""
    columns = [
        RowColumn("fits", lambda row: "yes" if row.fits else "no", 4, left=True),
        RowColumn("limit\ntok/s", _of(lambda f: per_second(f.limit.decode_tokens_per_s)), 8),
        RowColumn("expected\ntok/s", _of(lambda f: per_second(f.expected.decode_tokens_per_s)), 8),
        RowColumn("TTFT", _of(lambda f: seconds(f.expected.ttft_s)), 7, rank=2),
    ]
    if served:
        columns.append(
            RowColumn("requests\n/s", _of(lambda f: f"{f.requests_per_s:.3g}"), 8, rank=2)
        )
    if priced:
        columns += [
            RowColumn("$/Mtok\nin", _paid(lambda cost: cost.usd_per_mtok_input), 7, rank=1),
            RowColumn("$/Mtok\nout", _paid(lambda cost: cost.usd_per_mtok_output), 7, rank=1),
        ]  # fmt: skip
    if energy:
        columns.append(RowColumn("tok/J", lambda r: _joules(r.tokens_per_joule), 6, rank=3))
    columns += [
        RowColumn("TPOT", _of(lambda f: seconds(f.expected.tpot_s)), 7, rank=4),
        RowColumn("memory\nper GPU", _of(lambda f: size(f.memory_bytes)), 7, rank=5),
    ]
    return columns


def _of(text: Callable[[Any], str]) -> Callable[[Row], str]:
    return lambda row: text(row.figures) if row.figures else "-"


def _paid(usd: Callable[[Cost], float]) -> Callable[[Row], str]:
    return lambda row: dollars(usd(row.cost) if row.cost else None)


def problem_lines(problems: Mapping[str, int]) -> list[str]:
    """Why settings cannot be, and how many."""
    return [f"{clean(reason)} ({plural(n, 'setting')})" for reason, n in problems.items()]


def dollars(usd: float | None) -> str:
    """ "0.123", "4.56", "1,234"; "-" where there is no price."""
    if usd is None:
        return "-"
    return f"{usd:,.0f}" if usd >= 100 else f"{usd:.2f}" if usd >= 1 else f"{usd:.3g}"


def _joules(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def fitted(columns: Sequence[RowColumn], width: int) -> tuple[list[RowColumn], list[str]]:
    """The columns that `width` has room for, and the names of those left out for it.

    Where even those that stay are too wide, long names are cut: the CSV has them whole.
    """
    kept = list(columns)
    left_out: list[str] = []
    while sum(c.width + 2 for c in kept) - 2 > width and any(c.rank for c in kept):
        last = max(kept, key=lambda c: c.rank)
        kept.remove(last)
        if last.rank < 4:  # the others are extras of wide screens
            left_out.insert(0, last.name)
    return _narrowed(kept, width), left_out


_LEAST_NAME = 12


def _narrowed(columns: Sequence[RowColumn], width: int) -> list[RowColumn]:
    """The columns with the widest names cut, evenly, as far as it takes."""
    widths = [column.width for column in columns]
    over = sum(widths) + 2 * (len(widths) - 1) - width
    names = [n for n, c in enumerate(columns) if c.left and c.width > _LEAST_NAME]
    while over > 0 and names:
        widest = max(names, key=widths.__getitem__)
        if widths[widest] <= _LEAST_NAME:
            break
        widths[widest] -= 1
        over -= 1
    return [
        column
        if most == column.width
        else replace(column, cell=_cut(column.cell, most), width=most)
        for column, most in zip(columns, widths, strict=True)
    ]


def _cut(cell: Callable[[Row], str], most: int) -> Callable[[Row], str]:
    return lambda row: shortened(cell(row), most)


def csv_lines(rows: Iterable[Row]) -> Iterable[str]:
    """Rows as CSV, line by line."""
    return csv.lines(row.flat() for row in rows)


def json_lines(rows: Iterable[Row]) -> Iterable[str]:
    """Rows as JSON lines."""
    for row in rows:
        yield json.dumps(row.to_dict(), allow_nan=False) + "\n"


def markdown_lines(columns: Sequence[RowColumn], rows: Iterable[Row]) -> Iterable[str]:
    """Rows as a Markdown table, line by line."""
    return table_lines(
        [column.name for column in columns],
        ([column.cell(row) for column in columns] for row in rows),
        {number for number, column in enumerate(columns) if column.left},
    )
