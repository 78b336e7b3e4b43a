"""A card measured from end to end: rates, constants, launches, collectives, and its state.

Not here: how each is measured (rates.py, constants.py), the file that comes of it (gpu_file.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from vperf.hardware.gpu import Achieved, AllReduce, Gpu
from vperf.measure.backend import (
    Backend,
    CannotRunError,
    Device,
    Launch,
    OutOfMemoryError,
)
from vperf.measure.constants import (
    CPU_SIZES,
    GPU_SIZES,
    Probe,
    Reading,
    Sizes,
    achieved_with,
    probes,
    read,
    solve,
)
from vperf.measure.rates import (
    PIPE_FORMATS,
    Bandwidth,
    MatmulRate,
    copy_bandwidth,
    matmul_rate,
    square,
    weight_stream,
)
from vperf.measure.state import Watch, Watched, warnings_of
from vperf.sources.gpus import gpu_table
from vperf.sources.local_gpu import catalogued
from vperf.units import format_bandwidth, format_rate
from vperf.values import dataclass

PARTS = ("matmul", "bandwidth", "latency", "attention", "moe", "all-reduce")
"""What can be measured by itself (--only)."""

Progress = Callable[[int, int, str], None]
"""Told of each step: how many are done, of how many, and what begins."""

Step = Callable[[], None]

_SMALL_MESSAGE = 1024
_LARGE_MESSAGE = 256 * 10**6
_LOAD_S = 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run, for how long."""

    squares: tuple[int, ...]
    sustained_s: float
    copies_bytes: tuple[float, ...]
    stream_bytes: float
    sizes: Sizes


def plan_for(device: Device, *, quick: bool) -> Plan:
    """About a minute on a GPU; a sixth of it when `quick`; smaller sizes on a CPU."""
    gib = 2.0**30
    if device.kind == "cpu":
        squares = (1024,) if quick else (256, 512, 1024, 2048)
        return Plan(squares, 0.2 if quick else 1.0, (gib / 8,) if quick else (gib / 4, gib / 2),
                    gib / 8 if quick else gib / 2, CPU_SIZES)  # fmt: skip
    if quick:
        sizes = replace(GPU_SIZES, moe_tokens=2048)
        return Plan((4096, 8192), 0.5, (gib,), 1.0 * gib, sizes)
    return Plan((1024, 2048, 4096, 8192, 16384), 2.0, (gib, 2 * gib, 3 * gib), 1.0 * gib, GPU_SIZES)


@dataclass(frozen=True, slots=True)
class Datasheet:
    """What the vendor states: the catalogue's, or the user's where that has none or another."""

    peaks: Mapping[str, float]
    """Dense FLOP/s by pipe."""
    memory_bandwidth: float | None
    boost: float = 1.0
    """How far above its rated clock the card may run."""


NOT_GIVEN = Datasheet({}, None)


@dataclass(frozen=True, slots=True)
class CardMeasurement:
    """What came of it. SI units; None where it was not measured."""

    device: Device
    gpu: Gpu | None
    """The catalogue's card with the driver's figures; None where it is not there."""
    datasheet: Datasheet
    watched: Watched
    matmuls: tuple[MatmulRate, ...]
    copy: Bandwidth | None
    stream: Bandwidth | None
    launch: Launch | None
    values: Mapping[str, float]
    """Solved for: fields of Achieved, "flop_per_s.bf16"."""
    how: Mapping[str, str]
    """The same keys: what was run."""
    all_reduce: Mapping[int, AllReduce]
    achieved: Achieved
    """The catalogue's, with everything measured in its place."""
    seconds: float
    """That measuring took."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out or done otherwise."""


