"""What may be behind a slow result, and what to try: predictions of vperf for a changed scenario.

A *suspect* is a fault whose own prediction comes near to what was measured: no CUDA graphs, 16-bit
weights, all-reduces over PCIe. A *try* is a change that vperf predicts to be faster. Each has the
option of the engine that does it, from the engine's file.
Not here: the parts of the time (waterfall.py) and impossible results (above_limit.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any, Literal, NamedTuple

from vperf.answer import Estimate
from vperf.checks.grade import TIMES, expected_figures
from vperf.checks.waterfall import Waterfall
from vperf.deployment import Deployment
from vperf.errors import VperfError
from vperf.hardware.commands import switch
from vperf.hardware.gpu import Gpu
from vperf.model.ops import COLLECTIVES
from vperf.resolve import Resolver
from vperf.speeds import speeds
from vperf.values import dataclass

Kind = Literal["suspect", "try"]

_MATCH_TOLERANCE = 0.15
"""Predictions that are further off than this explain nothing."""
_MIN_GAIN = 1.03
"""What is predicted to bring less is not worth trying."""
_MIN_SLOWDOWN = 1 + _MATCH_TOLERANCE
"""Measured over expected from which on faults are looked for: less, a healthy run fits too."""
_MAX_SHOWN = 3
_MAX_WHAT_IFS = 9
"""Scenarios that are looked at to explain one result."""
_NODE = 8
"""GPUs of one node: links between nodes are not modelled."""
_SLOW_LINK_S = (50e-6, 5e-3)
"""What an all-reduce of one token takes over a link that is none of the card's own."""
_LATE = 4.0
"""TTFT over expected from which a load does not explain it."""
_MIN_KERNEL_SLOWDOWN, _CRAWL = 1.4, 15.0
"""Slowdowns from which kernels are named: where nothing else fits, and whatever else fits."""


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


def _look(name: str, card: Gpu) -> str:
    """What shows the state of the card; empty where no tool is known."""
    return _LOOK.get(card.vendor.lower(), {}).get(name, "")


class _Change(NamedTuple):
    """A neighbouring scenario."""

    id: str
    sentence: str
    options: Mapping[str, Any]
    """Those in which it differs."""
    command: str = ""


@dataclass(frozen=True)
class Case:
    """A measured result to be explained."""

    resolver: Resolver
    at: Deployment
    answer: Estimate
    falls: tuple[Waterfall, ...]

    @cached_property
    def steady(self) -> Deployment:
        """The same load without end, which is predicted in a hundredth of a run's time."""
        load, run = self.at.load, self.at.run
        if load is None or run is None or not run.finite:
            return self.at
        endless: dict[str, Any] = {"num_prompts": None, "burstiness": None}
        if self.at.scenario.request_rate == math.inf:
            endless |= {"request_rate": None, "max_concurrency": load.users}
        return self.resolver.what_if(self.at, **endless)

    @cached_property
    def run_over_steady(self) -> Mapping[str, float]:
        """Each expected time of the run over that of the load without end."""
        if self.steady is self.at:
            return {}
        run = expected_figures(self.at, self.answer.expected, None)
        endless = expected_figures(self.steady, speeds(self.steady).expected, None)
        return {name: run[name] / endless[name] for name in TIMES}


def find_suspects(case: Case) -> tuple[Suspect, ...]:
    """Faults that fit what was measured, the nearest first; then what to try, the fastest first."""
    if not case.falls:
        return ()
    faults = list(_possible_faults(case)) if _is_slow(case) else []
    found = [*_faults(case, faults), *_cold_start(case)]
    if _is_slow(case):
        found += _kernels(case, explained=any(each.error is not None for each in found))
    found.sort(key=lambda each: abs(each.error) if each.error is not None else _MATCH_TOLERANCE)
    if found[_MAX_SHOWN:]:
        # What is more than a guess first; the kernels' own place is the last.
        found[_MAX_SHOWN - 1 :] = [each for each in found if each.id == "kernels"] or found[2:]
    gains = islice(_possible_gains(case), _MAX_WHAT_IFS - len(faults))
    tries = sorted(_tries(case, gains), key=lambda each: -(each.gain or 0.0))
    return (*found[:_MAX_SHOWN], *tries[:_MAX_SHOWN])


