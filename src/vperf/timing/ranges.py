"""How far measurements scatter around `expected`: from residuals, never invented.

measured / expected, 5th or 10th to 90th percentile: about 80 % of measurements fall between. The
figures are printed by benchmarks/accuracy.py, on which they can be checked (docs/accuracy.md).
"""

from __future__ import annotations

from vperf.hardware.engine import Engine, Spread
from vperf.model.ops import Op
from vperf.timing.constants import Constants, Origin
from vperf.timing.kinds import KINDS

# decode, measured constants: 5th and 90th percentile of 1,222 served points on H100, H200, B200 and
# B300, for dense models (0.87, 1.12; wider, for their cells differ more) and for
# mixtures of experts; of the points of a cell or a model left out 82 % fall inside. Of the 14
# groups of 30 points and more by card, engine, format, number of cards and users, each has 70 to
# 92 % inside. Others: 180 single-stream runs on 46 cards and 739 served points of other sources.
# prefill is skewed, an engine is rarely faster than its kernels. Measured constants: the TTFT of
# the same served points; others: 184 prefill rates.
_DENSE, _EXPERTS = (0.86, 1.15), (0.90, 1.20)
_DECODE = (0.85, 1.27)
_PREFILL, _PREFILL_MEASURED = (0.75, 1.50), (0.77, 2.00)
_UNDER_LOAD = (0.65, 2.15)
"""At least so wide for TTFT under load on cards with generic constants: of 253 such points of other
sources four in ten lie inside even of it (docs/accuracy.md)."""


def _own(spread: Spread | None, c: Constants) -> Spread | None:
    """The engine's on NVIDIA, where its kernels were fitted; elsewhere it has none."""
    return spread if c.gpu.vendor == "NVIDIA" else None


def prefill_spread(c: Constants, engine: Engine) -> Spread:
    """Factors on an expected prefill that bound about 80 % of measured ones."""
    of_all = _PREFILL_MEASURED if c.origins.whole == "measured" else _PREFILL
    return _own(engine.prefill_spread, c) or of_all


def decode_spread(c: Constants, engine: Engine, *, experts: bool) -> Spread:
    """The same of a decode step, of a model with or without experts."""
    of_all = _DECODE
    if c.origins.kernel_times == c.origins.whole == "measured":
        of_all = _EXPERTS if experts else _DENSE
    return _own(engine.decode_spread, c) or of_all


def spread_under_load(engine: Engine, origin: Origin) -> Spread:
    """The same for the TTFT of a served load, in which engines differ most: SGLang's campaigns let
    requests wait for tens of steps, vLLM's hardly scatter more than its kernels.
    """
    low, high = engine.ttft_spread
    if origin != "measured":
        return min(low, _UNDER_LOAD[0]), max(high, _UNDER_LOAD[1])
    return low, high


_GENERIC_WIDER = 1.12
"""Without measured constants, to either side: the same kernels with their constants hidden."""


def spread_of_op(op: Op, origin: Origin) -> Spread:
    """The same for one kernel, by kind; a whole step scatters less than its kernels."""
    kind = KINDS[op.kind]
    low, high = kind.decode_spread if op.decode else kind.spread
    if origin != "measured":
        return low / _GENERIC_WIDER, high * _GENERIC_WIDER
    return low, high
