"""Large rates: square matmuls by number format, a copy, a weight stream.

A rate is FLOPs or bytes over seconds as they were; what the forms of timing/expected.py make of
it is in constants.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vperf.formats import BF16, FP8, FP16, FP32, INT8, NVFP4, Format
from vperf.measure.backend import Backend, CannotRunError, OutOfMemoryError, Timing
from vperf.model.ops import Linear, Op, matmul
from vperf.values import dataclass

PIPE_FORMATS: dict[str, Format] = {
    "bf16": BF16, "fp16": FP16, "fp8": FP8, "int8": INT8, "fp4": NVFP4, "fp32": FP32,
}  # fmt: skip
"""Pipes that are measured, with a format that is multiplied in them."""

_LARGE = 8192
_LONGEST_S = 1.0
"""A size whose matmul would take longer is left out."""


@dataclass(frozen=True, slots=True)
class MatmulRate:
    """FLOP/s of square matmuls in one pipe."""

    pipe: str
    highest: float
    """Best time of the best size."""
    highest_size: int
    size: int
    """Of the sustained rate: 8192, or the largest below it that ran."""
    sustained: float
    """By the median time, run for a while without pauses."""
    sustained_s: float
    """That median itself."""
    by_size: tuple[tuple[int, float], ...]
    """Median rate of each size."""


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes per second of one kind of traffic."""

    bytes_per_s: float
    """By the median time."""
    size_bytes: float
    """Moved: read and written."""
    timing: Timing
    op: Op | None = None


def square(pipe: str, size: int) -> Op:
    """[size, size] @ [size, size] in that pipe's format."""
    (op,) = matmul(f"{pipe} {size}", (Linear("w", size, size, PIPE_FORMATS[pipe]),), size)
    return op


def matmul_rate(
    backend: Backend, pipe: str, sizes: Iterable[int], seconds: float, say: Callable[[str], None]
) -> MatmulRate | None:
    """The sweep of one pipe; None (and said) where nothing runs."""
    timed: list[tuple[Op, Timing]] = []
    for size in sizes:
        if timed and timed[-1][1].best_s * (size / timed[-1][0].shape[0]) ** 3 > _LONGEST_S:
            break
        op = square(pipe, size)
        try:
            timed.append((op, backend.bench(op)))
        except OutOfMemoryError as error:
            say(f"{pipe} matmul: {size} x {size} left out: {error.message}")
            break
        except CannotRunError as error:
            say(f"{pipe} matmul: not measured: {error.message}")
            break
    if not timed:
        return None
    op = max((op for op, _ in timed if op.shape[0] <= _LARGE), key=lambda op: op.shape[0])
    settled = backend.sustained(op, seconds)
    rates = [(each.flops / t.best_s, each.shape[0]) for each, t in timed]
    highest, highest_size = max(*rates, (op.flops / settled.best_s, op.shape[0]))
    return MatmulRate(
        pipe=pipe,
        highest=highest,
        highest_size=highest_size,
        size=op.shape[0],
        sustained=op.flops / settled.median_s,
        sustained_s=settled.median_s,
        by_size=tuple((each.shape[0], each.flops / t.median_s) for each, t in timed),
    )


def copy_bandwidth(
    backend: Backend, sizes_bytes: Sequence[float], say: Callable[[str], None]
) -> Bandwidth | None:
    """The fastest of several copies, counted as read + write."""
    found: list[Bandwidth] = []
    for size in sizes_bytes:
        try:
            timing = backend.copy(size)
        except (OutOfMemoryError, CannotRunError) as error:
            say(f"copy of {size / 2**30:.3g} GiB left out: {error.message}")
            continue
        found.append(Bandwidth(2 * size / timing.median_s, 2 * size, timing))
    return max(found, key=lambda each: each.bytes_per_s, default=None)


def weight_stream(
    backend: Backend, size_bytes: float, say: Callable[[str], None]
) -> Bandwidth | None:
    """A linear layer with one row: its weights, read once, are all its time."""
    width = 8192
    while size_bytes >= 2**24:
        rows = round(size_bytes / 2 / width)
        (op,) = matmul("weight stream", (Linear("w", width, rows, BF16),), 1)
        try:
            timing = backend.time([op])
        except OutOfMemoryError as error:
            say(f"weight stream of {size_bytes / 1e9:.2g} GB left out: {error.message}")
            size_bytes /= 2
            continue
        except CannotRunError as error:
            say(f"weight stream: not measured: {error.message}")
            return None
        return Bandwidth(op.weight_bytes / timing.median_s, op.weight_bytes, timing, op)
    return None
