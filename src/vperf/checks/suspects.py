"""What may be behind a slow result, and what to try: predictions of vperf for a changed scenario.

A *suspect* is a fault whose own prediction comes near to what was measured: no CUDA graphs, 16-bit
weights, all-reduces over PCIe. A *try* is a change that vperf predicts to be faster. Each has the
option of the engine that does it, from the engine's file.
Not here: the parts of the time (waterfall.py) and impossible results (above_limit.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from vperf import api
from vperf.answer import Estimate
from vperf.checks.waterfall import Waterfall
from vperf.errors import VperfError
from vperf.hardware.commands import switch
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.scenario import Scenario
from vperf.sources.engines import load_engine

Kind = Literal["suspect", "try"]

_FITS = 0.15
"""Predictions that are further off than this explain nothing."""
_WORTH = 1.03
"""What is predicted to bring less is not worth trying."""
_SLOWER = 1 + _FITS
"""Measured over expected from which on faults are looked for: less, a healthy run fits too."""
_SHOWN = 3
_NODE = 8
"""GPUs of one node: links between nodes are not modelled."""
_HOST_MEMORY = 60e9
"""Bytes/s of two channels of DDR5, from which layers run that are not on the card."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One explanation or one change, with what vperf predicts for it."""

    id: str
    kind: Kind
    sentence: str
    evidence: str
    """Which prediction comes how near to what was measured; empty for a try."""
    predicted_s: float | None
    """Of the metric that the waterfall is of; None where vperf does not predict it."""
    error: float | None
    """That over the measured time, less 1; of a suspect."""
    command: str
    """The option of the engine; empty where vperf knows none."""
    gain: float | None
    """Predicted speed over the measured (suspects, once mended) or expected one (tries)."""


_LOOK: Mapping[str, Mapping[str, str]] = {
    "nvidia": {
        "clocks": "nvidia-smi -q -d CLOCK,POWER,PERFORMANCE",
        "topology": "nvidia-smi topo -m",
        "width": "nvidia-smi -q | grep -A 3 'Link Width'",
        "busy": "nvidia-smi",
    },
    "amd": {
        "clocks": "amd-smi metric --clock --power",
        "topology": "amd-smi topology",
        "width": "amd-smi metric --pcie",
        "busy": "amd-smi monitor",
    },
    "apple": {"clocks": "sudo powermetrics --samplers gpu_power"},
}
"""Where the maker's own tool shows it."""


def _look(name: str, scenario: Scenario) -> str:
    """What shows the state of the card; empty where no tool is known."""
    card = scenario.gpu
    vendor = card.vendor.lower() if isinstance(card, Gpu) else ""
    return _LOOK.get(vendor, {}).get(name, "")


@dataclass(frozen=True, slots=True)
class _Change:
    """A scenario to ask instead."""

    id: str
    sentence: str
    scenario: Scenario
    command: str = ""


def suspects(
    scenario: Scenario, answer: Estimate, falls: tuple[Waterfall, ...]
) -> tuple[Suspect, ...]:
    """Faults that fit what was measured, the nearest first; then what to try, the fastest first."""
    if not falls:
        return ()
    found = list(_faults(scenario, answer, falls))
    found.sort(key=lambda each: abs(each.error) if each.error is not None else _FITS)
    tries = sorted(_tries(scenario, answer, falls[0]), key=lambda each: -(each.gain or 0.0))
    return (*found[:_SHOWN], *tries[:_SHOWN])


def _faults(
    scenario: Scenario, answer: Estimate, falls: tuple[Waterfall, ...]
) -> Iterator[Suspect]:
    main = falls[0]
    slower = main.measured_s / main.expected_s
    if slower < _SLOWER:
        return
    for change in _fault_questions(scenario, answer):
        yield from _fitting(change, falls)
    yield from _clocks(scenario, falls)
    yield from _offload(_engine(scenario), answer, main)


