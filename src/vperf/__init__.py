"""How fast can this model run on that GPU, what bounds it, is the number I measured good?

import vperf
answer = vperf.estimate("Qwen/Qwen3-4B-Instruct-2507", "rtx-pro-6000", input_len=1024)
answer.expected.decode_tokens_per_s
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vperf.answer import Estimate
from vperf.api import ask, engines, estimate, gpus, load_model, models, napkin, workloads
from vperf.errors import HubError, InputError, UnknownNameError, UnsupportedModelError, VperfError
from vperf.hardware.gpu import Gpu
from vperf.napkin import Napkin
from vperf.scenario import Question, Scenario
from vperf.version import __version__

if TYPE_CHECKING:
    from vperf.checks.check import Check, check, check_all
    from vperf.checks.config import check_config
    from vperf.checks.result import Result, Setup
    from vperf.checks.thresholds import Bars, Thresholds
    from vperf.explore.compare import compare
    from vperf.explore.fit import fit
    from vperf.explore.plan import plan
    from vperf.explore.roofline import roofline
    from vperf.explore.sweep import sweep

__all__ = [
    "Bars",
    "Check",
    "Estimate",
    "Gpu",
    "HubError",
    "InputError",
    "Napkin",
    "Question",
    "Result",
    "Scenario",
    "Setup",
    "Thresholds",
    "UnknownNameError",
    "UnsupportedModelError",
    "VperfError",
    "__version__",
    "ask",
    "check",
    "check_all",
    "check_config",
    "compare",
    "engines",
    "estimate",
    "fit",
    "gpus",
    "load_model",
    "models",
    "napkin",
    "plan",
    "roofline",
    "sweep",
    "workloads",
]

_LATER = {
    "Bars": "vperf.checks.thresholds",
    "Check": "vperf.checks.check",
    "Result": "vperf.checks.result",
    "Setup": "vperf.checks.result",
    "Thresholds": "vperf.checks.thresholds",
    "check": "vperf.checks.check",
    "check_all": "vperf.checks.check",
    "check_config": "vperf.checks.config",
    "compare": "vperf.explore.compare",
    "fit": "vperf.explore.fit",
    "plan": "vperf.explore.plan",
    "roofline": "vperf.explore.roofline",
    "sweep": "vperf.explore.sweep",
}
"""Names whose modules wait until they are asked for: an estimate needs none of them."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted((*__all__, "__doc__", "__file__"))
