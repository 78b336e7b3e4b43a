"""The pytest plugin: what a failing test says, and that it costs a run nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
SERVED = Path(__file__).parent / "checks" / "importers" / "data" / "vllm_serve.json"
SETUP = 'gpu="rtx-4090", model="qwen3-4b-instruct-2507", input_len=1024, output_len=128'


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory whose tests have this plugin alone, installed or not."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_vperf -p no:cacheprovider")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytester


def test_efficient_results_pass_in_every_shape(run: pytest.Pytester) -> None:
    run.makepyfile(f"""
        import json
        import vperf as api

        FILE = {str(SERVED)!r}

        def test_path(vperf):
            found = vperf.assert_efficient(FILE, gpu="h100")
            assert found.verdict == "better"
            assert vperf.assert_efficient(found, min_efficiency=1.0).passed

        def test_dict(vperf):
            with open(FILE) as file:
                vperf.assert_efficient(json.load(file), gpu="h100", max_ttft_s=0.1)

        def test_result(vperf):
            result = api.Result("mine", "", tpot_s=0.0103)
            vperf.assert_efficient(result, {SETUP})

        def test_numbers(vperf):
            vperf.assert_efficient(decode_tokens_per_s=97.2, ttft_s=0.062, {SETUP})

        def test_check_alone_fails_nothing(vperf):
            assert vperf.check(decode_tokens_per_s=9.0, {SETUP}).verdict == "slow"
    """)
    run.runpytest_inprocess().assert_outcomes(passed=5)


def test_a_slow_result_says_the_bar_line_1_and_the_suspects(run: pytest.Pytester) -> None:
    run.makepyfile(f"""
        def test_slow(vperf):
            vperf.assert_efficient(tpot_s=0.0129, ttft_s=0.0594, min_efficiency=0.9, {SETUP})
    """)
    ran = run.runpytest_inprocess()
    ran.assert_outcomes(failed=1)
    ran.stdout.re_match_lines(
        [
            r"E +AssertionError: Fails --min-efficiency 0\.9: 0\.8\d\d of the expected speed, .*",
            r"E +FAIL GOOD: 77\.5 tok/s is 8\d% of expected \(\d+\.\d\), \d\d% of the limit\.",
            r"E +Suspect: no CUDA graphs.*; fixing it: 1\.\d\dx: --compilation-config .*",
        ]
    )
    assert "pytest_vperf.py" not in ran.stdout.str().replace("-p pytest_vperf", "")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('"nope.json", gpu="h100"', "vperf: nope.json: no such file"),
        ('tpot=5, gpu="h100"', "vperf: unknown option 'tpot'; did you mean tpot_s?"),
        (f"tpot_s=-1.0, {SETUP}", "vperf: tpot_s: must be above 0, not -1.0"),
        (f"tpot_s=0.01, {SETUP}, min_efficiency=None", "vperf: nothing is asked of the result*"),
        (f"tpot_s=0.01, {SETUP}, max_ttft_s=1.0", "vperf: --max-ttft: cannot be judged*"),
        ('{"a": 1}, gpu="h100"', "vperf: the result: *"),
        ('{"a": print}, gpu="h100"', "vperf: the result: is not what JSON holds: *"),
        (f'"x.json", tpot_s=0.01, {SETUP}', "vperf: tpot_s cannot be combined with a result"),
    ],
)
def test_what_cannot_be_graded_fails_in_one_line(
    run: pytest.Pytester, call: str, said: str
) -> None:
    run.makepyfile(f"def test_wrong(vperf):\n    vperf.assert_efficient({call})\n")
    ran = run.runpytest_inprocess()
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines([said.replace("[", "[[]")])
    assert "Traceback" not in ran.stdout.str()


def test_a_graded_result_takes_a_baseline_and_no_setup(
    run: pytest.Pytester, tmp_path: Path
) -> None:
    run.makepyfile(f"""
        import json, pathlib

        def test_drift(vperf, tmp_path):
            before = vperf.check(tpot_s=0.0100, {SETUP})
            path = tmp_path / "before.json"
            path.write_text(json.dumps(before.to_dict()))
            now = vperf.check(tpot_s=0.0104, {SETUP})
            vperf.assert_efficient(now, baseline=path, max_drift=0.05)
            vperf.assert_efficient(now, gpu="h100")
    """)
    ran = run.runpytest_inprocess()
    ran.stdout.fnmatch_lines(["vperf: gpu: the result is graded already"])


def test_a_run_without_the_fixture_imports_nothing_of_vperf() -> None:
    code = "import json, sys, pytest_vperf; print(json.dumps([*sys.modules]))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in json.loads(ran.stdout) if name.split(".")[0] == "vperf"]
