"""One user at a time, measured on many cards, against vperf.estimate.

FILE is a table of runs: gpu_id, model_id, quantization, engine, decode_tok_s at a mean context,
prefill_tok_s of a prompt, or ttft_ms. Decode is scored by card: the mean of the cards' means, so
that a card with many rows counts once.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scoring import Point, Tally, grouped, print_rest, print_table, stats, summary

import vperf
from vperf import Estimate, VperfError
from vperf.hardware.engine import Engine
from vperf.sources.engines import load_engine

Row = Mapping[str, str]

_ENGINES = {"mlx-lm": "mlx", "gpt-fast": "torch-compile", "pegainfer": "vllm", "other": "vllm"}
"""Engines by other names; those without a profile are taken for the default."""

_QUANTIZATIONS: dict[str, str | None] = {
    "awq-int4": "awq",
    "gptq-int4": "gptq",
    "int8": "int8_w8a16",  # GPTQ 8 bit in vLLM, weight-only in gpt-fast
    "int4-g32": "mlx_q4_g32",  # gpt-fast: a 16-bit scale and zero per 32, the same bytes
    "mlx-bf16": "bf16",
    "ud-q4_k_xl": "q4_k_m",  # Unsloth's mixes are nearest to these
    "ud-q5_k_xl": "q5_k_m",
    "ud-q8_k_xl": "q8_0",
}
_NO_FLASH_ATTENTION = ("no flash attention", "fa=0", "fa 0")
_SEEN_BY_CLIENTS = ("vllm", "sglang")
"""Engines whose TTFT a client of a server measures; others' are of a call in the process."""
_OLD_VLLM = ("vLLM 0.4", "vLLM 0.6")
_BUILD = re.compile(r"\bb(\d{4,5})\b")
_OLD_LLAMA_CPP = re.compile("2023|2024")
_GPUS = {("apple-m2-ultra", "60-core GPU (catalogue: 76)"): "apple-m2-ultra-60c"}

FAMILIES = {
    "vllm": "server", "sglang": "server", "trtllm": "server", "gpt-fast": "server",
    "llama.cpp": "llama.cpp and mlx", "mlx-lm": "llama.cpp and mlx",
}  # fmt: skip


def number(row: Row, key: str) -> float | None:
    """The figure of a column; None where it is empty."""
    return float(row[key]) if row.get(key) else None


def quantization_of(row: Row) -> str | None:
    """The format by vperf's name; None: the checkpoint's own."""
    name = row["quantization"]
    if name == "mxfp4" and row["engine"] == "llama.cpp":
        return "mxfp4_moe"  # a GGUF's attention, embeddings and head are q8_0
    if row["model_id"].startswith("openai/gpt-oss") and name == "mxfp4":
        return None  # as the checkpoint is
    return _QUANTIZATIONS.get(name, name)


def _estimate(
    row: Row, input_len: int, output_len: int, *, through_server: bool = False
) -> Estimate:
    cache = row["kv_cache_dtype"]
    return vperf.estimate(
        row["model_id"],
        gpu_of(row),
        input_len=max(1, input_len),
        output_len=max(1, output_len),
        quantization=quantization_of(row),
        kv_cache_dtype="fp8" if cache == "fp8" else None,
        engine=engine_of(row),
        max_concurrency=1 if through_server else None,
    )


def gpu_of(row: Row) -> str:
    """The card, where the row says that it is a smaller one of its name."""
    return _GPUS.get((row["gpu_id"], row["power_note"]), row["gpu_id"])


def engine_name(row: Row) -> str:
    """The engine by vperf's name."""
    if row["engine"] == "vllm" and row["engine_version"].startswith(_OLD_VLLM):
        return "vllm-v0"
    if row["engine"] == "llama.cpp":
        build = _BUILD.search(row["engine_version"])
        if build or _OLD_LLAMA_CPP.search(row["engine_version"]):
            return f"llama.cpp@b{build[1] if build else 1}"
    return _ENGINES.get(row["engine"], row["engine"])


