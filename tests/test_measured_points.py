"""About 260 measured times, which answers may not be further off from than they are today.

The points and their sources are in data/measured_points.json; benchmarks/measured_points.py chose
them, scores them and prints today's errors. Better figures lower the bounds here; nothing raises
them but a measurement that proves to be wrong. Not here: all points (benchmarks/accuracy.py).
"""

from __future__ import annotations

import pytest
from measured_points import CHOICES, score, strata
from scoring import stats

_MOST: dict[tuple[str, str], tuple[float, float]] = {
    ("served dense, vllm", "tpot"): (0.07, 0.01),
    ("served dense, vllm", "ttft"): (0.15, -0.02),
    ("served dense, sglang", "tpot"): (0.14, 0.14),
    ("served dense, sglang", "ttft"): (0.43, -0.39),
    ("served dense, trtllm", "tpot"): (0.06, 0.01),
    ("served dense, trtllm", "ttft"): (0.19, -0.13),
    ("served MoE, vllm", "tpot"): (0.072, 0.04),
    ("served MoE, vllm", "ttft"): (0.14, -0.06),
    ("served MoE, sglang", "tpot"): (0.06, 0.02),
    ("served MoE, sglang", "ttft"): (0.205, -0.04),
    ("served MoE, trtllm", "tpot"): (0.105, -0.02),
    ("served MoE, trtllm", "ttft"): (0.23, -0.17),
    ("served in attention groups", "tpot"): (0.17, 0.00),
    ("served in attention groups", "ttft"): (0.75, -0.74),
    ("served, many users", "tpot"): (0.09, 0.00),
    ("served, many users", "ttft"): (0.25, -0.15),
    ("one user, llama.cpp", "decode"): (0.07, 0.02),
    ("one user, llama.cpp", "prefill"): (0.17, -0.03),
    ("one user, MLX", "decode"): (0.07, 0.03),
    ("one user, MLX", "prefill"): (0.17, 0.15),
    ("one user, vLLM", "decode"): (0.08, -0.02),
    ("one user, vLLM", "prefill"): (0.30, -0.29),
    ("gemm bfloat16", "kernel"): (0.05, -0.01),
    ("gemm fp8", "kernel"): (0.10, 0.03),
    ("gemm fp8_block", "kernel"): (0.10, 0.07),
    ("gemm nvfp4", "kernel"): (0.32, -0.31),
    ("experts bfloat16", "kernel"): (0.09, -0.01),
    ("experts fp8", "kernel"): (0.41, 0.14),
    ("experts fp8_block", "kernel"): (0.23, -0.19),
    ("experts int4_wo", "kernel"): (0.38, -0.23),
    ("prefill attention", "kernel"): (0.13, -0.03),
    ("prefill attention of a few blocks", "kernel"): (0.08, -0.04),
    ("prefill attention in a window", "kernel"): (0.14, -0.07),
    ("prefill attention, wide heads", "kernel"): (0.14, -0.05),
    ("decode attention", "kernel"): (0.04, 0.00),
    ("MLA decode", "kernel"): (0.22, -0.21),
    ("MLA prefill", "kernel"): (0.17, 0.04),
    ("delta rule, prefill", "kernel"): (0.08, 0.05),
    ("delta rule, decode", "kernel"): (0.23, 0.05),
    ("all-reduce, NVLink", "kernel"): (0.18, -0.16),
    ("all-reduce, PCIe", "kernel"): (0.13, 0.01),
}
"""(stratum, what was measured) -> the largest mean absolute error, and the mean error of today
(2026-12-01), as shares of the measured time; negative where answers are too fast. Constants are
fitted on all 1,222 points, which moves samples of ten apart: SGLang's dense ones are one campaign
of an 8B model and equal lengths, whose users come in waves. Its TPOT and TTFT lie between those of
users apart, as here, and of users in step, whose simulation is 15 % too fast in TPOT."""
_DRIFT = 0.02
"""Mean errors may be so much further from 0; nearer is better."""


@pytest.mark.parametrize(("stratum", "metric"), _MOST)
def test_answers_are_as_near_to_measurements_as_they_were(stratum: str, metric: str) -> None:
    found = stats(score(stratum)[metric])
    error, bias = _MOST[stratum, metric]
    assert found.mape <= error
    assert min(0.0, bias) - _DRIFT <= found.bias <= max(0.0, bias) + _DRIFT


def test_every_measured_figure_has_its_bound() -> None:
    assert {(name, metric) for name in strata() for metric in score(name)} == set(_MOST)
    assert set(strata()) == {choice.name for choice in CHOICES}


@pytest.mark.parametrize("stratum", strata())
def test_no_measurement_beats_the_limit(stratum: str) -> None:
    for points in score(stratum).values():
        assert all(point.measured_s >= 0.999 * point.limit_s for point in points)


def test_the_range_of_decode_holds_about_four_of_five_measured_tpots() -> None:
    # The range is the 10th and 90th percentile of measured / expected of 1,248 served points, of
    # which these are a sample: 78 % are inside of it, 98 % would be inside of 0.80 to 1.40.
    points = [p for name in strata() for p in score(name).get("tpot", [])]
    assert len(points) > 80
    assert 0.70 <= stats(points).in_range <= 0.90