def _is_slow(case: Case) -> bool:
    return case.falls[0].measured_s / case.falls[0].expected_s >= _MIN_SLOWDOWN


def _faults(case: Case, changes: Iterable[_Change]) -> Iterator[Suspect]:
    if not _is_slow(case):
        return
    for change in changes:
        yield from _fitting(change, case)
    yield from _clocks(case)
    yield from _collectives(case)
    yield from _offload(case)


def _fitting(change: _Change, case: Case) -> Iterator[Suspect]:
    """The fault where its prediction is near, and nearer than that of a healthy run."""
    falls = case.falls
    predicted = _predict(case, change.options, falls)
    if predicted is None:
        return
    ratios = [there / fall.measured_s for there, fall in zip(predicted, falls, strict=True)]
    off = ratios[0] - 1
    healthy = [fall.expected_s / fall.measured_s for fall in falls]
    main = falls[0]
    nearer = _distance(ratios) < 0.6 * _distance(healthy)
    if abs(off) > _MATCH_TOLERANCE or not nearer:
        return
    texts = [
        f"{_NAMES[fall.metric]} {_ms(there)} predicted, {_ms(fall.measured_s)} measured"
        for there, fall in zip(predicted, falls, strict=True)
    ]
    yield Suspect(
        change.id, "suspect", change.sentence, "; ".join(texts), predicted[0], off,
        change.command, main.measured_s / main.expected_s,
    )  # fmt: skip


_NAMES = {"tpot_s": "TPOT", "ttft_s": "TTFT", "latency_s": "latency"}


def _ms(value: float) -> str:
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def _distance(ratios: Iterable[float]) -> float:
    """Mean distance of ratios from 1, as logarithms."""
    logs = [abs(math.log(ratio)) for ratio in ratios]
    return sum(logs) / len(logs)


def _possible_faults(case: Case) -> Iterator[_Change]:
    engine, answer = case.at.card.engine, case.answer
    if engine.cuda_graphs and engine.eager_launch_s > engine.launch_s:
        option = switch(engine, "", eager="yes")
        typed = f" ({option}?)" if option else ""
        yield _Change(
            "no-cuda-graphs", f"no CUDA graphs{typed}: the host launches every kernel",
            {"cuda_graphs": False}, switch(engine, "graphs"),
        )  # fmt: skip
    if engine.eager_host_s_per_step > engine.host_s_per_step:
        yield _Change(
            "sync-scheduling", "the host schedules between steps, not beside them",
            {"engine": replace(engine, host_s_per_step=engine.eager_host_s_per_step)},
            switch(engine, "async"),
        )  # fmt: skip
    if answer.model.quantization not in ("bf16", "fp16", "fp32"):
        yield _Change(
            "sixteen-bit", f"weights run in 16 bit, not in {answer.model.quantization}",
            {"quantization": "bf16"},
        )  # fmt: skip
    if answer.model.kv_cache_dtype not in ("bf16", "fp16", "fp32"):
        yield _Change(
            "cache-16-bit", f"the KV cache is in 16 bit, not in {answer.model.kv_cache_dtype}",
            {"kv_cache_dtype": "bf16"}, switch(engine, "kv-fp8", kv_cache="fp8"),
        )  # fmt: skip
    yield from _link_faults(case.at)
    tensor = case.at.model.parallel.tensor
    if tensor > 1:
        yield _Change(
            "one-gpu", f"one GPU works, not {tensor}",
            {"tp": 1, "ep": 1}, _look("busy", case.at.card.gpu),
        )  # fmt: skip


def _link_faults(at: Deployment) -> Iterator[_Change]:
    """A slower way between the GPUs than the card has."""
    card = at.card.gpu
    if at.model.parallel.gpus == 1:
        return
    if card.link is not None:
        measured = replace(card.achieved, all_reduce={}) if card.achieved else None
        yield _Change(
            "pcie", f"GPUs talk over PCIe, not {card.link.name}",
            {"gpu": replace(card, link=None, achieved=measured)},
            _look("topology", card),
        )  # fmt: skip
    elif card.pcie_bytes_per_s and not (card.achieved and card.achieved.all_reduce):
        yield _Change(
            "pcie-width", "PCIe at a quarter of its width (x4 for x16)",
            {"gpu": replace(card, pcie_bytes_per_s=card.pcie_bytes_per_s / 4)},
            _look("width", card),
        )  # fmt: skip


