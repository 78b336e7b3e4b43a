"""How far measurements scatter around `expected`: from residuals, never invented.

measured / expected, 10th and 90th percentile: about 80 % of measurements fall between. The figures
are printed by benchmarks/accuracy.py, on which they can be checked (docs/accuracy.md).
"""

from __future__ import annotations

from typing import Literal

from vperf.hardware.engine import Engine
from vperf.model.ops import Op
from vperf.timing.constants import Origin
from vperf.timing.kinds import KINDS

Phase = Literal["prefill", "decode"]

# decode, measured constants: 1,222 served points on H100, H200, B200 and B300, every cell of card,
# model, engine and format weighing the same; of the points of a cell left out, 84 % fall inside the
# range of the others (a few engines' runs are far slower, so that rows alone would have 1.23).
# decode, generic constants: 180 single-stream runs on 46 cards.
# prefill is skewed, an engine is rarely faster than its kernels. Measured constants: the TTFT of
# the same served points and 37 prefill rates; generic ones: 196 prefill rates.
_SPREAD: dict[tuple[Phase, Literal["measured", "generic"]], tuple[float, float]] = {
    ("decode", "measured"): (0.90, 1.31),
    ("decode", "generic"): (0.85, 1.27),
    ("prefill", "measured"): (0.77, 2.00),
    ("prefill", "generic"): (0.75, 1.60),
}
_UNDER_LOAD = (0.65, 2.15)
"""At least so wide for TTFT under load on cards with generic constants: of 253 such points of other
sources four in ten lie inside even of it (docs/accuracy.md)."""


def spread(phase: Phase, origin: Origin) -> tuple[float, float]:
    """Factors on an expected time that bound about 80 % of measured times."""
    return _SPREAD[phase, origin if origin == "measured" else "generic"]


def spread_under_load(engine: Engine, origin: Origin) -> tuple[float, float]:
    """The same for the TTFT of a served load, in which engines differ most: SGLang's campaigns let
    requests wait for tens of steps, vLLM's hardly scatter more than its kernels.
    """
    low, high = engine.ttft_spread
    if origin != "measured":
        return min(low, _UNDER_LOAD[0]), max(high, _UNDER_LOAD[1])
    return low, high


_GENERIC_WIDER = 1.12
"""Without measured constants, to either side: the same kernels with their constants hidden."""


def spread_of_op(op: Op, origin: Origin) -> tuple[float, float]:
    """The same for one kernel, by kind; a whole step scatters less than its kernels."""
    kind = KINDS[op.kind]
    low, high = kind.decode_spread if op.decode else kind.spread
    if origin != "measured":
        return low / _GENERIC_WIDER, high * _GENERIC_WIDER
    return low, high
