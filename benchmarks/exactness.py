"""How exact is the model reader: derived counts and shapes against truth.json.

    python benchmarks/exactness.py DIR
    python benchmarks/exactness.py CASES.jsonl.gz

DIR holds truth.json and, for each model, a directory with config.json (and hf_quant_config.json).
For every config: total parameters, active parameters, KV bytes per token at 16 bit, and the matmul
shapes of each kind of layer, compared as columns per input width so that fused and split
projections count as the same. CASES: one case a line, {"type", "kind", "id", "config", "truth"},
where truth has `params`, `buffers` (persistent ones beside them), `text` (without towers), `active`
and the cache's elements a token (`kv`, `kv_modules`). Prints a line per mismatch or refusal, then
one summary line; exits with 1 if anything was silently wrong.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vperf.errors import VperfError
from vperf.model.model import Model
from vperf.model.read import build_model

Shapes = frozenset[tuple[int, int]]
"""(input width, output columns of all matrices with that input) of one kind of layer."""

_MATRIX = re.compile(r"(^|\.)((gate|router|router\.proj|router\.classifier)\.weight|\w+_hc\.fn)$")
"""Bare parameters that are multiplied: routers, and the mixing matrices of hyper-connections."""


def _columns(matrices: Iterable[tuple[int, int, int]]) -> Shapes:
    total: Counter[int] = Counter()
    for count, width, columns in matrices:
        total[width] += count * columns
    return frozenset(total.items())


def true_shapes(truth: Mapping[str, Any], *, experts_in_out: bool) -> Counter[Shapes]:
    """Kinds of layers in truth.json with the number of layers of each.

    Packed experts are stored [experts, out, in] by most classes, [experts, in, out] by some
    (gpt-oss, Llama 4), and the file does not say by which.
    """
    found: Counter[Shapes] = Counter()
    for kind in truth["layer_kinds"]:
        matrices = []
        for m in kind["matmuls"]:
            if m["kind"].startswith("linear"):
                matrices.append((m["count"], m["in_features"], m["out_features"]))
            elif m["kind"] == "expert_param" and len(m["shape"]) == 3:
                experts, rows, columns = m["shape"]
                width, out = (rows, columns) if experts_in_out else (columns, rows)
                matrices.append((m["count"] * experts, width, out))
            elif m["kind"] == "param" and _MATRIX.search(m["name"]) and len(m["shape"]) == 2:
                matrices.append((m["count"], m["shape"][1], m["shape"][0]))
        found[_columns(matrices)] += kind["count"]
    return found


def derived_shapes(model: Model) -> Counter[Shapes]:
    """The same of a derived model."""
    found: Counter[Shapes] = Counter()
    for count, kind in model.kinds:
        matrices = [
            (n, w.in_features, w.out_features) for block in kind.blocks for n, w in block.linears
        ]
        found[_columns(matrices)] += count
    return found


def check(model: Model, truth: Mapping[str, Any]) -> list[str]:
    """What is wrong, in words; empty when everything is exact."""
    wrong = []
    cache = truth.get("kv_bytes_per_token_bf16")
    if model.encoder and cache == 0:
        cache = None  # truth.json does not compute the cache of encoder-decoders
    for name, derived, true in (
        ("parameters", model.parameters, truth["total_params"]),
        ("active parameters", model.active_parameters, truth.get("active_params")),
        ("KV bytes per token", 2 * model.cache_elements_per_token, cache),
    ):
        if true is not None and derived != true:
            wrong.append(f"{name} {derived} instead of {true} ({derived - true:+})")
    if truth.get("layer_kinds"):
        derived_kinds = derived_shapes(model)
        either = [true_shapes(truth, experts_in_out=order) for order in (False, True)]
        if derived_kinds not in either:
            ours = [(n, sorted(s)) for s, n in (derived_kinds - either[0]).items()]
            theirs = [(n, sorted(s)) for s, n in (either[0] - derived_kinds).items()]
            wrong.append(f"matmul shapes {ours} instead of {theirs}")
    return wrong


def check_case(model: Model, truth: Mapping[str, Any], kind: str) -> list[str]:
    """What is wrong with a case of a file of cases, in words.

    A model that says that its towers are not counted is compared by its text model.
    """
    buffers = truth.get("buffers", 0)
    right = {truth["params"], truth["params"] + buffers}
    if any("not counted" in line for line in model.assumptions):
        right.add(truth.get("text"))
    wrong = []
    if model.parameters not in right:
        wrong.append(f"parameters {model.parameters} instead of {truth['params']}")
    if kind not in ("causal", "multimodal"):
        return wrong
    active = truth.get("active")
    counted = not wrong and active is not None and truth.get("text")
    if counted and model.active_parameters not in (active, active + buffers):
        wrong.append(f"active parameters {model.active_parameters} instead of {active}")
    caches = {truth.get("kv"), truth.get("kv_modules")} - {None}
    if caches and model.cache_elements_per_token not in caches:
        wrong.append(f"cache elements {model.cache_elements_per_token} instead of {caches}")
    return wrong


def score_cases(file: Path) -> int:
    """Compare every case that has a truth; 1 if any is silently wrong."""
    counts: Counter[tuple[str, str]] = Counter()
    with gzip.open(file, "rt") as lines:
        for line in lines:
            case = json.loads(line)
            truth = case.get("truth")
            if truth is None or truth.get("invalid"):
                continue
            try:
                model = build_model(case["config"], source=case["id"])
            except VperfError:
                counts[case["kind"], "refused"] += 1
                continue
            faults = check_case(model, truth, case["kind"])
            counts[case["kind"], "wrong" if faults else "exact"] += 1
            for fault in faults:
                print(f"mismatch  {case['id']}: {fault}")
    for (kind, verdict), count in sorted(counts.items()):
        print(f"{kind:12s} {verdict:8s} {count:6d}")
    total = {
        v: sum(n for (_, w), n in counts.items() if w == v) for v in ("exact", "wrong", "refused")
    }
    print(", ".join(f"{n} {v}" for v, n in total.items()))
    return 1 if total["wrong"] else 0


def main(directory: Path) -> int:
    """Compare every config of `directory`; 1 if any is silently wrong."""
    if directory.is_file():
        return score_cases(directory)
    exact = wrong = refused = missing = 0
    for name, truth in json.loads((directory / "truth.json").read_text()).items():
        file = directory / truth["config_path"]
        if not file.is_file():
            missing += 1
            print(f"missing   {name}: no {truth['config_path']}")
            continue
        beside = file.parent / "hf_quant_config.json"
        quant = json.loads(beside.read_text()) if beside.is_file() else None
        try:
            model = build_model(json.loads(file.read_text()), source=name, hf_quant_config=quant)
        except VperfError as error:
            refused += 1
            print(f"refused   {error}")
            continue
        faults = check(model, truth)
        exact += not faults
        wrong += bool(faults)
        for fault in faults:
            print(f"mismatch  {name}: {fault}")
    print(f"{exact} exact, {wrong} wrong, {refused} refused, {missing} without a config")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
