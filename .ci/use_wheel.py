"""What comes with vperf, run as its users run it, against a built wheel in empty environments.

    python .ci/use_wheel.py dist/vperf-*.whl

The steps of action.yml as a runner of GitHub runs them, the pre-commit hook by its entry (and by
`pre-commit try-repo` where that is installed), the pytest plugin as its entry point loads it.
Needs PyYAML; the new environments take what they need from the package index.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
RESULT = {
    "endpoint_type": "vllm", "model_id": "Qwen/Qwen3-8B", "num_prompts": 40, "completed": 40,
    "request_rate": "inf", "max_concurrency": 4, "duration": 8.5, "total_input_tokens": 20_000,
    "total_output_tokens": 4000, "request_throughput": 4.7, "output_throughput": 470.0,
    "mean_ttft_ms": 92.0, "median_ttft_ms": 92.0, "mean_tpot_ms": 7.6, "median_tpot_ms": 7.6,
}  # fmt: skip
CONFIG = """
[[check]]
file = "result.json"
gpu = "h100"
max_tpot = "{tpot}"
"""
TEST = """
import pytest

def test_speed(vperf):
    vperf.assert_efficient("result.json", gpu="h100", max_tpot_s=0.012)

@pytest.mark.xfail(strict=True)
def test_too_slow(vperf):
    vperf.assert_efficient("result.json", gpu="h100", max_tpot_s=0.001)
"""


def run(*words: object, cwd: Path, env: Mapping[str, str] | None = None, code: int = 0) -> str:
    """What a command says; it must end with this code."""
    ran = subprocess.run(
        [*map(str, words)], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    said = ran.stdout + ran.stderr
    if ran.returncode != code or "Traceback" in said:
        raise SystemExit(f"{words} ended with {ran.returncode}, not {code}:\n{said}")
    return said


def environment(folder: Path, *packages: object) -> Path:
    """The programs of a new environment with these packages."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", *packages, cwd=folder.parent)
    return programs


class Action:
    """action.yml as a runner has it; its first step installs the wheel."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self._folder = folder
        self._declared: dict[str, Any] = yaml.safe_load(
            (ROOT / "action.yml").read_text(encoding="utf-8")
        )
        inputs = self._declared["inputs"].items()
        self._known = {f"inputs.{name}": str(each["default"]) for name, each in inputs}
        self._known["github.action_path"] = str(wheel)
        install, self._check = self._declared["runs"]["steps"]
        self._step(install, 0)

    def check(self, code: int, **given: str) -> dict[str, str]:
        """The outputs with these inputs."""
        self._known |= {f"inputs.{name.replace('_', '-')}": it for name, it in given.items()}
        self._step(self._check, code)
        outputs = self._declared["outputs"].items()
        return {name: self._known.get(each["value"].strip("${} "), "") for name, each in outputs}

    def _step(self, step: Mapping[str, Any], code: int) -> None:
        output = self._folder / "output"
        output.write_text("", encoding="utf-8")
        env = {
            name: re.sub(
                r"\$\{\{ ([\w.-]+) \}\}", lambda found: self._known.get(found[1], ""), text
            )
            for name, text in step["env"].items()
        }
        env |= {"RUNNER_TEMP": str(self._folder), "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self._folder / "summary.md")}  # fmt: skip
        run("bash", "-c", step["run"], cwd=self._folder, env=env, code=code)
        for line in output.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            self._known[f"steps.{step['id']}.outputs.{name}"] = value


def check_action(wheel: Path, folder: Path) -> None:
    """The action passes a good result, and fails a slow one with a summary."""
    action = Action(wheel, folder)
    found = action.check(0, result="result.json", gpu="h100", max_tpot="12ms")
    assert found["passed"] == "true", found
    assert 0.3 < float(found["efficiency"]) < 3, found
    found = action.check(1, max_tpot="1ms")
    assert found["passed"] == "false", found
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    assert "TPOT" in summary, summary


def check_hook(programs: Path, folder: Path) -> None:
    """The hook passes and fails by the bars of vperf.toml."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    words = [*hook["entry"].split(), *hook["args"]]
    words[0] = str(programs / words[0])
    for tpot, code in (("12ms", 0), ("1ms", 1)):
        (folder / "vperf.toml").write_text(CONFIG.format(tpot=tpot), encoding="utf-8")
        run(*words, cwd=folder, code=code)
    if shutil.which("pre-commit") is None or not (ROOT / ".git").exists():
        print("pre-commit try-repo: left out, there is no pre-commit or no repository")
        return
    (folder / "vperf.toml").write_text(CONFIG.format(tpot="12ms"), encoding="utf-8")
    for command in (("init", "-q"), ("add", "-A")):
        run("git", *command, cwd=folder)
    said = run("pre-commit", "try-repo", ROOT, hook["id"], "--all-files", cwd=folder)
    assert "Passed" in said, said


def check_plugin(programs: Path, folder: Path) -> None:
    """pytest finds the fixture by itself."""
    (folder / "test_speed.py").write_text(TEST, encoding="utf-8")
    said = run(programs / "python", "-m", "pytest", "-q", "test_speed.py", cwd=folder)
    assert "1 passed, 1 xfailed" in said, said


def main(wheel: Path) -> None:
    """All of it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "work")
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(RESULT), encoding="utf-8")
        check_action(wheel, folder)
        print("action.yml: its steps pass a good result and fail a slow one")
        programs = environment(Path(scratch, "user"), wheel, "pytest")
        check_hook(programs, folder)
        print("pre-commit hook: its entry passes and fails by vperf.toml")
        check_plugin(programs, folder)
        print("pytest plugin: loaded from the wheel")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
