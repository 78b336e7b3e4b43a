"""An estimate on its card's roofline: every op's arithmetic intensity and the FLOP/s it attains.

    intensity = FLOPs / bytes               attained = FLOPs / seconds
    roof(intensity) = min(peak, intensity x bandwidth)         ridge = peak / bandwidth

Bytes are weights, cache and activations in and out. The limit takes activations as free and has
the cache hold part of the weights, so that limits may lie above the slope; never above the peak.

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009. Not here: any drawing (report/).
"""

from __future__ import annotations

from dataclasses import asdict
from math import inf
from typing import Any, Literal, Unpack

from vperf.answer import Estimate
from vperf.deployment import Deployment
from vperf.estimate import estimate
from vperf.frames import Plotted
from vperf.hardware.gpu import Gpu
from vperf.resolve import deploy
from vperf.scenario import ModelLike, Options, Scenario
from vperf.timing.limit import plain
from vperf.timing.step import Bound, OpTime, PhaseTimes
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/roofline/1"

Phase = Literal["prefill", "decode"]
Under = Literal["compute", "memory", "link"]


@dataclass(frozen=True, slots=True)
class Roof:
    """What one compute pipe of one GPU can sustain."""

    pipe: str
    limit_flop_per_s: float
    """Dense, at the highest clock."""
    expected_flop_per_s: float
    """Of large matmuls, on the plain pipe where the limit takes one of its faster modes."""
    ridge_flop_per_byte: float
    """From this intensity on the limit is the peak and not the bandwidth."""


@dataclass(frozen=True, slots=True)
class OpPoint:
    """An op of a phase, all its runs together. FLOP/s are None where it has no FLOPs."""

    phase: Phase
    name: str
    kind: str
    count: int
    pipe: str
    flops: float
    bytes: float
    flop_per_byte: float | None
    limit_flop_per_s: float | None
    expected_flop_per_s: float | None
    under: Under
    """The roof that its limit is under."""
    bound: Bound
    """What bounds it: latency where expected is more than twice the limit."""
    share: float
    """Of the step's expected time, 0 to 1."""


@dataclass(frozen=True, slots=True)
class PhasePoint:
    """A whole step: of prefill, or of decode."""

    phase: Phase
    flops: float
    bytes: float
    flop_per_byte: float
    limit_flop_per_s: float
    expected_flop_per_s: float
    bound: Bound
    ridge_flop_per_byte: float
    """Of its pipes together: the intensity at which compute and memory take as long."""
    overhead_share: float
    """Of the step's expected time, that the GPU waits for the host."""


@dataclass(frozen=True, slots=True, repr=False)
class Roofline(Plotted):
    """The whole answer, of one GPU of the deployment."""

    estimate: Estimate
    limit_bytes_per_s: float
    expected_bytes_per_s: float
    roofs: tuple[Roof, ...]
    """Of the pipes that the ops use, slowest first."""
    phases: tuple[PhasePoint, ...]
    ops: tuple[OpPoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        whole = self.estimate.to_dict()
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            **{key: whole[key] for key in ("model", "gpu", "workload")},
            "limit_bytes_per_s": self.limit_bytes_per_s,
            "expected_bytes_per_s": self.expected_bytes_per_s,
            "roofs": [asdict(roof) for roof in self.roofs],
            "phases": [asdict(phase) for phase in self.phases],
            "ops": [asdict(op) for op in self.ops],
            **{key: whole[key] for key in ("assumptions", "not_modelled", "warnings")},
        }


def roofline(
    model: ModelLike, gpu: str | Gpu | None = None, **options: Unpack[Options]
) -> Roofline:
    """The ops of `vperf.estimate`, with its options, on the card's roofline. Raises VperfError."""
    return roofline_of(Scenario(model, gpu, **options))


def roofline_of(scenario: Scenario) -> Roofline:
    """The same of options as a value."""
    deployment = deploy(scenario)
    return draw_roofline(deployment, estimate(deployment))


def draw_roofline(deployment: Deployment, answer: Estimate) -> Roofline:
    """The ops of an estimate under the roofs of the card it is of."""
    gpu, constants = deployment.card.gpu, deployment.card.constants
    peaks: dict[str, float] = {}
    for op in (*answer.prefill.ops, *answer.decode.ops):
        if op.pipe and op.compute_s > 0:
            # Of some ops the limit counts fewer FLOPs than they do.
            peaks[op.pipe] = min(peaks.get(op.pipe, inf), float(f"{op.flops / op.compute_s:.9g}"))
    phases: tuple[tuple[Phase, PhaseTimes], ...] = (
        ("prefill", answer.prefill), ("decode", answer.decode)
    )  # fmt: skip
    return Roofline(
        estimate=answer,
        limit_bytes_per_s=gpu.memory_bandwidth,
        expected_bytes_per_s=constants.bandwidth,
        roofs=tuple(
            Roof(
                pipe,
                peak,
                constants.flop_per_s(plain(pipe)),
                peak / gpu.memory_bandwidth,
            )
            for pipe, peak in sorted(peaks.items(), key=lambda item: item[1])
            if plain(pipe) in gpu.peak_flop_per_s  # else it is the host's
        ),
        phases=tuple(_phase(name, times, gpu) for name, times in phases if times.ops),
        ops=tuple(_op(name, op) for name, times in phases for op in times.ops),
    )


def _op(phase: Phase, op: OpTime) -> OpPoint:
    linked = op.limit_s > max(op.compute_s, op.memory_s)
    return OpPoint(
        phase=phase,
        name=op.name,
        kind=op.kind,
        count=op.count,
        pipe=op.pipe,
        flops=op.flops,
        bytes=op.bytes,
        flop_per_byte=_per(op.flops, op.bytes),
        limit_flop_per_s=_per(op.flops, op.limit_s),
        expected_flop_per_s=_per(op.flops, op.expected_s),
        under="link" if linked else "compute" if op.compute_s > op.memory_s else "memory",
        bound=op.bound,
        share=op.share,
    )


def _phase(name: Phase, times: PhaseTimes, gpu: Gpu) -> PhasePoint:
    moved = sum(op.bytes for op in times.ops)
    compute_s = sum(op.compute_s for op in times.ops)
    return PhasePoint(
        phase=name,
        flops=times.flops,
        bytes=moved,
        flop_per_byte=times.flops / moved,
        limit_flop_per_s=times.flops / times.limit_s,
        expected_flop_per_s=times.flops / times.expected_s,
        bound=times.bound,
        ridge_flop_per_byte=times.flops / compute_s / gpu.memory_bandwidth,
        overhead_share=times.overhead_s / times.expected_s,
    )


def _per(flops: float, divisor: float) -> float | None:
    return flops / divisor if flops > 0 and divisor > 0 else None