def _clocks(case: Case) -> Iterator[Suspect]:
    """Both phases slow alike, or the one that computes alone: the card, not the software."""
    falls = case.falls
    if len(falls) < 2 or any(fall.part("queueing") > fall.expected_s / 2 for fall in falls):
        return  # who waits for others is as late as they are slow
    ratios = [fall.measured_s / fall.expected_s for fall in falls]
    alike = max(ratios) / min(ratios) - 1
    main, mean = falls[0], math.exp(sum(map(math.log, ratios)) / len(ratios))
    if min(ratios) >= _MIN_SLOWDOWN and alike <= 2 * _MATCH_TOLERANCE:
        times = ", ".join(
            f"{_NAMES[fall.metric]} {ratio:.2f} x expected"
            for fall, ratio in zip(falls, ratios, strict=True)
        )
        yield Suspect(
            "clocks", "suspect",
            "power cap, low clocks, or other work on the card: every phase is slow alike",
            times, main.expected_s * mean, main.expected_s * mean / main.measured_s - 1,
            _look("clocks", case.at.card.gpu), ratios[0],
        )  # fmt: skip


def _collectives(case: Case) -> Iterator[Suspect]:
    """What every all-reduce would have to take, where that is a time that links have."""
    main, model = case.falls[0], case.at.model
    tensor = model.parallel.tensor
    if main.metric != "tpot_s" or tensor == 1:
        return
    count = sum(op.count for op in case.answer.decode.ops if op.kind in COLLECTIVES)
    if count == 0:
        return
    each = (main.measured_s - main.expected_s) / count
    if _SLOW_LINK_S[0] < each < _SLOW_LINK_S[1]:
        yield Suspect(
            "all-reduce", "suspect",
            f"all-reduces over a slow link: {each * 1e6:,.0f} us more for each of {count:,} a token"
            " would do", "", None, None, _look("topology", case.at.card.gpu),
            main.measured_s / main.expected_s,
        )  # fmt: skip


def _cold_start(case: Case) -> Iterator[Suspect]:
    """A first token far later than the load makes it, where decoding is as expected."""
    ratios = {fall.metric: fall.measured_s / fall.expected_s for fall in case.falls}
    ttft, tpot = ratios.get("ttft_s"), ratios.get("tpot_s")
    if case.at.load is None or ttft is None or tpot is None:
        return
    if ttft > _LATE and tpot < _MIN_SLOWDOWN:
        yield Suspect(
            "cold-start", "suspect",
            "a cold start: the first burst waited while kernels compiled and caches filled; run it"
            " once before, as a warm-up", f"TTFT {ttft:.1f} x expected, TPOT {tpot:.2f} x", None,
            None, "", None,
        )  # fmt: skip


def _kernels(case: Case, *, explained: bool) -> Iterator[Suspect]:
    """A kernel that is not the one meant for this card, where nothing else predicts the time."""
    main, model = case.falls[0], case.answer.model
    slower = main.measured_s / main.expected_s
    experts = case.at.model.has_experts
    if slower < (_CRAWL if explained and not experts else _MIN_KERNEL_SLOWDOWN):
        return
    which = "the experts' (MoE) kernel" if experts else "a kernel"
    weights = f" for {model.quantization} weights" if _is_packed(model.quantization) else ""
    sentence = f"{which}{weights} untuned for this card, or the fallback of an old engine"
    if slower >= _CRAWL:
        sentence += "; or work falls back to the CPU, or memory swaps"
    yield Suspect("kernels", "suspect", sentence, "", None, None, "", slower)


def _is_packed(quantization: str) -> bool:
    return quantization not in ("bf16", "fp16", "fp32")


def _offload(case: Case) -> Iterator[Suspect]:
    """Layers or experts in the host's memory, and attention without its fused kernel."""
    engine, answer, main = case.at.card.engine, case.answer, case.falls[0]
    if main.metric != "tpot_s":
        return
    gain = main.measured_s / main.expected_s
    option = switch(engine, "offload")
    placed = case.at.compiled.places is not None
    if option and not placed and case.at.model.has_experts and not answer.memory.fits:
        yield Suspect(
            "experts-on-host", "suspect",
            "experts of layers are in the host's memory (CPU): the model does not fit the card",
            "", None, None, "", None,
        )  # fmt: skip
    if option and not placed and gain > 1.3 and answer.memory.fits:
        yield from _on_host(case, option)
    if option := switch(engine, "flash"):
        yield Suspect(
            "flash-attention", "suspect", "attention without its fused kernel", "", None, None,
            option, None,
        )  # fmt: skip


