"""Bundled models for a person and as JSON: the list, and one model with its facts and source.

Not here: reading the files (sources/models.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Protocol

from vperf.answer import ModelFacts
from vperf.model.anatomy import Anatomy, LayerRow
from vperf.report.format import clean, percent, size, whole
from vperf.report.page import Column, Page

_WIDE = 120
"""From here on the list has room for the type of even the longest id."""


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


def render_list(models: Iterable[Listed], *, width: int = 80, color: bool = False) -> str:
    """One line a model."""
    page = Page(width, color)
    rows = [(clean(m.id), whole(m.parameters), clean(m.model_type)) for m in models]
    columns = [Column("id", left=True), Column("parameters"), Column("type", left=True)]
    shown = len(columns) if page.width >= _WIDE else len(columns) - 1
    page.table(columns[:shown], (row[:shown] for row in rows))
    page.blank()
    page.prose(
        f"{len(rows)} models that need no network; any other Hub id, a directory or a config.json "
        "works as well."
    )
    return page.text()


def render_card(
    facts: ModelFacts,
    parts: Anatomy,
    listed: Listed | None,
    *,
    width: int = 80,
    color: bool = False,
) -> str:
    """One model: counts, bytes, formats, layers, and where they come from."""
    page = Page(width, color)
    page.prose(clean(facts.id), "bold")
    page.blank()
    longest = facts.max_context_tokens
    page.facts(
        [
            ("architecture", clean(facts.architecture)),
            ("parameters", whole(facts.parameters)),
            ("active", f"{whole(facts.active_parameters)} per token"),
            ("weights", f"{whole(facts.weight_bytes)} bytes ({size(facts.weight_bytes)})"),
            ("quantization", clean(facts.quantization)),
            (
                "KV cache",
                f"{whole(facts.kv_bytes_per_token)} bytes/token ({clean(facts.kv_cache_dtype)})",
            ),
            ("longest context", f"{whole(longest)} tokens" if longest else "not said"),
            ("found", clean(facts.source)),
            ("source", clean(listed.source) if listed else ""),
            ("count from", clean(listed.parameters_source) if listed else ""),
            ("checked", _checked(facts, listed) if listed else ""),
        ]
    )
    page.blank()
    page.table(
        [
            Column("layers"),
            Column("made of", left=True, fold=True),
            Column("parameters\neach"),
            Column("KV elements\nper token"),
            Column("state"),
        ],
        (
            (
                whole(row.count),
                clean(where + " + ".join(row.mechanisms)),
                whole(row.parameters),
                whole(row.kv_elements_per_token) if row.kv_elements_per_token else "-",
                size(row.state_bytes) if row.state_bytes else "-",
            )
            for where, rows in (("encoder: ", parts.encoder), ("", parts.layers))
            for row in rows
        ),
    )
    page.blank()
    total = sum(count for _, count in parts.parts)
    page.table(
        [Column("part", left=True), Column("parameters"), Column("share")],
        [
            *((_part(name, parts), whole(n), percent(n / total)) for name, n in parts.parts),
            ("total", whole(total), percent(1.0)),
        ],
        total=True,
    )
    page.blank()
    page.table(
        [Column("stored as", left=True), Column("bytes")],
        [
            *((clean(name), f"{whole(n)} ({size(n)})") for name, n in parts.bytes_by_format),
            ("total", f"{whole(facts.weight_bytes)} ({size(facts.weight_bytes)})"),
        ],
        total=True,
    )
    if parts.mtp_layers:
        known = f", {whole(parts.mtp_parameters)} parameters" if parts.mtp_parameters else ""
        page.section(
            "Not counted",
            [f"multi-token-prediction layers: {parts.mtp_layers}{known}"],
        )
    if parts.config_keys:
        page.section("Read of its config", [", ".join(map(clean, parts.config_keys))])
    page.section("Assumptions", (clean(line) for line in parts.defaults))
    return page.text()


def _part(name: str, parts: Anatomy) -> str:
    return "embedding, LM head tied to it" if name == "embedding" and parts.tied_head else name


def _checked(facts: ModelFacts, listed: Listed) -> str:
    """The day, and whether what is derived here equals what the checkpoint holds."""
    same = facts.parameters == listed.parameters
    words = "equals the recorded count" if same else f"recorded count {whole(listed.parameters)}"
    return f"{clean(listed.checked)}; the derived count {words}"
