"""One hand-made answer of each kind as a Document: round figures, no model and no estimate.

Names in them may be replaced (`named`), so that data which would drive a terminal is tried too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from vperf.answer import Expected, Serving, Speed, Speeds
from vperf.checks.baseline import Change, Drift
from vperf.checks.case import Suspect
from vperf.checks.check import Check
from vperf.checks.grade import Metric, Utilization
from vperf.checks.result import Result
from vperf.checks.thresholds import Threshold
from vperf.checks.waterfall import Part, Waterfall
from vperf.explore.candidates import Candidate, Layout, Targets, Times
from vperf.explore.compare import Comparison
from vperf.explore.crossovers import Crossover
from vperf.explore.fit import Fit, MemoryFit, Parts, Remedy
from vperf.explore.plan import Plan
from vperf.explore.prices import cost_of
from vperf.explore.ranking import GpuBest
from vperf.explore.roofline import OpPoint, PhasePoint, Roof, Roofline
from vperf.explore.rows import Row
from vperf.explore.sweep import Sweep
from vperf.hardware.gpu import Achieved, AllReduce, Gpu, Link
from vperf.napkin import napkin as napkin_of
from vperf.notes import Note
from vperf.report import compare, fit, gpus, napkin, plan, roofline, sweep
from vperf.report.check import page as check_page
from vperf.report.document import Block
from vperf.report.estimate import page
from vperf.scenario import Scenario

from .example import EXAMPLE, example

MODEL, GPU = "Qwen/Qwen3-4B-Instruct-2507", "h100-sxm-80gb"
GUESS = Note("card_choice", typed="h100", taken=GPU, others=("h100-pcie-80gb",))
WARNING = Note("model_warning", text="context beyond the model's maximum")
Made = Iterable[Block]


def _speed(scale: float) -> Speed:
    return Speed(0.02 / scale, 51_200 * scale, 0.005 / scale, 200 * scale, 200 * scale)


def figures(scale: float = 1.0, *, memory: float = 40e9, served: Serving | None = None) -> Speeds:
    """Speeds of `scale`, with a range of a fifth and a limit half as fast again."""
    mean = _speed(scale)
    low, high = _speed(scale * 1.2), _speed(scale * 0.8)
    slow = (high.prefill_tokens_per_s, high.decode_tokens_per_s, high.decode_tokens_per_s)
    fast = (low.prefill_tokens_per_s, low.decode_tokens_per_s, low.decode_tokens_per_s)
    expected = Expected(
        mean.ttft_s, mean.prefill_tokens_per_s, mean.tpot_s, mean.decode_tokens_per_s,
        mean.decode_tokens_per_s_per_user,
        low=Speed(low.ttft_s, slow[0], low.tpot_s, slow[1], slow[2]),
        high=Speed(high.ttft_s, fast[0], high.tpot_s, fast[1], fast[2]),
    )  # fmt: skip
    return Speeds(
        _speed(scale * 1.5), expected, 1, memory, 80e9, 2e-5, 5e-3, 1.5 * scale, 192 * scale, served
    )


def row(scale: float = 1.0, *, gpu: str = GPU, memory: float = 40e9, **chosen: Any) -> Row:
    found = figures(scale, memory=memory)
    return Row(
        chosen or {"gpu": gpu}, MODEL, gpu, found, cost_of(found, 2.5), 0.286,
        "measured" if gpu == GPU else "generic",
    )  # fmt: skip


def estimates(name: str = "") -> Made:
    """With ops, a guess and a warning."""
    parts: dict[str, Any] = {"model": {"id": name, "architecture": name}, "gpu": {"id": name}}
    answer = replace(
        example(**parts) if name else EXAMPLE, warnings=(WARNING,),
        assumptions=(GUESS, *EXAMPLE.assumptions),
    )  # fmt: skip
    return page.document(answer, ops=True)


def does_not_fit(name: str = "") -> Made:
    parts: dict[str, Any] = {"memory": {"fits": False, "capacity_bytes": 10e9}}
    if name:
        parts["model"] = {"id": name}
    return page.document(example(**parts), ways=(_remedy(name),))


def saturated(name: str = "") -> Made:
    serving = Serving(383.0, 383, 30.2, 0.4, 1000.0, saturated=True)
    answer = replace(example(workload={"batch_size": 383}), serving=serving)
    return page.document(answer)


def napkins(name: str = "") -> Made:
    return napkin.document(
        napkin_of(
            69.5e9, 4.824, 1008e9, model_id=name or "meta/Llama-3.3-70B", gpu_id=name or "rtx-4090",
            stored_parameters=70.6e9, stored_bytes=42.5e9, gpu_memory_bytes=24 * 2**30,
            measured_bandwidth=920e9, assumptions=(GUESS,),
        )
    )  # fmt: skip


def _metric(name: str, measured: float, expected: float, verdict: Any) -> Metric:
    of = expected / measured if name.endswith("t_s") else measured / expected
    return Metric(name, measured, expected / 2, expected, 0.9 * expected, 1.2 * expected,
                  of / 2, of, verdict, max(0.0, 1 - of))  # fmt: skip


def graded(name: str = "", verdict: Any = "slow") -> Check:
    """Slow, with a bar that fails and one that holds, a baseline, and a fault that fits."""
    parts = (
        Part("weights", "limit", 2.4e-3, 0.2), Part("kv_cache", "limit", 0.8e-3, 0.07),
        Part("matmul", "expected", 1.8e-3, 0.15), Part("host", "expected", 0.7e-3, 0.06),
        Part("unexplained", "measured", 6.3e-3, 0.52),
    )  # fmt: skip
    fall = Waterfall("tpot_s", 3.2e-3, 5.7e-3, 12e-3, parts)
    main = _metric("output_tokens_per_s", 1280.0, 2448.0, verdict)
    made = Check(
        Result("a tool", name or "run 1"), "result.json", Scenario(MODEL, GPU),
        example(model={"id": name}) if name else EXAMPLE, "vLLM", verdict, main,
        (_metric("tpot_s", 0.0121, 0.00631, "slow"), _metric("ttft_s", 0.081, 0.0571, "good"),
         main),
        0.0121, 16.0, (Utilization("decode", 0.0121, 8e9, 1e12, 0.261, 0.011),),
        (fall, replace(fall, metric="ttft_s")),
        (
            Threshold("min_efficiency", 0.7, 0.523, False, 0.253),
            Threshold("max_ttft_s", 0.2, 0.081, True, 0.0),
        ),
        Drift("before.json", "0.1", (Change("tpot_s", 0.0115, 0.0121, -0.05, 0.01, 0.55, 0.52),)),
        (WARNING,), (Note("tool", text=name or "read as a batch"),),
    )  # fmt: skip
    fault = Suspect("x", "suspect", name or "no CUDA graphs", "TPOT 11.8 ms predicted", 0.0118,
                    -0.02, "--enforce-eager", 1.92, 0.8)  # fmt: skip
    made.__dict__["suspects"] = (fault,)
    made.__dict__["reasons"] = ()
    return made


def checks(name: str = "") -> Made:
    return check_page.document(graded(name))


def several_checks(name: str = "") -> Made:
    return check_page.documents(
        [(name or "a.json", graded(name)), ("b.json", graded())], hint="more"
    )


def comparisons(name: str = "") -> Made:
    rows = (
        row(2.0, gpu=name or "mi300x"), row(1.0), row(0.7, gpu="l40s", memory=81e9),
    )  # fmt: skip
    fixed = {"model": name or MODEL, "input_len": 1024, "output_len": 128}
    return compare.document(
        Comparison(rows, "cost", 4, 2, fixed, ("gpu",), {"tp 3 does not divide 32": 1},
                   (Note("dollars"), WARNING))
    )  # fmt: skip


def sweeps(name: str = "", *, count: int = 4, plot: bool = False) -> Made:
    rows = [row(1.0 + n, memory=(30 + n * 18) * 1e9, batch_size=2**n) for n in range(count)]
    return sweep.document(swept(rows, name), plot=plot)


def swept(rows: list[Row], name: str = "") -> Sweep:
    """A sweep that is over."""
    turn = Crossover("batch", "", None, "decode: compute-bound from batch 295 on", {})
    shared = {"model": name or MODEL, "gpu": GPU, "input_len": 1024, "output_len": 128}
    axes = {"batch_size": tuple(each.chosen["batch_size"] for each in rows)}
    return Sweep(tuple(rows), axes, shared, (turn,), {}, (Note("energy"),))


def _room(scale: float, name: str = "", gpu: str = "rtx-4090") -> MemoryFit:
    weights, cache = 60e9 * scale, 2e9
    total = weights + cache + 3e9
    parts = Parts(
        weight_bytes=weights, kv_cache_bytes=cache, activation_bytes=1e9, reserve_bytes=2e9,
        total_bytes=total, capacity_bytes=24 * 2**30,
    )  # fmt: skip
    return MemoryFit(
        chosen={"gpu": gpu}, model=name or "Qwen/Qwen3-32B", gpu=gpu, gpus=1, quantization="bf16",
        kv_cache_dtype="bf16", context_tokens=8192, users=1, memory_utilization=0.92, parts=parts,
        max_context_tokens=13_298, max_users=4, model_context_tokens=40_960,
    )  # fmt: skip


def _remedy(name: str = "") -> Remedy:
    return Remedy("int4 weights", {"quantization": "int4"}, _room(0.3, name))


def fits(name: str = "") -> Made:
    return fit.document(Fit((_room(1.0, name),), (), (_remedy(name),), {}, (WARNING,)))


def many_fits(name: str = "") -> Made:
    rooms = tuple(_room(0.1 + n / 30, gpu=name or f"card-{n}") for n in range(30))
    return fit.document(Fit(rooms, ("gpu",), (), {"too many heads": 2}, ()))


def _candidate(scale: float, gpu: str, replicas: int, over: float) -> Candidate:
    found = row(scale, gpu=gpu, quantization="fp8", engine="vllm")
    speed = figures(scale).expected
    times = Times(speed.ttft_s, speed.tpot_s, speed.ttft_s + 127 * speed.tpot_s)
    return Candidate(
        found, Scenario(MODEL, gpu, max_concurrency=50), replicas, Layout(2), "fp8", "bf16", gpu,
        700.0, times, {"tpot": over},
    )  # fmt: skip


def plans(name: str = "") -> Made:
    winner = _candidate(1.0, name or GPU, 4, 0.99)
    other, near = _candidate(0.9, "mi300x", 8, 0.92), _candidate(0.5, "l40s", 16, 1.8)
    best = (
        GpuBest(name or GPU, winner), GpuBest("mi300x", other), GpuBest("l40s", near),
        GpuBest("a10g", None, "memory"),
    )  # fmt: skip
    return plan.document(
        Plan(
            winner=winner, front=(winner, other), nearest=None, best_per_gpu=best, by="gpus",
            targets=Targets(2.0, 0.00505), conservative=False, max_gpus=32, memory_utilization=0.92,
            max_batched_tokens=8192, request_rate=None, max_concurrency=200, asked=624,
            computed=245, met=188, lost={"tpot": 300, "memory": 128}, problems={},
            fixed={"model": name or MODEL}, axes=("gpu",), stored="bf16",
            estimate=example(model={"id": name}) if name else EXAMPLE, notes=(Note("one_node"),),
        )
    )  # fmt: skip


_PHASES: tuple[tuple[Any, float, Any], ...] = (
    ("prefill", 459.0, "compute"), ("decode", 1.06, "memory"),
)  # fmt: skip


def rooflines(name: str = "") -> Made:
    def point(phase: Any, number: int, bound: Any) -> OpPoint:
        return OpPoint(
            phase, name or f"op_{number}", "matmul", 36, "bf16", 1e12, 1e9 * number, 1e3 / number,
            9e14, 7e14, bound, bound, 0.25,
        )  # fmt: skip

    phases = tuple(
        PhasePoint(phase, 1e13, 1e10, at, 9e14, 7e14, bound, 295.0, 0.05)
        for phase, at, bound in _PHASES
    )
    ops = tuple(point(p.phase, n, p.bound) for p in phases for n in (1, 2, 3))
    answer = example(model={"id": name}) if name else EXAMPLE
    roof = Roof("bf16", 989e12, 790e12, 295.0)
    return roofline.document(Roofline(answer, 3.35e12, 2.9e12, (roof,), phases, ops))


def card(name: str = "") -> Gpu:
    return Gpu(
        id=name or GPU, name=name or "NVIDIA H100 80GB HBM3", vendor="NVIDIA",
        architecture="Hopper", compute_capability="9.0", memory_bytes=85.5e9,
        memory_bandwidth=3.35e12, peak_flop_per_s={"bf16": 989.4e12, "fp8": 1978.9e12},
        sm_count=132, rated_clock_hz=1.83e9, max_clock_hz=1.98e9, l2_bytes=50 * 2**20,
        link=Link("NVLink 4", 450e9), pcie_bytes_per_s=63e9, tdp_w=700.0,
        achieved=Achieved(
            {"bf16": 790e12}, 2.9e12,
            all_reduce={2: AllReduce(4e-6, 250e9, 68e-6, 330e9), 4: AllReduce(13e-6, 3e9)},
        ),
        source=name or "datasheet", notes=(name or "a note",),
    )  # fmt: skip


def one_gpu(name: str = "") -> Made:
    return gpus.card(card(name))


def gpu_list(name: str = "") -> Made:
    return gpus.listed([replace(card(name), id=f"{name}card-{n}") for n in range(30)])


SCREENS: dict[str, Callable[[str], Made]] = {
    "estimate": estimates, "does_not_fit": does_not_fit, "saturated": saturated,
    "napkin": napkins, "check": checks, "checks": several_checks, "compare": comparisons,
    "sweep": sweeps, "fit": fits, "fits": many_fits, "plan": plans, "roofline": rooflines,
    "gpu": one_gpu, "gpus": gpu_list,
}  # fmt: skip
"""By what they are of; each takes a name for its data."""
