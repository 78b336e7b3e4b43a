"""What is said of bundled models: the list, and one model with its facts and source.

Not here: reading the files (sources/models.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from vperf.answer import ModelFacts
from vperf.model.anatomy import Anatomy, LayerRow
from vperf.report.document import (
    Block,
    Bullets,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Span,
    Table,
    Text,
)
from vperf.report.format import clean, gib, percent, plural, size, whole
from vperf.report.forms import Report

_SHOWN = 16
"""Rows of the short form."""
_ORIGIN = ("found", "source", "count from", "checked")
"""Facts of where the others are from."""


class Listed(Protocol):
    """A model in the list: what its file says, nothing derived."""

    @property
    def id(self) -> str:
        """Owner and name, as on the Hub."""

    @property
    def model_type(self) -> str:
        """The architecture's name in config.json."""

    @property
    def parameters(self) -> int:
        """What the checkpoint stores."""

    @property
    def source(self) -> str:
        """Where the config and the count come from."""

    @property
    def parameters_source(self) -> str:
        """How the count is known."""

    @property
    def checked(self) -> str:
        """The day on which that was looked up."""


def _listed(model: Listed) -> dict[str, Any]:
    return {
        "id": model.id,
        "model_type": model.model_type,
        "parameters": model.parameters,
        "parameters_source": model.parameters_source,
        "source": model.source,
        "checked": model.checked,
    }


def report(models: Sequence[Listed]) -> Report:
    """A list of models in every form."""
    return Report(
        lambda: listed(models), lambda: list_to_dict(models), lambda: map(_listed, models)
    )


def report_of(facts: ModelFacts, parts: Anatomy, listed: Listed | None) -> Report:
    """One model in every form; its CSV is a row a kind of layer."""
    return Report(
        lambda: card(facts, parts, listed),
        lambda: to_dict(facts, parts, listed),
        lambda: (_flat(facts, row) for row in (*parts.encoder, *parts.layers)),
    )


def list_to_dict(models: Iterable[Listed]) -> dict[str, Any]:
    """The list as plain values."""
    return {"schema": "vperf/models/1", "models": [_listed(model) for model in models]}


def to_dict(facts: ModelFacts, parts: Anatomy, listed: Listed | None) -> dict[str, Any]:
    """One model as plain values in SI base units; what its file says stands beside the facts."""
    return {
        "schema": "vperf/model/1",
        **asdict(facts),
        "layers": [_layer(row) for row in parts.layers],
        "encoder_layers": [_layer(row) for row in parts.encoder],
        "parameters_by_part": dict(parts.parts),
        "bytes_by_format": dict(parts.bytes_by_format),
        "tied_head": parts.tied_head,
        "mtp_layers": parts.mtp_layers,
        "mtp_parameters": parts.mtp_parameters,
        "config_keys": list(parts.config_keys),
        "assumptions": list(parts.defaults),
        "file": _listed(listed) if listed else None,
    }


def _layer(row: LayerRow) -> dict[str, Any]:
    return {**asdict(row), "mechanisms": list(row.mechanisms)}


def _flat(facts: ModelFacts, row: LayerRow) -> dict[str, Any]:
    return {"model": facts.id, **asdict(row), "mechanisms": " + ".join(row.mechanisms)}


def listed(models: Sequence[Listed]) -> Iterator[Block]:
    """The screen of `vperf models`."""
    yield Headline(
        (Span(f"{plural(len(models), 'model')} that need no network", "strong"),
         "; vperf models ID shows one.")
    )  # fmt: skip
    columns = (Column("id"), Column("parameters", "count"), Column("type", rank=3))
    rows = tuple(Row((clean(m.id), whole(m.parameters), clean(m.model_type))) for m in models)
    yield Table(columns, rows, short=_SHOWN, tight=True)
    text = "any other Hub id, a directory or a config.json works as well"
    yield Prose(text, "aside", tight=True)


