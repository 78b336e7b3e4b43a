"""The measured points that tests hold vperf to: tests/data/measured_points.json, made and scored.

    python benchmarks/measured_points.py make DIR    choose them anew from the tables in DIR
    python benchmarks/measured_points.py             print today's error of each stratum

DIR holds serving.csv, single_stream.csv and kernels/, as the modes of accuracy.py read them. A
stratum takes `count` rows, evenly spaced in the order of the file, of those that its words name;
rows known to be bad are no part of any. Scored as accuracy.py scores them.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import accuracy_kernels
import accuracy_serving
import accuracy_single_stream
from scoring import Point, stats

FILE = Path(__file__).parents[1] / "tests/data/measured_points.json"
_AICONFIGURATOR = "NVIDIA aiconfigurator, commit 095f58a51, read 2026-11-23"
_SOURCES = {
    "serving": f"{_AICONFIGURATOR}: its own runs and InferenceMAX's, version in each row",
    "single_stream": "in each row, with the commit of its repository where it has one",
    "kernels": f"{_AICONFIGURATOR}: kernel tables, version of the engine in each row",
}

Row = Mapping[str, str]
Where = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """One stratum: which rows of which table."""

    name: str
    table: str
    """serving, single_stream, allreduce, or a kind of kernel."""
    count: int
    words: str
    where: Where


def _served(name: str, count: int, words: str, where: Where) -> Choice:
    return Choice(name, "serving", count, words, lambda row: not row["why_bad"] and where(row))


def _of_engine(engine: str, *, dense: bool) -> Choice:
    kind = "dense" if dense else "MoE"
    return _served(
        f"served {kind}, {engine}", 10, f"{kind} models, {engine}, attention not in groups",
        lambda row: row["backend"] == engine and accuracy_serving.is_dense(row) == dense
        and row["attention_dp"] == "1",
    )  # fmt: skip


def _kernel(name: str, kind: str, count: int, words: str, where: Where) -> Choice:
    return Choice(name, kind, count, words,
                  lambda row: not accuracy_kernels.known_bad(kind, row) and where(row))  # fmt: skip


def _gemm(dtype: str, engine: str = "vllm") -> Choice:
    return _kernel(
        f"gemm {dtype}", "gemm", 8, f"{dtype} of {engine}, weights over 200 MB",
        lambda row: row["gemm_dtype"] == dtype and row["framework"] == engine
        and int(row["n"]) * int(row["k"]) > 100e6,
    )  # fmt: skip


def _moe(dtype: str, engine: str = "vllm") -> Choice:
    return _kernel(
        f"experts {dtype}", "moe", 8, f"{dtype} of {engine}, evenly routed",
        lambda row: row["moe_dtype"] == dtype and row["framework"] == engine
        and row["distribution"] == "balanced",
    )  # fmt: skip


def _bf16(row: Row) -> bool:
    return row["attn_dtype"] == row["kv_cache_dtype"] == "bfloat16"


CHOICES: Sequence[Choice] = (
    *(_of_engine(engine, dense=dense) for dense in (True, False)
      for engine in ("vllm", "sglang", "trtllm")),
    _served("served in attention groups", 11, "attention data and expert parallel 8",
            lambda row: int(row["attention_dp"]) > 1 and int(row["ep"]) > 1),
    _served("served, many users", 12, "64 users or more, prompts of 8,192 tokens, vLLM",
            lambda row: int(row["concurrency"]) >= 64 and row["isl"] == "8192"
            and row["backend"] == "vllm"),
    Choice("one user, llama.cpp", "single_stream", 16, "llama.cpp, trust A",
           lambda row: row["engine"] == "llama.cpp" and row["trust"] == "A"),
    Choice("one user, MLX", "single_stream", 6, "MLX",
           lambda row: row["engine"] == "mlx-lm"),
    Choice("one user, vLLM", "single_stream", 10, "vLLM, trust A or B",
           lambda row: row["engine"] == "vllm" and row["trust"] in ("A", "B")),
    _gemm("bfloat16"), _gemm("fp8"), _gemm("fp8_block", "sglang"), _gemm("nvfp4", "trtllm"),
    _moe("bfloat16"), _moe("fp8", "trtllm"), _moe("fp8_block"), _moe("int4_wo"),
    _kernel("prefill attention", "attention_prefill", 8, "bf16, heads of 128, 2,048 tokens or more",
            lambda row: _bf16(row) and row["head_dim"] == "128" and row["framework"] == "vllm"
            and int(row["isl"]) >= 2048 and row["window_size"] in ("", "0")),
    _kernel("prefill attention of a few blocks", "attention_prefill", 8,
            "bf16, heads of 128, one sequence of 1,024 to 4,096 tokens, 4 heads or fewer",
            lambda row: _bf16(row) and row["head_dim"] == "128" and row["framework"] == "vllm"
            and 1024 <= int(row["isl"]) <= 4096 and row["batch_size"] == "1"
            and int(row["num_heads"]) <= 4 and row["window_size"] in ("", "0")),
    _kernel("prefill attention in a window", "attention_prefill", 12,
            "bf16, heads of 128, 8,192 tokens or more in a window of a quarter or less, vLLM",
            lambda row: _bf16(row) and row["head_dim"] == "128" and row["framework"] == "vllm"
            and int(row["isl"]) >= 8192
            and 0 < 4 * int(row["window_size"] or 0) <= int(row["isl"])),
    _kernel("prefill attention, wide heads", "attention_prefill", 12,
            "bf16, heads of 512, 1,024 tokens or more, TensorRT-LLM and its kernels in SGLang",
            lambda row: _bf16(row) and int(row["head_dim"]) > 256 and int(row["isl"]) >= 1024
            and row["kernel_source"] in ("trtllm_mha", "torch_flow_flashinfer")),
    _kernel("decode attention", "attention_decode", 8, "bf16, heads of 128, 65,536 keys or more",
            lambda row: _bf16(row) and row["head_dim"] == "128" and row["framework"] == "vllm"
            and int(row["batch_size"]) * int(row["step"]) >= 65536
            and row["window_size"] in ("", "0")),
    _kernel("MLA decode", "mla_decode", 8, "bf16, SGLang, 65,536 keys or more",
            lambda row: row["kv_cache_dtype"] == "bfloat16" and row["framework"] == "sglang"
            and int(row["batch_size"]) * int(row["step"]) >= 65536),
    _kernel("MLA prefill", "mla_prefill", 8, "bf16, 1,024 tokens or more",
            lambda row: row["kv_cache_dtype"] == "bfloat16" and int(row["isl"]) >= 1024),
    _kernel("delta rule, prefill", "gdn", 6, "the recurrence itself",
            lambda row: row["phase"] == "context" and "conv1d" not in row["kernel_source"]),
    _kernel("delta rule, decode", "gdn", 6, "the recurrence itself",
            lambda row: row["phase"] == "generation" and "conv1d" not in row["kernel_source"]),
    _kernel("all-reduce, NVLink", "allreduce", 10, "in a CUDA graph, of cards with NVLink",
            lambda row: not row["backend"].endswith("eager") and row["gpu"][1] in "123"),
    _kernel("all-reduce, PCIe", "allreduce", 6, "in a CUDA graph, of cards without NVLink",
            lambda row: not row["backend"].endswith("eager") and row["gpu"][1] not in "123"),
)  # fmt: skip

_COLUMNS = {
    "serving": ("gpu", "model", "backend", "backend_version", "weights", "gemm_quant_mode",
                "moe_quant_mode", "isl", "osl", "concurrency", "gpus", "tp", "pp", "ep",
                "attention_dp", "kv_dtype", "requests", "length_low", "max_num_batched_tokens",
                "max_num_seqs", "async_scheduling", "ttft_ms", "tpot_ms"),
    "single_stream": ("source", "gpu_id", "power_note", "model_id", "quantization",
                      "kv_cache_dtype", "engine", "engine_backend", "engine_version",
                      "prompt_tokens", "prefill_start_context", "start_context",
                      "generated_tokens", "mean_context", "decode_tok_s", "prefill_tok_s",
                      "ttft_ms"),
}  # fmt: skip
"""What the questions need; of kernels, everything."""


def _make(directory: Path) -> None:
    found = []
    for choice in CHOICES:
        rows = [row for row in _table(directory, choice.table) if choice.where(row)]
        count = min(choice.count, len(rows))
        taken = [rows[i * len(rows) // count] for i in range(count)]
        columns = _COLUMNS.get(choice.table) or tuple(taken[0])
        found.append({
            "name": choice.name,
            "table": choice.table,
            "source": _SOURCES.get(choice.table, _SOURCES["kernels"]),
            "chosen": f"{count} of {len(rows)}, evenly spaced: {choice.words}",
            "columns": columns,
            "rows": [[row[column] for column in columns] for row in taken],
        })  # fmt: skip
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(_text(found), encoding="utf-8")


def _text(strata: Iterable[Mapping[str, Any]]) -> str:
    """JSON with a row a line, so that changes show."""
    parts = []
    for stratum in strata:
        head = [
            f" {json.dumps(key)}: {json.dumps(stratum[key])}" for key in stratum if key != "rows"
        ]
        rows = ",\n".join(f"  {json.dumps(row)}" for row in stratum["rows"])
        parts.append("{\n" + ",\n".join(head) + ',\n "rows": [\n' + rows + "\n ]}")
    return "[\n" + ",\n".join(parts) + "\n]\n"


@cache
def _table(directory: Path, name: str) -> list[Row]:
    plain = directory / f"{name}.csv"
    if plain.is_file():
        with plain.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    with gzip.open(directory / "kernels" / f"{name}.csv.gz", "rt", newline="") as stream:
        return list(csv.DictReader(stream))


@cache
def strata() -> dict[str, dict[str, Any]]:
    """The strata of the file by name."""
    return {each["name"]: each for each in json.loads(FILE.read_text(encoding="utf-8"))}


@cache
def score(name: str) -> dict[str, list[Point]]:
    """The points of a stratum, by what was measured: tpot and ttft, decode and prefill, kernel."""
    stratum = strata()[name]
    found: dict[str, list[Point]] = {}
    for values in stratum["rows"]:
        for metric, point in _points(
            stratum["table"], dict(zip(stratum["columns"], values, strict=True))
        ):
            found.setdefault(metric, []).append(point)
    return found


def _points(table: str, row: Row) -> list[tuple[str, Point]]:
    if table == "serving":
        answer = accuracy_serving.answer(row)
        return [
            (metric, accuracy_serving.point(row, answer, metric)) for metric in ("tpot", "ttft")
        ]
    if table == "single_stream":
        return [(point.groups["phase"], point) for point in accuracy_single_stream.points(row)]
    return [("kernel", accuracy_kernels.point(table, row))]


def main(arguments: list[str]) -> int:
    """make DIR, or nothing."""
    if arguments[:1] == ["make"]:
        _make(Path(arguments[1]))
    for name in strata():
        for metric, points in score(name).items():
            s = stats(points)
            print(f"{name:36} {metric:8} {s.rows:3} rows  error {100 * s.mape:5.1f} %  bias "
                  f"{100 * s.bias:+6.1f} %  in range {100 * s.in_range:3.0f} %")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
