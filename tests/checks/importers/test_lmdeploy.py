"""LMDeploy's own benchmark, as it printed until 2025."""

from __future__ import annotations

import pytest

from tests.checks.importers.files import result


def test_lengths_follow_from_the_tokens_of_all_requests() -> None:
    run = result("lmdeploy_2024.txt")
    assert (run.ttft_s, run.output_tokens_per_s, run.requests_per_s) == (4.401, 2353.993, 10.159)
    assert (run.setup.max_concurrency, run.setup.requests) == (256, 3000)
    assert run.setup.output_len == pytest.approx(695134 / 3000)
