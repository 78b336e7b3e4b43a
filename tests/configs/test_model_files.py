"""The shape of the model files that ship: what they say is checked where models are derived."""

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from tests.every import every

ROOT = Path(__file__).parents[2] / "configs" / "models"
FILES = sorted(ROOT.rglob("*"))
MODELS = [path for path in FILES if path.is_file()]

REQUIRED = {
    "source": str,
    "checked": str,
    "parameters": int,
    "parameters_source": str,
    "config": dict,
}
OPTIONAL = {"notes": str, "warnings": list, "hf_quant_config": dict, "task": str}

# Training, generation and tokenizer settings change neither shapes nor formats nor speed.
FORBIDDEN_KEY = re.compile(
    r"(?:_token_ids?|_token_index)$|^(?:_name_or_path|auto_map|transformers_version|use_cache"
    r"|initializer_range|attention_dropout|rope_theta)$"
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


def read(path: Path) -> dict[str, Any]:
    def refuse(token: str) -> float:
        raise ValueError(f"{token} is not JSON")

    data = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert isinstance(data, dict)
    return data


def keys(value: object) -> set[str]:
    """Every key of every nested object."""
    if isinstance(value, dict):
        return set(value).union(*(keys(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(keys(inner) for inner in value))
    return set()


def test_there_are_many_models() -> None:
    assert len(MODELS) >= 150


def test_every_file_is_owner_slash_name_json() -> None:
    part = r"[A-Za-z0-9][A-Za-z0-9._-]*"
    odd = [path.relative_to(ROOT).as_posix() for path in MODELS]
    odd = [path for path in odd if not re.fullmatch(rf"{part}/{part}\.json", path)]
    assert odd == []


def test_names_differ_by_more_than_case() -> None:
    counts = Counter(name(path).lower() for path in MODELS)
    assert [key for key, count in counts.items() if count > 1] == []


@every((name(path), (path,)) for path in MODELS)
def test_file_has_the_agreed_shape(path: Path) -> None:
    data = read(path)

    assert data.keys() >= REQUIRED.keys()
    assert data.keys() <= REQUIRED.keys() | OPTIONAL.keys()
    for key, kind in (REQUIRED | OPTIONAL).items():
        if key in data:
            assert type(data[key]) is kind, key
            assert data[key], key

    assert data["source"].startswith("https://")
    assert date.fromisoformat(data["checked"]).isoformat() == data["checked"]
    assert data["parameters"] > 1e6


@every((name(path), (path,)) for path in MODELS)
def test_config_names_its_model_and_carries_no_ballast(path: Path) -> None:
    config = read(path)["config"]

    assert isinstance(config["model_type"], str)
    assert config["model_type"]
    assert [key for key in sorted(keys(config)) if FORBIDDEN_KEY.search(key)] == []
