"""What a multimodal wrapper holds beside its text model, as one number.

Not here: how it is counted, a function for each class (towers/), and what encoding costs
(vision/).
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.model.checkpoint import Config
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Tower:
    """Parameters of all towers and projectors, and what had to be assumed to count them."""

    parameters: int
    assumptions: tuple[str, ...] = ()


TowerReader = Callable[[Config, Config], Tower]
"""(top config, text config) -> the towers of a wrapper."""
