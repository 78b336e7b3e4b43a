"""Factors of a server from its results."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import vperf
from tests.checks.results import GPU, MODEL, went
from vperf import InputError, Scenario
from vperf.checks.calibrate import calibrate, server_file
from vperf.checks.check import Check
from vperf.hardware.gpu import Calibration
from vperf.resolve import deploy
from vperf.sources.gpus import load_gpu

USERS = (1, 4, 16, 64)
TODAY = date(2026, 12, 1)


def server(**factors: Any) -> Any:
    return replace(load_gpu(GPU), calibration=Calibration(GPU, **factors))


def results(card: Any, **options: Any) -> list[tuple[str, Check]]:
    """What a server of such factors measures, graded as a card of the catalogue."""
    found = []
    for users in USERS:
        asked = Scenario(MODEL, card, max_concurrency=users, **options)
        ran = went(asked, gpu=None, max_concurrency=users, batch_size=None)
        found.append((f"{users} users", vperf.check(ran, gpu=GPU)))
    return found


@pytest.mark.parametrize("factors", [{"memory": 0.85}, {"host": 2.5}, {"compute": 0.85}])
def test_what_a_server_is_off_is_mostly_gone_with_its_factors(factors: dict[str, Any]) -> None:
    found = calibrate(results(server(**factors)), today=TODAY).calibration
    assert found.error_after < 0.5 * found.error_before
    (name,) = factors
    assert (getattr(found, name) - 1) * (factors[name] - 1) > 0


def test_of_a_card_that_streams_slowly_the_stream_is_found() -> None:
    found = calibrate(results(server(memory=0.85)), today=TODAY).calibration
    assert found.memory == pytest.approx(0.87, abs=0.03)
    assert found.compute == pytest.approx(1.0, abs=0.05)


def test_results_as_expected_leave_all_factors_at_one() -> None:
    found = calibrate(results(load_gpu(GPU)), today=TODAY).calibration
    # One user is graded as batch 1, whose few microseconds are not a server's.
    for factor in (found.memory, found.compute, found.link):
        assert factor == pytest.approx(1.0, abs=0.02)
    assert found.error_after < 0.005


def test_the_file_predicts_other_settings_and_shows_both_figures(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text(server_file(calibrate(results(server(memory=0.8)), today=TODAY).calibration))
    asked: dict[str, Any] = {"max_concurrency": 32, "output_len": 300}
    truth = vperf.estimate(MODEL, server(memory=0.8), **asked).expected.tpot_s
    plain = vperf.estimate(MODEL, GPU, **asked)
    found = vperf.estimate(MODEL, str(path), **asked)
    assert found.expected.tpot_s == pytest.approx(truth, rel=0.05)
    assert found.uncalibrated is not None
    assert found.uncalibrated.tpot_s == pytest.approx(plain.expected.tpot_s, rel=1e-9)
    assert any("calibrated to 4 results of this server" in text for text in found.assumptions)
    assert plain.uncalibrated is None


def test_a_link_is_a_factor_where_cards_share_layers() -> None:
    asked = Scenario(MODEL, "h100", tp=4, batch_size=4)
    slow = replace(load_gpu("h100"), calibration=Calibration("h100", link=2.0))
    healthy, slowed = (vperf.ask(replace(asked, gpu=card)) for card in ("h100", slow))
    assert slowed.expected.tpot_s > healthy.expected.tpot_s
    assert slowed.limit == healthy.limit
    assert deploy(replace(asked, gpu=slow)).card.gpu.calibration is not None


def test_what_is_no_server_is_refused() -> None:
    several = results(load_gpu(GPU))
    with pytest.raises(InputError, match="needs 3 results"):
        calibrate(several[:2])
    other = vperf.check(several[0][1].result, gpu="h100")
    with pytest.raises(InputError, match="several cards"):
        calibrate([*several[:2], ("other", other)])
    again = [(name, vperf.check(each.result, gpu=server(memory=0.9))) for name, each in several]
    with pytest.raises(InputError, match="calibrated already"):
        calibrate(again)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "h100-sxm-80gb"', "calibration"),
        ('base = "no-such-card"\n[calibration]\nmemory = 0.9', "unknown GPU"),
        ('base = "h100-sxm-80gb"\n[calibration]\nmemory = "much"', "memory"),
        ('base = "h100-sxm-80gb"\n[calibration]\nmemory = 0', "memory"),
        ('base = "h100-sxm-80gb"\n[calibration]\nspeed = 2', "speed"),
    ],
)
def test_a_file_of_a_server_is_checked(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_gpu(str(path))