def _on_host(case: Case, option: str) -> Iterator[Suspect]:
    """As many layers, or experts of layers, on the host as would take what was measured."""
    main, layers = case.falls[0], case.at.model.layer_count
    experts = case.at.model.has_experts

    def predicted(count: int) -> float | None:
        change = {"n_cpu_moe": count} if experts else {"n_gpu_layers": layers + 1 - count}
        found = _predict(case, change, (main,))
        return found[0] if found else None

    most = predicted(layers)
    if most is None or most < main.measured_s * (1 - _MATCH_TOLERANCE):
        return
    low, high = 0, layers
    while high - low > 1:
        middle = (low + high) // 2
        there = predicted(middle)
        low, high = (middle, high) if there and there < main.measured_s else (low, middle)
    what = f"the experts of {high} layers" if experts else f"{high} of {layers} layers"
    yield Suspect(
        "offload", "suspect", f"{what} in the host's memory would do", "", None, None, option,
        main.measured_s / main.expected_s,
    )  # fmt: skip


def _tries(case: Case, changes: Iterable[_Change]) -> Iterator[Suspect]:
    main = case.falls[0]
    for change in changes:
        predicted = _predict(case, change.options, (main,))
        if predicted is None:
            continue
        gain = main.expected_s / predicted[0]
        if gain >= _MIN_GAIN:
            yield Suspect(
                change.id, "try", change.sentence, "", predicted[0], None, change.command, gain
            )


def _possible_gains(case: Case) -> Iterator[_Change]:
    answer, engine = case.answer, case.at.card.engine
    if not case.at.scenario.cuda_graphs:
        yield _Change("graphs", "CUDA graphs", {"cuda_graphs": True}, switch(engine, "graphs"))
    if answer.model.kv_cache_dtype in ("bf16", "fp16"):
        cache = engine.formats.get("cache", "fp8")
        if command := switch(engine, "kv-fp8", kv_cache="fp8"):
            options = {"kv_cache_dtype": cache}
            yield _Change("kv-fp8", f"the KV cache in {cache}", options, command)
    if answer.model.quantization in ("bf16", "fp16"):
        if "fp8" in answer.gpu.peak_flop_per_s and (
            command := switch(engine, "fp8", quantization="fp8")
        ):
            yield _Change("fp8", "weights in fp8", {"quantization": "fp8"}, command)
        four = engine.formats.get("four_bit", "awq")
        yield _Change("four-bit", f"a checkpoint in {four}", {"quantization": four})
    count = 2 * case.at.model.parallel.tensor
    gpus = 2 * answer.gpu.count
    alone = case.at.card.gpu.memory_class in ("unified", "Apple")  # no board takes two
    if (
        gpus <= _NODE
        and not alone
        and (command := switch(engine, "tp", tp=str(count), stage=str(count)))
    ):
        yield _Change("tp", f"{gpus} GPUs", {"tp": count}, command)
    if case.at.load is not None:
        for factor in (4, 0.25):
            tokens = round(engine.max_batched_tokens * factor)
            if command := switch(engine, "budget", max_batched_tokens=str(tokens)):
                yield _Change(
                    "budget", f"steps of {tokens:,} tokens, so that prefill disturbs "
                    f"{'fewer steps' if factor > 1 else 'each step less'}",
                    {"max_num_batched_tokens": tokens},
                    command,
                )  # fmt: skip


def _predict(
    case: Case, options: Mapping[str, Any], falls: tuple[Waterfall, ...]
) -> list[float] | None:
    """The expected times of another scenario; None where there is no such one, or not enough
    memory for it."""
    try:
        other = case.resolver.what_if(case.steady, **options)
        times = expected_figures(other, speeds(other).expected, None)
    except VperfError:
        return None
    scale = case.run_over_steady
    return [scale.get(fall.metric, 1.0) * times[fall.metric] for fall in falls]
