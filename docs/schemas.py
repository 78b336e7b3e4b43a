"""JSON Schema files of what --json prints: docs/schemas/<command>-<version>.json.

    python docs/schemas.py

A schema is read off answers of many kinds (SAMPLES): the types that a key has in them, and as
required those keys that all of them have. Keys come within a version, so others are allowed.
tests/test_docs.py holds other answers, those of tests/snapshots, to them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from write_docs import DOCS, run, surroundings

FOLDER = DOCS / "schemas"
_FIGURES = "-m qwen3-4b-instruct-2507 -g rtx-4090"
SAMPLES = (
    "estimate -m qwen3-8b -g h100",
    "estimate -m qwen3-32b -g rtx-4090 -q q4_k_m --engine llama.cpp",
    "estimate -m qwen3-30b-a3b -g mi300x --tp 2 --max-concurrency 8 --num-prompts 20",
    "estimate -m qwen3-8b -g h100 --request-rate 1000 --num-prompts 20 --workload chat",
    "estimate -m qwen3-8b -g h100 --max-concurrency 4",
    "estimate -m deepseek-v3 -g h200 --tp 8 --speculative mtp --acceptance 0.8",
    "estimate -m qwen3-8b -g h100 --kv-offload host --kv-offload-size 64",
    "estimate -m qwen3-8b -g rtx-3090 --prefill-gpu h100",
    "check serve.json",
    "check serve.json --min-efficiency 0.7 --max-ttft 200ms -o before.json",
    "check serve-eager.json --baseline before.json --max-drift 5% --min-mbu 0.1",
    f"check {_FIGURES} --tpot 13ms --ttft 62ms",
    f"check {_FIGURES} --decode-tok-s 500 --output-len 64",
    "check --config vperf.toml",
    "compare -m qwen3-8b -g h100,rtx-4090 -q auto,fp8 --price h100=2.5",
    "compare -m qwen3-8b -g h100 --max-concurrency 8,16",
    "sweep -m qwen3-8b -g h100 --batch-size 1..512:x8",
    "sweep -m qwen3-8b -g h100 --tp 1,2 --context 1024..8192",
    "sweep -m qwen3-8b -g h100 --max-concurrency 1,8 --num-prompts 20",
    "fit -m qwen3-32b -g rtx-4090",
    "fit -m qwen3-8b -g h100 --users 4",
    "fit -m qwen3-8b",
    "fit -m deepseek-v3 -g h100",
    "plan -m qwen3-8b -g l40s,h100 --tpot 15ms --request-rate 20",
    "plan -m qwen3-8b -g l40s --tpot 1ms --max-concurrency 8",
    "plan -m qwen3-8b -g h100 --tpot 15ms --price h100=2 --disaggregate --request-rate 20",
    "napkin",
    "napkin --params 4B --bandwidth '1000 GB/s'",
    "roofline -m qwen3-8b -g h100",
    "roofline -m qwen3-30b-a3b -g rtx-4090 --tp 2 --max-concurrency 8 --num-prompts 20",
    "gpus",
    "gpus mi300x",
    "gpus h100",
    "gpus b200",
    "gpus apple-m4-max",
    "gpus rtx-4090",
    "models qwen3-8b",
    "models deepseek-v3",
    "models qwen3",
    "engines",
    "engines vllm",
    "engines llama.cpp",
    "workloads",
    "workloads rag",
)
"""What is asked, each with --json."""
_MAPS = {
    "all_reduce", "bytes_by_format", "compute_share", "facts", "formats", "kernels_on", "switches",
    "flop_per_s", "metrics", "parameters_by_part", "percentiles",
    "peak_flop_per_s", "utilization", "verdicts", "waterfalls",
}  # fmt: skip
"""Keys whose value is an object by name: of formats, figures, phases."""
Schema = dict[str, Any]


def answers() -> list[dict[str, Any]]:
    """The samples' answers, and one for each that another holds."""
    found = []
    with surroundings():
        for sample in SAMPLES:
            text, code = run(f"vperf {sample} --json")
            assert code in (0, 1), text
            if not text and sample.endswith(".json"):  # -o has it
                text = Path(sample.split()[-1]).read_text("utf-8")
            found.append(json.loads(text))
    return found


def schemas() -> dict[str, Schema]:
    """File name -> JSON Schema."""
    by_id: dict[str, list[Any]] = {}
    for answer in answers():
        by_id.setdefault(answer["schema"], []).append(answer)
    made = {}
    for name, values in sorted(by_id.items()):
        schema = describe(values)
        schema["properties"]["schema"] = {"const": name}
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
        made[file_name(name)] = head | schema
    return made


def file_name(schema_id: str) -> str:
    """`vperf/estimate/1` -> `estimate-1.json`."""
    _, command, version = schema_id.split("/")
    return f"{command}-{version}.json"


def describe(values: Sequence[Any], name: str = "") -> Schema:
    """What all these values are, as JSON Schema."""
    kinds: Schema = {}
    objects = [value for value in values if isinstance(value, Mapping)]
    lists = [value for value in values if isinstance(value, list)]
    types = sorted({_type(value) for value in values})
    if types != ["null"]:  # else nothing is known of what else it may be
        kinds["type"] = types[0] if len(types) == 1 else types
    if objects and name in _MAPS:
        inner = [each for value in objects for each in value.values()]
        kinds["additionalProperties"] = describe(inner) if inner else {}
    elif objects:
        keys = dict.fromkeys(key for value in objects for key in value)
        kinds["properties"] = {
            key: describe([value[key] for value in objects if key in value], key) for key in keys
        }
        kinds["required"] = [key for key in keys if all(key in value for value in objects)]
    if lists and (inner := [each for value in lists for each in value]):
        kinds["items"] = describe(inner)
    return kinds


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def write_schemas() -> None:
    """Write one file a schema."""
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
