"""Blocks built from a few config keys, as the families build them."""

from __future__ import annotations

from typing import Any

from vperf.formats import BF16
from vperf.model.blocks.base import Scope
from vperf.model.checkpoint import Config

SCOPE = Scope("model.layers.0", lambda name, kind: BF16)


def config(**keys: Any) -> Config:
    """A config of just these keys."""
    return Config(keys, "test.json")
