"""The napkin: decode speed of one sequence is memory bandwidth over model size.

    model size = parameters x bits / 8        speed = bandwidth / model size

Every weight that takes part in a token is read from memory once per token, and at batch 1 nothing
else costs as much. Pure arithmetic. Not here: finding a model's parameters or a GPU's bandwidth by
name (api.py), printing (report/napkin.py), and the real estimate (estimate.py).
"""

from __future__ import annotations

from typing import Any

from vperf.errors import InputError
from vperf.frames import Shown
from vperf.notes import Note
from vperf.spelling import flag
from vperf.units import is_moderate
from vperf.values import dataclass

SCHEMA = "vperf/napkin/1"
EXAMPLE_MODEL = "Qwen/Qwen3-4B-Instruct-2507"
EXAMPLE_GPU = "rtx-4090"

IGNORES = (
    "the KV cache, which every token reads too: little at a short context, much at a long one",
    "activations, kernel launches and the host's time per step",
    "compute, which is idle nearly all the time at batch 1",
    "embedding rows that are looked up, not streamed (counted only where tied to the LM head)",
)
FAILS = (
    "large batches: all sequences share one read of the weights, so the total is far higher",
    "long contexts: the KV cache outgrows the weights, and the speed drops",
    "prefill and TTFT: bounded by compute, not by bandwidth",
)


@dataclass(frozen=True, slots=True, repr=False)
class Napkin(Shown):
    """One napkin: `parameters * bits / 8 = weight_bytes`, `bandwidth / weight_bytes = speed`."""

    parameters: float
    """Parameters read per token: of a MoE only the active ones; no untied embedding."""
    bits: float
    weight_bytes: float
    memory_bandwidth: float
    tokens_per_s: float
    model_id: str | None
    gpu_id: str | None
    gpu_name: str | None
    stored_parameters: float | None
    """All that the checkpoint stores, where that is known."""
    quantization: str | None
    """The what-if that was asked for; None for the checkpoint's own format."""
    assumptions: tuple[Note, ...]
    stored_bytes: float | None = None
    """Of all weights of the model."""
    gpu_memory_bytes: float | None = None
    measured_bandwidth: float | None = None
    """What the GPU was measured to read, where it was."""

    @property
    def fits(self) -> bool | None:
        """Whether the GPU holds the weights; None where one of both is unknown."""
        if self.stored_bytes is None or self.gpu_memory_bytes is None:
            return None
        return self.stored_bytes <= self.gpu_memory_bytes

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract of `vperf napkin --json`: stable keys, SI base units."""
        return {
            "schema": SCHEMA,
            "model_id": self.model_id,
            "gpu_id": self.gpu_id,
            "gpu_name": self.gpu_name,
            "parameters": self.parameters,
            "stored_parameters": self.stored_parameters,
            "quantization": self.quantization,
            "bits_per_parameter": self.bits,
            "weight_bytes": self.weight_bytes,
            "memory_bandwidth_bytes_per_s": self.memory_bandwidth,
            "decode_tokens_per_s": self.tokens_per_s,
            "stored_bytes": self.stored_bytes,
            "gpu_memory_bytes": self.gpu_memory_bytes,
            "measured_bandwidth_bytes_per_s": self.measured_bandwidth,
            "fits": self.fits,
            "assumptions": list(map(str, self.assumptions)),
            "ignores": list(IGNORES),
            "fails_for": list(FAILS),
        }


def napkin(
    parameters: float,
    bits: float,
    memory_bandwidth: float,
    *,
    model_id: str | None = None,
    gpu_id: str | None = None,
    gpu_name: str | None = None,
    stored_parameters: float | None = None,
    quantization: str | None = None,
    assumptions: tuple[Note, ...] = (),
    stored_bytes: float | None = None,
    gpu_memory_bytes: float | None = None,
    measured_bandwidth: float | None = None,
) -> Napkin:
    """Decode tokens/s of one sequence from `parameters` read per token at `bits` each.

    >>> napkin(4_022_468_096, 16, 1008e9).weight_bytes
    8044936192.0
    >>> round(napkin(4_022_468_096, 16, 1008e9).tokens_per_s)
    125
    """
    for name, value in (
        ("parameters", parameters),
        ("bits", bits),
        ("memory_bandwidth", memory_bandwidth),
    ):
        if not is_moderate(value):
            raise InputError(f"must be a positive, finite number, not {value!r}", field=name)
    weight_bytes = parameters * bits / 8
    return Napkin(
        parameters=parameters,
        bits=bits,
        weight_bytes=weight_bytes,
        memory_bandwidth=memory_bandwidth,
        tokens_per_s=memory_bandwidth / weight_bytes,
        model_id=model_id,
        gpu_id=gpu_id,
        gpu_name=gpu_name,
        stored_parameters=stored_parameters,
        quantization=quantization,
        assumptions=assumptions,
        stored_bytes=stored_bytes,
        gpu_memory_bytes=gpu_memory_bytes,
        measured_bandwidth=measured_bandwidth,
    )


def check_choice(
    *, model: bool, gpu: bool, quantization: bool, params: bool, bandwidth: bool, bits: bool
) -> None:
    """Raise InputError where what was given contradicts itself or leaves a side open.

    The size comes from a model (and a quantization) or from params (and bits), the bandwidth from
    a GPU or a bandwidth. Nothing given at all is the example.
    """
    for first, second, clash in (
        ("params", "model", params and model),
        ("bits", "model", bits and model and not params),
        ("params", "quantization", params and quantization),
        ("bits", "quantization", bits and quantization),
        ("bandwidth", "gpu", bandwidth and gpu),
    ):
        if clash:
            raise InputError(
                f"{flag(first)} cannot be combined with {flag(second)}: give one of them"
            )
    if params and not (gpu or bandwidth):
        raise InputError(
            f"{flag('params')} needs {flag('bandwidth')} or {flag('gpu')}",
            hint=f'add {flag("bandwidth")} "1000 GB/s"',
        )
    if bandwidth and not (params or model):
        raise InputError(
            f"{flag('bandwidth')} needs {flag('params')} or {flag('model')}",
            hint=f"add {flag('params')} 4B",
        )
    if (model or quantization) and not (gpu or bandwidth):
        raise InputError(f"{flag('gpu')} is missing", hint="'vperf gpus' lists them")
    if (gpu or quantization) and not (model or params):
        raise InputError(
            f"{flag('model')} is missing", hint="'vperf models' lists those that are bundled"
        )
    if bits and not params:
        raise InputError(
            f"{flag('bits')} needs {flag('params')}",
            hint=f"with a model, use {flag('quantization')}",
        )
