"""How much of vLLM's model registry is answered.

    python benchmarks/registry.py vllm/model_executor/models/registry.py

The file is read, not run. An architecture counts as answered where its own name, or that of the
module or class that implements it, is a model_type that vperf has a family for; or is a wrapper of
transformers whose text model is one; or where its module (beside registry.py) builds the model that
a nested config names, under a key that vperf looks into. Prints the share of each group and what is
missing; exits with 1 below the marks.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from vperf.model.class_defaults import model_types, nested_text_model
from vperf.model.families import all_families
from vperf.model.text_model import CHANGED, NESTS

MARKS = {"_TEXT_GENERATION_MODELS": 0.85, "_MULTIMODAL_MODELS": 0.50}

_SUFFIX = re.compile(
    r"(ForCausalLM|ForConditionalGeneration|LMHeadModel|ChatModel|Model|ForActionPrediction"
    r"|ForBlockDiffusion|Generation)$"
)


def groups(source: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Architecture -> (module, class) of every table of the file."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id in MARKS and isinstance(value, ast.Dict):
            found[target.id] = {
                str(key.value): ast.literal_eval(item)
                for key, item in zip(value.keys, value.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
    return found


def plain(name: str) -> str:
    """Without what spellings differ in."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def known_types() -> set[str]:
    """Every model_type with a family, and every wrapper of transformers around one."""
    families = all_families()
    known = {plain(name) for name in families}
    for name in model_types():
        nests = nested_text_model(name)
        if nests and nests[1] in families and name not in CHANGED:
            known.add(plain(name))
    return known


def builds_what_is_nested(module: Path) -> bool:
    """Whether a module hands a nested config to the registry again."""
    if not module.is_file():
        return False
    text = module.read_text(encoding="utf-8")
    keys = "|".join(NESTS)
    return "init_vllm_registered_model" in text and bool(re.search(rf"\.({keys})\b", text))


def main(file: Path) -> int:
    """Count, print, judge."""
    known, low = known_types(), False
    for group, rows in groups(file.read_text(encoding="utf-8")).items():
        missing = []
        for architecture, (module, implementation) in rows.items():
            names = (_SUFFIX.sub("", architecture), module, _SUFFIX.sub("", implementation))
            by_name = any(plain(f"{n}{tail}") in known for n in names for tail in ("", "text"))
            if not by_name and not builds_what_is_nested(file.with_name(f"{module}.py")):
                missing.append(architecture)
        share = 1 - len(missing) / len(rows)
        low |= share < MARKS[group]
        print(f"{group} {len(rows) - len(missing)} of {len(rows)}, {share:.0%}")
        print(f"  missing: {', '.join(missing)}")
    return int(low)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