def measure_card(
    backend: Backend,
    *,
    watch: Watch,
    only: Iterable[str] = PARTS,
    quick: bool = False,
    given: Datasheet = NOT_GIVEN,
    progress: Progress = lambda done, total, label: None,
    clock: Callable[[], float] = time.monotonic,
) -> CardMeasurement:
    """Measure the parts named in `only`, in order; `given` is the user's datasheet."""
    began, device = clock(), backend.device
    gpu = catalogued(watch.card) if watch.card and device.kind != "cpu" else None
    run = _Run(backend, watch, plan_for(device, quick=quick))
    if device.kind == "cpu":
        run.say("the CPU was measured, with smaller sizes than a GPU's")
    steps = run.steps(set(only), _pipes(device, gpu))
    for number, (label, step) in enumerate(steps):
        progress(number, len(steps), label)
        step()
    progress(len(steps), len(steps), "")
    readings = [*run.large(), *run.readings]
    datasheet = _datasheet(device, gpu, given)
    card = gpu or _stand_in(device, datasheet, run)
    values = solve(card, readings, run.say)
    base = gpu.achieved if gpu and gpu.achieved else Achieved()
    lines = {**base.all_reduce, **run.all_reduce}
    watched = watch.ended()
    return CardMeasurement(
        device=device,
        gpu=gpu,
        datasheet=datasheet,
        watched=watched,
        matmuls=tuple(run.matmuls),
        copy=run.copy,
        stream=run.stream,
        launch=run.launch,
        values=values,
        how=run.how,
        all_reduce=run.all_reduce,
        achieved=replace(achieved_with(base, values), all_reduce=lines),
        seconds=clock() - began,
        warnings=(
            *_beyond(datasheet, run),
            *warnings_of(watched, gpu_table(gpu.id) if gpu else {}),
        ),
        notes=(*run.notes, *backend.notes()),
    )


class _Run:
    """The steps of one measurement, and what they have found so far."""

    def __init__(self, backend: Backend, watch: Watch, plan: Plan) -> None:
        self._backend = backend
        self._watch = watch
        self._plan = plan
        self.matmuls: list[MatmulRate] = []
        self.copy: Bandwidth | None = None
        self.stream: Bandwidth | None = None
        self.launch: Launch | None = None
        self.readings: list[Reading] = []
        self.how: dict[str, str] = {}
        self.all_reduce: dict[int, AllReduce] = {}
        self.notes: dict[str, None] = {}

    def say(self, line: str) -> None:
        """Something for the user to know, once."""
        self.notes[line] = None

    def steps(self, parts: set[str], pipes: tuple[str, ...]) -> list[tuple[str, Step]]:
        """What is to be done, each with its name."""
        found: list[tuple[str, Step]] = []
        if "matmul" in parts:
            found += [(f"{pipe} matmul", partial(self._matmul, pipe)) for pipe in pipes]
        if "bandwidth" in parts:
            found += [("copy", self._copy), ("weight stream", self._stream)]
        if "latency" in parts:
            found.append(("kernel launch", self._launch))
        for probe in probes(self._plan.sizes, pipes):
            if probe.group in parts:
                found.append((probe.words, partial(self._probe, probe)))
        if "all-reduce" in parts:
            cards = self._backend.device.count
            groups = [ranks for ranks in (2, 4, 8) if ranks <= cards]
            found += [(f"all-reduce among {n}", partial(self._all_reduce, n)) for n in groups]
        return found

    def large(self) -> list[Reading]:
        """The rates as readings: their forms hold a little more than the rate."""
        readings = []
        for rate in self.matmuls:
            key = f"flop_per_s.{rate.pipe}"
            op = square(rate.pipe, rate.size)
            readings.append(Reading(key, op, rate.sustained_s))
        if self.stream is not None and self.stream.op is not None:
            median = self.stream.timing.median_s
            readings.append(Reading("memory_bandwidth", self.stream.op, median))
        return readings

    def _matmul(self, pipe: str) -> None:
        rate = matmul_rate(
            self._backend, pipe, self._plan.squares, self._plan.sustained_s, self.say
        )
        if rate is not None:
            self.matmuls.append(rate)
            self._backend.keep_busy(_LOAD_S)
            self._watch.under_load()

    def _copy(self) -> None:
        self.copy = copy_bandwidth(self._backend, self._plan.copies_bytes, self.say)

    def _stream(self) -> None:
        self.stream = weight_stream(self._backend, self._plan.stream_bytes, self.say)

    def _launch(self) -> None:
        try:
            self.launch = self._backend.launch()
        except (CannotRunError, OutOfMemoryError) as error:
            self.say(f"kernel launch: not measured: {error.message}")

    def _probe(self, probe: Probe) -> None:
        reading = read(self._backend, probe, self.say)
        if reading is not None:
            self.readings.append(reading)
            self.how[probe.constant] = probe.words

    def _all_reduce(self, ranks: int) -> None:
        times = self._backend.all_reduce(ranks, (_SMALL_MESSAGE, _LARGE_MESSAGE))
        if len(times) != 2 or times[1] <= times[0]:
            self.say(f"all-reduce among {ranks}: not measured: torch.distributed could not run it")
            return
        rate = (_LARGE_MESSAGE - _SMALL_MESSAGE) / (times[1] - times[0])
        self.all_reduce[ranks] = AllReduce(times[0], rate)


