"""The columns of a row of settings: what varies, then what it gives. Shared by all tables of them.

Not here: which rows, and what is said around them (compare.py, sweep.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vperf.explore.rows import Row
from vperf.report.document import FAILS, Bar, Cell, Column, Kind, Span
from vperf.report.document import Row as Line
from vperf.report.format import (
    clean,
    dollars,
    gib,
    number,
    per_second,
    percent,
    plural,
    seconds,
    span,
)
from vperf.report.names import short_model
from vperf.resolve.model import AS_STORED

AXIS_HEADINGS = {
    "model": "model", "gpu": "GPU", "quantization": "weights", "kv_cache_dtype": "KV cache",
    "batch_size": "batch", "input_len": "input", "output_len": "output", "context": "context",
    "max_concurrency": "users", "request_rate": "requests/s", "max_model_len": "max context",
    "prefix_cache_hit": "prefix hit", "draft_tokens": "drafts", "acceptance": "accepted",
    "acceptance_length": "tokens a step", "speculative": "drafted by", "lora_rank": "LoRA rank",
    "max_loras": "adapters",
    "image_tokens": "image tokens", "gpu_memory_utilization": "memory share",
    "cuda_graphs": "CUDA graphs",
}  # fmt: skip
"""Where they are not called as the option is."""


class RowColumn(NamedTuple):
    """One column of rows, and its cell of a row that has figures."""

    column: Column
    cell: Callable[[Row], Cell]


def heading(axis: str) -> str:
    """What an option is called on a screen."""
    return AXIS_HEADINGS.get(axis, axis.replace("_", " "))


def choice(value: Any) -> str:
    """One choice of an option: "1,024", "0.5", "fp8"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return clean(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.12g}"


def generate(rows: Iterable[Row]) -> bool:
    """Whether tokens come out of any; so it is taken of rows that are not known."""
    known = [row.figures.expected for row in rows if row.figures]
    return not known or any(each.decode_tokens_per_s for each in known)


def shared_words(
    fixed: Mapping[str, Any], axes: Iterable[str], *, generate: bool = True
) -> list[str]:
    """What all rows share, in words: "1,024 tokens in", "128 out", "batch 1", "fp8 weights"."""
    rest = dict(fixed)
    tokens_in, tokens_out = rest.pop("input_len", None), rest.pop("output_len", None)
    if not generate:
        tokens_out = None
    words = [f"{plural(tokens_in, 'token')} in"] if tokens_in else []
    words += [f"{tokens_out:,} out"] if tokens_out else []
    loads = ("batch_size", "max_concurrency", "request_rate")
    if not {*rest, *axes} & {*loads}:
        words.append("batch 1")
    for name, value in rest.items():
        words.append(chosen_words(name, value))
    return words


def chosen_words(axis: str, value: Any) -> str:
    """One option with its value: "fp8 weights", "16 users", "batch 16"."""
    text, name = choice(value), heading(axis)
    return f"{text} {name}" if axis in ("quantization", "max_concurrency", "request_rate") else (
        f"{name} {text}"
    )  # fmt: skip


def named(row: Row, axes: Iterable[str], *, card: bool = False) -> str:
    """What tells a row from the others: "Qwen3-8B on l40s fp8 x2, batch 8"; `card`: its GPU too."""
    axes = tuple(axes)
    names = [short_model(row.model)] if "model" in axes else []
    if card or "gpu" in axes:
        names.append(f"{'on ' if names else ''}{clean(row.gpu)}")
    if "quantization" in axes and row.chosen["quantization"] != AS_STORED:
        names.append(clean(row.chosen["quantization"]))
    elif "quantization" in axes and not names:
        names.append("weights as stored")
    gpus = row.figures.gpus if row.figures else 1
    if {"tp", "pp", "dp"} & {*axes} or (card and gpus > 1):
        names.append(f"x{gpus}")
    said = ("model", "gpu", "quantization", "tp", "pp", "dp")
    others = [chosen_words(axis, row.chosen[axis]) for axis in axes if axis not in said]
    return ", ".join([*([" ".join(names)] if names else []), *others])


def axis_columns(axes: Mapping[str, Sequence[Any]]) -> list[RowColumn]:
    """One column an option that varies, as wide as its widest value."""
    columns = []
    for axis, values in axes.items():
        text = _axis_text(axis, values)
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        kind: Kind = "count" if numbers else "text"
        most = max(len(text(value)) for value in values) if len(values) <= 10_000 else 0
        if isinstance(values, range) or len(values) > 10_000:
            most = max(len(text(values[0])), len(text(values[-1])))
        columns.append(
            RowColumn(
                Column(heading(axis), kind, width=most),
                lambda row, axis=axis, text=text: text(row.chosen[axis]),  # type: ignore[misc]
            )
        )
    return columns


def _axis_text(axis: str, values: Sequence[Any]) -> Callable[[Any], str]:
    if axis == "model" and len({short_model(str(v)) for v in values}) == len(set(values)):
        return lambda value: short_model(str(value))
    return choice


def _of(text: Callable[[Any], str]) -> Callable[[Row], Cell]:
    return lambda row: text(row.figures) if row.figures else "-"


