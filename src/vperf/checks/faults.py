"""Faults with a prediction of their own: each is named where it comes near to what was measured.

Not here: faults that one unknown value would explain (unknowns.py), and what to try (gains.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from vperf.checks.case import MATCH_TOLERANCE, Case, Suspect
from vperf.checks.looks import look
from vperf.deployment import Deployment
from vperf.formats import FLOATS, MIXES
from vperf.hardware.commands import switch

NAMES = {"tpot_s": "TPOT", "ttft_s": "TTFT", "latency_s": "latency"}

_NEAR, _FAR = 0.8, 0.6
"""Odds of a fault whose prediction is met, and of one that is just within the tolerance."""


class Change(NamedTuple):
    """A neighbouring scenario."""

    id: str
    sentence: str
    options: Mapping[str, Any]
    """Those in which it differs."""
    command: str = ""


def fitting(case: Case, changes: Iterable[Change]) -> Iterator[Suspect]:
    """The faults whose prediction is near, and nearer than that of a healthy run."""
    for change in changes:
        predicted = case.predict(change.options)
        if predicted is None:
            continue
        falls = case.falls
        ratios = [there / fall.measured_s for there, fall in zip(predicted, falls, strict=True)]
        off = ratios[0] - 1
        nearer = _distance(ratios) < 0.6 * _distance(1 / r for r in case.ratios.values())
        if abs(off) > MATCH_TOLERANCE or not nearer:
            continue
        texts = [
            f"{NAMES[fall.metric]} {ms(there)} predicted, {ms(fall.measured_s)} measured"
            for there, fall in zip(predicted, falls, strict=True)
        ]
        yield Suspect(
            change.id, "suspect", change.sentence, "; ".join(texts), predicted[0], off,
            change.command, case.slowdown, _NEAR - abs(off) / MATCH_TOLERANCE * (_NEAR - _FAR),
        )  # fmt: skip


def ms(value: float) -> str:
    """A time for a sentence."""
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def _distance(ratios: Iterable[float]) -> float:
    """Mean distance of ratios from 1, as logarithms."""
    logs = [abs(math.log(ratio)) for ratio in ratios]
    return sum(logs) / len(logs)


def possible_faults(case: Case) -> Iterator[Change]:
    """Those that what ran can have had."""
    engine, answer = case.engine, case.answer
    if engine.cuda_graphs and engine.eager_launch_s > engine.launch_s:
        option = switch(engine, "", eager="yes")
        typed = f" ({option}?)" if option else ""
        yield Change(
            "no-cuda-graphs", f"no CUDA graphs{typed}: the host launches every kernel",
            {"cuda_graphs": False}, switch(engine, "graphs"),
        )  # fmt: skip
    if engine.eager_host_s_per_step > engine.host_s_per_step:
        yield Change(
            "sync-scheduling", "the host schedules between steps, not beside them",
            {"engine": replace(engine, host_s_per_step=engine.eager_host_s_per_step)},
            switch(engine, "async"),
        )  # fmt: skip
    if unpacks(case):
        yield Change(
            "sixteen-bit", f"weights run in 16 bit, not in {answer.model.quantization}",
            {"quantization": "bf16"},
        )  # fmt: skip
    if answer.model.kv_cache_dtype not in FLOATS:
        yield Change(
            "cache-16-bit", f"the KV cache is in 16 bit, not in {answer.model.kv_cache_dtype}",
            {"kv_cache_dtype": "bf16"}, switch(engine, "kv-fp8", kv_cache="fp8"),
        )  # fmt: skip
    if (case.at.scenario.prefix_cache_hit or 0.0) > 0.0:
        yield Change(
            "prefix-misses", "the prefix cache misses: prompts are read whole",
            {"prefix_cache_hit": 0.0},
        )  # fmt: skip
    yield from _link_faults(case.at)
    tensor = case.at.model.parallel.tensor
    if tensor > 1:
        yield Change(
            "one-gpu", f"one GPU works, not {tensor}", {"tp": 1, "ep": 1}, look("busy", case.gpu)
        )


def unpacks(case: Case) -> bool:
    """Whether the weights may be read in 16 bit: packed ones, in an engine that is not made for
    files whose blocks are read as they lie (llama.cpp's, MLX's)."""
    quantization = case.answer.model.quantization
    return quantization not in FLOATS and not reads_blocks(case)


def reads_blocks(case: Case) -> bool:
    """Whether the engine's own formats are those of llama.cpp or MLX."""
    return case.engine.formats.get("four_bit") in (*MIXES, "mlx_q4")


def _link_faults(at: Deployment) -> Iterator[Change]:
    """A slower way between the GPUs than the card has."""
    card = at.card.gpu
    if at.model.parallel.gpus == 1:
        return
    if card.link is not None:
        measured = replace(card.achieved, all_reduce={}) if card.achieved else None
        yield Change(
            "pcie", f"GPUs talk over PCIe, not {card.link.name}",
            {"gpu": replace(card, link=None, achieved=measured)},
            look("topology", card),
        )  # fmt: skip
    elif card.pcie_bytes_per_s and not (card.achieved and card.achieved.all_reduce):
        yield Change(
            "pcie-width", "PCIe at a quarter of its width (x4 for x16)",
            {"gpu": replace(card, pcie_bytes_per_s=card.pcie_bytes_per_s / 4)},
            look("width", card),
        )  # fmt: skip
