"""How fast can this model run on that GPU, what bounds it, is the number I measured good?

import vperf
answer = vperf.estimate("Qwen/Qwen3-4B-Instruct-2507", "rtx-pro-6000", input_len=1024)
answer.expected.decode_tokens_per_s
"""

from __future__ import annotations

from vperf.answer import Estimate
from vperf.api import ask, estimate, load_model, napkin
from vperf.errors import HubError, InputError, UnknownNameError, UnsupportedModelError, VperfError
from vperf.hardware.gpu import Gpu
from vperf.napkin import Napkin
from vperf.question import Question
from vperf.version import __version__

__all__ = [
    "Estimate",
    "Gpu",
    "HubError",
    "InputError",
    "Napkin",
    "Question",
    "UnknownNameError",
    "UnsupportedModelError",
    "VperfError",
    "__version__",
    "ask",
    "estimate",
    "load_model",
    "napkin",
]