def speed_column(heading: str = "tok/s", *, strong: bool = False) -> RowColumn:
    """Expected decode speed of all sequences."""
    column = Column(heading, "rate", strong=strong, width=6)
    return RowColumn(column, _of(lambda f: per_second(f.expected.main_tokens_per_s)))


def ttft_column(heading: str = "TTFT", *, strong: bool = False, rank: int = 0) -> RowColumn:
    """Expected; of a load that cannot be served it has no end."""
    return RowColumn(Column(heading, "time", rank, strong, 7), _ttft)


def _ttft(row: Row) -> Cell:
    figures = row.figures
    if figures is None:
        return "-"
    if figures.serving and figures.serving.saturated:
        return Span("grows", "bad")
    return seconds(figures.expected.ttft_s)


def tpot_column(*, rank: int = 0) -> RowColumn:
    """Expected."""
    column = Column("TPOT", "time", rank, width=7)
    return RowColumn(column, _of(lambda f: seconds(f.expected.tpot_s)))


def requests_column(*, rank: int = 0) -> RowColumn:
    """Requests answered a second, of models that only read."""
    return RowColumn(
        Column("requests/s", "rate", rank, width=7), _of(lambda f: per_second(f.requests_per_s))
    )


def bar_column(most: float, *, rank: int = 5) -> RowColumn:
    """Expected decode speed beside the greatest of all rows."""

    def bar(row: Row) -> Cell:
        if row.figures is None or most <= 0:
            return ""
        share = row.figures.expected.main_tokens_per_s / most
        return Bar(((share, "good" if row.fits else "aside"),))

    return RowColumn(Column("", "bar", rank, width=12), bar)


def limit_columns() -> list[RowColumn]:
    """Limit and range of the decode speed."""

    def ends(row: Row) -> str:
        if row.figures is None:
            return "-"
        low, high = row.figures.expected.low, row.figures.expected.high
        return span(per_second(low.main_tokens_per_s), per_second(high.main_tokens_per_s))

    return [
        RowColumn(Column("limit", "rate", 3, width=6),
                  _of(lambda f: per_second(f.limit.main_tokens_per_s))),
        RowColumn(Column("range", "rate", 4, width=11), ends),
    ]  # fmt: skip


def extra_columns(rows: Iterable[Row], *, priced: bool, served: bool) -> list[RowColumn]:
    """What wide screens have beside the speeds: requests, cost, energy."""
    found = []
    if served:
        column = Column("served/s", "rate", 3, width=6)
        found.append(RowColumn(column, _of(lambda f: f"{f.requests_per_s:.3g}")))
    if any(row.tokens_per_joule for row in rows):
        found.append(RowColumn(Column("tok/J", "rate", 4), joules))
    if priced:
        found += [
            RowColumn(Column("$/M in", "money", 4), _paid("usd_per_mtok_input")),
            RowColumn(Column("$/M out", "money", 4), _paid("usd_per_mtok_output")),
        ]
    return found


def _paid(field: str) -> Callable[[Row], Cell]:
    return lambda row: dollars(getattr(row.cost, field) if row.cost else None)


def joules(row: Row) -> str:
    """Expected tokens per joule."""
    expected, *_ = row.expected_tokens_per_joule
    return "-" if expected is None else number(expected)


def memory_column(capacity_bytes: float | None = None) -> RowColumn:
    """Of each GPU, as a share, or in GiB where all rows have one capacity."""
    if capacity_bytes is None:
        return RowColumn(Column("memory", "fits", width=6), _memory_share)
    return RowColumn(Column(f"GiB of {gib(capacity_bytes)}", "fits"), _memory_gib)


def _memory_share(row: Row) -> Cell:
    if row.figures is None:
        return "-"
    return _fitting(row, percent(row.figures.memory_bytes / row.figures.capacity_bytes))


def _memory_gib(row: Row) -> Cell:
    return _fitting(row, gib(row.figures.memory_bytes)) if row.figures else "-"


def _fitting(row: Row, text: str) -> Cell:
    return text if row.fits else Span(f"{FAILS} {text}", "bad")


def basis_column(*, rank: int = 0) -> RowColumn:
    """Whether the constants behind expected were measured on the card."""
    return RowColumn(Column("basis", "basis", rank, width=8), lambda row: row.constants)


def lines(columns: Sequence[RowColumn], rows: Iterable[Row]) -> Iterator[Line]:
    """Rows of a table; those that do not fit step back, those that cannot be say why."""
    for row in rows:
        if row.figures is None:
            continue
        cells = tuple(column.cell(row) for column in columns)
        yield Line(cells, "" if row.fits else "aside")


def problem_lines(problems: Mapping[str, int]) -> tuple[str, ...]:
    """Why settings cannot be, and how many."""
    return tuple(f"{clean(reason)} ({plural(n, 'setting')})" for reason, n in problems.items())


def legend(rows: Iterable[Row]) -> str:
    """What marks in the table mean; empty where none is there."""
    rows = [row for row in rows if row.figures]
    found = []
    if any(not row.fits for row in rows):
        found.append(f"{FAILS} does not fit; speeds as if it did")
    if any(row.constants == "same_die" for row in rows):
        found.append("same_die: measured on another card with this one's die")
    if any(row.constants == "generic" for row in rows):
        found.append("generic: no measurements of the card")
    return " \N{MIDDLE DOT} ".join(found)
