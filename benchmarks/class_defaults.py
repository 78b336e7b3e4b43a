"""Writes src/vperf/model/class_defaults.jsonl from the transformers that is installed.

    python benchmarks/class_defaults.py [DIR]

Needs transformers and torch. One line a model_type of a language model: what its config class
fills in where a config.json is silent, without keys that cannot change a weight and without
multi-token-prediction modules, which a silent checkpoint does not hold.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import transformers
from transformers.models.auto import modeling_auto as auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

from vperf.model.keys import is_harmless
from vperf.model.read import MTP_KEYS

NESTS = ("text_config", "llm_config", "language_config", "thinker_config", "decoder")

TIES_INSIDE = frozenset({"llama4", "blip-2", "instructblip", "instructblipvideo"})
"""Wrappers around a whole LM that ties its own head."""


def raw_defaults(config_class: type) -> dict[str, Any]:
    """The defaults that the class declares, before it computes with them."""
    found = {}
    for field in dataclasses.fields(config_class):
        value: Any = field.default
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        if value is dataclasses.MISSING:
            value = None
        found[field.name] = value
    return found


def nested(config_class: type) -> tuple[str, str, dict[str, Any]] | None:
    """Where a wrapper keeps its text model, which one it builds when it is not told, and what it
    makes different from that one's own defaults."""
    try:
        built = config_class()
    except Exception:
        return None
    for name in NESTS:
        child = getattr(built, name, None)
        child = getattr(child, "text_config", None) or child
        kind = getattr(child, "model_type", "")
        if child is not None and kind in CONFIG_MAPPING_NAMES:
            own, plain = child.to_dict(), CONFIG_MAPPING[kind]().to_dict()
            kept = {
                k: v for k, v in own.items()
                if k in raw_defaults(CONFIG_MAPPING[kind]) and plain.get(k) != v
                and not is_harmless(k)
            }  # fmt: skip
            return name, kind, kept
    return None


def ties(model_type: str) -> bool:
    """Whether the class of its LM can tie the head to the embedding."""
    if model_type in TIES_INSIDE:
        return True
    for head in ("IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM", "CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM",
                 "SPEECH_SEQ_2_SEQ", "MASKED_LM"):  # fmt: skip
        name = getattr(auto, f"MODEL_FOR_{head}_MAPPING_NAMES").get(model_type)
        if name:
            found = getattr(transformers, name if isinstance(name, str) else name[0])
            return bool(getattr(found, "_tied_weights_keys", None))
    return True


def main(directory: Path) -> None:
    """Read every config class of a model that generates, write the table."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    base = {field.name for field in dataclasses.fields(transformers.PretrainedConfig)}
    heads = ("CAUSAL_LM", "MULTIMODAL_LM", "IMAGE_TEXT_TO_TEXT", "SEQ_TO_SEQ_CAUSAL_LM",
             "SPEECH_SEQ_2_SEQ", "MASKED_LM", "TEXT_ENCODING")  # fmt: skip
    types = {t for head in heads for t in getattr(auto, f"MODEL_FOR_{head}_MAPPING_NAMES")}
    types |= {t for t in CONFIG_MAPPING_NAMES if "text" in t or "decoder" in t}
    wraps = {t: nested(CONFIG_MAPPING[t]) for t in types if t in CONFIG_MAPPING_NAMES}
    types |= {found[1] for found in wraps.values() if found} | {"step3p5"}
    lines = [{"transformers": transformers.__version__, "read": f"{datetime.date.today()}"}]
    for model_type in sorted(types & set(CONFIG_MAPPING_NAMES)):
        config_class = CONFIG_MAPPING[model_type]
        row = {
            key: value
            for key, value in raw_defaults(config_class).items()
            if not (key in base or key in MTP_KEYS or is_harmless(key) or key.endswith("_config"))
        }
        line: dict[str, Any] = {"model_type": model_type, "defaults": row}
        if found := wraps.get(model_type):
            line["nests"] = found
        if not ties(model_type):
            line["ties"] = False
        lines.append(line)
    text = "".join(json.dumps(line, separators=(",", ":"), default=str) + "\n" for line in lines)
    (directory / "class_defaults.jsonl").write_text(text)
    print(f"{len(lines) - 1} model types, {len(text) >> 10} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("src/vperf/model"))
