"""What is said of engines: the list, and one with every fact and where it comes from.

Not here: reading the files (sources/engines.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from vperf.hardware.engine import Engine
from vperf.report.document import (
    Block,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Span,
    Table,
    Text,
)
from vperf.report.format import clean, percent, plural, seconds, whole
from vperf.report.forms import Report
from vperf.report.to_json import plain
from vperf.sources.engines import other_names

_SHARE_OF = {"all": "", "weights and cache": " for weights and cache", "free": " of what is free"}


def report(engines: Sequence[Engine]) -> Report:
    """A list of engines in every form."""
    return Report(
        lambda: listed(engines),
        lambda: {"schema": "vperf/engines/1", "engines": [_data(each) for each in engines]},
        lambda: map(_flat, engines),
    )


def report_of(engine: Engine) -> Report:
    """One engine in every form."""
    return Report(
        lambda: card(engine),
        lambda: {"schema": "vperf/engine/1", **_data(engine)},
        lambda: (_flat(engine),),
    )


def _data(engine: Engine) -> dict[str, Any]:
    """An engine as plain values in SI base units."""
    launch = engine.launch.words if engine.launch else ()
    bare = asdict(replace(engine, launch=None, bench=()))
    return {
        **plain(bare),
        "launch": _command(launch),
        "bench": _command(engine.bench),
        "other_names": list(other_names(engine.id)),
    }


def _command(words: Sequence[str | Mapping[str, str]]) -> str:
    """The words that are always there, or hang on values alone."""
    return " ".join(word for word in words if isinstance(word, str))


def _flat(engine: Engine) -> dict[str, Any]:
    """The figures of the list as one row."""
    return {
        "id": engine.id, "name": engine.name, "host_s_per_step": engine.host_s_per_step,
        "host_s_per_sequence": engine.host_s_per_sequence, "cuda_graphs": engine.cuda_graphs,
        "memory_utilization": engine.memory_utilization,
        "max_batched_tokens": engine.scheduler.max_batched_tokens,
        "max_sequences": engine.scheduler.max_sequences, "source": engine.source,
        "checked": engine.checked,
    }  # fmt: skip


def listed(engines: Sequence[Engine]) -> Iterator[Block]:
    """The screen of `vperf engines`."""
    yield Headline(
        (Span(plural(len(engines), "engine"), "strong"), "; vperf engines ID shows one.")
    )
    columns = (
        Column("id"),
        Column("host a step", "time"),
        Column("a sequence", "time", 2),
        Column("graphs", rank=3),
        Column("memory", "share"),
        Column("tokens a step", "count", 3),
        Column("also"),
    )
    rows = tuple(
        Row(
            (
                clean(each.id), seconds(each.host_s_per_step), seconds(each.host_s_per_sequence),
                "yes" if each.cuda_graphs else "no", percent(each.memory_utilization),
                whole(each.scheduler.max_batched_tokens),
                clean(", ".join(other_names(each.id)[-4:])),
            )
        )
        for each in engines
    )  # fmt: skip
    yield Table(columns, rows, tight=True)
    text = "memory: share of a GPU that it takes; also: what --engine calls it too"
    yield Prose(text, "aside", tight=True)


def card(engine: Engine) -> Iterator[Block]:
    """The screen of one engine."""
    yield Headline((Span(clean(engine.name), "strong"), f" ({clean(engine.id)})"))
    yield Facts(tuple(_facts(engine)))
    yield Facts((("source", clean(engine.source)), ("checked", clean(engine.checked))), when="full")
    yield Prose("sources, scheduler in full: -v, --json", "aside", "short")


def _facts(engine: Engine) -> Iterator[tuple[str, Text]]:
    scheduler, launch = engine.scheduler, engine.launch
    yield "also", clean(", ".join(other_names(engine.id)))
    each = seconds(engine.host_s_per_sequence)
    more = f", {each} for each sequence" if engine.host_s_per_sequence else ""
    yield "host time", f"{seconds(engine.host_s_per_step)} a step{more}"
    eager = seconds(engine.eager_launch_s)
    graphs = "yes" if engine.cuda_graphs else "no"
    yield "CUDA graphs", f"{graphs}; without, {eager} for each kernel"
    yield "memory", f"{percent(engine.memory_utilization)}{_SHARE_OF[engine.share_of]}"
    chunks = "split over steps" if scheduler.splits_prompts else "whole"
    how = "beside decode" if scheduler.policy == "mixed" else "in steps of their own"
    yield "prompts", f"{chunks}, {how}, {whole(scheduler.max_batched_tokens)} tokens a step"
    yield "sequences", f"{whole(scheduler.max_sequences)} at most"
    small = engine.small_cards
    if small is not None and small.facts:
        facts = (f"{name.replace('_', ' ')} {value:,}" for name, value in small.facts.items())
        yield "on small cards", ", ".join(facts)
    if launch is not None:
        yield "started by", clean(_command(launch.words[:1]))
    yield "measured by", clean(_command(engine.bench[:1]))