def _pipes(device: Device, gpu: Gpu | None) -> tuple[str, ...]:
    """What is worth trying: the pipes of the datasheet; all where there is none."""
    if device.kind in ("cpu", "mps"):
        return ("bf16", "fp16", "fp32") if device.kind == "mps" else ("bf16", "fp32")
    pipes = [pipe for pipe in PIPE_FORMATS if pipe != "fp32"]
    return tuple(pipe for pipe in pipes if gpu is None or pipe in gpu.peak_flop_per_s)


def _datasheet(device: Device, gpu: Gpu | None, given: Datasheet) -> Datasheet:
    known = gpu.peak_flop_per_s if gpu else {}
    bandwidth = gpu.memory_bandwidth if gpu else device.memory_bandwidth
    return Datasheet(
        {**known, **given.peaks}, given.memory_bandwidth or bandwidth, gpu.boost if gpu else 1.0
    )


def _beyond(datasheet: Datasheet, run: _Run) -> list[str]:
    """A datasheet that a measurement passes is not this card's: its limit would be beaten."""
    lines = []
    for rate in run.matmuls:
        peak = datasheet.peaks.get(rate.pipe)
        if peak is not None and rate.highest > peak * datasheet.boost:
            lines.append(
                f"{rate.pipe}: {format_rate(rate.highest)} measured, above the datasheet's "
                f"{format_rate(peak * datasheet.boost)}: the wrong card, clock or datasheet"
            )
    most = datasheet.memory_bandwidth
    found = max((b.bytes_per_s for b in (run.copy, run.stream) if b is not None), default=0.0)
    if most is not None and found > most:
        lines.append(
            f"{format_bandwidth(found)} measured, above the datasheet's {format_bandwidth(most)}: "
            "the wrong card, clock or datasheet"
        )
    return lines


def _stand_in(device: Device, datasheet: Datasheet, run: _Run) -> Gpu:
    """A card that the catalogue lacks, for solving only: what no datasheet says was measured."""
    measured = {rate.pipe: rate.highest for rate in run.matmuls}
    copied = run.copy.bytes_per_s if run.copy else 1e11
    clock = device.max_clock_hz or 1.8e9
    return Gpu(
        id="", name=device.name, vendor="", architecture="",
        compute_capability=device.compute_capability, memory_bytes=device.memory_bytes,
        memory_bandwidth=datasheet.memory_bandwidth or copied,
        peak_flop_per_s={**measured, **datasheet.peaks} or {"bf16": 1e12},
        sm_count=device.sm_count or 128, rated_clock_hz=clock, max_clock_hz=clock,
        l2_bytes=device.l2_bytes or 0.0, link=None, pcie_bytes_per_s=None, tdp_w=None,
        achieved=None,
    )  # fmt: skip