def engine_of(row: Row) -> str | Engine:
    """The engine by name, or as the row ran it."""
    name = engine_name(row)
    if any(said in row.get("notes", "").lower() for said in _NO_FLASH_ATTENTION):
        return replace(load_engine(name), flash_attention=False)
    return name


def _point(row: Row, phase: str, measured_s: float, answer: Estimate) -> Point:
    def seconds(speed: Any) -> float:
        return float(speed.tpot_s if phase == "decode" else speed.ttft_s)

    engine = row["engine"]
    backend = row["engine_backend"]
    return Point(
        groups={
            "phase": phase,
            "engine": engine,
            "backend": backend,
            "family": FAMILIES.get(engine, "other"),
            "gpu": row["gpu_id"],
            "precision": row["quantization"],
            "model": row["model_id"].rpartition("/")[2],
            "constants": answer.gpu.constants,
        },
        measured_s=measured_s,
        expected_s=seconds(answer.expected),
        limit_s=seconds(answer.limit),
        low_s=seconds(answer.expected.low),
        high_s=seconds(answer.expected.high),
        what=" ".join(
            (phase, row["gpu_id"], engine, backend, row["engine_version"], row["quantization"],
             row["model_id"], f"context {row['mean_context'] or row['prompt_tokens']}",
             f"{1000 * measured_s:.2f} ms")
        ),
    )  # fmt: skip


def points(row: Row) -> Iterable[Point]:
    """Its decode rate and its prefill, those that it has."""
    rate, generated = number(row, "decode_tok_s"), number(row, "generated_tokens")
    if rate:
        start = number(row, "start_context")
        if start is None:
            start = (number(row, "mean_context") or 0.0) - (generated or 0.0) / 2
        answer = _estimate(row, round(start), round(generated or 1))
        yield _point(row, "decode", 1 / rate, answer)
    prompt, prefill = number(row, "prompt_tokens"), number(row, "prefill_tok_s")
    ttft = number(row, "ttft_ms")
    if prompt and (prefill or ttft) and not number(row, "prefill_start_context"):
        seconds = prompt / prefill if prefill else (ttft or 0.0) / 1000
        served = prefill is None and row["engine"] in _SEEN_BY_CLIENTS
        answer = _estimate(row, round(prompt), 1, through_server=served)
        yield _point(row, "prefill", seconds, answer)


def score(file: Path) -> Tally:
    """Every row of the table; one with a decode and a prefill rate gives two points."""
    tally = Tally()
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            try:
                found = list(points(row))
            except VperfError as error:
                tally.refused[str(error)] += 1
                continue
            tally.points += found
            if not found:
                tally.left_out["neither decode nor prefill of a fresh prompt"] += 1
    return tally


def by_card(points: Sequence[Point]) -> float:
    """Mean over cards of their mean absolute error; 0 without points."""
    cards = grouped(points, ["gpu"]).values()
    return sum(stats(members).mape for members in cards) / len(cards) if cards else 0.0


def main(arguments: list[str]) -> int:
    """FILE."""
    parser = argparse.ArgumentParser(prog="accuracy.py single-stream", description=__doc__)
    parser.add_argument("file", type=Path)
    tally = score(parser.parse_args(arguments).file)
    scored = tally.points
    for keys in (
        ["phase"], ["phase", "family"], ["phase", "engine", "backend"], ["phase", "constants"],
        ["phase", "engine", "precision"], ["phase", "engine", "model"], ["phase", "engine", "gpu"],
    ):  # fmt: skip
        print_table(", ".join(keys), scored, keys)
    cards: dict[str, float] = {}
    print("\nmean absolute error, mean over cards")
    for (phase, family), members in grouped(scored, ["phase", "family"]).items():
        name = f"{phase} {family}"
        cards[name] = by_card(members)
        print(f"{name:30} {100 * cards[name]:5.1f} % on {len(grouped(members, ['gpu']))} cards")
    print_rest(tally, worst=15)
    decode = [p for p in scored if p.groups["phase"] == "decode"]
    print(summary(tally, mode="single-stream", decode_by_card=by_card(decode), by_card=cards))
    return 0
