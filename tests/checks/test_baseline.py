"""A result beside an earlier one: what counts as slower, and what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vperf
from tests.checks.results import result, setup
from vperf import Bars, Check, InputError, Result
from vperf.checks.check import summary


def graded(**figures: Any) -> Check:
    return vperf.check(result(**figures))


def saved(tmp_path: Path, *results: Result) -> Path:
    path = tmp_path / "before.json"
    checks = vperf.check_all(results)
    data = checks[0].to_dict() if len(checks) == 1 else summary(checks)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_drift_is_of_speed_for_times_and_rates_alike(tmp_path: Path) -> None:
    before = saved(tmp_path, result(tpot_s=0.010, decode_tokens_per_s=100.0))
    now = vperf.check(result(tpot_s=0.0125, decode_tokens_per_s=80.0), baseline=before)
    assert now.drift
    assert [round(change.faster, 9) for change in now.drift.changes] == [-0.2, -0.2]
    faster = vperf.check(result(tpot_s=0.008), baseline=before)
    assert faster.drift
    assert faster.drift.worst.faster == pytest.approx(0.25)


@pytest.mark.parametrize(("tpot_s", "passed"), [(0.0104, True), (0.0106, False), (0.009, True)])
def test_a_run_that_is_slower_by_more_than_the_bar_fails(
    tmp_path: Path, tpot_s: float, passed: bool
) -> None:
    before = saved(tmp_path, result(tpot_s=0.010))
    now = vperf.check(result(tpot_s=tpot_s), baseline=before, bars=Bars(max_drift=0.05))
    assert now.passed is passed
    assert now.bars[0].got == pytest.approx(1 - 0.010 / tpot_s)


def test_any_figure_may_fail_the_bar(tmp_path: Path) -> None:
    before = saved(tmp_path, result(tpot_s=0.010, ttft_s=0.060))
    now = vperf.check(
        result(tpot_s=0.010, ttft_s=0.070), baseline=before, bars=Bars(max_drift=0.05)
    )
    assert [bar.metric for bar in now.bars if not bar.passed] == ["ttft_s"]


def test_the_spread_of_both_runs_is_no_drift(tmp_path: Path) -> None:
    steady = result(tpot_s=0.010)
    slower = result(tpot_s=0.0107)  # by 6.5 %
    bars = Bars(max_drift=0.05)
    noisy = [replace(each, spread=0.015) for each in (steady, slower)]
    before = saved(tmp_path, noisy[0])
    assert vperf.check(noisy[1], baseline=before, bars=bars).passed is True
    assert vperf.check(slower, baseline=saved(tmp_path, steady), bars=bars).passed is False
    tight = replace(noisy[0], spread=0.001), replace(noisy[1], spread=0.001)
    assert vperf.check(tight[1], baseline=saved(tmp_path, tight[0]), bars=bars).passed is False


def test_the_spread_is_of_the_main_figure_alone(tmp_path: Path) -> None:
    noisy = replace(result(tpot_s=0.010, ttft_s=0.060), spread=0.1)
    now = vperf.check(replace(noisy, ttft_s=0.070), baseline=saved(tmp_path, noisy))
    assert now.drift
    assert {change.metric: change.slack > 0 for change in now.drift.changes} == {
        "tpot_s": True, "ttft_s": False, "decode_tokens_per_s": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ran", "said"),
    [
        ({"gpu": "h100"}, "gpu was rtx-4090, is h100"),
        ({"model": "Qwen/Qwen3-8B"}, "model was Qwen/Qwen3-4B-Instruct-2507, is Qwen/Qwen3-8B"),
        ({"quantization": "fp8"}, "quantization was bf16, is fp8"),
        ({"batch_size": 2}, "batch size was 1, is 2"),
        ({"batch_size": None, "max_concurrency": 4}, "max concurrency was None, is 4"),
        ({"input_len": 2048.0}, "input tokens was 1024, is 2048"),
        ({"engine": "sglang"}, "engine was vllm, is sglang"),
    ],
)
def test_another_setup_is_refused(tmp_path: Path, ran: dict[str, Any], said: str) -> None:
    before = saved(tmp_path, result())
    with pytest.raises(InputError, match=f"of another setup: .*{said}"):
        vperf.check(result(ran=setup(**ran)), baseline=before)


def test_mean_lengths_may_differ_a_little(tmp_path: Path) -> None:
    before = saved(tmp_path, result())
    assert vperf.check(result(ran=setup(input_len=1030.0)), baseline=before).drift


def test_of_several_results_each_finds_its_own(tmp_path: Path) -> None:
    one, other = (replace(result(tpot_s=t), label=n) for t, n in ((0.010, "a"), (0.020, "b")))
    before = saved(tmp_path, one, other)
    alone = vperf.check(replace(other, tpot_s=0.021), baseline=before)
    assert alone.drift
    assert alone.drift.changes[0].before == 0.020
    new = replace(one, label="c")
    checks = vperf.check_all([one, new], baseline=before)
    assert [each.drift is None for each in checks] == [False, True]
    assert "no drift" in checks[1].warnings[0]
    with pytest.raises(InputError, match="holds no result to compare with"):
        vperf.check(new, baseline=before)


def test_results_of_one_label_are_told_apart_by_file_and_by_setup(tmp_path: Path) -> None:
    two = result(ran=setup(batch_size=2), tpot_s=0.011)
    before = saved(tmp_path, result(), two)
    found = vperf.check(two, baseline=before).drift
    assert found
    assert found.changes[0].before == 0.011


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[]", "is no JSON of vperf check"),
        ('{"schema": "vperf/estimate/1"}', "is vperf/estimate/1"),
        ('{"schema": "vperf/check/1"}', "is vperf/check/1, but not whole"),
        ('{"schema": "vperf/checks/1", "checks": [3]}', "but not whole"),
    ],
)
def test_what_is_no_baseline_says_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "before.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as error:
        vperf.check(result(), baseline=path)
    assert str(path) in error.value.message
    assert "vperf check RESULT --json" in error.value.hint


def test_a_missing_baseline_and_a_bar_without_one_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        vperf.check(result(), baseline=tmp_path / "none.json")
    with pytest.raises(InputError, match=r"max-drift: cannot be judged: .* has no baseline"):
        vperf.check(result(), bars=Bars(max_drift=0.05))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("source",), 7),
        (("result", "label"), 7),
        (("metrics", "tpot_s", "measured"), 10**400),
        (("metrics", "tpot_s", "measured"), True),
    ],
)
def test_a_baseline_of_other_kinds_of_values_is_not_whole(
    tmp_path: Path, path: tuple[str, ...], value: object
) -> None:
    before = saved(tmp_path, result(tpot_s=0.010))
    data = inner = json.loads(before.read_text(encoding="utf-8"))
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    before.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match="not whole"):
        vperf.check(result(tpot_s=0.010), baseline=before)


def test_an_integer_that_no_float_holds_is_another_setup(tmp_path: Path) -> None:
    before = saved(tmp_path, result(tpot_s=0.010))
    data = json.loads(before.read_text())
    data["workload"]["input_tokens"] = 10**400
    before.write_text(json.dumps(data))
    with pytest.raises(InputError, match="of another setup"):
        vperf.check(result(tpot_s=0.010), baseline=before)
