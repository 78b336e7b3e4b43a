"""The composite GitHub Action: its inputs are used, its options exist, and no input is code."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Run

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
CHECK = next(step for step in STEPS if step.get("id") == "check")


def test_every_input_is_used_and_every_used_input_exists() -> None:
    used = {
        name
        for step in STEPS
        for value in step["env"].values()
        for name in re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", value)
    }
    assert used == set(ACTION["inputs"])


def test_every_variable_that_a_step_is_given_is_read_and_no_other() -> None:
    for step in STEPS:
        read = set(re.findall(r"\$\{?(VPERF\w*)", step["run"]))
        assert read == set(step["env"])


def test_no_expression_is_part_of_a_script() -> None:
    for step in STEPS:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_every_option_that_it_passes_is_one_of_check(vperf: Run) -> None:
    passed = set(re.findall(r"(--[a-z-]+)", CHECK["run"].replace("(-- ", "(")))
    known = set(re.findall(r"--[a-z-]+", vperf("check", "--help-all").out.split("Examples:")[0]))
    assert passed - known == set()
    assert {f"--{name}" for name in ACTION["inputs"]} & known == passed - {"--github"}


def test_outputs_are_those_that_check_writes() -> None:
    said = {output["value"] for output in ACTION["outputs"].values()}
    assert said == {f"${{{{ steps.check.outputs.{name} }}}}" for name in ("passed", "efficiency")}


@pytest.mark.skipif(os.name == "nt", reason="the runner brings its own bash")
def test_the_script_passes_values_as_they_are(tmp_path: Path) -> None:
    fake = tmp_path / "vperf"
    fake.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    fake.chmod(0o755)
    environment = {
        **dict.fromkeys(CHECK["env"], ""),
        "PATH": os.environ["PATH"],
        "VPERF": str(fake),
        "VPERF_RESULT": "-a $(touch pwned) b.json",
        "VPERF_GPU": '`touch pwned`"; touch pwned #',
        "VPERF_OPTIONS": "--tp=2\n\n--max-concurrency=32",
    }
    ran = subprocess.run(
        ["bash", "-c", CHECK["run"]],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.splitlines() == [
        "check", "--github", '--gpu=`touch pwned`"; touch pwned #', "--tp=2",
        "--max-concurrency=32", "--", "-a $(touch pwned) b.json",
    ]  # fmt: skip
    assert [each.name for each in tmp_path.iterdir()] == ["vperf"]


def test_the_pre_commit_hook_runs_check(vperf: Run) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"].split() == ["vperf", "check"]
    assert hook["args"][0] in vperf("check", "--help-all").out
    assert hook["pass_filenames"] is False
    assert re.search(hook["files"], "bench/vperf.toml")
    assert re.search(hook["files"], "results/serve.json")
    assert not re.search(hook["files"], "src/main.py")