def _fitting(change: _Change, falls: tuple[Waterfall, ...]) -> Iterator[Suspect]:
    """The fault where its prediction is near, and nearer than that of a healthy run."""
    predicted = _predict(change.scenario, falls)
    if predicted is None:
        return
    offs = [there / fall.measured_s - 1 for there, fall in zip(predicted, falls, strict=True)]
    healthy = [fall.expected_s / fall.measured_s for fall in falls]
    main = falls[0]
    nearer = _distance(1 + off for off in offs) < 0.6 * _distance(healthy)
    if abs(offs[0]) > _FITS or not nearer:
        return
    texts = [
        f"{_NAMES[fall.metric]} {_ms(there)} predicted, {_ms(fall.measured_s)} measured"
        for there, fall in zip(predicted, falls, strict=True)
    ]
    yield Suspect(
        change.id, "suspect", change.sentence, "; ".join(texts), predicted[0], offs[0],
        change.command, main.measured_s / main.expected_s,
    )  # fmt: skip


_NAMES = {"tpot_s": "TPOT", "ttft_s": "TTFT", "latency_s": "latency"}


def _ms(value: float) -> str:
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def _distance(ratios: Iterable[float]) -> float:
    """Mean distance of ratios from 1, as logarithms."""
    logs = [abs(math.log(ratio)) for ratio in ratios]
    return sum(logs) / len(logs)


def _fault_questions(scenario: Scenario, answer: Estimate) -> Iterator[_Change]:
    engine = _engine(scenario)
    if scenario.cuda_graphs and engine.cuda_graphs and engine.eager_launch_s > engine.launch_s:
        yield _Change(
            "no-cuda-graphs", "no CUDA graphs: the host launches every kernel",
            replace(scenario, cuda_graphs=False), switch(engine, "graphs"),
        )  # fmt: skip
    if engine.eager_host_s_per_step > engine.host_s_per_step:
        yield _Change(
            "sync-scheduling", "the host schedules between steps, not beside them",
            replace(
                scenario,
                engine=replace(engine, host_s_per_step=engine.eager_host_s_per_step),
            ),
            switch(engine, "async"),
        )  # fmt: skip
    if answer.model.quantization not in ("bf16", "fp16", "fp32"):
        yield _Change(
            "sixteen-bit", f"weights run in 16 bit, not in {answer.model.quantization}",
            replace(scenario, quantization="bf16"),
        )  # fmt: skip
    if answer.model.kv_cache_dtype not in ("bf16", "fp16", "fp32"):
        yield _Change(
            "cache-16-bit", f"the KV cache is in 16 bit, not in {answer.model.kv_cache_dtype}",
            replace(scenario, kv_cache_dtype="bf16"), switch(engine, "kv-fp8", kv_cache="fp8"),
        )  # fmt: skip
    yield from _link_faults(scenario, answer)
    if scenario.tp > 1:
        yield _Change(
            "one-gpu", f"one GPU works, not {scenario.tp}",
            replace(scenario, tp=1, ep=1), _look("busy", scenario),
        )  # fmt: skip


def _link_faults(scenario: Scenario, answer: Estimate) -> Iterator[_Change]:
    """A slower way between the GPUs than the card has."""
    card = scenario.gpu
    if answer.gpu.count == 1 or not isinstance(card, Gpu):
        return
    if card.link is not None:
        measured = replace(card.achieved, all_reduce={}) if card.achieved else None
        yield _Change(
            "pcie", f"GPUs talk over PCIe, not {card.link.name}",
            replace(scenario, gpu=replace(card, link=None, achieved=measured)),
            _look("topology", scenario),
        )  # fmt: skip
    elif card.pcie_bytes_per_s and not (card.achieved and card.achieved.all_reduce):
        yield _Change(
            "pcie-width", "PCIe at a quarter of its width (x4 for x16)",
            replace(scenario, gpu=replace(card, pcie_bytes_per_s=card.pcie_bytes_per_s / 4)),
            _look("width", scenario),
        )  # fmt: skip


def _clocks(scenario: Scenario, falls: tuple[Waterfall, ...]) -> Iterator[Suspect]:
    """Both phases slow alike, or the one that computes alone: the card, not the software."""
    if len(falls) < 2:
        return
    ratios = [fall.measured_s / fall.expected_s for fall in falls]
    alike = max(ratios) / min(ratios) - 1
    main, mean = falls[0], math.exp(sum(map(math.log, ratios)) / len(ratios))
    if min(ratios) >= _SLOWER and alike <= 2 * _FITS:
        times = ", ".join(
            f"{_NAMES[fall.metric]} {ratio:.2f} x expected"
            for fall, ratio in zip(falls, ratios, strict=True)
        )
        yield Suspect(
            "clocks", "suspect",
            "power cap, low clocks, or other work on the card: every phase is slow alike",
            times, main.expected_s * mean, main.expected_s * mean / main.measured_s - 1,
            _look("clocks", scenario), ratios[0],
        )  # fmt: skip