def card(facts: ModelFacts, parts: Anatomy, listed: Listed | None) -> Iterator[Block]:
    """The screen of one model: counts, bytes, formats, layers, and where they come from."""
    yield Headline((Span(clean(facts.id), "strong"),))
    yield Facts(tuple(_facts(facts, listed)), when="full")
    about = tuple(row for row in _facts(facts, listed) if row[0] not in _ORIGIN)
    yield Facts(about, when="short")
    yield _layers(parts)
    yield _parts(parts)
    rows = [Row((clean(name), whole(n), size(n))) for name, n in parts.bytes_by_format]
    rows.append(Row(("total", whole(facts.weight_bytes), size(facts.weight_bytes)), "strong"))
    columns = (Column("stored as"), Column("bytes", "count"), Column("", "memory"))
    yield Table(columns, tuple(rows), when="full")
    if parts.mtp_layers:
        known = f", {whole(parts.mtp_parameters)} parameters" if parts.mtp_parameters else ""
        text = f"multi-token-prediction layers: {parts.mtp_layers}{known}"
        yield Bullets((text,), "Not counted")
    if parts.config_keys:
        keys = ", ".join(map(clean, parts.config_keys))
        yield Bullets((keys,), "Read of its config", when="full")
    yield Bullets(tuple(map(clean, parts.defaults)), "Assumptions", when="full")
    yield Prose("parts, number formats, where the counts are from: -v", "aside", "short")


def _facts(facts: ModelFacts, listed: Listed | None) -> Iterator[tuple[str, Text]]:
    longest = facts.max_context_tokens
    yield "architecture", clean(facts.architecture)
    yield "parameters", whole(facts.parameters)
    yield "active", f"{whole(facts.active_parameters)} per token"
    yield "weights", f"{whole(facts.weight_bytes)} bytes ({gib(facts.weight_bytes)} GiB)"
    yield "quantization", clean(facts.quantization)
    cache = f"{whole(facts.kv_bytes_per_token)} bytes/token ({clean(facts.kv_cache_dtype)})"
    yield "KV cache", cache
    yield "longest context", f"{whole(longest)} tokens" if longest else "not said"
    yield "found", clean(facts.source)
    if listed:
        yield "source", clean(listed.source)
        yield "count from", clean(listed.parameters_source)
        yield "checked", _checked(facts, listed)


def _layers(parts: Anatomy) -> Table:
    columns = (
        Column("layers", "count"),
        Column("made of"),
        Column("parameters each", "count"),
        Column("KV per token", "count"),
        Column("state", "memory", 1),
    )
    rows = tuple(
        Row(
            (
                whole(row.count), clean(where + " + ".join(row.mechanisms)),
                whole(row.parameters),
                whole(row.kv_elements_per_token) if row.kv_elements_per_token else "-",
                size(row.state_bytes) if row.state_bytes else "-",
            )
        )
        for where, rows in (("encoder: ", parts.encoder), ("", parts.layers))
        for row in rows
    )  # fmt: skip
    return Table(columns, rows)


def _parts(parts: Anatomy) -> Table:
    total = sum(count for _, count in parts.parts)
    rows = [Row((_part(name, parts), whole(n), percent(n / total, 1))) for name, n in parts.parts]
    rows.append(Row(("total", whole(total), percent(1.0, 1)), "strong"))
    columns = (Column("part"), Column("parameters", "count"), Column("share", "share"))
    return Table(columns, tuple(rows), when="full")


def _part(name: str, parts: Anatomy) -> str:
    return "embedding, LM head tied to it" if name == "embedding" and parts.tied_head else name


def _checked(facts: ModelFacts, listed: Listed) -> str:
    """The day, and whether what is derived here equals what the checkpoint holds."""
    same = facts.parameters == listed.parameters
    words = "equals the recorded count" if same else f"recorded count {whole(listed.parameters)}"
    return f"{clean(listed.checked)}; the derived count {words}"
