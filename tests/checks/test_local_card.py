"""On `--gpu local` the driver's own words are facts: caps and clocks, lanes, other programs."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import vperf
from vperf import Result, Setup
from vperf.checks.case import Suspect


class Nvml(ModuleType):
    """NVIDIA's library with one RTX 4090."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    NVMLError = RuntimeError

    def __init__(self, **answers: Any) -> None:
        super().__init__("pynvml")
        usual: dict[str, Any] = {
            "nvmlDeviceGetCount": 1, "nvmlDeviceGetName": "NVIDIA GeForce RTX 4090",
            "nvmlSystemGetDriverVersion": "570.1",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=24564 * 2**20, used=2**30),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=0),
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
            "nvmlDeviceGetPowerManagementLimit": 450_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": 450_000,
            "nvmlDeviceGetMaxClockInfo": 3105, "nvmlDeviceGetClockInfo": 210,
            "nvmlDeviceGetMaxPcieLinkWidth": 16, "nvmlDeviceGetCurrPcieLinkWidth": 16,
            "nvmlDeviceGetComputeRunningProcesses": [object()],
        }  # fmt: skip
        self.answers = usual | answers

    def __getattr__(self, name: str) -> Any:
        if name in self.answers:
            return lambda *_: self.answers[name]
        if name in {"nvmlInit", "nvmlShutdown", "nvmlDeviceGetHandleByIndex"}:
            return lambda *_: None
        raise AttributeError(name)


def slow_here(monkeypatch: pytest.MonkeyPatch, gpu: str = "local", **answers: Any) -> list[Suspect]:
    # The memory clock is left to the catalogue: the fake has one clock for all.
    answers.setdefault("nvmlDeviceGetMemoryBusWidth", None)
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(**answers))
    result = Result("command line", "", Setup(), decode_tokens_per_s=6.0)
    found = vperf.check(result, gpu, "Qwen/Qwen3-8B", quantization="fp8")
    return [each for each in found.suspects if each.kind == "suspect"]


def test_a_clock_that_is_held_back_is_the_first_suspect(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = slow_here(monkeypatch, nvmlDeviceGetCurrentClocksThrottleReasons=0x44)
    assert first.id == "clocks"
    assert "power cap, temperature (hardware slowdown)" in first.sentence
    assert first.evidence == "NVML says so now"


def test_a_power_cap_below_the_card_s_own_is_told_in_watts(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = slow_here(monkeypatch, nvmlDeviceGetPowerManagementLimit=250_000)
    assert first.sentence == "the card's power is capped at 250 W, not 450 W"


def test_other_programs_on_the_card_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = slow_here(monkeypatch, nvmlDeviceGetComputeRunningProcesses=[1, 2, 3])
    assert "3 programs use the card" in [each.sentence for each in found]


def test_a_card_that_works_at_its_highest_clock_rules_low_clocks_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "clocks" in [each.id for each in slow_here(monkeypatch)]
    busy: dict[str, Any] = {
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=98), "nvmlDeviceGetClockInfo": 3000,
    }  # fmt: skip
    assert "clocks" not in [each.id for each in slow_here(monkeypatch, **busy)]


def test_a_card_that_is_named_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = slow_here(monkeypatch, "rtx-4090", nvmlDeviceGetCurrentClocksThrottleReasons=0x44)
    assert not any("says so now" in each.evidence for each in found)