def _offload(engine: Engine, answer: Estimate, main: Waterfall) -> Iterator[Suspect]:
    """Layers in the host's memory, and attention without its fused kernel."""
    if main.metric != "tpot_s":
        return
    slow = answer.model.weight_bytes / _HOST_MEMORY
    share = (main.measured_s - main.expected_s) / max(slow - main.expected_s, 1e-12)
    gain = main.measured_s / main.expected_s
    if (option := switch(engine, "offload")) and 0.05 < share <= 1.05 and gain > 1.3:
        yield Suspect(
            "offload", "suspect",
            f"layers in the host's memory: {min(share, 1):.0%} of them would do", "", None, None,
            option, gain,
        )  # fmt: skip
    if option := switch(engine, "flash"):
        yield Suspect(
            "flash-attention", "suspect", "attention without its fused kernel", "", None, None,
            option, None,
        )  # fmt: skip


def _tries(scenario: Scenario, answer: Estimate, main: Waterfall) -> Iterator[Suspect]:
    for change in _try_questions(scenario, answer):
        predicted = _predict(change.scenario, (main,))
        if predicted is None:
            continue
        gain = main.expected_s / predicted[0]
        if gain >= _WORTH:
            yield Suspect(
                change.id, "try", change.sentence, "", predicted[0], None, change.command, gain
            )


def _try_questions(scenario: Scenario, answer: Estimate) -> Iterator[_Change]:
    engine = _engine(scenario)
    if not scenario.cuda_graphs:
        yield _Change("graphs", "CUDA graphs", replace(scenario, cuda_graphs=True),
                      switch(engine, "graphs"))  # fmt: skip
    if answer.model.kv_cache_dtype in ("bf16", "fp16"):
        cache = engine.formats.get("cache", "fp8")
        if command := switch(engine, "kv-fp8", kv_cache="fp8"):
            yield _Change("kv-fp8", f"the KV cache in {cache}",
                          replace(scenario, kv_cache_dtype=cache), command)  # fmt: skip
    if answer.model.quantization in ("bf16", "fp16"):
        if "fp8" in answer.gpu.peak_flop_per_s and (
            command := switch(engine, "fp8", quantization="fp8")
        ):
            yield _Change("fp8", "weights in fp8", replace(scenario, quantization="fp8"), command)
        four = engine.formats.get("four_bit", "awq")
        yield _Change("four-bit", f"a checkpoint in {four}", replace(scenario, quantization=four))
    count = 2 * scenario.tp
    gpus = 2 * answer.gpu.count
    if gpus <= _NODE and (command := switch(engine, "tp", tp=str(count), stage=str(count))):
        yield _Change("tp", f"{gpus} GPUs",
                      replace(scenario, tp=count), command)  # fmt: skip
    if scenario.served:
        for factor in (4, 0.25):
            tokens = round(engine.max_batched_tokens * factor)
            if command := switch(engine, "budget", max_batched_tokens=str(tokens)):
                yield _Change(
                    "budget", f"steps of {tokens:,} tokens, so that prefill disturbs "
                    f"{'fewer steps' if factor > 1 else 'each step less'}",
                    replace(scenario, engine=engine.with_scheduler(max_batched_tokens=tokens)),
                    command,
                )  # fmt: skip


def _engine(scenario: Scenario) -> Engine:
    return scenario.engine if isinstance(scenario.engine, Engine) else load_engine(scenario.engine)


def _predict(scenario: Scenario, falls: tuple[Waterfall, ...]) -> list[float] | None:
    """The expected times of another scenario; None where it cannot be asked, or does not fit."""
    try:
        answer = api.ask(scenario)
    except VperfError:
        return None
    mean, steps = answer.expected, max(0, scenario.output_len - 1)
    times = {
        "tpot_s": mean.tpot_s, "ttft_s": mean.ttft_s,
        "latency_s": mean.ttft_s + steps * mean.tpot_s,
    }  # fmt: skip
    return [times[fall.metric] for fall in falls]
