"""Quantizations of engines, by vperf's names."""

from __future__ import annotations

import pytest

from vperf.checks.importers.names import quantization_named


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("NVFP4", "nvfp4"),
        ("W4A16_AWQ", "awq"),
        ("FP8_BLOCK_SCALES", "fp8_block"),
        ("modelopt_fp4", "nvfp4"),
        ("gptq_marlin", "gptq"),
        ("w8a8_int8", "int8"),
        ("NO_QUANT", None),
        (None, None),
    ],
)
def test_names_of_engines_become_vperfs(spelled: str | None, name: str | None) -> None:
    notes: list[str] = []
    assert quantization_named(spelled, notes) == name
    assert notes == []


def test_a_name_that_vperf_has_not_is_said() -> None:
    notes: list[str] = []
    assert quantization_named("aqlm", notes) is None
    assert notes == ["the quantization aqlm is none that vperf names"]
