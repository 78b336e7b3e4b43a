"""What the config classes of transformers fill in where a config.json is silent.

class_defaults.jsonl is written by benchmarks/class_defaults.py, one line a model_type; its first
line says of which release, read when. A start reads the lines it asks for. Not here: values that a
class computes from others (families/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def _text() -> str:
    return "\n" + Path(__file__).with_suffix(".jsonl").read_text(encoding="utf-8")


@lru_cache(maxsize=64)
def _row(model_type: str) -> Mapping[str, Any]:
    text = _text()
    start = text.find(f'\n{{"model_type":{json.dumps(model_type)},') + 1
    row: dict[str, Any] = json.loads(text[start : text.index("\n", start)]) if start else {}
    return row


def release() -> str:
    """Which transformers was read, and when."""
    text = _text()
    first = json.loads(text[: text.index("\n", 1)])
    return f"{first['transformers']}, {first['read']}"


def model_types() -> tuple[str, ...]:
    """Every type that the table has."""
    return tuple(json.loads(line)["model_type"] for line in _text().splitlines()[2:])


@lru_cache(maxsize=1)
def _by_stem() -> dict[str, str]:
    names = re.findall(r'^{"model_type":"([^"]+)"', _text(), re.MULTILINE)
    return {name.replace("_", "").replace("-", ""): name for name in names}


def model_type_of(stem: str) -> str | None:
    """The type whose classes begin so: "Qwen3Moe" -> "qwen3_moe"; None for one it does not have."""
    return _by_stem().get(stem.lower())


def class_defaults(model_type: str) -> Mapping[str, Any]:
    """By key, null where the class computes the value; empty for a type it does not have."""
    found: Mapping[str, Any] = _row(model_type).get("defaults", {})
    return found


def never_ties(model_type: str) -> bool:
    """Whether the class of the LM has no way to tie its head, whatever the config says."""
    return _row(model_type).get("ties") is False


def nested_text_model(model_type: str) -> tuple[str, str] | None:
    """Of a wrapper: the key of its text model's config, and the text model it builds by default."""
    found = _row(model_type).get("nests")
    return (found[0], found[1]) if found else None


def nested_defaults(model_type: str) -> Mapping[str, Any]:
    """Of a wrapper without any config of its text model: what it makes different from the text
    model's own defaults."""
    found = _row(model_type).get("nests")
    return found[2] if found else {}
