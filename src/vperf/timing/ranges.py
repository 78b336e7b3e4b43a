"""How far measurements scatter around `expected`: from residuals, never invented.

measured / expected, 10th and 90th percentile: about 80 % of measurements fall between.
"""

from __future__ import annotations

from typing import Literal

from vperf.timing.constants import Origin

Phase = Literal["prefill", "decode"]

# decode, measured constants: 163 single-GPU serving points on H100, H200, B200 and B300.
# decode, generic constants: 149 llama-bench runs on 40 cards.
# prefill is skewed, an engine is rarely faster than its kernels. Measured constants: a layer's
# kernels scatter by 6 %, and measured TTFT starts at 1.28 times them with four users at once.
# Generic constants: 43 llama-bench prefill rates.
_SPREAD: dict[tuple[Phase, Origin], tuple[float, float]] = {
    ("decode", "measured"): (0.83, 1.15),
    ("decode", "generic"): (0.83, 1.32),
    ("prefill", "measured"): (0.85, 1.70),
    ("prefill", "generic"): (0.90, 3.00),
}


def spread(phase: Phase, origin: Origin) -> tuple[float, float]:
    """Factors on an expected time that bound about 80 % of measured times."""
    return _SPREAD[phase, origin]
