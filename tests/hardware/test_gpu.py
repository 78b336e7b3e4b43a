"""A GPU as a value: what another bandwidth does to it."""

from __future__ import annotations

import pytest

from vperf.hardware.gpu import MEASURED, MEASURED_BANDWIDTHS
from vperf.sources.gpus import list_gpus, load_gpu


def test_another_bandwidth_keeps_the_share_of_every_measured_stream() -> None:
    gpu = load_gpu("h100-sxm-80gb")
    half = gpu.with_bandwidth(gpu.memory_bandwidth / 2)
    assert half.memory_bandwidth == gpu.memory_bandwidth / 2
    for name in MEASURED:
        before, after = getattr(gpu.achieved, name), getattr(half.achieved, name)
        factor = 0.5 if name in MEASURED_BANDWIDTHS else 1.0
        assert after == (before if before is None else pytest.approx(before * factor)), name


def test_the_same_bandwidth_changes_nothing() -> None:
    for gpu in list_gpus():
        assert gpu.with_bandwidth(gpu.memory_bandwidth) == gpu
